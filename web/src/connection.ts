/** One worker, and the calls that are under way in it. */
import { Aborted, fromWire, InternalError, type LlamitaError } from './errors.js';
import type { CallName, Calls, FromWorker, ToWorker } from './protocol.js';

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
  const page = globalThis.document?.baseURI ?? globalThis.location?.href;
  const absolute = (url: string | URL) => new URL(url, page).href;
  const workerUrl = place.workerUrl ? absolute(place.workerUrl) : new URL('./worker.js', import.meta.url).href;
  const wasmUrl = place.wasmUrl ? absolute(place.wasmUrl) : null;
  const key = `${workerUrl} ${wasmUrl}`;
  let connection = connections.get(key);
  if (!connection) {
    connection = new Connection(workerUrl, wasmUrl, () => connections.delete(key));
    connections.set(key, connection);
  }
  return connection;
}

/** A worker may only be started from a page's own address; a module may be imported from another. */
function startWorker(url: string): Worker {
  if (new URL(url).origin === globalThis.location.origin) return new Worker(url, { type: 'module' });
  const text = `import ${JSON.stringify(url)};`;
  const bridge = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  return new Worker(bridge, { type: 'module' });
}

export class Connection {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: () => void;
  #next = 0;
  #dead: LlamitaError | undefined;

  constructor(workerUrl: string, wasmUrl: string | null, ended: () => void) {
    this.#ended = ended;
    this.#worker = startWorker(workerUrl);
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      const why = event.message || `${workerUrl} cannot be loaded as a module worker`;
      this.#end(new InternalError(`The worker failed: ${why}.`));
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
      this.#send({ id, call: name, args } as ToWorker);
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
