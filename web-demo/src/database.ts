/** Where conversations are kept: this browser's IndexedDB, and nowhere else. It is the one truth for all tabs. */
import { Conversation } from './tree.js';

const NAME = 'llamita';
const STORE = 'conversations';

/** What is kept, as far as it can be read. */
export interface Kept {
  conversations: Conversation[];
  /** Records that are no conversations at all. They stay where they are. */
  unreadable: number;
}

/** Where conversations are kept. */
export interface Keeper {
  all(): Promise<Kept>;
  get(id: string): Promise<Conversation | undefined>;
  /**
   * Changes what is kept now, and gives what is kept then; undefined where it is not kept any more. The change is made to
   * `fresh` where it was never kept.
   */
  change(id: string, change: (kept: Conversation) => void, fresh?: Conversation): Promise<Conversation | undefined>;
  /** Keeps one that is not there; one that is there stays as it is. */
  insert(conversation: Conversation): Promise<void>;
  remove(id: string): Promise<void>;
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed'));
  });
}

function opened(version?: number): Promise<IDBDatabase> {
  const request = indexedDB.open(NAME, version);
  request.onupgradeneeded = () => {
    const { result } = request;
    if (!result.objectStoreNames.contains(STORE)) result.createObjectStore(STORE, { keyPath: 'id' });
  };
  return done(request);
}

export class Database implements Keeper {
  private constructor(private readonly database: IDBDatabase) {
    // Another tab has a later version of this page, which needs another database.
    database.onversionchange = () => database.close();
  }

  static async open(): Promise<Database> {
    // Whatever version is there, a later one too.
    let database = await opened();
    if (!database.objectStoreNames.contains(STORE)) {
      database.close();
      database = await opened(database.version + 1);
    }
    return new Database(database);
  }

  async all(): Promise<Kept> {
    const records = await done(this.#store('readonly').getAll() as IDBRequest<unknown[]>);
    const conversations = records.map((record) => Conversation.read(record)).filter((one) => one !== undefined);
    return { conversations, unreadable: records.length - conversations.length };
  }

  async get(id: string): Promise<Conversation | undefined> {
    return Conversation.read(await done(this.#store('readonly').get(id)));
  }

  change(id: string, change: (kept: Conversation) => void, fresh?: Conversation): Promise<Conversation | undefined> {
    const store = this.#store('readwrite');
    const { transaction } = store;
    return new Promise((resolve, reject) => {
      let changed: Conversation | undefined;
      let fault: unknown;
      transaction.oncomplete = () => resolve(changed);
      transaction.onabort = () => reject(fault ?? transaction.error ?? new Error('IndexedDB failed'));
      const request = store.get(id);
      request.onsuccess = () => {
        try {
          changed = request.result === undefined ? fresh : Conversation.read(request.result);
          if (!changed) return;
          change(changed);
          changed.rev += 1;
          store.put(changed.record());
          transaction.commit();
        } catch (error) {
          fault = error;
          transaction.abort();
        }
      };
    });
  }

  insert(conversation: Conversation): Promise<void> {
    return this.#write((store) => {
      // One that is there already is no failure of the transaction.
      store.add(conversation.record()).onerror = (event) => {
        event.preventDefault();
        event.stopPropagation();
      };
    });
  }

  remove(id: string): Promise<void> {
    return this.#write((store) => store.delete(id));
  }

  #store(mode: IDBTransactionMode): IDBObjectStore {
    return this.database.transaction(STORE, mode).objectStore(STORE);
  }

  /** Writes in a transaction of its own, committed at once: left to commit by itself, it is lost with a page that goes meanwhile. */
  #write(write: (store: IDBObjectStore) => void): Promise<void> {
    const store = this.#store('readwrite');
    const { transaction } = store;
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB failed'));
      write(store);
      transaction.commit();
    });
  }
}

/** For browsers that keep nothing, such as private windows of some: gone with the page. */
export class Memory implements Keeper {
  readonly #kept = new Map<string, Conversation>();

  async all(): Promise<Kept> {
    return { conversations: [...this.#kept.values()], unreadable: 0 };
  }
  async get(id: string): Promise<Conversation | undefined> {
    return this.#kept.get(id);
  }
  async change(id: string, change: (kept: Conversation) => void, fresh?: Conversation): Promise<Conversation | undefined> {
    const kept = this.#kept.get(id) ?? fresh;
    if (!kept) return undefined;
    change(kept);
    kept.rev += 1;
    this.#kept.set(id, kept);
    return kept;
  }
  async insert(conversation: Conversation): Promise<void> {
    if (!this.#kept.has(conversation.id)) this.#kept.set(conversation.id, conversation);
  }
  async remove(id: string): Promise<void> {
    this.#kept.delete(id);
  }
}
