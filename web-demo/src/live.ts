/** The line below the prompt: speed, time to the first token, context, memory. */
import type { Chat } from './chat.js';
import type { Conversations } from './conversations.js';
import { byId, h } from './dom.js';
import { bytes, language, number, seconds, short, t } from './i18n.js';
import { icon } from './icons.js';
import { total, type Loaded, type Runtime } from './runtime.js';
import type { Said } from './tree.js';

/** Milliseconds between two writings of the line. */
const PACE = 250;

export class LiveLine {
  readonly #line = byId('live');
  #timer = 0;
  #last = 0;

  constructor(
    private readonly runtime: Runtime,
    private readonly chat: Chat,
    private readonly conversations: Conversations,
  ) {
    const soon = (): void => this.#soon();
    runtime.loaded.watch(soon);
    chat.answering.watch(soon);
    conversations.current.watch(soon);
    conversations.changed.watch(soon);
    language.watch(soon);
  }

  #soon(): void {
    this.#timer ||= window.setTimeout(
      () => {
        this.#timer = 0;
        this.#last = performance.now();
        this.#show();
      },
      Math.max(0, this.#last + PACE - performance.now()),
    );
  }

  #show(): void {
    const loaded = this.runtime.loaded.value;
    if (!loaded) {
      this.#line.replaceChildren(h('span', {}, icon('lock'), h('span', { t: 'live.private' })));
      return;
    }
    const answering = this.chat.answering.value;
    const { messages } = this.conversations.current.value;
    const last = messages.findLast(({ role, measured }) => role === 'assistant' && measured);
    const measured = last?.measured;
    const parts: HTMLElement[] = [h('span', { class: 'promise' }, icon('lock'), h('span', { t: 'live.private' }))];
    if (answering?.phase === 'writes' && answering.tokens > 1) {
      const rate = answering.tokens / ((performance.now() - answering.firstAt) / 1000);
      parts.push(h('span', { class: 'speed' }, t('live.speed', { speed: short(rate) })));
    } else if (!answering && measured && measured.tokens > 0) {
      parts.push(h('span', { class: 'speed' }, t('live.speed', { speed: short(measured.tokensPerSecond) })));
      parts.push(h('span', { class: 'first' }, t('live.first', { time: seconds(measured.firstTokenMs / 1000) })));
    }
    const { context } = loaded.info;
    const tokens = this.#held(loaded, last);
    if (tokens !== undefined) parts.push(meter(tokens, context));
    const where = loaded.info.software ? 'live.memoryCpu' : 'live.memory';
    parts.push(h('span', { class: 'memory' }, t(where, { memory: bytes(total(loaded.info)) })));
    this.#line.replaceChildren(...parts);
  }

  /** Tokens of the conversation on show; undefined where another model has counted them, or nobody. */
  #held({ choice, session }: Loaded, last: Said | undefined): number | undefined {
    if (this.chat.answering.value?.phase === 'writes') return session.state.tokens;
    // Before the first answer nothing is counted.
    if (!last) return 0;
    return last.modelId === choice.id ? last.measured?.context : undefined;
  }
}

function meter(tokens: number, context: number): HTMLElement {
  const shown = h('meter', { min: 0, max: context, value: tokens, high: context * 0.85, label: 'live.contextLabel' });
  const text = t('live.context', { tokens: number(tokens), context: number(context) });
  return h('span', { class: 'context' }, shown, h('span', {}, text));
}
