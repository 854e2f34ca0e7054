/** Reads of a stored file. Every chunk is checked the first time that it is read. */
import { free } from '../sources/free.js';
import { SMALL } from '../sources/source.js';
import type { Journal } from './journal.js';
import { sha256 } from './sha256.js';

/** Chunks that are kept in memory: small tensors are read one by one from the same chunk. */
const KEPT = 1;

/** Gives the right bytes of a damaged chunk, and stores them. */
export type Heal = (index: number) => Promise<Uint8Array>;

export class ChunkReader {
  /** The chunk that is being filled: what of it may be read is known to who fills it. */
  filling: { index: number; bytes: Uint8Array } | undefined;
  readonly #checked = new Set<number>();
  readonly #kept = new Map<number, Uint8Array>();
  #last: Uint8Array | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(private readonly journal: Journal, private readonly heal: Heal) {}

  /** Exactly these bytes, as a `ByteSource` gives them. One read at a time: each may take a whole chunk. */
  read(offset: number, length: number): Promise<Uint8Array> {
    const read = this.#queue.then(() => this.#read(offset, length));
    this.#queue = read.catch(() => {});
    return read;
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    free(this.#last);
    const bytes = new Uint8Array(length);
    this.#last = length > SMALL ? bytes : undefined;
    for (let at = offset; at < offset + length;) {
      const index = Math.floor(at / this.journal.header.chunk);
      const range = this.journal.range(index);
      const end = Math.min(range.end, offset + length);
      await this.#copy(index, at - range.begin, end - range.begin, bytes.subarray(at - offset, end - offset));
      at = end;
    }
    return bytes;
  }

  /** Keeps a chunk that is known to be right. */
  keep(index: number, bytes: Uint8Array): void {
    this.#checked.add(index);
    this.#kept.delete(index);
    this.#kept.set(index, bytes);
    for (const [oldest, bytes] of this.#kept) {
      if (this.#kept.size <= KEPT) break;
      this.#kept.delete(oldest);
      free(bytes);
    }
  }

  /** Copies from a chunk. What is kept may be freed by others, so that it is copied without waiting in between. */
  async #copy(index: number, begin: number, end: number, to: Uint8Array): Promise<void> {
    const held = this.filling?.index === index ? this.filling.bytes : this.#kept.get(index);
    if (held) return to.set(held.subarray(begin, end));
    const part = this.#checked.has(index) ? await this.journal.read(index, begin, end) : undefined;
    if (part) {
      to.set(part);
      return free(part);
    }
    const stored = await this.journal.read(index);
    const right = stored && await sha256(stored) === this.journal.hashes[index];
    const bytes = right ? stored : await this.heal(index);
    to.set(bytes.subarray(begin, end));
    this.keep(index, bytes);
  }
}
