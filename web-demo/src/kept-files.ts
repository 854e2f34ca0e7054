/**
 * Files of the person's own, by handles that the browser keeps for this page: nothing of a file is copied. Browsers
 * without them give a file once, and it has to be chosen again.
 */
import { Aborted, BadModel, type ModelSource } from '../llamita/index.js';

/** A handle, with what the types of pages do not know of it yet. */
export interface Handle extends FileSystemFileHandle {
  queryPermission?(how: { mode: 'read' }): Promise<PermissionState>;
  requestPermission?(how: { mode: 'read' }): Promise<PermissionState>;
}

export interface KeptFile {
  /** That of the choice. */
  id: string;
  name: string;
  /** What the model is called, where that is not the file's own name. */
  title?: string;
  /** Of all its files. */
  size: number;
  handle: Handle;
  /** Those of the files beside it, where it has any. */
  beside?: Handle[];
  /** When it was used last, in milliseconds since 1970. */
  used: number;
}

const STORE = 'files';
/** Files that are remembered. */
const MOST = 12;

export class KeptFiles {
  #opened: Promise<IDBDatabase | undefined> | undefined;

  /** All of them, the latest first; none where the browser keeps nothing. */
  async all(): Promise<KeptFile[]> {
    const store = await this.#store('readonly');
    const kept = store ? await done(store.getAll() as IDBRequest<KeptFile[]>) : [];
    return kept.sort((a, b) => b.used - a.used);
  }

  /** Remembers a file, and forgets what was not used for the longest time. */
  async keep(file: Omit<KeptFile, 'used'>): Promise<void> {
    for (const old of (await this.all()).filter(({ id }) => id !== file.id).slice(MOST - 1)) await this.forget(old.id);
    await this.#write((store) => store.put({ ...file, used: Date.now() }));
  }

  async forget(id: string): Promise<void> {
    await this.#write((store) => store.delete(id));
  }

  /** Writes, committed at once: left to commit by itself, it is lost with a page that goes meanwhile. */
  async #write(write: (store: IDBObjectStore) => void): Promise<void> {
    const store = await this.#store('readwrite');
    if (!store) return;
    await new Promise<void>((resolve, reject) => {
      store.transaction.oncomplete = () => resolve();
      store.transaction.onabort = () => reject(store.transaction.error ?? new Error('IndexedDB failed'));
      write(store);
      store.transaction.commit();
    });
  }

  async #store(mode: IDBTransactionMode): Promise<IDBObjectStore | undefined> {
    // A database of its own: that of the conversations has versions of its own.
    this.#opened ??= open().catch(() => undefined);
    return (await this.#opened)?.transaction(STORE, mode).objectStore(STORE);
  }
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open('llamita-files', 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
  return done(request);
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed'));
  });
}

/** Whether a file may be read without asking. */
export async function permitted({ handle, beside = [] }: KeptFile): Promise<boolean> {
  const asked = [handle, ...beside].map((one) => one.queryPermission?.({ mode: 'read' }));
  return !(await Promise.all(asked)).includes('prompt');
}

/** The file, or all of them. Asks for permission where that is needed, which browsers allow in a click alone. */
export async function reopened({ handle, beside = [], name }: KeptFile): Promise<ModelSource> {
  if (beside.length === 0) return openedBy(handle, name);
  const files: File[] = [];
  for (const one of [handle, ...beside]) files.push(await openedBy(one, one.name));
  return files;
}

async function openedBy(handle: Handle, name: string): Promise<File> {
  const state = (await handle.requestPermission?.({ mode: 'read' })) ?? 'granted';
  if (state !== 'granted') throw new Aborted(`${name} may not be read by this page.`);
  try {
    return await handle.getFile();
  } catch {
    throw new BadModel(`${name} was moved or changed: choose it again.`);
  }
}
