/**
 * What is known of a stored file, in lines of JSON that are only ever added: first what the file is, then a line for
 * each chunk once its bytes are safe, at last one that says that all are there. A crash tears the last line at most,
 * and a torn line is as good as none: no more than one chunk is lost.
 */
import type { Folder } from './folder.js';

/** Where a file came from, without anything secret: neither headers nor tokens. */
export type Provenance =
  | { url: string; sha256?: string }
  | { repo: string; file: string; revision?: string; endpoint?: string };

/** Whether two places are one, whatever is known of the file there. */
export function samePlace(a: Provenance, b: Provenance): boolean {
  if ('url' in a || 'url' in b) return 'url' in a && 'url' in b && a.url === b.url;
  const revision = (from: { revision?: string }) => from.revision ?? 'main';
  return a.repo === b.repo && a.file === b.file && revision(a) === revision(b) && a.endpoint === b.endpoint;
}

/** Tells one version of a file on a server from another. */
export interface Version { etag?: string; modified?: string }

/** What a file is. */
export interface Header {
  format: 1;
  /** The file's own name. */
  name: string;
  /** Which part of how many it is, for a model that was split; 0 of 1 otherwise. */
  part: number;
  parts: number;
  size: number;
  /** Bytes of a chunk; the last one may have less. */
  chunk: number;
  version: Version;
  /** The SHA-256 that its publisher gives, if any. */
  published?: string;
  /** Undefined for a file that was imported. */
  from?: Provenance;
  /** Milliseconds since 1970. */
  added: number;
}

/** A chunk: the hash of its bytes, and the state of the whole's hash after it, where they came in order. */
interface ChunkLine { index: number; sha256: string; state?: string }
/** All chunks are there; the hash of the whole. */
interface DoneLine { done: string }
/** Another place that the same file was asked from. */
interface AlsoLine { also: Provenance }

const FILE = 'journal';
const encode = (line: object) => new TextEncoder().encode(`${JSON.stringify(line)}\n`);

export class Journal {
  /** The hash of each chunk that is there; they come in order, so that these are the first ones. */
  readonly hashes: string[] = [];
  /** The state of the whole's hash after the last of them. */
  state: string | undefined;
  /** The hash of the whole, once all is there. */
  done: string | undefined;
  /** Other places that the same file was asked from. */
  readonly also: Provenance[] = [];

  private constructor(readonly folder: Folder, readonly header: Header) {}

  /**
   * The journal of a folder, or undefined where nothing usable was begun there. Only who holds the model's lock may
   * `mend` a torn line: another tab may be writing it.
   */
  static async open(folder: Folder, mend = false): Promise<Journal | undefined> {
    const text = await readText(folder);
    if (text === undefined) return undefined;
    const lines = text.split('\n');
    const torn = lines.pop() !== '';
    const parsed = lines.map(parse);
    const bad = parsed.indexOf(undefined);
    const good = bad < 0 ? parsed : parsed.slice(0, bad);
    const [header, ...rest] = good as [Header | undefined, ...(ChunkLine | DoneLine | AlsoLine)[]];
    if (header?.format !== 1) return undefined;
    const journal = new Journal(folder, header);
    for (const line of rest) journal.#take(line);
    // What is added must begin on a line of its own.
    if (mend && (torn || bad >= 0)) await folder.write(FILE, encodeAll(good as object[]));
    return journal;
  }

  /** Begins a journal, in an empty folder. */
  static async create(folder: Folder, header: Header): Promise<Journal> {
    await folder.write(FILE, encode(header));
    return new Journal(folder, header);
  }

  /** Chunks in all. */
  get count(): number {
    return Math.ceil(this.header.size / this.header.chunk);
  }

  /** Bytes that are there. */
  get stored(): number {
    return Math.min(this.hashes.length * this.header.chunk, this.header.size);
  }

  /** Where a chunk is in the file. */
  range(index: number): { begin: number; end: number } {
    const begin = index * this.header.chunk;
    return { begin, end: Math.min(begin + this.header.chunk, this.header.size) };
  }

  /** The bytes of a chunk that is there, unchecked; undefined where its file is missing or has another length. */
  async read(index: number, begin = 0, end?: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const range = this.range(index);
    const blob = await this.folder.read(chunkFile(index));
    if (blob?.size !== range.end - range.begin) return undefined;
    try {
      return new Uint8Array(await blob.slice(begin, end ?? blob.size).arrayBuffer());
    } catch (error) {
      // The disk does not give it, or it was written to meanwhile: as good as damaged.
      if (unreadable(error)) return undefined;
      throw error;
    }
  }

  /** The file of a chunk, to be handed on unread. */
  file(index: number): Promise<Blob | undefined> {
    return this.folder.read(chunkFile(index));
  }

  /** Keeps a chunk: the next one, or one that is damaged. The bytes first, then the line that vouches for them. */
  async write(index: number, bytes: Uint8Array<ArrayBuffer>, sha256: string, state?: string): Promise<void> {
    await this.folder.write(chunkFile(index), bytes);
    if (this.hashes[index] === sha256) return;
    const line: ChunkLine = { index, sha256, ...(state === undefined ? {} : { state }) };
    await this.folder.append(FILE, encode(line));
    this.#take(line);
  }

  async finish(whole: string): Promise<void> {
    const line = { done: whole };
    await this.folder.append(FILE, encode(line));
    this.#take(line);
  }

  /** Writes down that the same file was asked from another place. */
  async note(also: Provenance): Promise<void> {
    await this.folder.append(FILE, encode({ also }));
    this.#take({ also });
  }

  /** All places that the file was asked from. */
  get places(): Provenance[] {
    return [...this.header.from ? [this.header.from] : [], ...this.also];
  }

  #take(line: ChunkLine | DoneLine | AlsoLine): void {
    if ('done' in line) {
      this.done = line.done;
    } else if ('also' in line) {
      this.also.push(line.also);
    } else {
      this.hashes[line.index] = line.sha256;
      if (line.index === this.hashes.length - 1) this.state = line.state;
    }
  }
}

const chunkFile = (index: number) => String(index).padStart(6, '0');

function encodeAll(lines: object[]): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

/** The journal's text; again where another tab wrote to it meanwhile. */
async function readText(folder: Folder): Promise<string | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const blob = await folder.read(FILE);
    try {
      return await blob?.text();
    } catch (error) {
      if (attempt === 5 || !unreadable(error)) throw error;
    }
  }
}

const unreadable = (error: unknown) => error instanceof DOMException && error.name === 'NotReadableError';

function parse(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
