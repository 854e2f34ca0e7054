/** A file on a server, by ranges where the server gives them, and from the beginning where it does not. */
import { BadModel, Cors, Http, NoRange } from '../errors.js';
import type { Version } from '../store/journal.js';
import { Changed, Interrupted, retrying, type Origin, type Retry } from './origin.js';

/** What to ask for. */
export interface Request {
  url: string;
  headers?: Record<string, string> | undefined;
  /** The file's name, where the address does not end in it. */
  name?: string;
  /** What is known of it beforehand. */
  sha256?: string | undefined;
  /** What a refusal means at this server; undefined for the usual words. */
  explain?: (status: number) => string | undefined;
}

/** Bytes of a request: browsers take in whatever a server sends, and keep in memory what is not read yet. */
const WINDOW = 16 << 20;
/** Milliseconds without a byte after which that is told. */
const PATIENCE = 5000;
/** Answers that may be others in a moment. */
const PASSING = [408, 425, 429, 500, 502, 503, 504];

export class HttpFile implements Origin {
  readonly name: string;
  readonly sha256: string | undefined;

  private constructor(
    private readonly request: Request, private readonly retry: Retry,
    readonly size: number, readonly version: Version, readonly ranges: boolean,
  ) {
    this.name = nameOf(request);
    this.sha256 = request.sha256;
  }

  /** Asks the server what it has. One byte is fetched. */
  static async open(request: Request, retry: Retry, signal: AbortSignal): Promise<HttpFile> {
    return retrying(nameOf(request), retry, signal, async () => {
      const answer = await ask(request, 'bytes=0-0', signal, retry);
      try {
        const { response } = answer;
        const type = response.headers.get('content-type') ?? '';
        if (/^text\/html/i.test(type)) throw aPage(request);
        const ranges = response.status === 206;
        const size = ranges ? await totalOf(response, request, signal) : lengthOf(response);
        if (size === undefined) {
          throw new NoRange(
            `${hostOf(request.url)} does not say how long ${nameOf(request)} is. `
            + 'Host it where answers have a Content-Length, or download it and open the file.',
          );
        }
        return new HttpFile(request, retry, size, versionOf(response), ranges);
      } finally {
        answer.end();
      }
    });
  }

  async* stream(begin: number, end: number, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    for (let at = begin; at < end;) {
      const until = this.ranges ? Math.min(at + WINDOW, end) : end;
      for await (const piece of this.#answer(at, until, signal)) {
        at += piece.length;
        yield piece;
      }
      if (at < until) return; // The line was cut.
    }
  }

  /** The bytes that one request brings. */
  async* #answer(begin: number, end: number, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    const answer = await ask(this.request, `bytes=${begin}-${end < this.size ? end - 1 : ''}`, signal, this.retry);
    try {
      let at = this.#check(answer.response, begin);
      for (;;) {
        const piece = await answer.read();
        if (piece === undefined) return;
        const from = Math.max(begin - at, 0);
        const wanted = piece.subarray(Math.min(from, piece.length), Math.max(end - at, 0));
        at += piece.length;
        if (wanted.length > 0) yield wanted;
        if (at >= end) {
          if (at > this.size) throw tooLong(this.request, this.size);
          return;
        }
      }
    } finally {
      answer.end();
    }
  }

  /** The offset that an answer begins at. It must be of the file that was opened. */
  #check(response: Response, begin: number): number {
    const [was, is] = [this.version, versionOf(response)];
    if (differs(was.etag, is.etag) || (!(was.etag && is.etag) && differs(was.modified, is.modified))) {
      throw new Changed(this.name);
    }
    if (response.status === 200) {
      if (differs(lengthOf(response), this.size)) throw new Changed(this.name);
      return 0;
    }
    const range = contentRange(response);
    if (!range) return begin;
    if (range.total !== this.size) throw new Changed(this.name);
    if (range.begin !== begin) {
      const text = `asked for bytes from ${begin}, ${hostOf(this.request.url)} sends them from ${range.begin}`;
      throw new NoRange(`${text}. Download ${this.name} and open the file.`);
    }
    return begin;
  }
}

/** True where two versions can be compared and are not the same. */
export function otherVersion(a: Version, b: Version): boolean {
  if (a.etag && b.etag) return a.etag !== b.etag;
  return differs(a.modified, b.modified);
}

const differs = <T>(a: T | undefined, b: T | undefined) => a !== undefined && b !== undefined && a !== b;

/** An answer that is being read. */
interface Answer {
  response: Response;
  /** The next piece of the body, or undefined at its end. */
  read(): Promise<Uint8Array | undefined>;
  /** Lets the line go. */
  end(): void;
}

/** Sends one request. Only an answer with a body of the file comes back; everything else is an error. */
async function ask(request: Request, range: string, signal: AbortSignal, retry: Retry): Promise<Answer> {
  const { url, headers } = request;
  const { stall, told } = retry;
  const line = new AbortController();
  const stop = () => line.abort();
  signal.addEventListener('abort', stop, { once: true });
  const end = () => {
    signal.removeEventListener('abort', stop);
    line.abort();
  };
  let silent = false;
  const watched = async <T>(wait: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => {
      silent = true;
      line.abort();
    }, stall);
    const patience = setTimeout(() => told?.('stalled'), Math.min(PATIENCE, stall / 2));
    try {
      const come = await wait;
      told?.(undefined);
      return come;
    } catch (error) {
      if (signal.aborted) throw error;
      const said = error instanceof Error ? error.message : String(error);
      const where = isLocal(url) ? ` (${hostOf(url)} is an address in a local network)` : '';
      throw new Interrupted(silent ? `nothing came from ${hostOf(url)} for ${stall / 1000} s` : said + where);
    } finally {
      clearTimeout(timer);
      clearTimeout(patience);
    }
  };
  try {
    signal.throwIfAborted();
    const options: RequestInit = {
      headers: { ...headers, range }, signal: line.signal, cache: 'no-store', referrerPolicy: 'no-referrer',
    };
    // The server is asked again each time, so that an address that it redirects to may be valid for a short while only.
    const response = await watched(fetch(url, options)).catch(async (error: unknown) => {
      if (error instanceof Interrupted && !silent) {
        if (await isForbidden(url)) throw forbidden(request);
        if (await answersOthers(url, signal)) throw corsError(request);
      }
      throw error;
    });
    if (response.status !== 200 && response.status !== 206) throw refusal(request, response);
    if (!response.body) throw new Interrupted('the answer has no body');
    const reader = response.body.getReader();
    return { response, end, read: async () => (await watched(reader.read())).value };
  } catch (error) {
    end();
    throw error;
  }
}

/** What the types of workers do not know of it. */
interface Violation extends Event { blockedURI: string; effectiveDirective: string; disposition: string }

/** Addresses that the policy of this place has kept requests from. */
const refused = new Set<string>();
globalThis.addEventListener?.('securitypolicyviolation', (event) => {
  const { blockedURI, effectiveDirective, disposition } = event as Violation;
  if (effectiveDirective === 'connect-src' && disposition === 'enforce') refused.add(blockedURI);
});

/** Whether a request failed by the Content-Security-Policy here, which the browser tells a moment later. */
async function isForbidden(url: string): Promise<boolean> {
  const plain = new URL(url);
  plain.hash = '';
  for (let turn = 0; turn < 5 && !refused.has(plain.href); turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return refused.delete(plain.href);
}

function forbidden(request: Request): Cors {
  return new Cors(
    `The Content-Security-Policy of this page does not allow connections to ${new URL(request.url).origin}, or to where `
    + `it leads. Add the host to connect-src, or download ${nameOf(request)} and open the file.`,
  );
}

/** Whether a server answers at all: then a request that failed was kept from this page by the browser. */
async function answersOthers(url: string, signal: AbortSignal): Promise<boolean> {
  if (new URL(url).origin === globalThis.location.origin) return false;
  try {
    await fetch(url, { method: 'HEAD', mode: 'no-cors', cache: 'no-store', referrerPolicy: 'no-referrer', signal });
    return true;
  } catch {
    return false;
  }
}

function refusal(request: Request, response: Response): Error {
  const { status } = response;
  const host = hostOf(request.url);
  if (status === 416) return new Changed(nameOf(request));
  if (PASSING.includes(status)) {
    const after = Number(response.headers.get('retry-after') ?? 0) * 1000;
    return new Interrupted(`${host} answers with status ${status}`, Number.isFinite(after) ? after : 0, status);
  }
  const usual: Record<number, string> = {
    401: `${host} wants to know who asks (401). Give a token or headers that it accepts.`,
    403: `${host} refuses ${nameOf(request)} (403). Check that you may read it, and that the address has not expired.`,
    404: `${host} has no ${nameOf(request)} (404). Check the address.`,
    410: `${host} no longer has ${nameOf(request)} (410). Look for another address.`,
  };
  const other = `${host} answers with status ${status}. Check the address.`;
  return new Http(request.explain?.(status) ?? usual[status] ?? other, { status });
}

/** Servers show a page about a file under an address that is like the file's own. */
function aPage(request: Request): BadModel {
  return new BadModel(
    `${hostOf(request.url)} sends a page (text/html) for ${nameOf(request)}, and no model. Give the address of the `
    + 'file itself, which its download button has.',
  );
}

/** Whether an address is one of a home or an office, which browsers keep pages from. */
function isLocal(url: string): boolean {
  const { hostname } = new URL(url);
  if (/^(10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|\[f[cde])/.test(hostname)) return true;
  return /\.(local|lan|home|internal)$|^(?!localhost$)[\w-]+$/.test(hostname);
}

function corsError(request: Request): Cors {
  if (isLocal(request.url)) {
    return new Cors(
      `${hostOf(request.url)} is an address in a local network, which this page may not read from. Download `
      + `${nameOf(request)} and open the file.`,
    );
  }
  return new Cors(
    `${hostOf(request.url)} does not let other sites read ${nameOf(request)} (CORS). Download it and open the file, `
    + 'or host it where answers have Access-Control-Allow-Origin.',
  );
}

function tooLong(request: Request, size: number): NoRange {
  return new NoRange(
    `${hostOf(request.url)} sends more than the ${size} bytes that it announced, as servers do that compress on the `
    + `way. Turn compression off for ${nameOf(request)}, or download it and open the file.`,
  );
}

/** The length of the whole file behind a partial answer. */
async function totalOf(response: Response, request: Request, signal: AbortSignal): Promise<number | undefined> {
  const range = contentRange(response);
  if (range) return range.total;
  // Servers of other origins may hide Content-Range; Content-Length is never hidden.
  const { url, headers } = request;
  const options: RequestInit = { method: 'HEAD', headers: headers ?? {}, cache: 'no-store', signal };
  const head = await fetch(url, options).catch(() => undefined);
  return head?.ok ? lengthOf(head) : undefined;
}

function contentRange(response: Response): { begin: number; total: number } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  return match ? { begin: Number(match[1]), total: Number(match[2]) } : undefined;
}

function lengthOf(response: Response): number | undefined {
  const length = response.headers.get('content-length');
  return length === null || response.headers.has('content-encoding') ? undefined : Number(length);
}

/** A weak tag is compared like a strong one: what is compared further is bytes, by their hashes. */
function versionOf(response: Response): Version {
  const etag = response.headers.get('etag')?.replace(/^W\//, '');
  const modified = response.headers.get('last-modified');
  return { ...(etag ? { etag } : {}), ...(modified ? { modified } : {}) };
}

/** The last part of an address. */
function nameOf({ url, name }: Request): string {
  return name ?? (lastName(url) || hostOf(url));
}

/** The last part of an address's path, as it is read. */
export const lastName = (url: string) => decoded(new URL(url).pathname.split('/').pop() ?? '');

/** A path of an address, as it is read. */
export function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // It has a percent sign that escapes nothing.
  }
}

export const hostOf = (url: string) => new URL(url).host;
