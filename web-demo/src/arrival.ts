/**
 * What a first answer needs from the network, asked for at once and side by side: the engine, and the model that comes
 * with the page where it is the one to begin with.
 */
import { start, type Progress } from '../llamita/index.js';
import { BUNDLED, type Choice } from './catalogue.js';
import { ownFile } from './files.js';

/** Bytes of the bundled model and of the engine, by the build: a server that compresses them does not tell. */
declare const BUNDLED_BYTES: number;
declare const ENGINE_BYTES: number;

export class Arrival {
  readonly abort = new AbortController();
  /** The bundled model, where it is wanted. */
  readonly model: Promise<Blob> | undefined;
  readonly #parts = { engine: { loaded: 0, total: ENGINE_BYTES }, model: { loaded: 0, total: 0 } };

  /** Begins to fetch what `choice` needs; `told` is called when some of it has come. */
  constructor(
    readonly choice: Pick<Choice, 'id' | 'title'>,
    private readonly told: () => void,
  ) {
    // What goes wrong is told by the first call that needs it.
    start({ onProgress: ({ loaded, total }) => this.#come('engine', loaded, total) }).catch(() => {});
    if (choice.id !== BUNDLED.id) return;
    this.#parts.model.total = BUNDLED_BYTES;
    this.model = bundled(this.abort.signal, (loaded) => this.#come('model', loaded, BUNDLED_BYTES));
    this.model.catch(() => {});
  }

  /** How much of all has come. Its speed would be that of what comes out of compressed bytes. */
  get progress(): Progress {
    const { engine, model } = this.#parts;
    const [loaded, total] = [engine.loaded + model.loaded, engine.total + model.total];
    return { stage: 'engine', loaded, total, bytesPerSecond: 0, secondsLeft: undefined };
  }

  #come(part: 'engine' | 'model', loaded: number, total: number): void {
    this.#parts[part] = { loaded, total };
    this.told();
  }
}

/** The bundled model is a file of the page's own, which the service worker has too: no store, no ranges. */
export async function bundled(signal: AbortSignal, told?: (loaded: number) => void): Promise<Blob> {
  // The engine goes first where both have one line: it is compiled while the model comes.
  return ownFile(BUNDLED.source as URL, { signal, priority: 'low' }, told);
}
