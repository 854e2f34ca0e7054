/** The messages of a conversation, as elements. */
import { attachmentsOf } from './attached-view.js';
import type { Answering, Chat } from './chat.js';
import type { Conversation, Conversations, Said } from './conversations.js';
import { byId, h } from './dom.js';
import { tell } from './errors.js';
import { number, seconds, short, t, language } from './i18n.js';
import { iconButton, llama } from './icons.js';
import { copied, MarkdownView } from './markdown-view.js';
import { notice, type Action } from './notice.js';
import type { Runtime } from './runtime.js';

/** A message on the page. */
interface Row {
  said: Said;
  element: HTMLElement;
  view: MarkdownView;
  foot: HTMLElement;
}

export class ChatLog {
  readonly #log = byId('log');
  readonly #scroll = byId('scroll');
  readonly #after = byId('after-log');
  readonly #spoken = byId('spoken');
  #rows: Row[] = [];
  #conversation: Conversation | undefined;
  #frame = 0;
  /** What the notices on the page tell of. */
  #told: unknown[] = [];
  /** True while the end is in sight: new text then stays in sight. */
  #following = true;

  constructor(
    private readonly chat: Chat,
    private readonly conversations: Conversations,
    private readonly runtime: Runtime,
  ) {
    conversations.current.watch(() => this.#build());
    language.watch(() => this.#build());
    chat.answering.watch(() => this.#soon());
    chat.failed.watch(() => this.#soon());
    runtime.lost.watch(() => this.#soon());
    runtime.failed.watch(() => this.#soon());
    let phase: string | undefined;
    chat.answering.watch((answering) => this.#speak(answering, phase, (next) => (phase = next)));
    const jump = byId('jump');
    this.#scroll.addEventListener(
      'scroll',
      () => {
        const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
        this.#following = scrollHeight - scrollTop - clientHeight < 60;
        jump.hidden = this.#following;
      },
      { passive: true },
    );
    jump.addEventListener('click', () => this.#toEnd(true));
    new ResizeObserver(() => this.#following && this.#toEnd()).observe(this.#scroll);
  }

  #build(): void {
    const conversation = this.conversations.current.value;
    if (conversation !== this.#conversation) this.#following = true;
    this.#conversation = conversation;
    this.#rows = [];
    this.#log.replaceChildren();
    this.#sync();
  }

  /** At most once per frame, however fast tokens come. */
  #soon(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#sync();
    });
  }

  /** Brings the page up to what the conversation says. */
  #sync(): void {
    const { messages } = this.conversations.current.value;
    let same = 0;
    while (same < messages.length && messages[same] === this.#rows[same]?.said) same += 1;
    for (const row of this.#rows.splice(same)) row.element.remove();
    for (const said of messages.slice(same)) {
      const row = said.role === 'user' ? this.#userRow(said) : this.#answerRow(said);
      this.#rows.push(row);
      this.#log.append(row.element);
    }
    const answering = this.#own();
    this.#rows.forEach((row, i) => this.#update(row, answering, i === this.#rows.length - 1));
    document.body.classList.toggle('is-empty', messages.length === 0);
    this.#notify(answering, messages.at(-1));
    if (this.#following) this.#toEnd();
  }

  /** Shows notices anew only where something else is to be told: they have the focus, or are being read aloud. */
  #notify(answering: Answering | undefined, last: Said | undefined): void {
    const busy = this.chat.answering.value !== undefined;
    const stalled = answering?.phase === 'stalled' && answering.error;
    const { failed, loaded, lost } = this.runtime;
    const modelless = failed.value !== undefined && !loaded.value;
    const states = [stalled, this.chat.failed.value, lost.value, modelless, busy];
    const told = [...states, last, last?.ended, language.value];
    if (told.every((one, i) => one === this.#told[i])) return;
    this.#told = told;
    this.#after.replaceChildren(...this.#notices(answering));
  }

  /** The answer under way, where it is one of this conversation. */
  #own(): Answering | undefined {
    const answering = this.chat.answering.value;
    return answering?.conversation === this.conversations.current.value ? answering : undefined;
  }

  #userRow(said: Said): Row {
    const view = new MarkdownView();
    const foot = h('div', { class: 'foot' });
    const text = h('div', { class: 'bubble', dir: 'auto' }, said.content);
    const element = h('article', { class: 'said user', label: 'chat.you' }, attachmentsOf(said), text, foot);
    const edit = iconButton('edit', { label: 'chat.edit', on: { click: () => this.#edit(row, text) } });
    foot.append(this.#copyButton(said), edit);
    const row = { said, element, view, foot };
    return row;
  }

  #answerRow(said: Said): Row {
    const view = new MarkdownView();
    const foot = h('div', { class: 'foot' });
    const face = llama(34, 'face');
    const element = h(
      'article',
      { class: 'said answer', label: 'chat.answer' },
      face,
      h('div', { class: 'body' }, view.element, foot),
    );
    return { said, element, view, foot };
  }

  #update(row: Row, answering: Answering | undefined, last: boolean): void {
    const { said } = row;
    const writing = answering?.said === said && answering.phase !== 'stalled';
    if (said.role === 'user') {
      const text = row.element.querySelector('.bubble');
      if (text && text.textContent !== said.content) text.textContent = said.content;
      row.foot.classList.toggle('off', this.chat.answering.value !== undefined);
      return;
    }
    row.element.setAttribute('aria-busy', String(writing));
    row.element.classList.toggle('writing', writing);
    const waits = writing && said.content === '';
    row.element.classList.toggle('waits', waits);
    if (waits) row.element.dataset['waits'] = t(answering.phase === 'waits' ? 'chat.waits' : 'chat.reads');
    row.view.show(said.content, writing);
    const state = `${writing} ${last} ${said.ended} ${this.chat.answering.value !== undefined}`;
    if (row.foot.dataset['state'] === state) return;
    row.foot.dataset['state'] = state;
    row.foot.replaceChildren(...(writing ? [] : this.#answerFoot(said)));
  }

  #answerFoot(said: Said): HTMLElement[] {
    const parts: HTMLElement[] = [];
    const busy = this.chat.answering.value !== undefined;
    if (said.content) parts.push(this.#copyButton(said));
    if (!busy)
      parts.push(iconButton('refresh', { label: 'chat.again', on: { click: () => void this.chat.again(said) } }));
    if (said.ended === 'cancelled') parts.push(h('span', { class: 'note', t: 'chat.stopped' }));
    if (said.ended === 'length') parts.push(h('span', { class: 'note', t: 'chat.length' }));
    if (said.ended === 'context') parts.push(h('span', { class: 'note', t: 'chat.context' }));
    if (said.measured && said.measured.tokens > 0) {
      const { tokens, tokensPerSecond, firstTokenMs } = said.measured;
      const text = t('chat.measured', {
        speed: short(tokensPerSecond),
        first: seconds(firstTokenMs / 1000),
        tokens: number(tokens),
      });
      parts.push(h('span', { class: 'note measured' }, text));
    }
    if (said.dropped) parts.push(h('span', { class: 'note' }, t('chat.dropped', { count: said.dropped })));
    return parts;
  }

  #copyButton(said: Said): HTMLElement {
    const button = iconButton('copy', {
      class: 'copy',
      label: 'chat.copy',
      on: { click: () => void copied(button, said.content) },
    });
    return button;
  }

  /** Turns a message into a field in its place. */
  #edit(row: Row, text: HTMLElement): void {
    if (this.chat.answering.value) return;
    const field = h('textarea', { label: 'chat.editing', rows: 3, dir: 'auto' });
    field.value = row.said.content;
    const close = (): void => {
      form.replaceWith(text);
      row.foot.hidden = false;
      row.foot.querySelector<HTMLElement>('button:last-child')?.focus();
    };
    const save = (): void => {
      const changed = field.value;
      close();
      void this.chat.edit(row.said, changed);
    };
    const buttons = h(
      'div',
      { class: 'row end' },
      h('button', { type: 'button', class: 'quiet', t: 'do.cancel', on: { click: close } }),
      h('button', { type: 'button', class: 'primary', t: 'chat.sendEdit', on: { click: save } }),
    );
    const keys = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        close();
      } else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) save();
    };
    const form = h('div', { class: 'edit-form', on: { keydown: keys } }, field, buttons);
    text.replaceWith(form);
    row.foot.hidden = true;
    field.focus();
  }

  /** What stands below the conversation: what went wrong, and how to go on. */
  #notices(answering: Answering | undefined): HTMLElement[] {
    if (answering?.phase === 'stalled') {
      const { title, what, detail } = tell(answering.error);
      return [
        notice(
          'warning',
          title,
          [what, t('error.nothingLost')],
          [
            { t: 'error.continue', primary: true, click: () => void this.chat.resume() },
            { t: 'error.leave', click: () => this.chat.stop() },
          ],
          detail,
        ),
      ];
    }
    // A model that cannot be loaded is told of in the header already.
    if (this.runtime.failed.value && !this.runtime.loaded.value) return [];
    const failed = this.chat.failed.value;
    if (failed && failed.conversation === this.conversations.current.value) {
      const { title, what, again, detail } = tell(failed.error);
      const retry: Action = { t: 'error.again', primary: true, click: () => void this.chat.retry() };
      return [notice('error', title, [what], again ? [retry] : [], detail)];
    }
    if (this.runtime.lost.value !== undefined && !this.chat.answering.value) {
      const { title, what, detail } = tell(this.runtime.lost.value);
      return [
        notice(
          'warning',
          title,
          [what, t('error.nothingLost')],
          [{ t: 'error.wake', primary: true, click: () => this.runtime.resume() }],
          detail,
        ),
      ];
    }
    return this.#interrupted();
  }

  /** The page was closed while this was written, or nothing has answered yet. */
  #interrupted(): HTMLElement[] {
    const last = this.conversations.current.value.messages.at(-1);
    if (!last || this.chat.answering.value) return [];
    const cut = last.role === 'assistant' && last.ended === undefined;
    if (!cut && last.role === 'assistant') return [];
    const click = (): void => void (cut ? this.chat.again(last, last.seed) : this.chat.retry());
    return [
      notice(
        'warning',
        t('chat.interrupted'),
        [t('chat.interruptedWhat')],
        [{ t: 'error.continue', primary: true, click }],
      ),
    ];
  }

  /** For screen readers: that an answer is on its way, and the answer when it is whole. */
  #speak(
    answering: Answering | undefined,
    before: string | undefined,
    keep: (phase: string | undefined) => void,
  ): void {
    const phase = answering?.phase;
    if (phase === before) return;
    keep(phase);
    if (phase === 'waits' || phase === 'reads') this.#spoken.textContent = t('chat.answering');
    else if (phase === undefined && before !== undefined) {
      const last = this.conversations.current.value.messages.at(-1);
      this.#spoken.textContent = last?.role === 'assistant' ? last.content : '';
    }
  }

  #toEnd(smooth = false): void {
    // A greeting is read from its top.
    if (this.#rows.length === 0) return;
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#scroll.scrollTo({ top: this.#scroll.scrollHeight, behavior: smooth && !calm ? 'smooth' : 'instant' });
  }
}
