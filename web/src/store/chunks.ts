/** Reads of a stored file. Every chunk is checked the first time that it is read. */
import type { Journal } from './journal.js';
import { sha256 } from './sha256.js';

/** Chunks that are kept in memory: small tensors are read one by one from the same chunk. */
const KEPT = 2;

/** Gives the right bytes of a damaged chunk, and stores them. */
export type Heal = (index: number) => Promise<Uint8Array>;

export class ChunkReader {
  /** The chunk that is being filled: what of it may be read is known to who fills it. */
  filling: { index: number; bytes: Uint8Array } | undefined;
  readonly #checked = new Set<number>();
  readonly #kept = new Map<number, Uint8Array>();

  constructor(private readonly journal: Journal, private readonly heal: Heal) {}

  /** Exactly these bytes. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let at = offset; at < offset + length;) {
      const index = Math.floor(at / this.journal.header.chunk);
      const range = this.journal.range(index);
      const end = Math.min(range.end, offset + length);
      bytes.set(await this.#part(index, at - range.begin, end - range.begin), at - offset);
      at = end;
    }
    return bytes;
  }

  /** Keeps a chunk that is known to be right. */
  keep(index: number, bytes: Uint8Array): void {
    this.#checked.add(index);
    this.#kept.delete(index);
    this.#kept.set(index, bytes);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= KEPT) break;
      this.#kept.delete(oldest);
    }
  }

  async #part(index: number, begin: number, end: number): Promise<Uint8Array> {
    const held = this.filling?.index === index ? this.filling.bytes : this.#kept.get(index);
    if (held) return held.subarray(begin, end);
    const known = this.#checked.has(index) ? await this.journal.read(index, begin, end) : undefined;
    if (known) return known;
    const stored = await this.journal.read(index);
    const right = stored && await sha256(stored) === this.journal.hashes[index];
    const bytes = right ? stored : await this.heal(index);
    this.keep(index, bytes);
    return bytes.subarray(begin, end);
  }
}
