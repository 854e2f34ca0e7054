/** One worker, and the calls that are under way in it. */
import {
  Aborted, fromWire, Http, InternalError, InvalidSetting, LlamitaError, Offline, Unsupported,
} from './errors.js';
import { leftJournals } from './leaving.js';
import type { CallName, Calls, FromWorker, ToWorker } from './protocol.js';
import type { Progress } from './types.js';

/** Where the worker and its module are. */
export interface Place { workerUrl?: string | URL | undefined; wasmUrl?: string | URL | undefined }

interface Waiting {
  resolve(result: unknown): void;
  reject(error: LlamitaError): void;
  event(event: unknown): void;
}

/** A call that is under way. */
export interface Call<Name extends CallName> {
  id: number;
  result: Promise<Calls[Name]['result']>;
}

/** What a call may be given beside its arguments. */
export interface CallOptions<Name extends CallName> {
  onEvent?: ((event: Calls[Name]['event']) => void) | undefined;
  signal?: AbortSignal | undefined;
}

const connections = new Map<string, Connection>();

/** The worker of a place: one for everything that a page does. */
export function connect(place: Place = {}): Connection {
  const workerUrl = place.workerUrl ? absolute(place.workerUrl, 'workerUrl') : undefined;
  const wasmUrl = place.wasmUrl ? absolute(place.wasmUrl, 'wasmUrl') : null;
  const key = `${workerUrl} ${wasmUrl}`;
  let connection = connections.get(key);
  if (!connection) {
    connection = new Connection(workerUrl, wasmUrl, () => connections.delete(key));
    connections.set(key, connection);
  }
  return connection;
}

/** An address, which counts from the page; `what` is what it is of. */
export function absolute(url: string | URL, what: string): string {
  try {
    return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href;
  } catch {
    throw new InvalidSetting(`${what} is no address: ${JSON.stringify(url) ?? String(url)}.`);
  }
}

/** Where this module is. Bundlers may leave it out, or give the file that it was on the machine that they ran on. */
const HERE: string | undefined = import.meta.url;
const NAME = './worker.js';
const PUT_THERE = 'Put worker.js of this package there, or say where it is: workerUrl.';

function startWorker(given: string | undefined): Worker {
  if (typeof Worker === 'undefined') {
    throw new Unsupported('There are no workers here. Call this in the page: a server has not the GPU of its visitor.');
  }
  try {
    if (given !== undefined) return workerFrom(given);
    if (HERE !== undefined && /^https?:/.test(HERE) && new URL(HERE).origin !== globalThis.location.origin) {
      return workerFrom(new URL(NAME, HERE).href);
    }
    // Bundlers look for these very words, and bring the worker along.
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  } catch (error) {
    const from = given === undefined ? 'from beside this module' : `from ${brief(given)}`;
    throw new InvalidSetting(`The worker cannot be started ${from}: ${messageOf(error)}. ${PUT_THERE}`);
  }
}

/** A worker may only be started from a page's own address; a module may be imported from another. */
function workerFrom(url: string): Worker {
  if (new URL(url).origin === globalThis.location.origin) return new Worker(url, { type: 'module' });
  const text = `import ${JSON.stringify(url)};`;
  const bridge = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  return new Worker(bridge, { type: 'module' });
}

/** Why a worker did not start, which browsers do not tell. */
async function notStarted(given: string | undefined, said: string): Promise<LlamitaError> {
  const url = given ?? (HERE !== undefined && /^https?:/.test(HERE) ? new URL(NAME, HERE).href : undefined);
  const where = url === undefined ? '' : ` from ${brief(url)}`;
  const why = said ? `: ${said.replace(/\.$/, '')}` : '';
  const other = new InvalidSetting(`The worker did not start${where}${why}. ${PUT_THERE}`);
  if (url === undefined || !/^https?:/.test(url)) return other;
  try {
    const { ok, status, headers } = await fetch(url);
    if (!ok) return new Http(`The worker is not at ${brief(url)} (${status}). ${PUT_THERE}`, { status });
    const type = headers.get('content-type') ?? 'without a type';
    return /javascript/.test(type) ? other
      : new InvalidSetting(`What is at ${brief(url)} is no script (${type}), and not the worker. ${PUT_THERE}`);
  } catch (error) {
    return new Offline(`The worker cannot be fetched${where}: ${messageOf(error)}. Check the network. ${PUT_THERE}`);
  }
}

const messageOf = (error: unknown) => error instanceof Error ? error.message : String(error);
/** An address that may be a whole file in itself. */
const brief = (url: string) => url.length > 200 ? `${url.slice(0, 200)}…` : url;

export class Connection {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: () => void;
  #next = 0;
  #started = false;
  #dead: LlamitaError | undefined;
  /** Told how far the engine has come. */
  readonly onEngine = new Set<(progress: Progress) => void>();

  constructor(workerUrl: string | undefined, wasmUrl: string | null, ended: () => void) {
    this.#ended = ended;
    this.#worker = startWorker(workerUrl);
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    this.#worker.onerror = ({ message = '' }) => {
      if (this.#started) this.#end(new InternalError(`The worker failed: ${message}.`));
      else void notStarted(workerUrl, message).then((error) => this.#end(error));
    };
    this.#worker.onmessageerror = () => this.#end(new InternalError('A message of the worker could not be read.'));
    this.#send({ start: { wasmUrl } });
  }

  /** Starts a call. */
  call<Name extends CallName>(
    name: Name, args: Calls[Name]['args'], options: CallOptions<Name> = {},
  ): Call<Name> {
    const id = ++this.#next;
    const { signal, onEvent } = options;
    const result = new Promise<Calls[Name]['result']>((resolve, reject) => {
      if (this.#dead) return reject(this.#dead);
      if (signal?.aborted) return reject(new Aborted('It was given up before it began.'));
      const cancel = () => this.cancel(id);
      if (signal && !(signal instanceof AbortSignal)) return reject(new InvalidSetting('Give an AbortSignal.'));
      signal?.addEventListener('abort', cancel, { once: true });
      const done = () => {
        signal?.removeEventListener('abort', cancel);
        this.#waiting.delete(id);
      };
      this.#waiting.set(id, {
        // The worker keeps to the types of its own calls.
        resolve: (value) => { done(); resolve(value as Calls[Name]['result']); },
        reject: (error) => { done(); reject(error); },
        event: (event) => onEvent?.(event as Calls[Name]['event']),
      });
      try {
        const left = leftJournals();
        if (left.length > 0) this.#send({ left });
        this.#send({ id, call: name, args } as ToWorker);
      } catch (error) {
        done();
        reject(new InvalidSetting(`What was given for "${name}" cannot be handed to the worker: ${messageOf(error)}.`));
      }
    });
    return { id, result };
  }

  /** A call's result, where nothing else of it is wanted. */
  ask<Name extends CallName>(name: Name, args: Calls[Name]['args'], options?: CallOptions<Name>) {
    return this.call(name, args, options).result;
  }

  /** Gives up a call: it ends soon, in its own way. */
  cancel(id: number): void {
    if (this.#waiting.has(id)) this.#send({ cancel: id });
  }

  /** Lets a reply that failed go on. */
  proceed(id: number): void {
    if (this.#waiting.has(id)) this.#send({ proceed: id });
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  #receive(message: FromWorker): void {
    this.#started = true;
    if ('started' in message) return;
    if ('engine' in message) return this.onEngine.forEach((told) => told(message.engine));
    if ('fatal' in message) return this.#end(fromWire(message.fatal));
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    if ('event' in message) waiting.event(message.event);
    else if ('error' in message) waiting.reject(fromWire(message.error));
    else waiting.resolve(message.result);
  }

  #end(error: LlamitaError): void {
    if (this.#dead) return;
    this.#dead = error;
    this.#worker.terminate();
    this.#ended();
    for (const waiting of [...this.#waiting.values()]) waiting.reject(error);
  }
}
