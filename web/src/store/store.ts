/** The models that are kept on this device. */
import { BadModel, Busy, Quota } from '../errors.js';
import { blobOrigin } from '../sources/blob.js';
import { aborted, openFirst, RETRY, type Origin, type Place, type Retry } from '../sources/origin.js';
import { arranged } from '../sources/meta.js';
import { join } from '../sources/parts.js';
import type { ByteSource } from '../sources/source.js';
import type { StorageEstimate, StoredModel } from '../types.js';
import { ChunkReader } from './chunks.js';
import { home, type Folder } from './folder.js';
import { healChunk, Intake } from './intake.js';
import { Journal, samePlace, type Provenance } from './journal.js';
import { lock } from './locks.js';
import { sha256 } from './sha256.js';

/** A model that is to be stored. */
export interface Target {
  /** What makes it another model than any other: its address, for instance. */
  identity: string;
  /** The name of its first file. */
  name: string;
  /** Its files, each with the places where it may be. */
  parts: Place[][];
}

/** How a model is stored or opened. */
export interface StoreContext {
  signal: AbortSignal;
  /** Told how many bytes are there of how many, and whether another tab is the one that fetches them. */
  told(loaded: number, total: number, waiting: boolean): void;
  /** Opens the place that a stored file came from, to fetch what is damaged. */
  reopen(from: Provenance, signal: AbortSignal): Promise<Origin>;
  retry?: Retry;
}

/** A source whose bytes may still be on their way. */
export interface Incoming extends ByteSource {
  /** Kept once everything is stored. */
  readonly finished: Promise<void>;
}

/** Bytes of a file that is no long one. */
const SHORT = 32 << 20;
/** Milliseconds that deleting waits for a model that is in use. */
const PATIENCE = 300;
/** Characters of a tag that tells one content from any other; shorter ones may be counts. With its quotes. */
const TAG = 18;
/** How often a tab that waits looks how far the other has come, in milliseconds. */
const LOOK = 500;

export class Store {
  static #opened: Promise<Store> | undefined;

  private constructor(
    readonly kind: 'opfs' | 'memory', private readonly home: Folder, private readonly models: Folder,
  ) {}

  /** The store of this origin. In memory, for as long as the worker lives, where the browser has no private files. */
  static open(): Promise<Store> {
    return this.#opened ??= (async () => {
      const { kind, folder } = await home();
      return new Store(kind, folder, await folder.folder('models'));
    })();
  }

  /** All models, whole and begun, by name. */
  async list(): Promise<StoredModel[]> {
    const all = await Promise.all((await this.models.names()).map((id) => this.find(id)));
    return all.filter((model) => model !== undefined).sort((a, b) => a.name.localeCompare(b.name));
  }

  /** What is known of a model; undefined where there is none of this id. */
  async find(id: string): Promise<StoredModel | undefined> {
    const journals = await this.#journals(id);
    const [first] = journals;
    if (!first) return undefined;
    const { name, parts, from, added } = first.header;
    const files = journals.map(({ header }) => header.name);
    const complete = journals.length === parts && journals.every(({ done }) => done !== undefined);
    const sum = (of: (journal: Journal) => number) => journals.reduce((total, journal) => total + of(journal), 0);
    return {
      id, name, parts, files, complete, added, from: from ?? null, also: first.also,
      sha256: parts === 1 ? first.done ?? null : null,
      size: sum(({ header }) => header.size), stored: sum(({ stored }) => stored),
    };
  }

  async delete(id: string): Promise<void> {
    // Who has just closed it lets go of the lock in a moment.
    const options = { mode: 'exclusive', signal: AbortSignal.timeout(PATIENCE) } as const;
    const release = await lock(this.#lockOf(id), options).catch(() => {
      throw new Busy(`${id} is in use. Dispose of the model, in every tab that has it, and delete it then.`);
    });
    try {
      await this.models.remove(id);
    } finally {
      release();
    }
  }

  /** A whole file, for saving elsewhere. Its bytes are read when they are asked for. */
  async export(id: string, part = 0): Promise<Blob> {
    const journal = (await this.#journals(id))[part];
    if (journal?.done === undefined) throw notWhole(id);
    const files = [];
    for (let index = 0; index < journal.count; index += 1) {
      const file = await journal.file(index);
      if (!file) throw new BadModel(`Piece ${index} of the stored ${id} is missing. Load the model, which fetches it.`);
      files.push(file);
    }
    return new Blob(files, { type: 'application/octet-stream' });
  }

  /** Copies files of the page: one, or all of a model that has several. */
  async import(files: Blob[], context: StoreContext): Promise<StoredModel> {
    const origins = arranged(files.map(blobOrigin));
    const identity = origins.map(({ name, size, version }) => `${name} ${size} ${version.modified}`).join('\n');
    const parts = origins.map((origin) => [{ open: async () => origin }]);
    return this.complete({ identity, name: origins[0]?.name ?? '', parts }, context);
  }

  /** Stores all of a model. */
  async complete(target: Target, context: StoreContext): Promise<StoredModel> {
    const source = await this.fetch(target, context);
    // It may have turned out to be a file that was there.
    return this.#whole(await this.#idOf(target), source);
  }

  /** Stores the rest of a model that was begun. */
  async completeStored(id: string, context: StoreContext): Promise<StoredModel> {
    return this.#whole(id, await this.openStored(id, context));
  }

  async #whole(id: string, source: Incoming): Promise<StoredModel> {
    try {
      await source.finished;
    } finally {
      source.close?.();
    }
    const stored = await this.find(id);
    if (!stored) throw notWhole(id);
    return await this.#merged(stored);
  }

  /** Where the same file was stored before from another place, that one, and this one is given up. */
  async #merged(stored: StoredModel): Promise<StoredModel> {
    const same = ({ id, sha256 }: StoredModel) => id !== stored.id && sha256 !== null && sha256 === stored.sha256;
    const twin = (await this.list()).find(same);
    if (!twin) return stored;
    try {
      await this.delete(stored.id);
    } catch {
      return stored; // It is in use.
    }
    await this.#note(twin.id, stored.from ?? undefined);
    return await this.find(twin.id) ?? twin;
  }

  /** Writes down that a file was asked from another place, so that it is found from there without a network. */
  async #note(id: string, from: Provenance | undefined): Promise<void> {
    const release = await lock(`${this.#lockOf(id)}/note`, { mode: 'exclusive' });
    try {
      const [journal] = await this.#journals(id);
      if (from && !journal?.places.some((place) => samePlace(place, from))) await journal?.note(from);
    } finally {
      release();
    }
  }

  /** A whole file that is the one of this origin, by its hash or by a tag that says as much. */
  async #twin(origin: Origin): Promise<string | undefined> {
    const { size, sha256, version: { etag } } = origin;
    for (const id of await this.models.names()) {
      const [journal] = await this.#journals(id);
      if (journal?.done === undefined || journal.header.parts > 1 || journal.header.size !== size) continue;
      const tagged = etag !== undefined && etag.length >= TAG && journal.header.version.etag === etag;
      if (sha256 === undefined ? tagged : journal.done === sha256) return id;
    }
    return undefined;
  }

  /** The folder of a model: that of its place, or of the same file from another. */
  async #idOf(target: Target): Promise<string> {
    const own = await idOf(target);
    const from = target.parts[0]?.[0]?.from;
    const names = await this.models.names();
    if (from === undefined || target.parts.length > 1 || names.includes(own)) return own;
    for (const id of names) {
      const [journal] = await this.#journals(id);
      if (journal?.header.parts === 1 && journal.places.some((place) => samePlace(place, from))) return id;
    }
    return own;
  }

  /** Bytes that this origin uses and may use. */
  async estimate(): Promise<StorageEstimate> {
    const { quota = 0, usage = 0 } = await navigator.storage?.estimate?.() ?? {};
    return { quota, usage, persisted: await navigator.storage?.persisted?.() ?? false };
  }

  /** A stored model. Where it is not whole, the rest is fetched. */
  async openStored(id: string, context: StoreContext): Promise<Incoming> {
    const journals = await this.#journals(id);
    const [first] = journals;
    if (!first) throw new BadModel(`No model ${id} is stored. Choose one of the list, or load it from its address.`);
    if (await this.#isWhole(id)) return this.#open(id, context);
    const { parts, from, name } = first.header;
    if (journals.length < parts || !from) throw notWhole(id);
    const open = journals.map(({ header }) => header.from).filter((from) => from !== undefined)
      .map((from) => [{ from, open: (signal: AbortSignal) => context.reopen(from, signal) }]);
    return this.#fetch(id, { identity: id, name, parts: open }, context);
  }

  /** A model from the store, or on its way there. */
  async fetch(target: Target, context: StoreContext): Promise<Incoming> {
    return await this.openWhole(target, context) ?? this.#fetch(await this.#idOf(target), target, context);
  }

  /** A model that is stored whole; undefined where it is not. */
  async openWhole(target: Target, context: StoreContext): Promise<Incoming | undefined> {
    const id = await this.#idOf(target);
    return await this.#isWhole(id) ? this.#open(id, context) : undefined;
  }

  async #isWhole(id: string): Promise<boolean> {
    return (await this.find(id))?.complete ?? false;
  }

  async #open(id: string, context: StoreContext): Promise<Incoming> {
    const release = await lock(this.#lockOf(id), { mode: 'shared', signal: context.signal });
    const stop = new AbortController();
    const journals = await this.#journals(id);
    const files = journals.map((journal): ByteSource => {
      const { name, size } = journal.header;
      const reader = new ChunkReader(journal, (index) => this.#heal(id, journal, index, context, stop.signal));
      return { name, size, read: (offset, length) => reader.read(offset, length) };
    });
    const close = () => {
      stop.abort();
      release();
    };
    return { ...join(files), finished: Promise.resolve(), close };
  }

  /** One tab fetches a damaged chunk; others that find it damaged too wait for that. */
  async #heal(
    id: string, journal: Journal, index: number, context: StoreContext, signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { from, name } = journal.header;
    const release = await lock(`${this.#lockOf(id)}/heal`, { mode: 'exclusive', signal });
    try {
      const stored = await journal.read(index);
      if (stored && await sha256(stored) === journal.hashes[index]) return stored;
      if (!from) throw new BadModel(`The stored ${name} is damaged. Delete it and import the file again.`);
      return await healChunk(journal, index, await context.reopen(from, signal), context.retry ?? RETRY, signal);
    } finally {
      release();
    }
  }

  async #fetch(id: string, target: Target, context: StoreContext): Promise<Incoming> {
    const { signal } = context;
    const release = await this.#waitForTurn(id, context);
    try {
      if (await this.#isWhole(id)) {
        release();
        return await this.#open(id, context);
      }
      const stop = new AbortController();
      const give = () => stop.abort();
      signal.addEventListener('abort', give, { once: true });
      if (signal.aborted) throw aborted(target.name);
      const retry = context.retry ?? RETRY;
      const files: Intake[] = [];
      // All of them are found before anything is stored.
      const found = [];
      for (const places of target.parts) found.push(await openFirst(places, stop.signal));
      for (const [part, { origin, from }] of found.entries()) {
        // What was begun and is asked for by its name in the store is completed.
        const byPlace = target.parts.length === 1 && target.identity !== id;
        const twin = byPlace ? await this.#twin(origin) : undefined;
        if (twin !== undefined && twin !== id) {
          signal.removeEventListener('abort', give);
          await this.#note(twin, from);
          await this.models.remove(id);
          release();
          return await this.#open(twin, context);
        }
        const folder = await this.models.folder(id);
        const about = { part, parts: target.parts.length, ...(from ? { from } : {}) };
        files.push(await Intake.open(await folder.folder(partFolder(part)), origin, about, retry, stop.signal));
      }
      const source = join(files);
      const loaded = () => files.reduce((sum, file) => sum + file.received, 0);
      const told = () => context.told(loaded(), source.size, false);
      told();
      const missing = () => files.reduce((sum, file) => sum + file.missing, 0);
      if (missing() > 0) await this.#checkRoom(target.name, missing());
      const run = this.#run(files, told, missing).finally(() => {
        release();
        signal.removeEventListener('abort', give);
      });
      // While it is open nobody may delete it.
      let inUse: (() => void) | undefined;
      const finished = run.then(async () => {
        inUse = await lock(this.#lockOf(id), { mode: 'shared' });
        if (stop.signal.aborted) inUse();
      });
      // Whoever reads hears of a failure; whoever waits for the end does too.
      finished.catch(() => {});
      const close = () => {
        stop.abort();
        inUse?.();
      };
      const discard = async () => {
        close();
        await finished.catch(() => {});
        await this.delete(id);
      };
      return { ...joined(source), finished, close, discard };
    } catch (error) {
      release();
      throw error;
    }
  }

  async #run(files: Intake[], told: () => void, missing: () => number): Promise<void> {
    try {
      // Short files first: with Meta's weights they say what is in the long one.
      const long = ({ size }: Intake) => Number(size > SHORT);
      for (const file of [...files].sort((a, b) => long(a) - long(b))) await file.run(told);
    } catch (error) {
      const full = error instanceof DOMException && error.name === 'QuotaExceededError';
      const said = full ? await this.#full(files[0]?.name ?? '', missing()) : error;
      for (const file of files) file.fail(said);
      throw said;
    }
  }

  /** The one who writes a model. Meanwhile the progress of another tab is told. */
  async #waitForTurn(id: string, { signal, told }: StoreContext): Promise<() => void> {
    let looking: ReturnType<typeof setInterval> | undefined;
    const look = async () => {
      const model = await this.find(id);
      if (model && looking !== undefined) told(model.stored, model.size, true);
    };
    const waits = () => {
      looking = setInterval(() => void look().catch(() => {}), LOOK);
      void look().catch(() => {});
    };
    try {
      return await lock(this.#lockOf(id), { mode: 'exclusive', signal, waits });
    } catch (error) {
      throw signal.aborted ? aborted(id) : error;
    } finally {
      clearInterval(looking);
      looking = undefined;
    }
  }

  async #checkRoom(name: string, needed: number): Promise<void> {
    const { quota, usage } = await this.estimate();
    const refused = this.kind === 'opfs' && quota > 0 && needed > quota - usage;
    if (refused || !await this.home.holds(needed)) throw await this.#full(name, needed);
  }

  async #full(name: string, needed: number): Promise<Quota> {
    const { quota, usage } = await this.estimate();
    let free = 0;
    let most = Math.max(Math.min(needed, quota - usage), 0);
    // The browser does not say what is free; it only says whether something fits.
    while (most - free > needed / 100) {
      const middle = Math.floor((free + most) / 2);
      if (await this.home.holds(middle)) free = middle;
      else most = middle;
    }
    const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
    return new Quota(
      `${name} needs ${mb(needed)} more, and the browser leaves this site ${mb(free)}. Delete stored models, free disk `
      + 'space, or load without storing (keep: false).', { needed, free },
    );
  }

  /** The journals of a model's parts, in order, as far as they were begun. */
  async #journals(id: string): Promise<Journal[]> {
    if (!(await this.models.names()).includes(id)) return [];
    const folder = await this.models.folder(id);
    const journals = [];
    for (const name of await folder.names()) {
      const journal = await Journal.open(await folder.folder(name));
      if (!journal) break;
      journals.push(journal);
    }
    return journals;
  }

  #lockOf(id: string): string {
    // What is in memory is this worker's alone.
    return this.kind === 'opfs' ? `llamita/${id}` : `llamita/${WORKER}/${id}`;
  }
}

/** Not randomUUID, which pages without https do not have. */
const WORKER = crypto.getRandomValues(new Uint32Array(4)).join('-');
const partFolder = (part: number) => String(part).padStart(5, '0');

/** The methods of a source that may be an object of a class, for a new object. */
function joined(source: ByteSource): ByteSource {
  const { name, size, parts } = source;
  return { name, size, ...(parts ? { parts } : {}), read: (offset, length) => source.read(offset, length) };
}

/** The folder of a model: readable, and different for different places. */
async function idOf({ identity, name }: Target): Promise<string> {
  const readable = name.replace(/\.(gguf|pth|safetensors)$/i, '').replace(/[^\w.-]+/g, '-').slice(0, 60).toLowerCase();
  return `${readable}-${(await sha256(new TextEncoder().encode(identity))).slice(0, 8)}`;
}

function notWhole(id: string): BadModel {
  return new BadModel(`${id} is not whole. Load it from its address, or import its file again.`);
}
