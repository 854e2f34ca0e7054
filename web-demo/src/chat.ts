/** Answers: asking for them, stopping, taking back, going on after a lost device. Knows no element of the page. */
import type { Message, Reply } from '../llamita/index.js';
import { promptText, type Attachment } from './attachments.js';
import { Cell } from './cell.js';
import type { Conversations } from './conversations.js';
import { kindOf } from './errors.js';
import type { Loaded, Runtime } from './runtime.js';
import { replyOptions, settingsOf } from './settings.js';
import { newId, titleOf, type Conversation, type Said } from './tree.js';

/** An answer under way. */
export interface Answering {
  conversation: Conversation;
  said: Said;
  abort: AbortController;
  /**
   * 'queues' behind the answer of another conversation, 'waits' for the model, 'reads' the prompt, 'writes', or 'stalled' by
   * an error that can be got over.
   */
  phase: 'queues' | 'waits' | 'reads' | 'writes' | 'stalled';
  error?: unknown;
  reply?: Reply;
  /** Tokens since `firstAt`, both for the live line. */
  tokens: number;
  firstAt: number;
  /** To be called when it is over, and kept. */
  over: () => void;
}

export class Chat {
  /** The answer under way in the conversation on show. */
  readonly answering = new Cell<Answering | undefined>(undefined);
  /** All answers under way. One at a time is at work, the first; the others wait for it. */
  readonly answers = new Cell<Answering[]>([]);
  /** An error that ended an answer, beside the conversation that it belongs to. */
  readonly failed = new Cell<{ conversation: Conversation; error: unknown } | undefined>(undefined);
  /** Why nothing can answer on this device. */
  readonly hopeless = new Cell<unknown>(undefined);
  #saved = 0;

  constructor(
    private readonly runtime: Runtime,
    private readonly conversations: Conversations,
  ) {
    conversations.current.watch(() => this.answering.set(this.of(conversations.current.value)));
  }

  /** The answer under way in a conversation. */
  of(conversation: Conversation): Answering | undefined {
    return this.answers.value.find((one) => one.conversation === conversation);
  }

  /** Says something in the conversation on show, and lets it be answered. */
  async send(text: string, attachments: Attachment[] = []): Promise<void> {
    const conversation = this.conversations.current.value;
    await this.#say(conversation, conversation.messages.at(-1)?.id, text, attachments.length ? { attachments } : {});
  }

  /** Another answer to what was said before this one, beside it. The same seed gives the same answer. */
  async again(said: Said, seed?: number): Promise<void> {
    const conversation = this.conversations.current.value;
    const path = conversation.messages;
    const before = path[path.indexOf(said) - 1];
    if (this.of(conversation) || !before) return;
    await this.#answer(conversation, before, seed);
  }

  /** Says something else instead, beside it and with the same files, and answers that. */
  async edit(said: Said, text: string): Promise<void> {
    const conversation = this.conversations.current.value;
    const path = conversation.messages;
    const at = path.indexOf(said);
    if (at < 0) return;
    if (text.trim() !== said.content) await this.#say(conversation, path[at - 1]?.id, text, said);
    else if (!this.of(conversation)) await this.#answer(conversation, said);
  }

  /** Answers the last thing said, where nothing does. */
  async retry(): Promise<void> {
    const conversation = this.conversations.current.value;
    const last = conversation.messages.at(-1);
    if (last?.role === 'assistant') await this.again(last);
    else if (last && !this.of(conversation)) await this.#answer(conversation, last);
  }

  /** Ends the answer of the conversation on show where it is. */
  stop(): void {
    const answering = this.answering.value;
    if (answering) this.#stop(answering);
  }

  /** Ends every answer, or that of one conversation. */
  stopAll(conversation?: Conversation): void {
    for (const one of [...this.answers.value]) if (!conversation || one.conversation === conversation) this.#stop(one);
  }

  /** Goes on with an answer that a lost device or a lack of memory has interrupted. */
  async resume(): Promise<void> {
    const answering = this.answering.value;
    const reply = answering?.reply;
    if (answering?.phase !== 'stalled' || !reply) return;
    this.#change(answering, { phase: 'reads', error: undefined });
    await this.#run(answering, async () => {
      await this.runtime.resume();
      return reply.resume();
    });
  }

  /** Says something, with all else that another message has. */
  async #say(conversation: Conversation, parent: string | undefined, text: string, like: Partial<Said>): Promise<void> {
    const said: Said = { ...like, id: newId(), parent, created: Date.now(), role: 'user', content: text.trim() };
    const titled = said.content || said.attachments?.[0]?.name;
    if (this.of(conversation) || !titled) return;
    const kept = this.conversations.change(conversation, (one) => {
      one.add(said);
      one.title ||= titleOf(titled);
    });
    await Promise.all([kept, this.#answer(conversation, said)]);
  }

  async #answer(conversation: Conversation, before: Said, given?: number): Promise<void> {
    const seed = given ?? settingsOf(conversation).seed ?? draw();
    this.failed.set(undefined);
    const said: Said = { id: newId(), parent: before.id, created: Date.now(), role: 'assistant', content: '', seed };
    let over = (): void => {};
    const ended = new Promise<void>((resolve) => (over = resolve));
    const abort = new AbortController();
    const answering: Answering = { conversation, said, abort, phase: 'queues', tokens: 0, firstAt: 0, over };
    // What is stalled gives way: who goes on elsewhere does not wait for it.
    for (const one of [...this.answers.value]) if (one.phase === 'stalled') this.#stop(one);
    this.conversations.write(conversation, said, ended);
    this.#set([...this.answers.value, answering]);
    void this.conversations.change(conversation, (one) => one.add(said));
    await this.#run(answering, async () => {
      await unless(abort.signal, this.#turn(answering));
      // Another tab may still be writing what this follows.
      const parts = conversation.before(said).map((one) => this.conversations.written(one));
      await unless(abort.signal, Promise.all(parts));
      this.#change(answering, { phase: 'waits' });
      const loaded = await this.#model(abort.signal);
      if (this.runtime.lost.value !== undefined) await this.runtime.resume();
      const { id, title } = loaded.choice;
      Object.assign(said, { model: title, modelId: id });
      void this.conversations.change(conversation, (one) => (one.model = { id, title }), false);
      this.#change(answering, { phase: 'reads' });
      const options = replyOptions(settingsOf(conversation), loaded.choice, seed, abort.signal);
      return (answering.reply = loaded.session.reply(messages(conversation, said), options));
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
      const reply = answering.reply!;
      for await (const piece of stream) {
        said.content += piece;
        const { generatedTokens } = reply;
        if (answering.phase !== 'writes') {
          before = generatedTokens;
          this.#change(answering, { phase: 'writes', firstAt: performance.now() });
        }
        this.#change(answering, { tokens: generatedTokens - before });
        if (performance.now() - this.#saved > 2000) void this.#save(answering);
      }
      const stats = await reply.stats;
      said.measured = {
        tokens: stats.generatedTokens,
        tokensPerSecond: stats.decodeTokensPerSecond,
        firstTokenMs: stats.timeToFirstTokenMs,
      };
      const held = this.runtime.loaded.value?.session.state.tokens;
      if (held !== undefined) said.measured.context = held;
      const dropped = await reply.dropped;
      if (dropped) said.dropped = dropped;
      this.#end(answering, answering.abort.signal.aborted ? 'cancelled' : stats.stopReason);
    } catch (error) {
      const kind = kindOf(error);
      if (answering.abort.signal.aborted) this.#end(answering, 'cancelled');
      else if (this.answers.value.length === 1 && (kind === 'DeviceLost' || kind === 'OutOfMemory') && answering.reply) {
        this.#change(answering, { phase: 'stalled', error });
        void this.#save(answering);
      } else {
        this.failed.set({ conversation, error });
        this.#end(answering, 'error');
      }
    } finally {
      free();
    }
  }

  /** Waits until no other answer is at work. */
  #turn(answering: Answering): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.answers.watch(([first]) => {
        if (first !== answering) return;
        queueMicrotask(() => stop());
        resolve();
      });
    });
  }

  /** The model in use, as soon as there is one, where there can be one. */
  async #model(signal: AbortSignal): Promise<Loaded> {
    let stop = (): void => {};
    const none = new Promise<never>((_, reject) => {
      stop = this.hopeless.watch((why) => why !== undefined && reject(why as Error));
    });
    return Promise.race([this.runtime.ready(signal), none]).finally(stop);
  }

  #change(answering: Answering, some: Partial<Answering>): void {
    Object.assign(answering, some);
    this.#set(this.answers.value);
  }

  #set(answers: Answering[]): void {
    this.answers.set(answers);
    const here = this.of(this.conversations.current.value);
    if (here || this.answering.value) this.answering.set(here);
  }

  #stop(answering: Answering): void {
    const { phase, abort, reply } = answering;
    abort.abort();
    reply?.cancel();
    if (phase === 'stalled') this.#end(answering, 'cancelled');
  }

  #end(answering: Answering, how: string): void {
    const { conversation, said } = answering;
    said.ended = how;
    // An answer that never began is no answer; the prompt stays, to be answered again or changed.
    const never = how === 'error' && !said.content;
    const kept = never
      ? this.conversations.change(conversation, (one) => void one.cut(said.id))
      : this.conversations.save(conversation, said);
    void kept.then(answering.over);
    this.#set(this.answers.value.filter((one) => one !== answering));
  }

  async #save({ conversation, said }: Answering): Promise<void> {
    this.#saved = performance.now();
    await this.conversations.save(conversation, said);
  }
}

/** What is waited for, unless that is given up. */
function unless<T>(signal: AbortSignal, wanted: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    wanted.then(resolve, reject);
  });
}

/** What the model is given of a conversation up to this answer: the system prompt, and messages that have a text. */
function messages(conversation: Conversation, answer: Said): Message[] {
  const system = settingsOf(conversation).system.trim();
  const said = conversation.before(answer).filter((one) => promptText(one) !== '');
  return [
    ...(system ? [{ role: 'system', content: system } satisfies Message] : []),
    ...said.map((one): Message => ({ role: one.role, content: promptText(one) })),
  ];
}

function draw(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
