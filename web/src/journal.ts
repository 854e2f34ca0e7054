/** The engine's journal in the origin's private files: one text, which a crash of the tab does not take away. */
import { Busy } from './errors.js';
import type { JournalName } from './protocol.js';

/** The folder of all journals. */
const FOLDER = 'llamita-journal';

/** A journal that is open. No other tab can open it meanwhile, so what is found in it was left by one that ended. */
export class JournalFile {
  readonly #file: FileSystemSyncAccessHandle;
  /** The text that was there when it was opened; empty where there was none. */
  readonly found: string;

  private constructor(file: FileSystemSyncAccessHandle) {
    this.#file = file;
    const bytes = new Uint8Array(file.getSize());
    file.read(bytes, { at: 0 });
    this.found = new TextDecoder().decode(bytes);
  }

  /**
   * Opens the journal of this name; undefined where the browser keeps no files for this origin.
   *
   * @throws {LlamitaError} `Busy` where another tab has it open.
   */
  static async open(name: JournalName): Promise<JournalFile | undefined> {
    try {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle(FOLDER, { create: true });
      const handle = await folder.getFileHandle(`${name}.json`, { create: true });
      return new JournalFile(await handle.createSyncAccessHandle());
    } catch (error) {
      // The standard's name, and WebKit's.
      const open = ['NoModificationAllowedError', 'InvalidStateError'];
      if (!(error instanceof DOMException && open.includes(error.name))) return undefined;
      throw new Busy('The same is under way in another tab. Wait until it has ended there, or close that tab.');
    }
  }

  /**
   * Has `take` see to the text that a worker which ended has left in the journal of this name, and empties the journal.
   * One that is open is not left.
   */
  static async take(name: JournalName, take: (left: string) => Promise<void>): Promise<void> {
    try {
      const root = await navigator.storage?.getDirectory();
      if (!root) return;
      const handle = await (await root.getDirectoryHandle(FOLDER)).getFileHandle(`${name}.json`);
      if ((await handle.getFile()).size === 0) return;
      const journal = new JournalFile(await handle.createSyncAccessHandle());
      try {
        if (journal.found !== '') await take(journal.found);
        journal.put('');
      } finally {
        journal.close();
      }
    } catch (error) {
      // No private files, no such journal, or one that is open.
      if (!(error instanceof DOMException)) throw error;
    }
  }

  /** Empties the journal of this name, unless it is open. */
  static empty(this: void, name: JournalName): Promise<void> {
    return JournalFile.take(name, async () => {}).catch(() => {});
  }

  /** Writes a text in the place of the one before. It has reached the storage when this returns. */
  put(text: string): void {
    this.#file.truncate(0);
    this.#file.write(new TextEncoder().encode(text), { at: 0 });
    this.#file.flush();
  }

  close(): void {
    this.#file.close();
  }
}
