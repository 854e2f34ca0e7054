/**
 * A conversation as a tree: every turn keeps its alternatives, and one path through them is on show. Nothing here knows
 * the page or where conversations are kept.
 */
import type { Attachment } from './attachments.js';
import type { Settings } from './settings.js';

/** What an answer took, as shown beside it. */
export interface Measured {
  tokens: number;
  tokensPerSecond: number;
  firstTokenMs: number;
  /** Tokens of the conversation up to its end, as the model that wrote it counts them. */
  context?: number;
}

/** A message. Fields that this version does not know stay where they are. */
export interface Said {
  /** Names it within its conversation. */
  id: string;
  /** What it follows; none begins the conversation. */
  parent?: string | undefined;
  created: number;
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
  /** Of an answer: the title of the model that wrote it, and what that was chosen as. */
  model?: string;
  modelId?: string;
}

/** The shape of what is kept. Before it, a conversation was a flat list of messages without ids. */
export const VERSION = 2;

type Fields = Record<string, unknown>;

export class Conversation {
  title = '';
  updated: number;
  /** Counts what was written to where conversations are kept; 0 is not there yet. */
  rev = 0;
  /** Every message of every branch; what a message follows stands before it. */
  all: Said[] = [];
  /** Of the alternatives that follow a message (or begin the conversation, ''), the one on show. */
  chosen: Record<string, string> = {};
  /** The model that it is held with. */
  model: { id: string; title: string } | undefined;
  /** What is set for this conversation alone. */
  own: Partial<Settings> = {};
  /** What was not understood of what was kept; it is carried along. */
  unread: unknown[] = [];
  /** The version that wrote it. */
  version = VERSION;
  #others: Fields = {};
  /** What `#children` found, and in what. */
  #order: { all: Said[]; length: number; after: Map<string, Said[]>; among: Map<Said, Said[]> } | undefined;

  constructor(
    readonly id: string = newId(),
    readonly created: number = Date.now(),
  ) {
    this.updated = created;
  }

  /** The messages on show. */
  get messages(): Said[] {
    const after = this.#children();
    const path: Said[] = [];
    for (let at = ''; ; ) {
      const among = after.get(at);
      const next = among?.find(({ id }) => id === this.chosen[at]) ?? among?.at(-1);
      if (!next) return path;
      path.push(next);
      at = next.id;
    }
  }

  /** What may stand where this message stands, itself among it. */
  alternatives(said: Said): Said[] {
    this.#children();
    return this.#order?.among.get(said) ?? [said];
  }

  /** What a message follows, from the beginning, whatever is on show. */
  before(said: Said): Said[] {
    const after = this.#children();
    const parents = new Map([...after].flatMap(([parent, among]) => among.map(({ id }) => [id, parent] as const)));
    const path: Said[] = [];
    for (let at = this.find(parents.get(said.id)); at; at = this.find(parents.get(at.id))) path.unshift(at);
    return path;
  }

  find(id: string | undefined): Said | undefined {
    return this.all.find((said) => said.id === id);
  }

  /** Puts a message where it belongs, and on show. */
  add(said: Said): void {
    if (!this.find(said.id)) this.all.push(said);
    this.chosen[said.parent ?? ''] = said.id;
  }

  /** Shows this alternative. */
  choose(said: Said): void {
    for (const [parent, among] of this.#children()) if (among.some(({ id }) => id === said.id)) this.chosen[parent] = said.id;
  }

  /** Shows the branch that this message is on. */
  reveal(said: Said): void {
    for (const one of [...this.before(said), said]) this.choose(one);
  }

  /** Takes a message out, and what follows it on every branch; gives what was taken. */
  cut(id: string): Said[] {
    const after = this.#children();
    const gone = new Set<string>();
    const take = (one: string): void => {
      gone.add(one);
      for (const next of after.get(one) ?? []) take(next.id);
    };
    take(id);
    for (const [parent, among] of after) {
      const at = among.findIndex((said) => said.id === id);
      const neighbour = among[at - 1] ?? among[at + 1];
      if (at >= 0 && this.chosen[parent] === id && neighbour) this.chosen[parent] = neighbour.id;
    }
    const taken = this.all.filter((said) => gone.has(said.id));
    this.all = this.all.filter((said) => !gone.has(said.id));
    return taken;
  }

  /** Puts back what was taken out, where it stood. */
  putBack(taken: Said[]): void {
    const [first, ...rest] = taken;
    for (const said of rest) if (!this.find(said.id)) this.all.push(said);
    if (!first) return;
    // Alternatives stand in the order in which they were made.
    if (!this.find(first.id)) {
      const later = this.all.findIndex((said) => said.parent === first.parent && said.created > first.created);
      const child = this.all.findIndex((said) => said.parent === first.id);
      const places = [later, child].filter((at) => at >= 0);
      this.all.splice(places.length ? Math.min(...places) : this.all.length, 0, first);
    }
    this.chosen[first.parent ?? ''] = first.id;
  }

  /**
   * Takes over what is kept now, which others may have written. Messages stay the same objects. Of alternatives, each tab
   * goes on showing its own.
   */
  adopt(kept: Conversation, writing: (said: Said) => boolean): void {
    const mine = new Map(this.all.map((said) => [said.id, said]));
    this.all = kept.all.map((said) => {
      const own = mine.get(said.id);
      return own ? (writing(own) ? own : Object.assign(own, said)) : said;
    });
    const there = new Set(this.all.map(({ id }) => id));
    const shown = Object.entries(this.chosen).filter(([, child]) => there.has(child));
    this.chosen = { ...kept.chosen, ...Object.fromEntries(shown) };
    ({ title: this.title, updated: this.updated, rev: this.rev, model: this.model, own: this.own } = kept);
    ({ unread: this.unread, version: this.version } = kept);
    this.#others = kept.#others;
  }

  /** Adds the messages that another copy has and this one has not. What is on show stays, where something is. */
  extend(other: Conversation): void {
    for (const said of other.all) if (!this.find(said.id)) this.all.push(said);
    this.chosen = { ...other.chosen, ...this.chosen };
  }

  /** Goes on from a later copy: its messages, and its text of answers that were not complete. */
  merge(later: Conversation): void {
    for (const said of later.all) {
      const own = this.find(said.id);
      const more = said.ended !== undefined || (own && said.content.length > own.content.length);
      if (own && own.ended === undefined && more) Object.assign(own, said);
    }
    this.extend(later);
    this.chosen = { ...this.chosen, ...later.chosen };
  }

  /** What is kept of it, and exported. */
  record(): Fields {
    const { id, title, created, updated, rev, version, chosen, model, own, unread } = this;
    return {
      ...this.#others,
      ...{ id, title, created, updated, rev, version, chosen },
      ...(model ? { model } : {}),
      ...(Object.keys(own).length ? { own } : {}),
      ...(unread.length ? { unread } : {}),
      messages: this.all,
    };
  }

  /** Reads what was kept or exported, as much of it as can be read; undefined where that is no conversation at all. */
  static read(record: unknown): Conversation | undefined {
    if (!isFields(record) || typeof record['id'] !== 'string' || !Array.isArray(record['messages'])) return undefined;
    const { id, title, created, updated, rev, version, messages, chosen, model, own, unread, ...others } = record;
    const made = count(created) ?? count(updated) ?? Date.now();
    const conversation = new Conversation(id as string, made);
    conversation.title = typeof title === 'string' ? title : '';
    conversation.updated = count(updated) ?? made;
    conversation.rev = count(rev) ?? 1;
    conversation.version = Math.max(count(version) ?? VERSION, VERSION);
    if (isFields(chosen)) {
      for (const [at, child] of Object.entries(chosen)) if (typeof child === 'string') conversation.chosen[at] = child;
    }
    if (isFields(model) && typeof model['id'] === 'string' && typeof model['title'] === 'string') {
      conversation.model = { id: model['id'], title: model['title'] };
    }
    if (isFields(own)) conversation.own = own;
    if (Array.isArray(unread)) conversation.unread = [...(unread as unknown[])];
    conversation.#others = others;
    const used = new Set<string>();
    for (const [at, message] of (messages as unknown[]).entries()) {
      const said = readSaid(message, at, conversation, used);
      if (!said) conversation.unread.push(message);
      else {
        conversation.all.push(said);
        used.add(said.id);
      }
    }
    const by = conversation.all.findLast((said) => said.model !== undefined);
    if (by?.model !== undefined) conversation.model ??= { id: by.modelId ?? '', title: by.model };
    conversation.title ||= titleOf(conversation.all.find(({ content }) => content.trim())?.content ?? '');
    return conversation;
  }

  /** What follows each message, '' for what follows none. One whose parent is not there follows the one before it. */
  #children(): Map<string, Said[]> {
    const { all } = this;
    // Messages come and go, and never move.
    if (this.#order?.all === all && this.#order.length === all.length) return this.#order.after;
    const after = new Map<string, Said[]>();
    const among = new Map<Said, Said[]>();
    const before = new Set<string>();
    let last = '';
    for (const said of all) {
      const parent = said.parent === undefined || before.has(said.parent) ? (said.parent ?? '') : last;
      const list = after.get(parent) ?? [];
      list.push(said);
      after.set(parent, list);
      among.set(said, list);
      before.add(said.id);
      last = said.id;
    }
    this.#order = { all, length: all.length, after, among };
    return after;
  }
}

/** A message as it was kept. In a flat list each follows the one before it, and its place is its name. */
function readSaid(message: unknown, at: number, conversation: Conversation, used: Set<string>): Said | undefined {
  const { all, created } = conversation;
  if (!isFields(message)) return undefined;
  const { role, content } = message;
  if ((role !== 'user' && role !== 'assistant') || typeof content !== 'string') return undefined;
  const said = { ...message, role, content } as Said & Fields;
  const flat = typeof said.id !== 'string' || used.has(said.id);
  if (flat) {
    said.id = `m${at}`;
    while (used.has(said.id)) said.id += "'";
    said.parent = all.at(-1)?.id;
  } else if (typeof said.parent !== 'string') delete said.parent;
  said.created = count(said.created) ?? created;
  for (const name of ['seed', 'dropped']) if (typeof said[name] !== 'number') delete said[name];
  for (const name of ['ended', 'model', 'modelId']) if (typeof said[name] !== 'string') delete said[name];
  const { measured, attachments } = message;
  const files = Array.isArray(attachments) && attachments.every((file) => isFields(file) && typeof file['name'] === 'string' && typeof file['text'] === 'string');
  if (!files && attachments !== undefined) {
    delete said.attachments;
    conversation.unread.push(message);
  }
  const whole = isFields(measured) && ['tokens', 'tokensPerSecond', 'firstTokenMs'].every((name) => typeof measured[name] === 'number');
  if (!whole) delete said.measured;
  return said;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** A name that no other has. Not randomUUID, which pages without HTTPS do not have. */
export function newId(): string {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((word) => word.toString(36)).join('-');
}

/** A title from the first words that were said. */
export function titleOf(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  if (line.length <= 42) return line;
  const cut = line.slice(0, 42);
  return `${cut.slice(0, Math.max(cut.lastIndexOf(' '), 24))}…`;
}
