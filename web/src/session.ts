/** A conversation, and its answers. */
import type { Connection } from './connection.js';
import { fromWire, InvalidSetting, LlamitaError } from './errors.js';
import type { Json, ReplyEvent } from './protocol.js';
import type { Message, ReplyOptions, SessionState, Stats } from './types.js';

/** Settings as the engine parses them. Without a seed each reply draws its own. */
function settings(options: ReplyOptions): Json {
  const { signal: _, stop, logitBias, seed, ...numbers } = options;
  // JSON has no infinity: null bans a token.
  const bias = Object.entries(logitBias ?? {}).map(([id, by]) => [id, by === -Infinity ? null : by]);
  return JSON.stringify({
    ...numbers,
    seed: seed ?? Math.floor(Math.random() * 2 ** 48),
    stop: typeof stop === 'string' ? [stop] : stop ?? [],
    logitBias: Object.fromEntries(bias),
  });
}

/** A conversation: its tokens and KV cache. */
export class Session {
  readonly #connection: Connection;
  readonly #id: number;
  #state: SessionState;
  /** Replies that have not ended, the oldest first: one is under way or waits to be resumed, the others wait for it. */
  readonly #replies = new Set<Reply>();

  /** @internal */
  constructor(connection: Connection, id: number, state: SessionState) {
    this.#connection = connection;
    this.#id = id;
    this.#state = state;
  }

  get #suspended(): Reply | undefined {
    return [...this.#replies].find((reply) => reply.suspended);
  }

  /** Where it stands: during a reply, as of its last piece. */
  get state(): SessionState {
    return this.#state;
  }

  /**
   * Replies to a text, which is appended to what the session holds and continued, or to messages, which are the whole
   * conversation: what it shares with the one before is not computed again. A reply waits for the one before it; one
   * that waits to be resumed is cancelled.
   *
   * It begins at once. What goes wrong is thrown where its pieces are read.
   */
  reply(prompt: string | Message[], options: ReplyOptions = {}): Reply {
    this.#suspended?.cancel();
    const reply = new Reply(this.#connection, this.#id, prompt, options, (state) => { this.#state = state; });
    this.#replies.add(reply);
    const ended = () => { this.#replies.delete(reply); };
    reply.stats.then(ended, ended);
    return reply;
  }

  /**
   * Goes on after `DeviceLost` or `OutOfMemory`: a fresh device where the old one is lost, the weights from the same
   * source, the conversation computed again. A reply that was under way goes on with its `resume()`.
   *
   * @throws {LlamitaError} As `Model.load`. It may be called again.
   */
  async resume(): Promise<void> {
    const suspended = this.#suspended;
    if (suspended) return suspended.revive();
    this.#state = await this.#connection.ask('resumeSession', { session: this.#id });
  }

  /** Forgets the conversation. Waits for the reply that is under way. */
  async reset(): Promise<void> {
    this.#suspended?.cancel();
    this.#state = await this.#connection.ask('resetSession', { session: this.#id });
  }

  /** @internal One run of a benchmark, after which the session is empty. */
  measure(kind: 'prefill' | 'decode', tokens: number, signal: AbortSignal | undefined): Promise<Stats> {
    return this.#connection.ask('benchmark', { session: this.#id, kind, tokens }, { signal });
  }

  /** Gives back what it has on the device. Replies that have not ended are cancelled. */
  async dispose(): Promise<void> {
    const open = [...this.#replies];
    for (const reply of open) reply.cancel();
    await Promise.allSettled(open.map((reply) => reply.stats));
    await this.#connection.ask('disposeSession', { session: this.#id });
  }
}

/** A promise that others keep. */
interface Deferred<T> { promise: Promise<T>; resolve(value: T): void; reject(error: unknown): void }

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((kept, broken) => { resolve = kept; reject = broken; });
  // Nobody has to listen: what went wrong is thrown where the pieces are read.
  promise.catch(() => {});
  return { promise, resolve, reject };
}

/** An answer, whose pieces come as they are made: `for await (const piece of reply)`. */
export class Reply implements AsyncIterable<string> {
  readonly #connection: Connection;
  readonly #id: number;
  readonly #dropped = deferred<number>();
  readonly #stats = deferred<Stats>();
  readonly #onState: (state: SessionState) => void;
  /** Pieces that nobody has read. */
  #pieces: string[] = [];
  #text = '';
  readonly #ids: number[] = [];
  #ended = false;
  /** What it failed with; pieces that came before are read first. */
  #error: LlamitaError | undefined;
  /** While it waits to be resumed, and while that is under way. */
  #suspended = false;
  #reviving: Deferred<void> | undefined;
  #wake = deferred<void>();

  /** @internal */
  constructor(
    connection: Connection, session: number, prompt: string | Message[], options: ReplyOptions,
    onState: (state: SessionState) => void,
  ) {
    this.#connection = connection;
    this.#onState = onState;
    const { id, result } = typeof prompt === 'string' || Array.isArray(prompt)
      ? connection.call('reply', { session, prompt: JSON.stringify(prompt), options: settings(options) }, {
        signal: options.signal,
        onEvent: (event) => this.#receive(event),
      })
      : { id: 0, result: Promise.reject(new InvalidSetting('Give a text to continue, or a list of messages.')) };
    this.#id = id;
    result.then((stats) => this.#end(stats, undefined), (error: LlamitaError) => this.#end(undefined, error));
  }

  /** How many messages were left out, the oldest after the system messages, since the context is too short for all. */
  get dropped(): Promise<number> {
    return this.#dropped.promise;
  }

  /** What it took, when it has ended. */
  get stats(): Promise<Stats> {
    return this.#stats.promise;
  }

  /** Tokens generated so far. */
  get generatedTokens(): number {
    return this.#ids.length;
  }

  /** The ids of the tokens generated so far. */
  get tokenIds(): readonly number[] {
    return this.#ids;
  }

  /** Whether it failed and waits for `resume`, which may be tried until it succeeds, or for `cancel`. */
  get suspended(): boolean {
    return this.#suspended;
  }

  /** Ends it. What was generated stays in the session; the stop reason is `cancelled`. */
  cancel(): void {
    this.#suspended = false;
    this.#connection.cancel(this.#id);
  }

  /**
   * The pieces that nobody has read yet, as they come. Breaking out of the loop cancels the reply.
   *
   * @throws {LlamitaError} What the reply failed with. After `DeviceLost` and `OutOfMemory`, `resume` goes on.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    let whole = false;
    try {
      for (;;) {
        const piece = this.#pieces.shift();
        if (piece !== undefined) {
          yield piece;
          continue;
        }
        if (this.#error) {
          whole = true;
          throw this.#error;
        }
        if (this.#ended) {
          whole = true;
          return;
        }
        await this.#wake.promise;
      }
    } finally {
      if (!whole) this.cancel();
    }
  }

  /**
   * The whole text, at the end.
   *
   * @throws {LlamitaError} As the pieces.
   */
  async text(): Promise<string> {
    while (!this.#ended && !this.#error) await this.#wake.promise;
    if (this.#error) throw this.#error;
    return this.#text;
  }

  /**
   * Goes on where it failed with `DeviceLost` or `OutOfMemory`: the same pieces come that would have come. Read them
   * from what this gives back, which is the reply itself.
   */
  resume(): this {
    if (this.#suspended) this.revive().catch(() => {});
    return this;
  }

  /** @internal Resumes, and waits until it goes on. */
  async revive(): Promise<void> {
    if (!this.#suspended) throw new InvalidSetting('The reply does not wait to be resumed.');
    if (!this.#reviving) {
      this.#reviving = deferred<void>();
      this.#error = undefined;
      this.#connection.proceed(this.#id);
    }
    return this.#reviving.promise;
  }

  #receive(event: ReplyEvent): void {
    if ('started' in event) {
      this.#dropped.resolve(event.started.dropped);
    } else if ('piece' in event) {
      // The tokens of a stop string are taken back.
      this.#ids.length = event.generated - event.ids.length;
      this.#ids.push(...event.ids);
      this.#onState(event.state);
      if (event.piece === '') return;
      this.#text += event.piece;
      this.#pieces.push(event.piece);
      this.#signal();
    } else if ('failed' in event) {
      this.#fail(fromWire(event.failed));
    } else {
      this.#suspended = false;
      this.#reviving?.resolve();
      this.#reviving = undefined;
    }
  }

  /** The worker waits for an answer: to go on, or to give up. */
  #fail(error: LlamitaError): void {
    this.#suspended = true;
    this.#error = error;
    this.#reviving?.reject(error);
    this.#reviving = undefined;
    this.#signal();
  }

  #end(stats: Stats | undefined, error: LlamitaError | undefined): void {
    this.#suspended = false;
    if (stats) {
      this.#ended = true;
      this.#error = undefined;
      this.#stats.resolve(stats);
    } else if (error) {
      this.#error = error;
      this.#stats.reject(error);
      this.#dropped.reject(error);
    }
    if (error) this.#reviving?.reject(error);
    else this.#reviving?.resolve();
    this.#reviving = undefined;
    this.#signal();
  }

  #signal(): void {
    this.#wake.resolve();
    this.#wake = deferred<void>();
  }
}
