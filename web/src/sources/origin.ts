/** A file that is elsewhere, read as a stream, and again when the stream ends too early. */
import { Aborted, BadModel, Http, LlamitaError, Offline } from '../errors.js';
import { free } from './free.js';
import type { Provenance, Version } from '../store/journal.js';

/** A file that can be read from any offset. */
export interface Origin {
  readonly name: string;
  readonly size: number;
  readonly version: Version;
  /** The SHA-256 that its publisher gives, in hexadecimal digits. */
  readonly sha256?: string | undefined;
  /** False where reading from an offset costs reading everything before it. */
  readonly ranges: boolean;
  /** Bytes from `begin`, until `end` or until the line is cut. Each piece is the reader's own, to be freed. */
  stream(begin: number, end: number, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void>;
}

/** Where a file may be. */
export interface Place {
  /** Undefined for a file of the page. */
  from?: Provenance;
  open(signal: AbortSignal): Promise<Origin>;
}

/** A file in the first of its places that has one. */
export async function openFirst(
  places: Place[], signal: AbortSignal,
): Promise<{ origin: Origin; from: Provenance | undefined }> {
  for (const [at, { from, open }] of places.entries()) {
    try {
      return { origin: await open(signal), from };
    } catch (error) {
      const gone = error instanceof Http && (error.status === 404 || error.status === 410);
      if (!gone || at === places.length - 1) throw error;
    }
  }
  throw new RangeError('no place');
}

/** How often and how patiently a line that was cut is taken up again. */
export interface Retry {
  /** Failures in a row, without a byte between them, that are the end. */
  attempts: number;
  /** The first pause in milliseconds; each one after is twice as long, up to 8 s. */
  pause: number;
  /** Milliseconds without a byte after which a line counts as cut. */
  stall: number;
  /** Told when nothing comes, when a line is about to be taken up again, and when bytes come. */
  told?: (trouble: 'stalled' | 'retrying' | undefined) => void;
}

export const RETRY: Retry = { attempts: 7, pause: 250, stall: 30_000 };
const LONGEST_PAUSE = 8000;

/** The line was cut, or the server is busy: trying again may help. */
export class Interrupted extends Error {
  /** Milliseconds that the server wants to be left alone, and the status that it answered with. */
  constructor(message: string, readonly after = 0, readonly status?: number) {
    super(message);
  }
}

/** The file is not the one that it was. */
export class Changed extends BadModel {
  constructor(name: string) {
    super(`${name} changed on its server while it was read. Load it again.`);
  }
}

/** Runs something again, after a pause, as long as it is `Interrupted`. `moved` says whether it got further. */
export async function retrying<T>(
  what: string, retry: Retry, signal: AbortSignal, run: () => Promise<T>, moved: () => boolean = () => false,
): Promise<T> {
  for (let failures = 0; ;) {
    try {
      return await run();
    } catch (error) {
      if (signal.aborted) throw aborted(what);
      if (!(error instanceof Interrupted)) throw error;
      failures = moved() ? 1 : failures + 1;
      if (failures >= retry.attempts) throw unreachable(what, error, failures);
      retry.told?.('retrying');
      const pause = Math.min(retry.pause * 2 ** (failures - 1), LONGEST_PAUSE);
      await sleep(Math.max(pause * (0.75 + Math.random() / 2), Math.min(error.after, 60_000)), signal);
    }
  }
}

/** Exactly the bytes of a range, in order, however often the line is cut. */
export async function* reliable(
  origin: Origin, begin: number, end: number, retry: Retry, signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  let at = begin;
  let before = begin;
  let stream: AsyncGenerator<Uint8Array, void, void> | undefined;
  const moved = () => {
    const further = at > before;
    before = at;
    return further;
  };
  try {
    while (at < end) {
      if (signal.aborted) throw aborted(origin.name);
      const piece = await retrying(origin.name, retry, signal, async () => {
        stream ??= origin.stream(at, end, signal);
        try {
          const { value, done } = await stream.next();
          if (done) throw new Interrupted(`the line was cut after ${at} of ${origin.size} bytes`);
          return value;
        } catch (error) {
          stream = undefined;
          throw error;
        }
      }, moved);
      at += piece.length;
      yield piece;
    }
  } finally {
    await stream?.return();
  }
}

/** A whole range in memory; for chunks. */
export async function readRange(
  origin: Origin, begin: number, end: number, retry: Retry, signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(end - begin);
  let at = 0;
  for await (const piece of reliable(origin, begin, end, retry, signal)) {
    bytes.set(piece, at);
    at += piece.length;
    free(piece);
  }
  return bytes;
}

/** The reason of a signal, as this package says it. */
export function aborted(what: string): LlamitaError {
  return new Aborted(`${what} was given up. What was stored of it is kept: loading again goes on from there.`);
}

function unreachable(what: string, error: Interrupted, failures: number): LlamitaError {
  const { status } = error;
  if (status !== undefined) {
    const text = `${what} cannot be had: ${error.message}, ${failures} times in a row.`;
    return new Http(`${text} Load it again later: it goes on where it stopped.`, { status });
  }
  return new Offline(
    `${what} cannot be reached: ${error.message}; ${failures} attempts in a row brought nothing. `
    + 'Check the network and load again: it goes on where it stopped.',
  );
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(aborted('The download'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
