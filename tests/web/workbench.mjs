// Runs functions in a module worker of a page, beside the modules that the package's worker is made of: what is inside
// is tested where it runs, without the page's half.
import { BLANK } from './server.mjs';

const WORKER = `
  import { openSource } from '/modules/sources/open.js';
  import { Store } from '/modules/store/store.js';
  import { Sha256, sha256 } from '/modules/store/sha256.js';
  import { toWire } from '/modules/errors.js';

  const RETRY = { attempts: 4, pause: 20, stall: 60_000 };
  const held = {}; // What one call leaves for a later one.
  const progress = [];
  const never = new AbortController().signal;
  const lib = {
    openSource: (spec, options = {}) => openSource(spec, {
      signal: never, keep: true, retry: RETRY, onProgress: (p) => progress.push(p), ...options }),
    Store, Sha256, sha256, held, progress, never,
    context: { signal: never, retry: RETRY, told() {}, reopen() { throw new Error('nothing to reopen'); } },
    /** The SHA-256 of a whole source, read in pieces as the engine reads. */
    async hashOf(source, step = 5_000_000) {
      const hash = new Sha256();
      for (let at = 0; at < source.size; at += step) {
        hash.update(await source.read(at, Math.min(step, source.size - at)));
      }
      return hash.digest();
    },
    /** A folder in the private file system of the origin. */
    async folder(...names) {
      let folder = await navigator.storage.getDirectory();
      for (const name of names) folder = await folder.getDirectoryHandle(name);
      return folder;
    },
    async put(folder, name, bytes, at = 0) {
      const file = await (await folder.getFileHandle(name, { create: true })).createSyncAccessHandle();
      file.write(bytes, { at });
      file.close();
    },
  };
  self.onmessage = async ({ data: { id, source, args } }) => {
    try {
      postMessage({ id, value: await (0, eval)('(' + source + ')')(lib, args) });
    } catch (error) {
      postMessage({ id, error: toWire(error) });
    }
  };
  postMessage('ready');`;

/**
 * Opens an empty page with a worker. The result runs a function there: `bench(async (lib, args) => …, args)`. An
 * error comes back as a thrown object with `kind`, `message` and `numbers`. `before` is code that runs there first.
 */
export async function workbench(page, origin, before = '') {
  await page.goto(origin + BLANK);
  await page.evaluate(async (source) => {
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' });
    const waiting = new Map();
    let next = 0;
    await new Promise((resolve, reject) => {
      worker.onmessage = resolve;
      worker.onerror = (event) => reject(new Error(event.message || 'the worker did not start'));
    });
    worker.onmessage = ({ data }) => {
      waiting.get(data.id)(data);
      waiting.delete(data.id);
    };
    globalThis.bench = (source, args) => new Promise((resolve) => {
      waiting.set(next, resolve);
      worker.postMessage({ id: next, source, args });
      next += 1;
    });
  }, before + WORKER.replaceAll("from '/", `from '${origin}/`));
  return async (run, args) => {
    const call = [String(run), args];
    const { value, error } = await page.evaluate(([source, args]) => globalThis.bench(source, args), call);
    if (error) throw Object.assign(new Error(`${error.kind}: ${error.message}`), error);
    return value;
  };
}
