/** A file on its way into the store. It can be read meanwhile: reads wait for their bytes. */
import { BadModel } from '../errors.js';
import { free } from '../sources/free.js';
import { otherVersion } from '../sources/http.js';
import { aborted, readRange, reliable, type Origin, type Retry } from '../sources/origin.js';
import { SMALL, type ByteSource } from '../sources/source.js';
import { ChunkReader } from './chunks.js';
import type { Folder } from './folder.js';
import { Journal, type Header } from './journal.js';
import { Sha256, sha256 } from './sha256.js';

/** Bytes of a chunk. */
export const CHUNK = 8 << 20;

/** Some of the bytes had been wrong, and are right now. What was made of the wrong ones is to be made again. */
export class Repaired extends BadModel {
  constructor(name: string, chunks: number) {
    super(`${chunks} pieces of ${name} arrived damaged and were fetched again. Load it once more.`);
  }
}

/** Bytes behind what has come from which a small read does not wait: a request of its own is sooner. */
const FAR = 16 << 20;

interface Waiting { end: number; resolve(): void; reject(error: unknown): void }

export class Intake implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #reader: ChunkReader;
  /** Bytes that have come. */
  #received: number;
  /** Bytes that may be read: the end of a file whose hash is published waits until the hash is known. */
  #readable: number;
  #waiting: Waiting[] = [];
  #failure: unknown;

  private constructor(
    private readonly journal: Journal, private readonly origin: Origin,
    private readonly retry: Retry, private readonly signal: AbortSignal,
  ) {
    this.name = origin.name;
    this.size = origin.size;
    this.#received = journal.stored;
    this.#readable = this.#limit();
    this.#reader = this.#newReader();
  }

  /** Goes on with what a folder has of a file, if it is still the same file; else begins anew. */
  static async open(
    folder: Folder, origin: Origin, about: Pick<Header, 'part' | 'parts' | 'from'>, retry: Retry, signal: AbortSignal,
  ): Promise<Intake> {
    const { name, size, version, sha256: published } = origin;
    let journal = await Journal.open(folder, true);
    if (journal && !sameFile(journal.header, origin)) journal = undefined;
    if (!journal) {
      for (const stale of await folder.names()) await folder.remove(stale);
      journal = await Journal.create(folder, {
        format: 1, name, size, chunk: CHUNK, version, ...(published ? { published } : {}), ...about, added: Date.now(),
      });
    }
    return new Intake(journal, origin, retry, signal);
  }

  #newReader(): ChunkReader {
    const { journal, origin, retry, signal } = this;
    return new ChunkReader(journal, (index) => healChunk(journal, index, origin, retry, signal));
  }

  /** Bytes that have come, in this session or an earlier one. */
  get received(): number {
    return this.#received;
  }

  /** Bytes that are not stored yet. */
  get missing(): number {
    return this.size - this.journal.stored;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = offset + length;
    if (end > this.#readable) {
      if (this.#failure !== undefined) throw this.#failure;
      // The end of an archive says where all else is in it.
      if (length <= SMALL && offset > this.#received + FAR && this.origin.ranges) {
        return readRange(this.origin, offset, end, this.retry, this.signal);
      }
      await new Promise<void>((resolve, reject) => this.#waiting.push({ end, resolve, reject }));
    }
    return this.#reader.read(offset, length);
  }

  /** Fetches what is missing, to the end. `told` is called when bytes have come. */
  async run(told: () => void): Promise<void> {
    const { journal } = this;
    if (journal.done !== undefined) return;
    const hash = await this.#hashSoFar();
    const { chunk } = journal.header;
    let filling = this.#fill();
    for await (const piece of reliable(this.origin, this.#received, this.size, this.retry, this.signal)) {
      for (let from = 0; from < piece.length;) {
        const at = this.#received % chunk;
        const part = piece.subarray(from, from + chunk - at);
        filling.set(part, at);
        hash.update(part);
        from += part.length;
        this.#received += part.length;
        this.#readable = this.#limit();
        this.#wake();
        told();
        if (at + part.length === filling.length) filling = await this.#keep(filling, hash);
      }
      free(piece);
    }
    await this.#finish(hash.digest());
    this.#readable = this.size;
    this.#wake();
  }

  /** Ends every read that still waits. */
  fail(error: unknown): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }

  #limit(): number {
    const all = this.journal.done !== undefined || !this.origin.sha256;
    return all ? this.#received : Math.min(this.#received, this.size - 1);
  }

  #wake(): void {
    const ready = this.#waiting.filter(({ end }) => end <= this.#readable);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter(({ end }) => end > this.#readable);
    for (const { resolve } of ready) resolve();
  }

  /** Room for the next chunk. */
  #fill(): Uint8Array<ArrayBuffer> {
    const index = this.journal.hashes.length;
    const { begin, end } = this.journal.range(index);
    const bytes = new Uint8Array(Math.max(end - begin, 0));
    this.#reader.filling = { index, bytes };
    return bytes;
  }

  /** Stores a chunk that is full, and gives room for the next. */
  async #keep(bytes: Uint8Array<ArrayBuffer>, hash: Sha256): Promise<Uint8Array<ArrayBuffer>> {
    const index = this.journal.hashes.length;
    const state = bytes.length % 64 === 0 ? hash.state() : undefined;
    await this.journal.write(index, bytes, await sha256(bytes), state);
    this.#reader.keep(index, bytes);
    return this.#fill();
  }

  /** The whole's hash as far as the file is stored. */
  async #hashSoFar(): Promise<Sha256> {
    const { journal } = this;
    if (journal.hashes.length === 0) return new Sha256();
    return journal.state === undefined ? this.#hashStored() : Sha256.from(journal.state, journal.stored);
  }

  async #hashStored(): Promise<Sha256> {
    const hash = new Sha256();
    const reader = this.#newReader(); // What others read of theirs is in use until they read again.
    for (let index = 0; index < this.journal.hashes.length; index += 1) {
      const { begin, end } = this.journal.range(index);
      hash.update(await reader.read(begin, end - begin));
      await turn();
    }
    return hash;
  }

  /** Compares the whole with what its publisher says. Where they differ, every chunk is fetched and compared. */
  async #finish(whole: string): Promise<void> {
    const { journal, origin } = this;
    const published = origin.sha256;
    if (!published || whole === published) return journal.finish(whole);
    let replaced = 0;
    for (let index = 0; index < journal.count; index += 1) {
      const { begin, end } = journal.range(index);
      const bytes = await readRange(origin, begin, end, this.retry, this.signal);
      const hash = await sha256(bytes);
      if (hash === journal.hashes[index]) continue;
      await journal.write(index, bytes, hash);
      this.#reader.keep(index, bytes);
      replaced += 1;
    }
    this.#reader.filling = undefined;
    const again = (await this.#hashStored()).digest();
    if (again !== published) {
      throw new BadModel(
        `${this.name} is not the file that was published: its SHA-256 is ${again} instead of ${published}. `
        + 'Load it from another address.',
      );
    }
    await journal.finish(again);
    throw new Repaired(this.name, replaced);
  }
}

/** Fetches a chunk whose stored bytes are not those that were stored. */
export async function healChunk(
  journal: Journal, index: number, origin: Origin, retry: Retry, signal: AbortSignal,
): Promise<Uint8Array> {
  if (signal.aborted) throw aborted(origin.name);
  const { begin, end } = journal.range(index);
  const bytes = await readRange(origin, begin, end, retry, signal);
  const hash = journal.hashes[index];
  if (hash === undefined || await sha256(bytes) !== hash) {
    throw new BadModel(
      `Bytes ${begin} to ${end} of the stored ${origin.name} are damaged, and its server has others now. `
      + 'Delete it from the store and load it again.',
    );
  }
  await journal.write(index, bytes, hash);
  return bytes;
}

/** Whether what is stored is the beginning of this file. */
function sameFile(header: Header, origin: Origin): boolean {
  if (header.size !== origin.size) return false;
  if (header.published && origin.sha256) return header.published === origin.sha256;
  return !otherVersion(header.version, origin.version);
}

/** Lets other work of the thread happen. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
