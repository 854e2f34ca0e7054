/** What each call does, in the worker. */
import { adapterName, deviceInfo } from './adapter.js';
import { InternalError, toWire } from './errors.js';
import { givenUp } from './given-up.js';
import {
  benchmark_run, inspect, kernel_case_names, Model, run_kernel_case, type Cancel, type Session,
} from './llamita.js';
import { busy, compileDrawing } from './pipelines.js';
import { probeHandlers } from './probe.js';
import type { Calls, CallName, ReplyEvent } from './protocol.js';
import { QuarantineFile, quarantineHandlers } from './quarantine.js';
import { RateMeter } from './rate.js';
import { openSource } from './sources/open.js';
import type { ByteSource } from './sources/source.js';
import { storeHandlers } from './store/host.js';
import { Repaired } from './store/intake.js';
import type { ModelInfo, SessionState, Stats } from './types.js';

/** What a call is given beside its arguments. */
export interface CallContext {
  /** Ends what the engine does for it. */
  cancel: Cancel;
  /** Ends everything else. */
  signal: AbortSignal;
  event(event: unknown): void;
  /** Whether the page wants to go on, once it has said so. */
  answered(): Promise<boolean>;
}

/** The functions that answer calls. */
export type Handlers = {
  [Name in CallName]: (args: Calls[Name]['args'], context: CallContext) => Promise<Calls[Name]['result']>;
};

/** The calls that are under way for something, which can be freed once they have ended. */
type Uses = Map<Promise<unknown>, Cancel>;
interface Loaded { model: Model; source: ByteSource; sessions: Set<number>; uses: Uses }

const models = new Map<number, Loaded>();
const sessions = new Map<number, { session: Session; model: number; uses: Uses }>();
let next = 0;

/** What a page names must be there: it may have been disposed of. */
function found<T>(map: Map<number, T>, id: number, what: string): T {
  const value = map.get(id);
  if (value === undefined) throw new InternalError(`The ${what} was disposed of.`);
  return value;
}

const modelOf = (id: number) => found(models, id, 'model').model;

/** The outcome of a call for something, which is in use until then. */
async function use<T>(uses: Uses, cancel: Cancel, call: Promise<T>): Promise<T> {
  uses.set(call, cancel);
  try {
    return await call;
  } finally {
    uses.delete(call);
  }
}

/** Cancels the calls that use something, and waits until they have ended. */
async function unused(uses: Uses): Promise<void> {
  for (const cancel of uses.values()) cancel.cancel();
  await Promise.allSettled(uses.keys());
}

/** The outcome of a call of a session. */
function during<T>(id: number, cancel: Cancel, call: (session: Session) => Promise<T>): Promise<T> {
  const { session, uses } = found(sessions, id, 'session');
  return use(uses, cancel, call(session));
}

function stateOf(session: Session): SessionState {
  return { tokens: session.tokens, context: session.context, capacity: session.capacity };
}

/** What is known of a model. Browsers may hide an adapter's name, but not its architecture. */
async function infoOf(model: Model): Promise<ModelInfo> {
  const info = JSON.parse(model.info()) as ModelInfo;
  if (info.device === 'CPU') return { ...info, software: true };
  const { device, software } = await adapterName();
  return { ...info, device: info.device || device, software };
}

async function disposeSession(id: number): Promise<void> {
  const entry = sessions.get(id);
  if (!entry) return;
  sessions.delete(id);
  models.get(entry.model)?.sessions.delete(id);
  await unused(entry.uses);
  entry.session.free();
}

async function load(
  { source: spec, options, keep, prime }: Calls['load']['args'], { signal, cancel, event }: CallContext,
): Promise<Calls['load']['result']> {
  const meter = new RateMeter(event);
  const source = await openSource(spec, { signal, onProgress: event, keep });
  try {
    const tell = (loaded: number, total: number) => meter.tell('load', loaded, total);
    const quarantine = await QuarantineFile.open();
    const model = await busy(() => Model.load(source, options, JSON.stringify(prime), tell, quarantine, cancel));
    const id = ++next;
    models.set(id, { model, source, sessions: new Set(), uses: new Map() });
    return { model: id, info: await infoOf(model) };
  } catch (error) {
    source.close?.();
    const { kind } = error as { kind?: unknown };
    // What is no model, or none for here, is not kept beside those that are.
    const unwanted = (kind === 'BadModel' && !(error instanceof Repaired)) || kind === 'Unsupported';
    if (unwanted) await source.discard?.().catch(() => {}); // What is wrong with it is told, and not who else uses it.
    throw error;
  }
}

export const handlers: Handlers = {
  ...storeHandlers,
  ...probeHandlers,
  ...quarantineHandlers,

  start: async () => null,

  device: () => deviceInfo(),

  async inspect({ source: spec, options }, { signal, cancel, event }) {
    const source = await openSource(spec, { signal, onProgress: event, keep: false });
    try {
      return { ...JSON.parse(await inspect(source, options, cancel)) as ModelInfo, software: null };
    } finally {
      source.close?.();
    }
  },

  async load(args, context) {
    try {
      return await load(args, context);
    } catch (error) {
      // What the device was given of a download had a damaged piece; what is stored is right now.
      if (error instanceof Repaired) return load(args, context);
      throw error;
    }
  },

  async lost({ model }) {
    return await modelOf(model).lost() as string;
  },

  async resumeModel({ model: id }, { cancel }) {
    const { model, uses } = found(models, id, 'model');
    const resumed = async () => {
      await model.resume(cancel);
      return infoOf(model);
    };
    return use(uses, cancel, resumed());
  },

  async destroyDevice({ model }) {
    modelOf(model).destroy_device();
    return null;
  },

  async countTokens({ model, text }) {
    return modelOf(model).count_tokens(text);
  },

  async counters({ model }) {
    return JSON.parse(modelOf(model).counters());
  },

  async disposeModel({ model: id }) {
    const loaded = models.get(id);
    if (!loaded) return null;
    models.delete(id);
    // What is computed ends with the device, and what waits is cancelled.
    loaded.model.destroy_device();
    const disposeSessions = () => Promise.all([...loaded.sessions].map(disposeSession));
    await Promise.all([unused(loaded.uses), disposeSessions()]);
    // One may have begun meanwhile.
    await disposeSessions();
    loaded.model.free();
    loaded.source.close?.();
    return null;
  },

  async session({ model: id }, { cancel }) {
    const { model, sessions: own, uses } = found(models, id, 'model');
    const begun = async () => {
      const session = await model.session();
      const key = ++next;
      sessions.set(key, { session, model: id, uses: new Map() });
      own.add(key);
      return { session: key, state: stateOf(session) };
    };
    return use(uses, cancel, begun());
  },

  async reply({ session: id, prompt, options }, { cancel, signal, event, answered }) {
    const tell = (reply: ReplyEvent) => event(reply);
    const { context } = found(sessions, id, 'session').session;
    let shown = -1;
    const sink = {
      started: (dropped: number) => tell({ started: { dropped } }),
      piece(text: string, generated: number, ids: Uint32Array, tokens: number, capacity: number) {
        // Pieces are empty while a character is incomplete; the numbers go on.
        if (text === '' && generated === shown) return;
        shown = generated;
        tell({ piece: text, generated, ids: [...ids], state: { tokens, context, capacity } });
      },
      failed(error: unknown) {
        const answer = answered();
        tell({ failed: toWire(error) });
        return answer;
      },
      resumed: () => tell({ resumed: true }),
    };
    // Without a temperature the model's own counts, which seldom is 0.
    const draws = (JSON.parse(options) as { temperature?: number }).temperature !== 0;
    if (draws) await Promise.race([compileDrawing(), givenUp(signal)]);
    return JSON.parse(await busy(() => during(id, cancel, (session) => session.reply(prompt, options, sink, cancel)))) as Stats;
  },

  async resumeSession({ session: id }, { cancel }) {
    return during(id, cancel, async (session) => {
      await session.resume(cancel);
      return stateOf(session);
    });
  },

  async resetSession({ session: id }, { cancel }) {
    return during(id, cancel, async (session) => {
      await session.reset(cancel);
      return stateOf(session);
    });
  },

  async disposeSession({ session }) {
    await disposeSession(session);
    return null;
  },

  async benchmark({ session: id, kind, tokens }, { cancel }) {
    const run = (session: Session) => benchmark_run(session, kind, tokens, cancel);
    return JSON.parse(await busy(() => during(id, cancel, run))) as Stats;
  },

  async kernelCases({ tier }) {
    return JSON.parse(kernel_case_names(tier)) as string[];
  },

  async runKernelCase({ name, tier }) {
    return JSON.parse(await run_kernel_case(name, tier));
  },
};
