/** What a report says of the page, the model and its file, so that others can compare and repeat what was measured. */
import type { DeviceInfo, StoredModel } from '../llamita/index.js';
import { BUNDLED, ownFiles, type Choice } from './catalogue.js';
import { idsOf, type KnownModels } from './known-models.js';
import type { Loaded } from './runtime.js';

/** The build of this page: the version, and the commit where the build knew one. */
export interface Build {
  version: string;
  commit: string | null;
}

/** A file of more bytes is not read again to be hashed. */
const HASHED = 64e6;

/** Which build this is; undefined where the file that says so cannot be read. */
export async function build(): Promise<Build | undefined> {
  try {
    return (await (await fetch('build.json')).json()) as Build;
  } catch {
    return undefined;
  }
}

/** The model of the store that a choice stands for, where all of it is stored. */
async function stored({ id }: Choice, known: KnownModels): Promise<StoredModel | undefined> {
  return (await known.stored()).find((model) => model.complete && idsOf(model).includes(id));
}

async function sha256(bytes: Blob): Promise<string | null> {
  if (bytes.size > HASHED) return null;
  const digest = await crypto.subtle.digest('SHA-256', await bytes.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The name and the SHA-256 of a model's file; without a hash where it would have to be read again as a whole. */
async function file(choice: Choice, known: KnownModels): Promise<{ file: string; sha256: string | null }> {
  const { id, title, source } = choice;
  if (id === BUNDLED.id) {
    const url = source as URL;
    return { file: url.pathname.split('/').at(-1)!, sha256: await sha256(await (await fetch(url)).blob()) };
  }
  const [own] = ownFiles(source);
  if (own) return { file: own.name, sha256: await sha256(own) };
  const model = await stored(choice, known);
  return { file: model?.name ?? title, sha256: model?.sha256 ?? null };
}

/** Everything about this build, device and model, as an object. */
export async function facts(
  device: DeviceInfo | undefined,
  loaded: Loaded | undefined,
  known: KnownModels,
): Promise<object> {
  const model = loaded && { title: loaded.choice.title, ...(await file(loaded.choice, known)), ...loaded.info };
  return { llamita: await build(), agent: navigator.userAgent, device, model };
}

/** How much works without a network: everything, the page but not the model in use, or nothing. */
export async function offline(loaded: Loaded | undefined, known: KnownModels): Promise<'all' | 'page' | 'none'> {
  if (!navigator.serviceWorker?.controller || !(await caches.match('llamita/llamita_bg.wasm'))) return 'none';
  if (!loaded) return 'page';
  const { choice } = loaded;
  if (choice.id === BUNDLED.id) return (await caches.match(choice.source as URL)) ? 'all' : 'page';
  const copy = await stored(choice, known);
  return copy && (await known.store()).kind === 'opfs' ? 'all' : 'page';
}
