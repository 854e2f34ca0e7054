/** Answers: asking for them, stopping, taking back, going on after a lost device. Knows no element of the page. */
import type { Message, Reply } from '../llamita/index.js';
import { promptText, type Attachment } from './attachments.js';
import { Cell } from './cell.js';
import { titleOf, type Conversation, type Conversations, type Said } from './conversations.js';
import { kindOf } from './errors.js';
import type { Runtime } from './runtime.js';
import { replyOptions, settings } from './settings.js';

/** An answer under way. */
export interface Answering {
  conversation: Conversation;
  said: Said;
  abort: AbortController;
  /** 'waits' for the model, 'reads' the prompt, 'writes', or 'stalled' by an error that can be got over. */
  phase: 'waits' | 'reads' | 'writes' | 'stalled';
  error?: unknown;
  /** Tokens since `firstAt`, both for the live line. */
  tokens: number;
  firstAt: number;
}

export class Chat {
  readonly answering = new Cell<Answering | undefined>(undefined);
  /** An error that ended an answer, beside the conversation that it belongs to. */
  readonly failed = new Cell<{ conversation: Conversation; error: unknown } | undefined>(undefined);
  #reply: Reply | undefined;
  #saved = 0;

  constructor(
    private readonly runtime: Runtime,
    private readonly conversations: Conversations,
  ) {
    // What was written so far survives a tab that is put away.
    const save = (): void => void this.#save();
    document.addEventListener('visibilitychange', save);
    window.addEventListener('pagehide', save);
  }

  /** Says something in the conversation on show, and lets it be answered. */
  async send(text: string, attachments: Attachment[] = []): Promise<void> {
    const conversation = this.conversations.current.value;
    if (this.answering.value || !(text.trim() || attachments.length)) return;
    conversation.messages.push({ role: 'user', content: text.trim(), ...(attachments.length ? { attachments } : {}) });
    if (!conversation.title) conversation.title = titleOf(text.trim() || attachments[0]!.name);
    await this.#answer(conversation);
  }

  /** Answers anew what was said before this answer, and forgets what followed. The same seed gives the same answer. */
  async again(said: Said, seed?: number): Promise<void> {
    const conversation = this.conversations.current.value;
    const at = conversation.messages.indexOf(said);
    if (this.answering.value || at < 0) return;
    conversation.messages.length = at;
    await this.#answer(conversation, seed);
  }

  /** Changes what was said, and answers that instead; what followed is forgotten. */
  async edit(said: Said, text: string): Promise<void> {
    const conversation = this.conversations.current.value;
    const at = conversation.messages.indexOf(said);
    if (this.answering.value || at < 0 || !text.trim()) return;
    conversation.messages.length = at + 1;
    said.content = text.trim();
    if (at === 0) conversation.title = titleOf(text);
    await this.#answer(conversation);
  }

  /** Answers the last thing said, where nothing does. */
  async retry(): Promise<void> {
    if (!this.answering.value) await this.#answer(this.conversations.current.value);
  }

  /** Ends the answer where it is. */
  stop(): void {
    const answering = this.answering.value;
    if (!answering) return;
    answering.abort.abort();
    this.#reply?.cancel();
    if (answering.phase === 'stalled') this.#end(answering, 'cancelled');
  }

  /** Goes on with an answer that a lost device or a lack of memory has interrupted. */
  async resume(): Promise<void> {
    const answering = this.answering.value;
    const reply = this.#reply;
    if (answering?.phase !== 'stalled' || !reply) return;
    this.#change(answering, { phase: 'reads', error: undefined });
    await this.#run(answering, async () => {
      await this.runtime.resume();
      return reply.resume();
    });
  }

  async #answer(conversation: Conversation, seed = settings.value.seed ?? draw()): Promise<void> {
    this.failed.set(undefined);
    const said: Said = { role: 'assistant', content: '', seed };
    const prompt = messages(conversation);
    conversation.messages.push(said);
    const answering: Answering = {
      conversation,
      said,
      abort: new AbortController(),
      phase: 'waits',
      tokens: 0,
      firstAt: 0,
    };
    this.answering.set(answering);
    await this.conversations.save(conversation);
    await this.#run(answering, async () => {
      const loaded = await this.#model(answering.abort.signal);
      if (this.runtime.lost.value !== undefined) await this.runtime.resume();
      said.model = loaded.choice.title;
      this.#change(answering, { phase: 'reads' });
      this.#reply = loaded.session.reply(prompt, replyOptions(loaded.choice, seed, answering.abort.signal));
      return this.#reply;
    });
  }

  /** Writes down what a stream says, until it ends in one way or another. */
  async #run(answering: Answering, begin: () => Promise<AsyncIterable<string>>): Promise<void> {
    const { said, conversation } = answering;
    let free = (): void => {};
    let before = 0;
    try {
      const stream = await begin();
      this.runtime.busy = new Promise((resolve) => (free = resolve));
      for await (const piece of stream) {
        said.content += piece;
        const { generatedTokens } = this.#reply!;
        if (answering.phase !== 'writes') {
          before = generatedTokens;
          this.#change(answering, { phase: 'writes', firstAt: performance.now() });
        }
        this.#change(answering, { tokens: generatedTokens - before });
        if (performance.now() - this.#saved > 2000) void this.#save();
      }
      const reply = this.#reply!;
      const stats = await reply.stats;
      said.measured = {
        tokens: stats.generatedTokens,
        tokensPerSecond: stats.decodeTokensPerSecond,
        firstTokenMs: stats.timeToFirstTokenMs,
      };
      const dropped = await reply.dropped;
      if (dropped) said.dropped = dropped;
      this.#end(answering, answering.abort.signal.aborted ? 'cancelled' : stats.stopReason);
    } catch (error) {
      const kind = kindOf(error);
      if (kind === 'Aborted' || answering.abort.signal.aborted) this.#end(answering, 'cancelled');
      else if ((kind === 'DeviceLost' || kind === 'OutOfMemory') && this.#reply) {
        this.#change(answering, { phase: 'stalled', error });
        void this.#save();
      } else {
        // An answer that never began is no answer; the prompt stays, to be sent again or changed.
        if (!said.content) conversation.messages = conversation.messages.filter((one) => one !== said);
        this.failed.set({ conversation, error });
        this.#end(answering, 'error');
      }
    } finally {
      free();
    }
  }

  /** The model, as soon as there is one. */
  #model(signal: AbortSignal): Promise<NonNullable<Runtime['loaded']['value']>> {
    return new Promise((resolve, reject) => {
      const stops: (() => void)[] = [];
      const end = (then: () => void): void => {
        queueMicrotask(() => stops.forEach((stop) => stop()));
        then();
      };
      const aborted = (): void => end(() => reject(signal.reason));
      signal.addEventListener('abort', aborted);
      stops.push(() => signal.removeEventListener('abort', aborted));
      stops.push(this.runtime.loaded.watch((loaded) => loaded && end(() => resolve(loaded))));
      stops.push(
        this.runtime.failed.watch((failed) => {
          if (failed && !this.runtime.loaded.value) end(() => reject(failed.error));
        }),
      );
    });
  }

  #change(answering: Answering, some: Partial<Answering>): void {
    Object.assign(answering, some);
    this.answering.set(answering);
  }

  #end(answering: Answering, how: string): void {
    answering.said.ended = how;
    this.#reply = undefined;
    this.answering.set(undefined);
    void this.conversations.save(answering.conversation);
  }

  async #save(): Promise<void> {
    const answering = this.answering.value;
    if (!answering) return;
    this.#saved = performance.now();
    await this.conversations.save(answering.conversation);
  }
}

/** What the model is given of a conversation: the system prompt, and answers that have a text. */
function messages(conversation: Conversation): Message[] {
  const system = settings.value.system.trim();
  const said = conversation.messages.filter((one) => promptText(one) !== '');
  return [
    ...(system ? [{ role: 'system', content: system } satisfies Message] : []),
    ...said.map((one): Message => ({ role: one.role, content: promptText(one) })),
  ];
}

function draw(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
