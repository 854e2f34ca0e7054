/** The field for what a person says, the files that go along, and the buttons beside it. */
import { chip } from './attached-view.js';
import { countTokens, fitted, isUncounted, promptText, read, setCount, type Attachment, type Use } from './attachments.js';
import type { Chat } from './chat.js';
import type { Conversations } from './conversations.js';
import { byId, h } from './dom.js';
import { t, language } from './i18n.js';
import { icon } from './icons.js';
import { inTab, keep, recall } from './keep.js';
import type { Runtime } from './runtime.js';
import { settings, settingsOf } from './settings.js';

/** Tokens that a chat template puts around a message. */
const AROUND = 12;
/** Of most models. */
const VOCABULARY = 128_000;

export class Composer {
  readonly #field = byId<HTMLTextAreaElement>('prompt');
  readonly #button = byId<HTMLButtonElement>('send');
  readonly #add = byId<HTMLButtonElement>('attach');
  readonly #place = byId('attached');
  #files: Attachment[] = restored();
  /** Why files that were brought last do not go along. */
  #refused: string[] = [];

  constructor(
    private readonly chat: Chat,
    private readonly conversations: Conversations,
    private readonly runtime: Runtime,
  ) {
    // A prompt that was typed and not sent survives everything.
    this.#field.value = recall('draft') ?? '';
    this.#field.addEventListener('input', () => this.#changed());
    this.#field.addEventListener('keydown', (event) => this.#key(event));
    this.#field.addEventListener('paste', (event) => this.#paste(event));
    this.#button.addEventListener('click', ({ detail }) => {
      if (!chat.answering.value) this.#send();
      // The second click of two that were to send does not stop what the first began.
      else if (detail < 2) chat.stop();
    });
    this.#choose();
    let answered: boolean | undefined;
    const refresh = (): void => {
      const answering = chat.answering.value !== undefined;
      if (answering === answered) return;
      answered = answering;
      this.#refresh();
      this.#showFiles();
    };
    chat.answering.watch(refresh);
    language.watch(() => this.#refresh());
    conversations.current.watch(() => matchMedia('(pointer: fine)').matches && this.focus());
    for (const cell of [language, conversations.current, runtime.loaded, settings]) cell.watch(() => this.#showFiles());
    runtime.loaded.watch(() => void this.#count());
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
    this.#add.disabled = !on;
    this.#refresh();
  }

  /** Lets files go along with what is said next. */
  async attach(files: File[]): Promise<void> {
    if (this.#field.disabled) return;
    location.hash = '#chat';
    this.#refused = [];
    for (const file of files) {
      const found = await read(file);
      if ('text' in found) this.#files.push({ name: file.name, text: found.text });
      else this.#refused.push(t(found.refused, { name: file.name }));
    }
    this.#filesChanged();
    this.focus();
  }

  #choose(): void {
    const input = h('input', { type: 'file', id: 'attach-files', multiple: true, hidden: true });
    input.addEventListener('change', () => {
      void this.attach([...(input.files ?? [])]);
      input.value = ''; // The same file may be chosen again.
    });
    this.#add.append(icon('clip'));
    this.#add.after(input);
    this.#add.addEventListener('click', () => input.click());
  }

  /** Office programs put a picture beside their text: the text is meant. */
  #paste(event: ClipboardEvent): void {
    const { files, types } = event.clipboardData ?? {};
    if (!files?.length || types?.includes('text/plain')) return;
    event.preventDefault();
    void this.attach([...files]);
  }

  #send(): void {
    const text = this.#field.value;
    if (!(text.trim() || this.#files.length) || this.chat.answering.value) return;
    const files = fitted(this.#files, this.#use());
    this.#field.value = '';
    this.#files = [];
    this.#refused = [];
    this.#changed();
    this.#filesChanged();
    void this.chat.send(text, files);
  }

  /** What the files have to share the context with. */
  #use(): Use {
    const info = this.runtime.loaded.value?.info;
    const vocabulary = info?.vocabulary ?? VOCABULARY;
    const { messages } = this.conversations.current.value;
    // The model has counted up to its last answer.
    const { id } = this.runtime.loaded.value?.choice ?? {};
    const at = messages.findLastIndex(({ modelId, measured }) => modelId === id && measured?.context !== undefined);
    const held = messages[at]?.measured?.context ?? 0;
    const said = messages.slice(at + 1).map(promptText);
    const { system, context, maxTokens } = settingsOf(this.conversations.current.value);
    const texts = [...(held ? [] : [system]), ...said, this.#field.value];
    const conversation = texts.reduce((sum, text) => sum + AROUND + countTokens(text, vocabulary), AROUND + held);
    return {
      context: info?.context ?? context,
      conversation,
      answer: maxTokens,
      vocabulary,
    };
  }

  #filesChanged(): void {
    inTab.keep('attached', JSON.stringify(this.#files));
    this.#showFiles();
    this.#refresh();
    void this.#count();
  }

  /** Lets the model's own tokenizer count the files. */
  async #count(): Promise<void> {
    const { value: loaded } = this.runtime.loaded;
    if (!loaded) return;
    const { model, info } = loaded;
    for (const file of this.#files.filter((one) => isUncounted(one, info.vocabulary))) {
      // A model that was taken away meanwhile counts nothing.
      const tokens = await model.countTokens(file.text).catch(() => undefined);
      if (tokens === undefined) continue;
      setCount(file, info.vocabulary, tokens);
      this.#showFiles();
    }
  }

  #showFiles(): void {
    const refused = this.#refused;
    if (this.#files.length === 0 && refused.length === 0) return this.#place.replaceChildren();
    const fit = fitted(this.#files, this.#use());
    const chips = this.#files.map((file, i) => chip(file, fit[i]!, () => this.#remove(i)));
    const told = refused.map((text) => h('p', { class: 'tight' }, icon('alert'), h('bdi', {}, text)));
    const focused = this.#removers().indexOf(document.activeElement as HTMLElement);
    this.#place.replaceChildren(
      ...(told.length ? [h('div', { role: 'alert' }, ...told)] : []),
      ...(chips.length ? [h('ul', { class: 'chips', label: 'attach.list' }, ...chips)] : []),
    );
    // Whoever is about to remove one is not moved away by a count that has come.
    this.#removers()[focused]?.focus();
  }

  #removers(): HTMLElement[] {
    return [...this.#place.querySelectorAll<HTMLElement>('button')];
  }

  #remove(at: number): void {
    this.#files.splice(at, 1);
    this.#refused = [];
    this.#filesChanged();
    const buttons = this.#removers();
    (buttons[Math.min(at, buttons.length - 1)] ?? this.#field).focus();
  }

  #changed(): void {
    keep('draft', this.#field.value || undefined);
    this.#refused = [];
    this.#place.querySelector('[role=alert]')?.remove();
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
    const nothing = !this.#field.value.trim() && this.#files.length === 0;
    this.#button.disabled = !answering && (this.#field.disabled || nothing);
  }

  /** Enter sends where there is a keyboard; on a touch screen it begins a line, and the button sends. */
  #key(event: KeyboardEvent): void {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    if (matchMedia('(pointer: coarse)').matches && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.#send();
  }
}

/** The files of a page that was loaded again. */
function restored(): Attachment[] {
  try {
    const kept: unknown = JSON.parse(inTab.recall('attached') ?? '[]');
    const is = (one: Partial<Attachment> | null): boolean =>
      typeof one?.name === 'string' && typeof one.text === 'string';
    return Array.isArray(kept) ? (kept as Attachment[]).filter(is) : [];
  } catch {
    return []; // Something else was kept under this name.
  }
}
