/** The field for what a person says, and the button beside it. */
import type { Chat } from './chat.js';
import type { Conversations } from './conversations.js';
import { byId } from './dom.js';
import { t, language } from './i18n.js';
import { icon } from './icons.js';
import { keep, recall } from './keep.js';

export class Composer {
  readonly #field = byId<HTMLTextAreaElement>('prompt');
  readonly #button = byId<HTMLButtonElement>('send');

  constructor(
    private readonly chat: Chat,
    conversations: Conversations,
  ) {
    // A prompt that was typed and not sent survives everything.
    this.#field.value = recall('draft') ?? '';
    this.#field.addEventListener('input', () => this.#changed());
    this.#field.addEventListener('keydown', (event) => this.#key(event));
    this.#button.addEventListener('click', ({ detail }) => {
      if (!chat.answering.value) this.#send();
      // The second click of two that were to send does not stop what the first began.
      else if (detail < 2) chat.stop();
    });
    let answered: boolean | undefined;
    const refresh = (): void => {
      const answering = chat.answering.value !== undefined;
      if (answering === answered) return;
      answered = answering;
      this.#refresh();
    };
    chat.answering.watch(refresh);
    language.watch(() => this.#refresh());
    conversations.current.watch(() => matchMedia('(pointer: fine)').matches && this.focus());
    this.#size();
  }

  focus(): void {
    this.#field.focus({ preventScroll: true });
  }

  /** Says this at once; a prompt that is being typed stays. */
  say(text: string): void {
    if (!this.chat.answering.value) void this.chat.send(text);
  }

  /** False closes the field, where nothing could answer. */
  enable(on: boolean): void {
    this.#field.disabled = !on;
    this.#refresh();
  }

  #send(): void {
    const text = this.#field.value;
    if (!text.trim() || this.chat.answering.value) return;
    this.#field.value = '';
    this.#changed();
    void this.chat.send(text);
  }

  #changed(): void {
    keep('draft', this.#field.value || undefined);
    this.#size();
    this.#refresh();
  }

  /** As high as its text, up to a limit that the style sets. */
  #size(): void {
    this.#field.style.height = 'auto';
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }

  #refresh(): void {
    const answering = this.chat.answering.value !== undefined;
    this.#button.replaceChildren(icon(answering ? 'stop' : 'send'));
    this.#button.classList.toggle('stop', answering);
    const label = t(answering ? 'chat.stop' : 'chat.send');
    this.#button.dataset['tLabel'] = answering ? 'chat.stop' : 'chat.send';
    this.#button.setAttribute('aria-label', label);
    this.#button.title = label;
    this.#button.disabled = !answering && (this.#field.disabled || !this.#field.value.trim());
  }

  /** Enter sends where there is a keyboard; on a touch screen it begins a line, and the button sends. */
  #key(event: KeyboardEvent): void {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    if (matchMedia('(pointer: coarse)').matches && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.#send();
  }
}
