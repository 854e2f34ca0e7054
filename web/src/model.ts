/** A model on the device, and its sessions. */
import { absolute, connect, type Connection } from './connection.js';
import { Aborted, DeviceLost, InvalidSetting } from './errors.js';
import { askToKeep } from './keep.js';
import type { Json, SourceSpec } from './protocol.js';
import { Session } from './session.js';
import type { Counters, InspectOptions, LoadOptions, ModelInfo, ModelSource } from './types.js';

/** A source as it crosses to the worker. Addresses count from the page; bytes become a Blob, which is not copied. */
export function toSpec(source: ModelSource): SourceSpec {
  const address = (url: unknown) => {
    if (url instanceof URL || (typeof url === 'string' && url.trim() !== '')) return absolute(url, 'The source');
    throw new InvalidSetting(`The address of the model is ${JSON.stringify(url)}: give a string or a URL.`);
  };
  const text = (value: unknown) => typeof value === 'string' && value !== '';
  if (typeof source === 'string' || source instanceof URL) return { url: address(source) };
  if (source instanceof Blob) return source;
  if (Array.isArray(source) && source.length > 0 && source.every((file) => file instanceof File)) return source;
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return new Blob([source as ArrayBuffer]);
  if (typeof source === 'object' && source !== null) {
    if ('url' in source) return { ...source, url: address(source.url) };
    if ('repo' in source && text(source.repo) && text(source.file)) return source;
    if ('stored' in source && text(source.stored)) return source;
  }
  const given = typeof source === 'object' && source !== null ? `{ ${Object.keys(source)} }` : String(source);
  throw new InvalidSetting(
    `A model is an address, a File or Blob, Files, bytes, { url }, { repo, file } or { stored }, and ${given} was given.`,
  );
}

/** The date and time of the clock on the wall, as templates tell it: 2024-07-26T15:30. */
export function localDate(): string {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** The options that the engine counts a model's bytes for. */
function inspectOptions(options: InspectOptions): Record<string, unknown> {
  const { context, kv, plan, activations, scales, quantize, spinquant } = options;
  return { context, kv, plan, activations, scales, quantize, spinquant };
}

/** The options that the engine itself takes. */
function engineOptions(options: LoadOptions): Json {
  const { device, tier, memory, maskLimits } = options;
  return JSON.stringify({ ...inspectOptions(options), device, tier, memory, maskLimits, date: localDate() });
}

/** A loaded model. */
export class Model {
  readonly #connection: Connection;
  readonly #id: number;
  #info: ModelInfo;
  #lost: Promise<DeviceLost>;

  /** @internal */
  constructor(connection: Connection, id: number, info: ModelInfo) {
    this.#connection = connection;
    this.#id = id;
    this.#info = info;
    this.#lost = this.#watch();
  }

  /**
   * Brings a model to the device. Its bytes go there in slices: nothing of it stays in this page's memory.
   *
   * @throws {LlamitaError} `NoWebGpu`, `KernelFault`, `OutOfMemory`, `BadModel`, `Unsupported`, `InvalidSetting`, `Aborted`,
   * `DeviceLost`, and what goes wrong with the source: `Offline`, `Http`, `Cors`, `NoRange`, `Quota`.
   */
  static async load(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
    const connection = connect(options);
    const { onProgress, signal, keep = true, prime = [] } = options;
    const spec = toSpec(source);
    if (keep && !(spec instanceof Blob || Array.isArray(spec))) askToKeep();
    const args = { source: spec, options: engineOptions(options), keep, prime };
    const { model, info } = await connection.ask('load', args, { signal, onEvent: onProgress });
    return new Model(connection, model, info);
  }

  /**
   * Reads a model's header, and counts the bytes that it would take. Nothing is allocated.
   *
   * @throws {LlamitaError} As `load`, without what has to do with the device.
   */
  static async inspect(source: ModelSource, options: InspectOptions = {}): Promise<ModelInfo> {
    const { signal, onProgress } = options;
    const args = { source: toSpec(source), options: JSON.stringify(inspectOptions(options)) };
    return connect(options).ask('inspect', args, { signal, onEvent: onProgress });
  }

  /** What is known of it. */
  get info(): ModelInfo {
    return this.#info;
  }

  /** Kept when the device is lost, by the driver, the system or `destroyDevice`. After `resume`, another promise. */
  get lost(): Promise<DeviceLost> {
    return this.#lost;
  }

  /**
   * A conversation of its own. Sessions of one model may live at once.
   *
   * @throws {LlamitaError} `DeviceLost`, `OutOfMemory`.
   */
  async session(): Promise<Session> {
    const { session, state } = await this.#connection.ask('session', { model: this.#id });
    return new Session(this.#connection, session, state);
  }

  /**
   * Opens a fresh device where the old one was lost, and brings the weights there from the same source. Sessions go on
   * with `session.resume()` or `reply.resume()`, which do this too.
   *
   * @throws {LlamitaError} As `load`. It may be called again.
   */
  async resume(): Promise<void> {
    this.#info = await this.#connection.ask('resumeModel', { model: this.#id });
    this.#lost = this.#watch();
  }

  /** For tests: loses the device, as a driver that fails would. */
  async destroyDevice(): Promise<void> {
    await this.#connection.ask('destroyDevice', { model: this.#id });
  }

  /**
   * How many tokens a text is for this model, without what its template puts around a message.
   *
   * @throws {LlamitaError} `BadModel` where the vocabulary cannot spell it.
   */
  countTokens(text: string): Promise<number> {
    return this.#connection.ask('countTokens', { model: this.#id, text });
  }

  /** What the device was asked for since it was opened. */
  counters(): Promise<Counters> {
    return this.#connection.ask('counters', { model: this.#id });
  }

  /**
   * Gives back everything that it has on the device, its sessions included. A reply that is under way ends, also one that
   * waits to be resumed; one that has not begun, and a resuming, end with `Aborted`.
   */
  async dispose(): Promise<void> {
    await this.#connection.ask('disposeModel', { model: this.#id });
  }

  #watch(): Promise<DeviceLost> {
    const lost = this.#connection.ask('lost', { model: this.#id });
    return lost.then(
      (why) => new DeviceLost(`The device was lost: ${why}. Call resume() to go on where it stopped.`),
      // Whoever disposes of a model does not want to know, and a worker that died says so to every call.
      (error: unknown) => error instanceof Aborted ? new Promise<never>(() => {}) : new DeviceLost(String(error)),
    );
  }
}
