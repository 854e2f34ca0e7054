/** The conversation on show, as elements. */
import type { Answering, Chat } from './chat.js';
import { ChatNotices, type Models } from './chat-notices.js';
import { Row } from './chat-row.js';
import type { Conversations } from './conversations.js';
import { byId } from './dom.js';
import { language, t } from './i18n.js';
import type { Runtime } from './runtime.js';
import type { Conversation, Said } from './tree.js';

export class ChatLog {
  readonly #log = byId('log');
  readonly #scroll = byId('scroll');
  readonly #spoken = byId('spoken');
  readonly #notices: ChatNotices;
  #rows: Row[] = [];
  #conversation: Conversation | undefined;
  #frame = 0;
  /** The answer that a screen reader was told of. */
  #spokenOf: Said | undefined;
  /** True while the end is in sight: new text then stays in sight. */
  #following = true;

  constructor(
    private readonly chat: Chat,
    private readonly conversations: Conversations,
    runtime: Runtime,
    models: Models,
  ) {
    this.#notices = new ChatNotices(chat, conversations, runtime, models, () => this.#soon());
    conversations.current.watch(() => this.#build());
    language.watch(() => this.#build());
    conversations.sought.watch((said) => said && this.#seek(said));
    for (const cell of [conversations.changed, chat.answering, chat.failed, runtime.lost, runtime.failed, runtime.loaded, runtime.loading]) {
      (cell as { watch: (watcher: () => void) => void }).watch(() => this.#soon());
    }
    chat.answering.watch((answering) => this.#speak(answering));
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
      const row = new Row(said, this.chat, this.conversations, (other, label) => this.#shown(other, label));
      this.#rows.push(row);
      this.#log.append(row.element);
    }
    for (const row of this.#rows) row.update();
    document.body.classList.toggle('is-empty', messages.length === 0);
    this.#notices.update();
    if (this.#following) this.#toEnd();
  }

  /** Brings a message into sight. */
  #seek(said: Said): void {
    this.#following = false;
    this.#sync();
    this.#rows.find((row) => row.said === said)?.element.scrollIntoView({ block: 'center' });
  }

  /** Another alternative was asked for: it takes the place, and the focus, of the one before. */
  #shown(said: Said, label: string): void {
    this.#following = false;
    this.#sync();
    const row = this.#rows.find((one) => one.said === said);
    row?.focus(label);
    row?.element.scrollIntoView({ block: 'nearest' });
    const among = this.conversations.current.value.alternatives(said);
    this.#spoken.textContent = t('chat.version', { at: among.indexOf(said) + 1, of: among.length });
  }

  /** For screen readers: that an answer is on its way, and the answer when it is whole. */
  #speak(answering: Answering | undefined): void {
    const before = this.#spokenOf;
    this.#spokenOf = answering?.said;
    if (answering && !before) this.#spoken.textContent = t('chat.answering');
    else if (before && !answering) {
      const last = this.conversations.current.value.messages.at(-1);
      this.#spoken.textContent = last === before ? last.content : '';
    }
  }

  #toEnd(smooth = false): void {
    // A greeting is read from its top.
    if (this.#rows.length === 0) return;
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#scroll.scrollTo({ top: this.#scroll.scrollHeight, behavior: smooth && !calm ? 'smooth' : 'instant' });
  }
}
