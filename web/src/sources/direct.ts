/** A file on a server that is read without being stored. */
import { NoRange } from '../errors.js';
import { free } from './free.js';
import { aborted, readRange, reliable, type Origin, type Retry } from './origin.js';
import { SMALL, type ByteSource } from './source.js';

/** Bytes that are skipped rather than asked for anew: padding between tensors, small tensors that are not needed. */
const SKIP = 1 << 20;
/** Bytes that a server without ranges may be made to send again. */
const AGAIN = 64 << 20;

/** Reads in rising order are one stream; any other begins a new one, but for a small one, which is a request of its own. */
export class DirectSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #stop = new AbortController();
  #stream: AsyncGenerator<Uint8Array, void, void> | undefined;
  /** What came and was not asked for yet, and where it is in the file. */
  #rest: Uint8Array = new Uint8Array(0);
  #at = 0;
  #piece: Uint8Array | undefined;
  #last: Uint8Array | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  /** `told` hears where reading has come to. */
  constructor(
    private readonly origin: Origin, private readonly retry: Retry, signal: AbortSignal,
    private readonly told: (at: number) => void,
  ) {
    this.name = origin.name;
    this.size = origin.size;
    signal.addEventListener('abort', () => this.close(), { once: true, signal: this.#stop.signal });
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    const ahead = offset - this.#at;
    const apart = length <= SMALL && length < this.size && (ahead < 0 || ahead > SKIP);
    if (apart && this.origin.ranges) {
      return readRange(this.origin, offset, offset + length, this.retry, this.#stop.signal);
    }
    const read = this.#queue.then(() => this.#read(offset, length));
    this.#queue = read.catch(() => {});
    return read;
  }

  close(): void {
    this.#stop.abort();
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    if (this.#stop.signal.aborted) throw aborted(this.name);
    free(this.#last);
    const bytes = new Uint8Array(length);
    this.#last = length > SMALL ? bytes : undefined;
    if (length === 0) return bytes;
    await this.#seek(offset);
    let filled = 0;
    while (filled < length) {
      if (this.#rest.length === 0) {
        free(this.#piece);
        this.#rest = this.#piece = await this.#next();
      }
      // Where the stream begins before what was asked for.
      const skipped = Math.min(Math.max(offset - this.#at, 0), this.#rest.length);
      const part = this.#rest.subarray(skipped, skipped + length - filled);
      bytes.set(part, filled);
      filled += part.length;
      this.#rest = this.#rest.subarray(skipped + part.length);
      this.#at += skipped + part.length;
    }
    this.told(this.#at);
    return bytes;
  }

  /** What comes next of the stream. One that failed has ended: the next read begins another. */
  async #next(): Promise<Uint8Array> {
    try {
      const next = await this.#stream?.next();
      if (!next?.value) throw aborted(this.name);
      return next.value;
    } catch (error) {
      this.#stream = undefined;
      throw error;
    }
  }

  /** Makes sure that the stream leads to an offset. */
  async #seek(offset: number): Promise<void> {
    const ahead = offset - this.#at;
    if (this.#stream && ahead >= 0 && (ahead <= SKIP || !this.origin.ranges)) return;
    await this.#stream?.return();
    if (!this.origin.ranges && offset > AGAIN) {
      throw new NoRange(
        `The server of ${this.name} gives whole files only, and reading goes back to byte ${offset}. `
        + 'Let it be stored (keep: true), or download it and open the file.',
      );
    }
    this.#at = offset;
    this.#rest = new Uint8Array(0);
    this.#stream = reliable(this.origin, offset, this.size, this.retry, this.#stop.signal);
  }
}
