/** The model in use: loading, swapping, losing, getting back. One at a time, with a session for all conversations. */
import {
  Aborted,
  Model,
  ModelStore,
  type Message,
  type ModelInfo,
  type ModelSource,
  type Progress,
  type Session,
} from '../llamita/index.js';
import { Arrival, bundled } from './arrival.js';
import { BUNDLED, isElsewhere, type Choice } from './catalogue.js';
import { Cell } from './cell.js';
import { keep, recall } from './keep.js';
import { DEFAULTS, settings } from './settings.js';

/** A model that is on the device. */
export interface Loaded {
  choice: Choice;
  model: Model;
  session: Session;
  info: ModelInfo;
  /** Milliseconds from the click to here. */
  loadMs: number;
}

/** A model on its way. */
export interface Loading {
  choice: Choice;
  progress: Progress | undefined;
  abort: AbortController;
  /** It was in use before and comes back, since what was to replace it could not be used. That cannot be cancelled. */
  returns?: boolean;
}

/** How a model is chosen. */
export interface How {
  /** What has to be done before it can be loaded. */
  prepare?: Prepare | undefined;
  /** Nobody chose it: the next visit does not begin with it. */
  unasked?: boolean;
  /** What to use where it cannot be had and nothing else is in use. */
  instead?: Choice;
  /** Done once it is known to be good, before it is in use: a page that goes right after has it. */
  before?: (() => Promise<void>) | undefined;
}

/** What has to be done before a model can be loaded: gives the source. */
export type Prepare = (onProgress: (progress: Progress) => void, signal: AbortSignal) => Promise<ModelSource>;

/** How a model is brought to the device. */
interface Wanted {
  context: number | undefined;
  onProgress: (progress: Progress) => void;
  signal: AbortSignal;
  before?: How['before'];
}

/** `?limits=phone` in the address takes no more than every phone has, whatever this device has: for tests. */
const LIMITS = new URLSearchParams(location.search).get('limits') === 'phone' ? { maskLimits: 'phone' as const } : {};

/** Below this many bytes on the device a model stays there while the next one is brought beside it. */
const SMALL = 128e6;

export class Runtime {
  readonly loaded = new Cell<Loaded | undefined>(undefined);
  readonly loading = new Cell<Loading | undefined>(undefined);
  /** Why the last attempt to load failed, and of what; giving it up is told where nothing is in use. */
  readonly failed = new Cell<{ choice: Choice; how: How; error: unknown } | undefined>(undefined);
  /** Why the device went, until it is back. */
  readonly lost = new Cell<unknown>(undefined);
  /** What must be over before a model may be taken away: the answer that is being written. */
  busy: Promise<void> = Promise.resolve();
  /** What to run on; the CPU where there is no GPU and the person asked for it. */
  device: 'gpu' | 'cpu' = 'gpu';

  /** What is fetched ahead of the first load. */
  #arrival: Arrival | undefined;
  /** The load that was begun last. */
  #latest: AbortController | undefined;
  /** What is being loaded, with what for, and how it ends. */
  #underway: { key: string; ended: Promise<boolean> } | undefined;
  /** What was taken off the device to make room, until something is in use again. */
  #before: Loaded | undefined;

  /**
   * Loads a model and then uses it instead of the present one, which goes on until the new one is known to be good: its
   * header was read, and all of it was fetched. False where that failed or was cancelled; then the present one stays.
   * The same choice again, while it is on its way, is no other load.
   */
  load(choice: Choice, how: How = {}): Promise<boolean> {
    const key = JSON.stringify([choice.id, settings.value.context, this.device]);
    if (this.#underway?.key === key) return this.#underway.ended;
    const ended = this.#load(choice, how).finally(() => {
      if (this.#underway === underway) this.#underway = undefined;
    });
    const underway = { key, ended };
    this.#underway = underway;
    return ended;
  }

  /** The model in use, as soon as there is one. Fails where it failed to load, or where that is given up. */
  ready(signal: AbortSignal): Promise<Loaded> {
    const stops: (() => void)[] = [];
    const found = new Promise<Loaded>((resolve, reject) => {
      const aborted = (): void => reject(signal.reason as Error);
      if (signal.aborted) aborted();
      signal.addEventListener('abort', aborted);
      stops.push(() => signal.removeEventListener('abort', aborted));
      stops.push(this.loaded.watch((loaded) => loaded && resolve(loaded)));
      stops.push(this.failed.watch((failed) => failed && !this.loaded.value && reject(failed.error as Error)));
    });
    return found.finally(() => stops.forEach((stop) => stop()));
  }

  async #load(chosen: Choice, how: How): Promise<boolean> {
    const { prepare, unasked, instead, before } = how;
    const ahead = this.#arrived(chosen);
    if (!ahead) this.loading.value?.abort.abort();
    const { abort } = ahead ?? { abort: new AbortController() };
    const { signal } = abort;
    this.#latest = abort;
    this.failed.set(undefined);
    this.loading.set({ choice: chosen, progress: ahead && this.loading.value?.progress, abort });
    const begin = performance.now();
    try {
      // First of all: the browser asks the person only in the click.
      const choice = prepare ? chosen : await opened(chosen);
      const onProgress = (progress: Progress): void => this.#tell({ choice, progress, abort });
      const given = choice.id === BUNDLED.id ? await (ahead?.model ?? bundled(signal)) : choice.source;
      const source = prepare ? await prepare(onProgress, signal) : given;
      const context = await this.#check(source, choice, onProgress, signal);
      const present = this.loaded.value;
      if (present && total(present.info) > SMALL) await this.#makeRoom(present, signal);
      // What was prepared is what is loaded again, after a change of settings for instance.
      const used = prepare ? { ...choice, source } : choice;
      await this.#use(used, source, { context, onProgress, signal, before }, begin);
      if (!unasked) this.remember(choice);
      return true;
    } catch (error) {
      if (this.#latest !== abort) return false;
      await this.#bringBack();
      if (this.#latest !== abort) return false;
      const gaveUp = signal.aborted; // What is loaded instead ends this load too.
      const nothing = this.loaded.value === undefined;
      if (nothing && instead && instead.id !== chosen.id) await this.#load(instead, { unasked: true });
      if (!(gaveUp && this.loaded.value)) this.failed.set({ choice: chosen, how, error });
      return false;
    } finally {
      if (this.loading.value?.abort === abort) this.loading.set(undefined);
    }
  }

  /**
   * Begins to fetch what the first model needs, before it is known whether it can be used here. The signal tells whether
   * the person has given that up.
   */
  arrive(choice: Pick<Choice, 'id' | 'title'>): AbortSignal {
    const arrival = new Arrival(choice, () => {
      const { value } = this.loading;
      if (value?.progress?.stage === 'engine') this.#tell({ ...value, progress: arrival.progress, abort: arrival.abort });
    });
    this.#arrival = arrival;
    this.loading.set({ choice: { ...BUNDLED, ...choice }, progress: arrival.progress, abort: arrival.abort });
    return arrival.abort.signal;
  }

  /** Nothing can be used here after all. */
  stay(): void {
    this.#arrived(undefined);
    this.loading.value?.abort.abort();
    this.loading.set(undefined);
  }

  /** What was fetched ahead for a choice: for one time. */
  #arrived(choice: Choice | undefined): Arrival | undefined {
    const arrival = this.#arrival;
    this.#arrival = undefined;
    return arrival && arrival.choice.id === choice?.id && !arrival.abort.signal.aborted ? arrival : undefined;
  }

  /** Remembers which model to begin with next time. */
  remember({ id, title }: Choice): void {
    keep('model', JSON.stringify({ id, title }));
  }

  /** Ends a load; what has been downloaded stays for the next attempt. */
  cancel(): void {
    const loading = this.loading.value;
    if (!loading || loading.returns) return;
    this.#underway = undefined;
    loading.abort.abort();
    this.loading.set(undefined);
    // Given up before it was begun: whoever waits for it hears so.
    if (this.#arrival?.choice.id === BUNDLED.id) {
      const error = new Aborted(`${BUNDLED.title} was given up.`);
      this.failed.set({ choice: BUNDLED, how: { unasked: true }, error });
    }
    this.#arrival = undefined;
  }

  #tell(loading: Loading): void {
    if (this.loading.value?.abort === loading.abort) this.loading.set(loading);
  }

  /**
   * Sees that what is to replace a working model is a model, and has it fetched. Gives the positions to ask for;
   * undefined leaves it to the package, which takes the model's own up to the default of the settings.
   */
  async #check(
    source: ModelSource,
    { id }: Choice,
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { context } = settings.value;
    const own = context === DEFAULTS.context;
    // Where nothing is in use, what is wrong shows soon enough while it is loaded.
    const replaces = this.loaded.value !== undefined && id !== BUNDLED.id;
    if (own && !replaces) return undefined;
    // How much of a header came is no matter, but what keeps it from coming is.
    const told = (progress: Progress): void => void (progress.note && onProgress(progress));
    const { trainedContext } = await Model.inspect(source, { signal, onProgress: told });
    if (replaces && isElsewhere(source)) await (await ModelStore.open()).download(source, { onProgress, signal });
    return own ? undefined : Math.min(context, trainedContext);
  }

  /** Brings a model to the device, and makes it the one in use. */
  async #use(
    choice: Choice,
    source: ModelSource,
    { context, onProgress, signal, before }: Wanted,
    begin: number,
  ): Promise<void> {
    const system = settings.value.system.trim();
    const prime: Message[] = system ? [{ role: 'system', content: system }] : [];
    const { device } = this;
    const model = await Model.load(source, {
      ...(context === undefined ? {} : { context }),
      onProgress,
      signal,
      prime,
      device,
      ...LIMITS,
    });
    try {
      const session = await model.session();
      await this.#idle();
      signal.throwIfAborted();
      await before?.();
      await this.#unload();
      const loadMs = performance.now() - begin;
      this.#before = undefined;
      this.lost.set(undefined);
      this.loaded.set({ choice, model, session, info: model.info, loadMs });
      this.#watch(model);
    } catch (error) {
      await model.dispose().catch(() => {}); // What went wrong before is told.
      throw error;
    }
  }

  /** Takes the present model off the device, to be brought back where the next one cannot be used. */
  async #makeRoom(present: Loaded, signal: AbortSignal): Promise<void> {
    await this.#idle();
    signal.throwIfAborted();
    this.#before = present;
    await this.#unload();
  }

  /** Brings back what was in use, with the context that it had. */
  async #bringBack(): Promise<void> {
    const before = this.#before;
    if (!before || this.loaded.value) return;
    const { choice, info } = before;
    const abort = new AbortController();
    const { signal } = abort;
    const own = this.#latest;
    this.loading.set({ choice, progress: undefined, abort, returns: true });
    const onProgress = (progress: Progress): void => this.#tell({ choice, progress, abort, returns: true });
    try {
      const source = choice.id === BUNDLED.id ? await bundled(signal) : choice.source;
      await this.#use(choice, source, { context: info.context, onProgress, signal }, performance.now());
    } catch {
      // What went wrong first is told; another choice tries again to bring this one back.
    } finally {
      if (this.#latest === own && this.loading.value?.abort === abort) this.loading.set(undefined);
    }
  }

  /** Room for the session again, on a fresh device where the old one was lost. */
  async resume(): Promise<void> {
    const present = this.loaded.value;
    if (!present) return;
    if (this.lost.value !== undefined) {
      await present.model.resume();
      this.lost.set(undefined);
      this.#watch(present.model);
    }
    await present.session.resume();
  }

  #watch(model: Model): void {
    void model.lost.then((why) => {
      if (this.loaded.value?.model === model) this.lost.set(why);
    });
  }

  /** Waits for what is under way; then others wait until what this gives is called. */
  async take(signal: AbortSignal): Promise<() => void> {
    const given = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    given.catch(() => {});
    for (let busy: Promise<void> | undefined; busy !== this.busy; await Promise.race([busy, given])) busy = this.busy;
    let free = (): void => {};
    this.busy = new Promise((resolve) => (free = resolve));
    return free;
  }

  /** Waits for the answer that is being written, and for one that is begun meanwhile. */
  async #idle(): Promise<void> {
    for (let busy: Promise<void> | undefined; busy !== this.busy; await busy) busy = this.busy;
  }

  async #unload(): Promise<void> {
    const present = this.loaded.value;
    if (!present) return;
    this.loaded.set(undefined);
    await present.model.dispose();
  }
}

/** All bytes of a model on its device. */
export function total({ bytes }: ModelInfo): number {
  return bytes.weights + bytes.kv + bytes.scratch;
}

/** A choice whose file was opened again, with the person's permission. */
async function opened({ open, ...choice }: Choice): Promise<Choice> {
  return open ? { ...choice, source: await open() } : choice;
}

/** The model of the last visit: what it was chosen as, and its title, which it has in the store too. */
export function lastModel(): { id: string; title: string } | undefined {
  try {
    const { id, title } = JSON.parse(recall('model') ?? 'null') as Record<string, unknown>;
    return typeof id === 'string' && typeof title === 'string' ? { id, title } : undefined;
  } catch {
    return undefined; // None, or something else was kept under this name.
  }
}
