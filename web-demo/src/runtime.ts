/** The model in use: loading, swapping, losing, getting back. One at a time, with a session for all conversations. */
import {
  Model,
  type Message,
  type ModelInfo,
  type ModelSource,
  type Progress,
  type Session,
} from '../llamita/index.js';
import { BUNDLED, type Choice } from './catalogue.js';
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
}

/** What has to be done before a model can be loaded: gives the source. */
export type Prepare = (onProgress: (progress: Progress) => void, signal: AbortSignal) => Promise<ModelSource>;

/** `?limits=phone` in the address takes no more than every phone has, whatever this device has: for tests. */
const LIMITS = new URLSearchParams(location.search).get('limits') === 'phone' ? { maskLimits: 'phone' as const } : {};

/** Below this many bytes on the device a model stays usable while the next one loads. */
const SMALL = 128e6;

export class Runtime {
  readonly loaded = new Cell<Loaded | undefined>(undefined);
  readonly loading = new Cell<Loading | undefined>(undefined);
  /** Why the last attempt to load failed, and of what. */
  readonly failed = new Cell<{ choice: Choice; error: unknown } | undefined>(undefined);
  /** Why the device went, until it is back. */
  readonly lost = new Cell<unknown>(undefined);
  /** What must be over before a model may be taken away: the answer that is being written. */
  busy: Promise<void> = Promise.resolve();
  /** What to run on; the CPU where there is no GPU and the person asked for it. */
  device: 'gpu' | 'cpu' = 'gpu';

  /** Loads a model and then uses it instead of the present one. False where that failed or was cancelled. */
  async load(choice: Choice, prepare?: Prepare): Promise<boolean> {
    this.cancel();
    const abort = new AbortController();
    this.failed.set(undefined);
    this.loading.set({ choice, progress: undefined, abort });
    const begin = performance.now();
    try {
      const present = this.loaded.value;
      if (present && total(present.info) > SMALL) await this.#unload();
      const onProgress = (progress: Progress): void => {
        if (this.loading.value?.abort === abort) this.loading.set({ choice, progress, abort });
      };
      const { signal } = abort;
      const given = choice.id === BUNDLED.id ? await fetched(choice.source as URL, signal) : choice.source;
      const source = prepare ? await prepare(onProgress, signal) : given;
      const context = await contextFor(source, signal);
      const system = settings.value.system.trim();
      const prime: Message[] = system ? [{ role: 'system', content: system }] : [];
      const model = await Model.load(source, {
        onProgress,
        signal,
        context,
        prime,
        device: this.device,
        ...LIMITS,
      });
      await this.busy;
      await this.#unload();
      const session = await model.session();
      const loadMs = performance.now() - begin;
      this.lost.set(undefined);
      this.loaded.set({ choice, model, session, info: model.info, loadMs });
      this.#watch(model);
      return true;
    } catch (error) {
      if (!abort.signal.aborted) this.failed.set({ choice, error });
      return false;
    } finally {
      if (this.loading.value?.abort === abort) this.loading.set(undefined);
    }
  }

  /** Ends a load; what has been downloaded stays for the next attempt. */
  cancel(): void {
    this.loading.value?.abort.abort();
    this.loading.set(undefined);
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

  async #unload(): Promise<void> {
    const present = this.loaded.value;
    if (!present) return;
    await this.busy;
    this.loaded.set(undefined);
    await present.model.dispose();
  }
}

/** All bytes of a model on its device. */
export function total({ bytes }: ModelInfo): number {
  return bytes.weights + bytes.kv + bytes.scratch;
}

/**
 * Positions to ask for: as many as the person chose and the model was trained for; undefined leaves it to the package,
 * which takes the model's own up to the default of the settings.
 */
async function contextFor(source: ModelSource, signal: AbortSignal): Promise<number | undefined> {
  const { context } = settings.value;
  if (context === DEFAULTS.context) return undefined;
  const { trainedContext } = await Model.inspect(source, { signal });
  return Math.min(context, trainedContext);
}

/** The bundled model is a file of the page's own, which the service worker has too: no store, no ranges. */
async function fetched(url: URL, signal: AbortSignal): Promise<Blob> {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`${url.pathname}: ${response.status}`);
  return response.blob();
}

/** Remembers which model to begin with next time. */
export function remember({ id, title }: Choice): void {
  keep('model', JSON.stringify({ id, title }));
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
