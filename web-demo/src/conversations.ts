/** Conversations, kept in this browser's IndexedDB and nowhere else. */
import { promptText, type Attachment } from './attachments.js';
import { Cell } from './cell.js';
import { inTab } from './keep.js';

/** What an answer took, as shown beside it. */
export interface Measured {
  tokens: number;
  tokensPerSecond: number;
  firstTokenMs: number;
}

export interface Said {
  role: 'user' | 'assistant';
  content: string;
  /** Of what a person said: files that go along. */
  attachments?: Attachment[];
  /** Of an answer: the seed that it was drawn with. */
  seed?: number;
  /** Of an answer: how it ended; none while it is written, or where the page was closed meanwhile. */
  ended?: string;
  measured?: Measured;
  /** Of an answer: messages that no longer fitted into the context. */
  dropped?: number;
  model?: string;
}

export interface Conversation {
  id: string;
  title: string;
  created: number;
  updated: number;
  messages: Said[];
}

/** Where conversations are kept. */
interface Keeper {
  all(): Promise<Conversation[]>;
  put(conversation: Conversation): Promise<void>;
  remove(id: string): Promise<void>;
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB failed'));
  });
}

const STORE = 'conversations';

class Database implements Keeper {
  constructor(private readonly database: IDBDatabase) {}

  static async open(): Promise<Database> {
    const request = indexedDB.open('llamita', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
    return new Database(await done(request));
  }

  all(): Promise<Conversation[]> {
    return done(this.database.transaction(STORE, 'readonly').objectStore(STORE).getAll() as IDBRequest<Conversation[]>);
  }

  put(conversation: Conversation): Promise<void> {
    return this.#write((store) => store.put(conversation));
  }

  remove(id: string): Promise<void> {
    return this.#write((store) => store.delete(id));
  }

  /** Writes in a transaction of its own, committed at once: left to commit by itself, it is lost with a page that goes meanwhile. */
  #write(write: (store: IDBObjectStore) => void): Promise<void> {
    const transaction = this.database.transaction(STORE, 'readwrite');
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB failed'));
      write(transaction.objectStore(STORE));
      transaction.commit();
    });
  }
}

/** For browsers that keep nothing, such as private windows of some: gone with the page. */
class Memory implements Keeper {
  readonly #kept = new Map<string, Conversation>();
  async all(): Promise<Conversation[]> {
    return [...this.#kept.values()];
  }
  async put(conversation: Conversation): Promise<void> {
    this.#kept.set(conversation.id, conversation);
  }
  async remove(id: string): Promise<void> {
    this.#kept.delete(id);
  }
}

export class Conversations {
  /** The latest first. */
  readonly list = new Cell<Conversation[]>([]);
  readonly current = new Cell<Conversation>(blank());
  #keeper: Keeper = new Memory();
  /** An answer that still ends must not bring these back. */
  readonly #removed = new Set<string>();
  /** False where the browser keeps nothing. */
  lasting = false;

  async open(): Promise<void> {
    try {
      this.#keeper = await Database.open();
      this.lasting = true;
    } catch {
      this.lasting = false;
    }
    this.list.set((await this.#keeper.all()).sort((a, b) => b.updated - a.updated));
    // A page that is loaded again shows what it showed, unless something was said meanwhile.
    const last = inTab.recall('conversation');
    if (last && this.current.value.messages.length === 0 && this.list.value.some(({ id }) => id === last))
      this.select(last);
    this.current.watch(({ id }) => inTab.keep('conversation', id));
  }

  /** Shows another conversation, or a new one. */
  select(id: string | undefined): void {
    this.current.set(this.list.value.find((one) => one.id === id) ?? blank());
  }

  /** Keeps a conversation as it is now; one without messages is not worth it. */
  async save(conversation: Conversation, touched = true): Promise<void> {
    if (conversation.messages.length === 0 || this.#removed.has(conversation.id)) return;
    if (touched) conversation.updated = Date.now();
    const others = this.list.value.filter((one) => one.id !== conversation.id);
    this.list.set([conversation, ...others].sort((a, b) => b.updated - a.updated));
    await this.#keeper.put(conversation);
  }

  /** Brings back one that was removed. */
  restore(conversation: Conversation): Promise<void> {
    this.#removed.delete(conversation.id);
    return this.save(conversation, false);
  }

  async remove(id: string): Promise<void> {
    this.#removed.add(id);
    this.list.set(this.list.value.filter((one) => one.id !== id));
    if (this.current.value.id === id) this.select(undefined);
    await this.#keeper.remove(id);
  }
}

export function blank(): Conversation {
  const now = Date.now();
  // Not randomUUID, which pages without HTTPS do not have.
  const id = [...crypto.getRandomValues(new Uint32Array(4))].map((word) => word.toString(36)).join('-');
  return { id, title: '', created: now, updated: now, messages: [] };
}

/** A title from the first words that were said. */
export function titleOf(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  if (line.length <= 42) return line;
  const cut = line.slice(0, 42);
  return `${cut.slice(0, Math.max(cut.lastIndexOf(' '), 24))}…`;
}

/** A conversation as a Markdown document. */
export function asMarkdown(conversation: Conversation, you: string): string {
  const parts = conversation.messages.map((said) => {
    return `## ${said.role === 'user' ? you : (said.model ?? 'Llamita')}\n\n${promptText(said).trim()}\n`;
  });
  return `# ${conversation.title}\n\n${parts.join('\n')}`;
}
