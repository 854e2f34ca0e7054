/** Where files are kept: in the origin's private file system, or, where there is none, in blobs. */

/** A folder with files and folders. */
export interface Folder {
  /** A folder in it, made where it is missing. */
  folder(name: string): Promise<Folder>;
  /** The names of what is in it, sorted. */
  names(): Promise<string[]>;
  /** A file, or undefined where there is none. Its bytes are read when they are asked for. */
  read(name: string): Promise<Blob | undefined>;
  /** Writes a whole file: when this is done, a crash does not take it away. */
  write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Writes behind the end of a file. */
  append(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Whether so many bytes more would fit: what a browser says of its quota may have little to do with it. */
  holds(bytes: number): Promise<boolean>;
  /** Removes a file, or a folder with all that is in it; nothing where it is missing. */
  remove(name: string): Promise<void>;
}

const missing = (error: unknown) => error instanceof DOMException && error.name === 'NotFoundError';

/** A folder of the origin's private file system, in a worker: access handles are only there. */
export class PrivateFolder implements Folder {
  readonly #handle: FileSystemDirectoryHandle;

  constructor(handle: FileSystemDirectoryHandle) {
    this.#handle = handle;
  }

  /** The origin's own, or undefined where the browser has none, or none in private windows. */
  static async root(): Promise<PrivateFolder | undefined> {
    try {
      const folder = new PrivateFolder(await navigator.storage.getDirectory());
      // Some browsers give a folder that nothing can be written to. Two tabs cannot write to one file at the same time.
      const name = `llamita-probe-${crypto.randomUUID()}`;
      await folder.write(name, new Uint8Array(1));
      await folder.remove(name);
      return folder;
    } catch {
      return undefined;
    }
  }

  async folder(name: string): Promise<Folder> {
    return new PrivateFolder(await this.#handle.getDirectoryHandle(name, { create: true }));
  }

  async names(): Promise<string[]> {
    const names = [];
    for await (const name of this.#handle.keys()) names.push(name);
    return names.sort();
  }

  async read(name: string): Promise<Blob | undefined> {
    try {
      return await (await this.#handle.getFileHandle(name)).getFile();
    } catch (error) {
      if (missing(error)) return undefined;
      throw error;
    }
  }

  write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#access(name, (file) => {
      writeAll(file, bytes, 0);
      file.truncate(bytes.length);
    });
  }

  append(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#access(name, (file) => {
      const end = file.getSize();
      try {
        writeAll(file, bytes, end);
      } catch (error) {
        file.truncate(end);
        throw error;
      }
    });
  }

  async remove(name: string): Promise<void> {
    try {
      await this.#handle.removeEntry(name, { recursive: true });
    } catch (error) {
      if (!missing(error)) throw error;
    }
  }

  async holds(bytes: number): Promise<boolean> {
    const name = `room-${crypto.randomUUID()}`;
    try {
      await this.#access(name, (file) => file.truncate(bytes));
      return true;
    } catch (error) {
      if (error instanceof DOMException && error.name === 'QuotaExceededError') return false;
      throw error;
    } finally {
      await this.remove(name);
    }
  }

  async #access(name: string, work: (file: FileSystemSyncAccessHandle) => void): Promise<void> {
    const handle = await this.#handle.getFileHandle(name, { create: true });
    const file = await handle.createSyncAccessHandle();
    try {
      work(file);
      file.flush();
    } finally {
      file.close();
    }
  }
}

/** Some browsers write less than they were given where the disk is full, and say nothing. */
function writeAll(file: FileSystemSyncAccessHandle, bytes: Uint8Array<ArrayBuffer>, at: number): void {
  const written = file.write(bytes, { at });
  if (written < bytes.length) {
    throw new DOMException(`${written} of ${bytes.length} bytes could be written`, 'QuotaExceededError');
  }
}

/** A folder in memory. Blobs are kept by the browser, outside the heap of scripts, and on disk where it sees fit. */
export class MemoryFolder implements Folder {
  readonly #files = new Map<string, Blob>();
  readonly #folders = new Map<string, MemoryFolder>();

  async folder(name: string): Promise<Folder> {
    let folder = this.#folders.get(name);
    if (!folder) this.#folders.set(name, folder = new MemoryFolder());
    return folder;
  }

  async names(): Promise<string[]> {
    return [...this.#files.keys(), ...this.#folders.keys()].sort();
  }

  async read(name: string): Promise<Blob | undefined> {
    return this.#files.get(name);
  }

  async write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#files.set(name, new Blob([bytes]));
  }

  async append(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#files.set(name, new Blob([this.#files.get(name) ?? '', bytes]));
  }

  async holds(): Promise<boolean> {
    return true;
  }

  async remove(name: string): Promise<void> {
    this.#files.delete(name);
    this.#folders.delete(name);
  }
}

/** The folder of all that the package keeps in this origin. */
export interface Home {
  /** In memory, for as long as the worker lives, where the browser has no private files. */
  kind: 'opfs' | 'memory';
  folder: Folder;
}

let opened: Promise<Home> | undefined;

export function home(): Promise<Home> {
  return opened ??= (async () => {
    const root = await PrivateFolder.root();
    return { kind: root ? 'opfs' : 'memory', folder: await (root ?? new MemoryFolder()).folder('llamita') };
  })();
}
