/** The worker: the engine's module, every model and session, and every source. */
import { Aborted, Http, InvalidSetting, Offline, toWire } from './errors.js';
import { givenUp } from './given-up.js';
import start, { Cancel, panic_message, start as begin } from './llamita.js';
import { handlers, type CallContext } from './host.js';
import { JournalFile } from './journal.js';
import { deferDrawing } from './pipelines.js';
import type { CallName, FromWorker, ToWorker } from './protocol.js';
import { RateMeter } from './rate.js';

declare const self: DedicatedWorkerGlobalScope;
/** Bytes of the engine's module, which a server that compresses it does not tell. */
declare const ENGINE_BYTES: number;

/** A call that is under way. */
interface Running {
  abort: AbortController;
  cancel: Cancel;
  /** Set while a reply waits for the page's word. */
  proceed: ((goesOn: boolean) => void) | undefined;
}

const running = new Map<number, Running>();
let ready: Promise<unknown> | undefined;
/** Whether the engine's module is there. */
let opened = false;
let dead = false;

function post(message: FromWorker): void {
  self.postMessage(message);
}

/** The engine's module is of no use after a panic. */
function die(error: unknown): void {
  if (dead) return;
  dead = true;
  const said = opened ? panic_message() : undefined;
  post({ fatal: toWire(said === undefined ? error : new Error(said)) });
}

/** A promise that is kept once the event loop has seen to the messages that are there. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

async function open(wasmUrl: string | null): Promise<void> {
  deferDrawing();
  const url = wasmUrl ?? new URL('./llamita_bg.wasm', import.meta.url).href;
  const response = await fetchEngine(url);
  try {
    await start({ module_or_path: response });
  } catch (error) {
    // Bytes that are no module, a module of another version, and one that has not what the engine has.
    const { CompileError, LinkError } = WebAssembly;
    const wrong = error instanceof CompileError || error instanceof LinkError || error instanceof TypeError;
    throw wrong ? new InvalidSetting(`${url} is not this package's engine: ${error.message}. ${PUT_THERE}`) : error;
  }
  opened = true;
  begin(nextTurn);
}

const PUT_THERE = 'Put llamita_bg.wasm there, or say where it is: wasmUrl.';

/** The engine's module on its way, or why it cannot be had. */
async function fetchEngine(url: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Offline(`The engine cannot be fetched from ${url}: ${said}. Check the network. ${PUT_THERE}`);
  }
  const { status } = response;
  if (!response.ok) throw new Http(`The engine is not at ${url} (${status}). ${PUT_THERE}`, { status });
  // Servers of applications answer every address with their page.
  const type = response.headers.get('content-type') ?? '';
  if (/html/.test(type)) throw new InvalidSetting(`At ${url} is a page (${type}), and not the engine. ${PUT_THERE}`);
  // A copy is counted: browsers keep what they compile of the answer itself.
  void count(response.clone()).catch(() => {});
  return response;
}

/** Tells how much of the engine has come. */
async function count({ body }: Response): Promise<void> {
  const meter = new RateMeter((engine) => post({ engine }));
  let loaded = 0;
  const reader = body?.getReader();
  for (let piece = await reader?.read(); piece?.value; piece = await reader?.read()) {
    loaded += piece.value.length;
    meter.tell('engine', loaded, ENGINE_BYTES);
  }
}

async function run(id: number, call: CallName, args: never): Promise<void> {
  const abort = new AbortController();
  const entry: Running = { abort, cancel: undefined as never, proceed: undefined };
  running.set(id, entry);
  try {
    await Promise.race([ready, givenUp(abort.signal)]);
    if (abort.signal.aborted) throw new Aborted('It was given up before it began.');
    entry.cancel = new Cancel();
    abort.signal.addEventListener('abort', () => entry.cancel.cancel(), { once: true });
    const context: CallContext = {
      cancel: entry.cancel,
      signal: abort.signal,
      event: (event) => post({ id, event }),
      answered: () => new Promise((resolve) => { entry.proceed = resolve; }),
    };
    const handler = handlers[call] as (args: never, context: CallContext) => unknown;
    post({ id, result: await handler(args, context) });
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) die(error);
    else post({ id, error: toWire(error) });
  } finally {
    running.delete(id);
    entry.cancel?.free();
  }
}

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if ('start' in data) {
    ready = open(data.start.wasmUrl);
    ready.catch(die);
  } else if ('left' in data) {
    ready = Promise.all([ready, ...data.left.map(JournalFile.empty)]);
  } else if ('cancel' in data) {
    running.get(data.cancel)?.abort.abort();
  } else if ('proceed' in data) {
    const entry = running.get(data.proceed);
    const proceed = entry?.proceed;
    if (entry) entry.proceed = undefined;
    proceed?.(true);
  } else {
    void run(data.id, data.call, data.args as never);
  }
};

// What fails inside the engine's own tasks reaches nobody who waits.
self.addEventListener('error', (event) => die(event.error ?? event.message));
self.addEventListener('unhandledrejection', (event) => die(event.reason));

post({ started: true });
