/** The shape that programs for OpenAI's chat completions already use. */
import { Aborted, InvalidSetting, Unsupported } from './errors.js';
import { Model } from './model.js';
import type { Session } from './session.js';
import type { LoadOptions, Message, ModelSource, ReplyOptions, Stats, StopReason } from './types.js';

/** A part of a message, as OpenAI has it. Models here read text: parts of another type are refused. */
export interface ChatPart {
  type: string;
  /** Of a part of type `text`. */
  text?: string;
  /** Of a part of type `refusal`. */
  refusal?: string;
}

/** A message, as OpenAI has it. Those of tools, and answers that call one, are refused. */
export interface ChatMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function';
  /** Text, or parts that are text. An answer may have none. */
  content?: string | ChatPart[] | null;
  name?: string;
}

/** A request, as OpenAI has it, and the settings of this engine that OpenAI lacks. */
export interface ChatRequest {
  messages: ChatMessage[];
  model?: string;
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean } | null;
  max_tokens?: number | null;
  max_completion_tokens?: number | null;
  temperature?: number | null;
  top_p?: number | null;
  seed?: number | null;
  stop?: string | string[] | null;
  presence_penalty?: number | null;
  frequency_penalty?: number | null;
  /** From -100, which bans a token, to 100. */
  logit_bias?: Record<string, number> | null;
  n?: number | null;
  user?: string;
  top_k?: number | null;
  min_p?: number | null;
  repetition_penalty?: number | null;
}

/** Tokens of a request. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  /** Those of the prompt that did not have to be computed. */
  prompt_tokens_details: { cached_tokens: number };
}

export type FinishReason = 'stop' | 'length';

/** A whole answer. */
export interface ChatCompletion {
  id: string;
  object: 'chat.completion';
  created: number;
  model: string;
  choices: {
    index: 0;
    message: { role: 'assistant'; content: string; refusal: null };
    finish_reason: FinishReason;
    logprobs: null;
  }[];
  usage: Usage;
}

/** A piece of a streamed answer. */
export interface ChatCompletionChunk {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  choices: {
    index: 0;
    delta: { role?: 'assistant'; content?: string };
    finish_reason: FinishReason | null;
    logprobs: null;
  }[];
  usage?: Usage | null;
}

const KNOWN = new Set<string>([
  'messages', 'model', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens', 'temperature', 'top_p',
  'seed', 'stop', 'presence_penalty', 'frequency_penalty', 'logit_bias', 'n', 'user', 'top_k', 'min_p',
  'repetition_penalty',
] satisfies (keyof ChatRequest)[]);

/** What OpenAI has and this engine has not, with what to do. */
const REFUSED: Record<string, string> = {
  logprobs: 'Leave logprobs out: they are not given here.',
  top_logprobs: 'Leave top_logprobs out: log probabilities are not given here.',
  tools: 'Leave tools out: calling functions is not supported.',
  tool_choice: 'Leave tool_choice out: calling functions is not supported.',
  functions: 'Leave functions out: calling functions is not supported.',
  function_call: 'Leave function_call out: calling functions is not supported.',
  response_format: 'Leave response_format out: answers are text.',
  audio: 'Leave audio out: answers are text.',
  modalities: 'Leave modalities out: answers are text.',
};

/** Refuses what a request asks for and would not get. */
function check(request: ChatRequest): void {
  if (typeof request !== 'object' || request === null) throw new InvalidSetting('Give a request: { messages }.');
  for (const [name, value] of Object.entries(request)) {
    if (KNOWN.has(name) || value === undefined || value === null || value === false) continue;
    const plain = name === 'response_format' && (value as { type?: unknown }).type === 'text';
    if (plain || (name === 'tools' && Array.isArray(value) && value.length === 0)) continue;
    throw new Unsupported(REFUSED[name] ?? `Leave ${name} out: it is not supported.`);
  }
  if (request.n != null && request.n !== 1) throw new Unsupported('Leave n out: there is one choice per request.');
  if (!Array.isArray(request.messages) || request.messages.length === 0) {
    throw new InvalidSetting('Give messages: at least one is needed.');
  }
}

function toMessage(message: ChatMessage): Message {
  const { role, content, ...rest } = message ?? {};
  const calls = ['tool_calls', 'function_call', 'tool_call_id'].some((name) => filled(rest, name));
  if (calls || role === 'tool' || role === 'function') {
    throw new Unsupported('Leave out messages of tools and answers that call one: calling functions is not supported.');
  }
  const empty = role === 'assistant' && (content === undefined || content === null);
  if (typeof content !== 'string' && !Array.isArray(content) && !empty) {
    throw new InvalidSetting('Give each message a content: a string, or parts of type text.');
  }
  const parts = Array.isArray(content) ? content.map((part) => {
    const text = part?.type === 'text' ? part.text : part?.type === 'refusal' ? part.refusal : undefined;
    if (typeof text === 'string') return text;
    throw new Unsupported(`Leave out parts of type ${String(part?.type)}: models here read text.`);
  }) : [content ?? ''];
  return { role: role === 'developer' ? 'system' : role, content: parts.join('') };
}

/** Whether a message has something under this name that is not empty. */
function filled(message: object, name: string): boolean {
  const value: unknown = Reflect.get(message, name);
  return value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0);
}

/** Settings, without those that are not given. */
function toOptions(request: ChatRequest, signal: AbortSignal | undefined): ReplyOptions {
  const bias = Object.entries(request.logit_bias ?? {}).map(([id, by]) => [id, by <= -100 ? -Infinity : by]);
  const all = {
    maxTokens: request.max_completion_tokens ?? request.max_tokens,
    temperature: request.temperature,
    topP: request.top_p,
    topK: request.top_k,
    minP: request.min_p,
    repetitionPenalty: request.repetition_penalty,
    presencePenalty: request.presence_penalty,
    frequencyPenalty: request.frequency_penalty,
    seed: request.seed,
    stop: request.stop,
    logitBias: Object.fromEntries(bias),
    signal,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== null));
}

function finish(reason: StopReason): FinishReason {
  return reason === 'length' || reason === 'context' ? 'length' : 'stop';
}

/** Options of a request that are not the model's business. */
export interface RequestOptions { signal?: AbortSignal }

/**
 * Chat completions on one model. Requests wait for each other. One that fails with `DeviceLost` or `OutOfMemory` is over;
 * the next begins on a fresh device.
 */
export class Engine {
  readonly model: Model;
  readonly #session: Session;
  #turn: Promise<unknown> = Promise.resolve();
  #count = 0;
  /** Whether the last request failed in a way that the session's `resume` mends. */
  #failed = false;

  private constructor(model: Model, session: Session) {
    this.model = model;
    this.#session = session;
  }

  /**
   * Loads a model, or takes one that is loaded.
   *
   * @throws {LlamitaError} As `Model.load`.
   */
  static async create(source: ModelSource | Model, options: LoadOptions = {}): Promise<Engine> {
    const model = source instanceof Model ? source : await Model.load(source, options);
    return new Engine(model, await model.session());
  }

  /** Where requests go: `engine.chat.completions.create(request)`. */
  readonly chat = {
    completions: {
      create: ((request: ChatRequest, options?: RequestOptions) => this.#create(request, options)) as Create,
    },
  };

  /** Gives back everything that it has on the device. */
  async dispose(): Promise<void> {
    await this.#session.dispose();
    await this.model.dispose();
  }

  async #create(request: ChatRequest, options: RequestOptions = {}): Promise<unknown> {
    check(request);
    const stream = this.#stream(request, request.messages.map(toMessage), options.signal);
    if (request.stream) return stream;
    let content = '';
    let last: ChatCompletionChunk | undefined;
    let usage: Usage | undefined;
    for await (const chunk of stream) {
      content += chunk.choices[0]?.delta.content ?? '';
      if (chunk.choices.length > 0) last = chunk;
      usage = chunk.usage ?? usage;
    }
    if (!last || !usage) throw new Aborted('The request was given up.');
    const { id, created, model } = last;
    const completion: ChatCompletion = {
      id, object: 'chat.completion', created, model,
      choices: [{
        index: 0,
        message: { role: 'assistant', content, refusal: null },
        finish_reason: last.choices[0]?.finish_reason ?? 'stop',
        logprobs: null,
      }],
      usage,
    };
    return completion;
  }

  async *#stream(
    request: ChatRequest, messages: Message[], signal: AbortSignal | undefined,
  ): AsyncGenerator<ChatCompletionChunk, void, undefined> {
    const before = this.#turn;
    let done!: () => void;
    this.#turn = new Promise<void>((resolve) => { done = resolve; });
    try {
      await before;
      if (signal?.aborted) throw new Aborted('The request was given up.');
      const base = {
        id: `chatcmpl-${++this.#count}`,
        object: 'chat.completion.chunk' as const,
        created: Math.floor(Date.now() / 1000),
        model: this.model.info.name,
      };
      const chunk = (delta: { role?: 'assistant'; content?: string }, reason: FinishReason | null) =>
        ({ ...base, choices: [{ index: 0 as const, delta, finish_reason: reason, logprobs: null }] });
      if (this.#failed) await this.#session.resume();
      this.#failed = false;
      const reply = this.#session.reply(messages, toOptions(request, signal));
      let first = true;
      try {
        for await (const content of reply) {
          yield chunk(first ? { role: 'assistant', content } : { content }, null);
          first = false;
        }
      } finally {
        this.#failed = reply.suspended;
        if (this.#failed) reply.cancel(); // Nobody can resume it.
      }
      const stats = await reply.stats;
      if (stats.stopReason === 'cancelled') throw new Aborted('The request was given up.');
      if (first) yield chunk({ role: 'assistant', content: '' }, null);
      yield chunk({}, finish(stats.stopReason));
      if (!request.stream || request.stream_options?.include_usage) {
        yield { ...base, choices: [], usage: usageOf(stats, this.#session.state.tokens) };
      }
    } finally {
      done();
    }
  }
}

/** The session holds the prompt and what was generated; `promptTokens` are those that were computed. */
function usageOf(stats: Stats, tokens: number): Usage {
  const prompt = tokens - stats.generatedTokens;
  return {
    prompt_tokens: prompt,
    completion_tokens: stats.generatedTokens,
    total_tokens: tokens,
    prompt_tokens_details: { cached_tokens: prompt - stats.promptTokens },
  };
}

/** `create`, as its answer follows from `stream`. */
interface Create {
  (request: ChatRequest & { stream: true }, options?: RequestOptions): Promise<AsyncIterable<ChatCompletionChunk>>;
  (request: ChatRequest & { stream?: false | null }, options?: RequestOptions): Promise<ChatCompletion>;
  (request: ChatRequest, options?: RequestOptions): Promise<ChatCompletion | AsyncIterable<ChatCompletionChunk>>;
}
