/** Writes with a checkpoint in Meta's layout that is the site's own, to be compared with what Meta's runtime wrote. */
import { Aborted, Model, type LoadOptions, type ModelInfo, type Session } from '../llamita/index.js';
import { ownFile } from './files.js';

/** The files of a checkpoint in Meta's layout. */
const FILES = ['consolidated.00.pth', 'params.json', 'tokenizer.json'];

/** What to write with, and what to tell meanwhile. */
export interface Writing {
  /** The folder of the checkpoint. */
  folder: URL;
  prompt: string;
  tokens: number;
  options: LoadOptions;
  signal: AbortSignal;
  /** Bytes that have come. */
  onFetched?: (loaded: number) => void;
  onLoad?: () => void;
  onToken?: (ids: readonly number[]) => void;
}

/** What was written, and where. */
export interface Written {
  ids: readonly number[];
  text: string;
  tokensPerSecond: number;
  info: ModelInfo;
}

/** Writes greedily with a checkpoint of the site's own, on a device beside that of the model in use. */
export async function write(wanted: Writing): Promise<Written> {
  const { folder, prompt, tokens, options, signal, onFetched, onLoad, onToken } = wanted;
  const come = FILES.map(() => 0);
  const files = await Promise.all(
    FILES.map(async (name, i) => {
      const told = (loaded: number): void => {
        come[i] = loaded;
        onFetched?.(come.reduce((sum, bytes) => sum + bytes, 0));
      };
      return new File([await ownFile(new URL(name, folder), { signal }, told)], name);
    }),
  );
  onLoad?.();
  const model = await Model.load(files, { ...options, signal });
  let session: Session | undefined;
  try {
    session = await model.session();
    const reply = session.reply(prompt, { temperature: 0, maxTokens: tokens, ignoreEos: true, signal });
    let text = '';
    for await (const piece of reply) {
      text += piece;
      onToken?.(reply.tokenIds);
    }
    if (signal.aborted) throw new Aborted('The comparison was given up.');
    const { decodeTokensPerSecond } = await reply.stats;
    return { ids: reply.tokenIds, text, tokensPerSecond: decodeTokensPerSecond, info: model.info };
  } finally {
    // A reply whose device is lost waits to be resumed, and the first ends it. What went wrong before is told.
    await session?.dispose().catch(() => {});
    await model.dispose().catch(() => {});
  }
}
