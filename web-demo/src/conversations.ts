/** The conversations of this browser, as every tab of the page has them. Knows no element of the page. */
import { Cell } from './cell.js';
import { Database, Memory, type Keeper } from './database.js';
import { inTab, keep, keptNames, recall } from './keep.js';
import { hearTabs, holdName, tellTabs, whileHeld, type News } from './tabs.js';
import { Conversation, type Said } from './tree.js';

/** A change of a conversation: made to what this tab has at once, and to what is kept as soon as that can be. */
export type Change = (conversation: Conversation) => void;

/** What the last moments of a page leave to the next one, beside the database, which takes a while. */
const UNSAVED = 'unsaved.';

export class Conversations {
  /** The latest first. */
  readonly list = new Cell<Conversation[]>([]);
  /** The one on show. */
  readonly current = new Cell<Conversation>(new Conversation());
  /** Tells that something has changed in the one on show. */
  readonly changed = new Cell<Conversation | undefined>(undefined);
  /** A message that is to be seen. */
  readonly sought = new Cell<Said | undefined>(undefined);
  /** An error that kept something from being kept. */
  readonly trouble = new Cell<unknown>(undefined);
  /** One that another tab has removed while it was on show here. */
  readonly removedElsewhere = new Cell<Conversation | undefined>(undefined);
  /** False where the browser keeps nothing. */
  lasting = false;
  /** Records that nothing could be made of. */
  unreadable = 0;
  /** Where they are kept, as soon as that is known: what is said before it waits. */
  readonly #keeper: Promise<Keeper>;
  #found: (keeper: Keeper) => void = () => {};
  /** What was removed, by id: an answer that still ends must not bring it back. */
  readonly #removed = new Map<string, Conversation>();
  /** Changes that are not kept yet, by conversation. */
  readonly #pending = new Map<Conversation, Change[]>();
  /** Answers that this tab writes: what it has of them is the latest. */
  readonly #writing = new Set<Said>();
  /** Of answers that are not complete: whether another tab writes them; undefined while that is not known. */
  readonly #elsewhere = new Map<Said, { held: boolean | undefined; over: Promise<void> }>();

  constructor() {
    this.#keeper = new Promise((resolve) => (this.#found = resolve));
  }

  async open(): Promise<void> {
    try {
      const database = await Database.open();
      const { conversations, unreadable } = await database.all();
      this.lasting = true;
      this.unreadable = unreadable;
      this.#list([...conversations, ...this.list.value]);
      this.#found(database);
    } catch {
      this.lasting = false;
      this.#found(new Memory());
    }
    await this.#takeUnsaved();
    // A page that is loaded again shows what it showed, unless something was said meanwhile.
    const last = inTab.recall('conversation');
    if (last && this.current.value.all.length === 0 && this.get(last)) this.select(last);
    this.current.watch(({ id }) => inTab.keep('conversation', id));
    hearTabs(({ kind, id }) => void (kind === 'removed' ? this.#gone(id) : this.#refresh(id)));
    document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && this.#leave());
    window.addEventListener('pagehide', () => this.#leave());
  }

  get(id: string): Conversation | undefined {
    return this.list.value.find((one) => one.id === id);
  }

  /** Shows another conversation, or a new one. */
  select(id: string | undefined): void {
    const conversation = this.list.value.find((one) => one.id === id) ?? new Conversation();
    this.#lookElsewhere(conversation);
    this.current.set(conversation);
  }

  /** Shows the branch of the conversation on show that has this message. */
  reveal(said: Said): void {
    const conversation = this.current.value;
    if (!conversation.messages.includes(said)) void this.change(conversation, (one) => one.reveal(said), false);
    this.sought.set(said);
  }

  /** Takes in what comes from elsewhere. What is here stays as it is, and gets what it has not. */
  async take(given: Conversation[]): Promise<{ added: Conversation[]; extended: number; same: number }> {
    const added: Conversation[] = [];
    let extended = 0;
    for (const one of given) {
      const own = this.get(one.id);
      if (!own) {
        one.rev = 1;
        added.push(one);
        await this.restore(one);
      } else if (one.all.some(({ id }) => !own.find(id))) {
        extended += 1;
        await this.change(own, (kept) => kept.extend(one), false);
      }
    }
    return { added, extended, same: given.length - added.length - extended };
  }

  /** Changes a conversation here, where it is kept, and in all tabs. One without messages is not worth keeping. */
  async change(conversation: Conversation, change: Change, touched = true): Promise<void> {
    const now = Date.now();
    const whole: Change = (one) => {
      change(one);
      if (touched) one.updated = now;
    };
    whole(conversation);
    const { id } = conversation;
    if (conversation.all.length === 0 || this.#removed.has(id)) return this.#told(conversation);
    const isNew = conversation.rev === 0;
    this.#list([conversation, ...this.#without(id)]);
    this.#told(conversation);
    // What could not be kept before is tried again with this. Made twice, a change is the same as made once.
    const pending = [...(this.#pending.get(conversation) ?? []), whole];
    this.#pending.set(conversation, pending);
    try {
      const fresh = isNew ? Conversation.read(structuredClone(conversation.record())) : undefined;
      const keeper = await this.#keeper;
      const kept = await keeper.change(id, (one) => pending.forEach((each) => each(one)), fresh);
      this.#settle(conversation, pending);
      this.#well();
      if (!kept) return; // It was removed meanwhile.
      this.#adopt(conversation, kept);
      tellTabs({ kind: 'changed', id });
    } catch (error) {
      this.#ill(error);
    }
  }

  /** Keeps what this tab has written of an answer. */
  save(conversation: Conversation, said: Said): Promise<void> {
    return this.change(conversation, (one) => {
      const kept = one.find(said.id);
      if (kept) Object.assign(kept, said);
    });
  }

  /** From now on this tab writes an answer, until `over`. */
  write(conversation: Conversation, said: Said, over: Promise<unknown>): void {
    this.#writing.add(said);
    holdName(`${conversation.id}/${said.id}`, over);
    void over.then(() => {
      this.#writing.delete(said);
      keep(UNSAVED + conversation.id, undefined);
    });
  }

  /** Who writes an answer that is not complete: nobody, another tab, or it is not known yet. */
  writer(said: Said): 'nobody' | 'elsewhere' | 'unknown' {
    const held = this.#elsewhere.get(said)?.held;
    return held === undefined ? 'unknown' : held ? 'elsewhere' : 'nobody';
  }

  /** Waits until no other tab writes this. */
  async written(said: Said): Promise<void> {
    await this.#elsewhere.get(said)?.over;
  }

  /** Brings back one that was removed, as it was. */
  async restore(conversation: Conversation): Promise<void> {
    const { id } = conversation;
    this.#removed.delete(id);
    this.#list([conversation, ...this.#without(id)]);
    await this.#keep((keeper) => keeper.insert(conversation), { kind: 'changed', id });
  }

  async remove(id: string): Promise<void> {
    this.#forget(id);
    await this.#keep((keeper) => keeper.remove(id), { kind: 'removed', id });
  }

  /** Writes to where conversations are kept, and tells the other tabs. */
  async #keep(write: (keeper: Keeper) => Promise<unknown>, news: News): Promise<void> {
    try {
      await write(await this.#keeper);
      this.#well();
      tellTabs(news);
    } catch (error) {
      this.#ill(error);
    }
  }

  #well(): void {
    if (this.trouble.value !== undefined) this.trouble.set(undefined);
  }

  /** Told once, until something can be kept again. */
  #ill(error: unknown): void {
    if (this.trouble.value === undefined) this.trouble.set(error);
  }

  #without(id: string): Conversation[] {
    return this.list.value.filter((one) => one.id !== id);
  }

  #list(conversations: Conversation[]): void {
    this.list.set(conversations.sort((a, b) => b.updated - a.updated));
  }

  #forget(id: string): void {
    keep(UNSAVED + id, undefined);
    const gone = this.get(id);
    if (gone) this.#removed.set(id, gone);
    this.list.set(this.#without(id));
    if (this.current.value.id === id) this.select(undefined);
  }

  /** Tells who shows this that it has changed. */
  #told(conversation: Conversation): void {
    if (this.current.value !== conversation) return;
    this.#lookElsewhere(conversation);
    this.changed.set(conversation);
  }

  #settle(conversation: Conversation, kept: Change[]): void {
    const left = (this.#pending.get(conversation) ?? []).filter((one) => !kept.includes(one));
    if (left.length) this.#pending.set(conversation, left);
    else this.#pending.delete(conversation);
  }

  /** Takes over what is kept, with what is still to be kept. */
  #adopt(conversation: Conversation, kept: Conversation): void {
    if (kept.rev < conversation.rev) return;
    for (const change of this.#pending.get(conversation) ?? []) change(kept);
    conversation.adopt(kept, (said) => this.#writing.has(said));
    this.#list(this.list.value);
    this.#told(conversation);
  }

  /** Another tab has changed one. */
  async #refresh(id: string): Promise<void> {
    const kept = await (await this.#keeper).get(id);
    if (!kept) return;
    const own = this.get(id) ?? this.#removed.get(id);
    this.#removed.delete(id);
    if (!this.get(id)) this.#list([own ?? kept, ...this.list.value]);
    if (own) this.#adopt(own, kept);
  }

  /** Another tab has removed one. */
  #gone(id: string): void {
    const { value } = this.current;
    this.#forget(id);
    if (value.id === id) this.removedElsewhere.set(value);
  }

  /** Finds out who writes the answers of a conversation that are not complete. */
  #lookElsewhere(conversation: Conversation): void {
    for (const said of conversation.all) {
      if (said.role !== 'assistant' || said.ended !== undefined) this.#elsewhere.delete(said);
      else if (!this.#writing.has(said) && !this.#elsewhere.has(said)) {
        const state = { held: undefined as boolean | undefined, over: Promise.resolve() };
        this.#elsewhere.set(said, state);
        state.over = whileHeld(`${conversation.id}/${said.id}`, (held) => {
          state.held = held;
          if (this.current.value === conversation) this.changed.set(conversation);
        }).then(() => this.#refresh(conversation.id));
      }
    }
  }

  /** What is not kept yet when the page goes is written where writing takes no time. */
  #leave(): void {
    for (const conversation of this.list.value) {
      const writes = conversation.all.some((said) => this.#writing.has(said));
      if (writes || this.#pending.has(conversation)) keep(UNSAVED + conversation.id, JSON.stringify(conversation.record()));
    }
  }

  /** What an earlier page could not keep any more. */
  async #takeUnsaved(): Promise<void> {
    for (const name of keptNames(UNSAVED)) {
      const left = parsed(recall(name));
      const own = left && this.get(left.id);
      if (own) await this.change(own, (one) => one.merge(left), false);
      // One that was kept and is not any more was removed meanwhile.
      else if (left?.rev === 0) await this.restore(left);
      keep(name, undefined);
    }
  }
}

function parsed(text: string | undefined): Conversation | undefined {
  try {
    return Conversation.read(JSON.parse(text ?? 'null'));
  } catch {
    return undefined; // Something else was kept under this name.
  }
}
