/** A message on the page: its text, and below it what can be done with it. */
import { attachmentsOf } from './attached-view.js';
import type { Chat } from './chat.js';
import type { Conversations } from './conversations.js';
import { copied } from './copied.js';
import { h } from './dom.js';
import { number, seconds, short, t } from './i18n.js';
import { iconButton, llama } from './icons.js';
import { MarkdownView } from './markdown-view.js';
import { toast } from './notice.js';
import type { Said } from './tree.js';

export class Row {
  readonly element: HTMLElement;
  readonly #view = new MarkdownView();
  readonly #text = h('div', { class: 'bubble', dir: 'auto' });
  readonly #foot = h('div', { class: 'foot' });
  /** What the foot shows. */
  #state = '';

  constructor(
    readonly said: Said,
    private readonly chat: Chat,
    private readonly conversations: Conversations,
    /** Takes the focus to an alternative that was asked for, at the control of this label. */
    private readonly shown: (said: Said, label: string) => void,
  ) {
    this.element =
      said.role === 'user'
        ? h('article', { class: 'said user', label: 'chat.you' }, attachmentsOf(said), this.#text, this.#foot)
        : h(
            'article',
            { class: 'said answer', label: 'chat.answer' },
            llama(34, 'face'),
            h('div', { class: 'body' }, this.#view.element, this.#foot),
          );
  }

  /** Brings it up to what was said by now. */
  update(): void {
    const { said } = this;
    const answering = this.chat.answering.value;
    const here = answering?.said === said && answering.phase !== 'stalled' ? answering : undefined;
    const elsewhere =
      !here && said.role === 'assistant' && said.ended === undefined && this.conversations.writer(said) === 'elsewhere';
    const writing = here !== undefined || elsewhere;
    if (said.role === 'user') {
      if (this.#text.textContent !== said.content) this.#text.textContent = said.content;
    } else {
      this.element.setAttribute('aria-busy', String(writing));
      this.element.classList.toggle('writing', writing);
      const waits = writing && said.content === '';
      this.element.classList.toggle('waits', waits);
      const phase = here?.phase === 'queues' || here?.phase === 'waits' ? here.phase : 'reads';
      if (waits) this.element.dataset['waits'] = t(elsewhere ? 'chat.elsewhere' : `chat.${phase}`);
      this.#view.show(said.content, writing);
    }
    const busy = answering !== undefined;
    const among = this.conversations.current.value.alternatives(said);
    const state = JSON.stringify([writing, elsewhere, busy, said.ended, among.map(({ id }) => id)]);
    if (state === this.#state) return;
    this.#state = state;
    if (said.role === 'user') {
      this.#foot.classList.toggle('off', busy);
      this.#foot.replaceChildren(this.#copy(), this.#editButton(), ...this.#versions(among));
    } else if (elsewhere) this.#foot.replaceChildren(h('span', { class: 'note', t: 'chat.elsewhere' }));
    else this.#foot.replaceChildren(...(writing ? [] : this.#answerFoot(busy, among)));
  }

  /** Gives the focus to a control of the foot, or to its nearest neighbour. */
  focus(label: string): void {
    for (const way of [`[data-t-label="${label}"]`, '.versions button', 'button']) {
      const button = this.#foot.querySelector<HTMLElement>(`${way}:not(:disabled)`);
      if (button) return button.focus();
    }
  }

  #answerFoot(busy: boolean, among: Said[]): HTMLElement[] {
    const { said } = this;
    const parts: HTMLElement[] = [];
    if (said.content) parts.push(this.#copy());
    const again = (): void => void this.chat.again(said);
    if (!busy) parts.push(iconButton('refresh', { label: 'chat.again', on: { click: again } }), ...this.#versions(among));
    const note = (text: string, kind = ''): void => void parts.push(h('span', { class: `note ${kind}` }, text));
    if (said.ended === 'cancelled') note(t('chat.stopped'));
    if (said.ended === 'length') note(t('chat.length'));
    if (said.ended === 'context') note(t('chat.context'));
    if (said.model) parts.push(h('span', { class: 'note by' }, h('bdi', {}, said.model)));
    if (said.measured && said.measured.tokens > 0) {
      const { tokens, tokensPerSecond, firstTokenMs } = said.measured;
      const values = { speed: short(tokensPerSecond), first: seconds(firstTokenMs / 1000), tokens: number(tokens) };
      note(t('chat.measured', values), 'measured');
    }
    if (said.dropped) note(t('chat.dropped', { count: said.dropped }));
    return parts;
  }

  #copy(): HTMLElement {
    const button = iconButton('copy', {
      class: 'copy',
      label: 'chat.copy',
      on: { click: () => void copied(button, this.said.content) },
    });
    return button;
  }

  #editButton(): HTMLElement {
    return iconButton('edit', { label: 'chat.edit', on: { click: () => this.#edit() } });
  }

  /** Which of the alternatives this is, and the way to the others. */
  #versions(among: Said[]): HTMLElement[] {
    if (among.length < 2) return [];
    const at = among.indexOf(this.said);
    const step = (by: number, label: 'chat.previous' | 'chat.next'): HTMLButtonElement =>
      iconButton(by < 0 ? 'back' : 'forth', {
        label,
        disabled: !among[at + by],
        on: { click: () => this.#show(among[at + by], label) },
      });
    const keys = ({ key }: KeyboardEvent): void => {
      if (key === 'ArrowLeft') this.#show(among[at - 1], 'chat.previous');
      if (key === 'ArrowRight') this.#show(among[at + 1], 'chat.next');
    };
    const values = { at: at + 1, of: among.length };
    const count = h('span', { class: 'count', 'aria-hidden': 'true' }, t('chat.versionShort', values));
    const name = h('span', { class: 'sr' }, t('chat.version', values));
    const remove = iconButton('trash', { label: 'chat.deleteVersion', on: { click: () => this.#remove() } });
    return [
      h(
        'span',
        { class: 'versions', role: 'group', 'aria-label': t('chat.version', values), on: { keydown: keys } },
        step(-1, 'chat.previous'),
        count,
        name,
        step(1, 'chat.next'),
      ),
      remove,
    ];
  }

  #show(said: Said | undefined, label: string): void {
    if (!said) return;
    void this.conversations.change(this.conversations.current.value, (one) => one.choose(said), false);
    this.shown(said, label);
  }

  #remove(): void {
    const conversation = this.conversations.current.value;
    const { said } = this;
    const among = conversation.alternatives(said);
    const at = among.indexOf(said);
    // What another tab has added meanwhile goes and comes back too.
    const taken = new Map<string, Said>();
    const cut = (one: typeof conversation): void => one.cut(said.id).forEach((gone) => taken.set(gone.id, gone));
    void this.conversations.change(conversation, cut, false);
    const next = among[at - 1] ?? among[at + 1];
    if (next) this.shown(next, 'chat.deleteVersion');
    toast(t('chat.versionDeleted'), {
      t: 'do.undo',
      click: () => this.conversations.change(conversation, (one) => one.putBack([...taken.values()]), false),
    });
  }

  /** Turns the message into a field in its place. */
  #edit(): void {
    if (this.chat.answering.value) return;
    const field = h('textarea', { label: 'chat.editing', rows: 3, dir: 'auto' });
    field.value = this.said.content;
    const close = (): void => {
      form.replaceWith(this.#text);
      this.#foot.hidden = false;
      this.focus('chat.edit');
    };
    const save = (): void => {
      const changed = field.value;
      close();
      void this.chat.edit(this.said, changed);
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
    this.#text.replaceWith(form);
    this.#foot.hidden = true;
    field.focus();
  }
}
