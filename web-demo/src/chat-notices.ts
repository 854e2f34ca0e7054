/** What stands below the conversation: what went wrong with it, and how to go on. */
import type { Choice } from './catalogue.js';
import type { Answering, Chat } from './chat.js';
import type { Conversations } from './conversations.js';
import { byId } from './dom.js';
import { tell } from './errors.js';
import { language, t } from './i18n.js';
import { notice, type Action } from './notice.js';
import type { Runtime } from './runtime.js';
import { VERSION, type Said } from './tree.js';

/** Where a model of an earlier visit is found. */
export interface Models {
  find(id: string, title?: string): Promise<Choice | undefined>;
}

export class ChatNotices {
  readonly #after = byId('after-log');
  /** What the notices on the page tell of. */
  #told: unknown[] = [];
  /** Titles of models that are not here any more. */
  readonly #gone = new Set<string>();

  constructor(
    private readonly chat: Chat,
    private readonly conversations: Conversations,
    private readonly runtime: Runtime,
    private readonly models: Models,
    private readonly shown: () => void,
  ) {}

  /** Shows notices anew only where something else is to be told: they have the focus, or are being read aloud. */
  update(): void {
    const conversation = this.conversations.current.value;
    const answering = this.chat.answering.value;
    const last = conversation.messages.at(-1);
    const stalled = answering?.phase === 'stalled' && answering.error;
    const { failed, loaded, loading, lost } = this.runtime;
    const modelless = failed.value !== undefined && !loaded.value && !loading.value;
    const states = [stalled, this.chat.failed.value, lost.value, modelless, answering !== undefined, this.#otherModel()?.title];
    const kept = [conversation, conversation.unread.length, this.#gone.size];
    const told = [...states, ...kept, last, last?.ended, last && this.conversations.writer(last), language.value];
    if (told.length === this.#told.length && told.every((one, i) => one === this.#told[i])) return;
    this.#told = told;
    this.#after.replaceChildren(...this.#unread(), ...this.#trouble(answering, last));
  }

  #trouble(answering: Answering | undefined, last: Said | undefined): HTMLElement[] {
    if (answering) return answering.phase === 'stalled' ? [this.#stalled(answering)] : [];
    if (last?.role === 'user' && this.runtime.failed.value && !this.runtime.loaded.value) return [this.#noModel()];
    const failed = this.chat.failed.value;
    if (failed && failed.conversation === this.conversations.current.value) return [this.#failed(failed.error)];
    if (this.runtime.lost.value !== undefined) return [this.#lost()];
    return [...this.#interrupted(last), ...this.#model()];
  }

  #stalled({ error }: Answering): HTMLElement {
    const { title, what, detail } = tell(error);
    const actions: Action[] = [
      { t: 'error.continue', primary: true, click: () => void this.chat.resume() },
      { t: 'error.leave', click: () => this.chat.stop() },
    ];
    return notice('warning', title, [what, t('error.nothingLost')], actions, detail);
  }

  #failed(error: unknown): HTMLElement {
    const { title, what, again, detail } = tell(error);
    const retry: Action = { t: 'error.again', primary: true, click: () => void this.chat.retry() };
    return notice('error', title, [what], again ? [retry] : [], detail);
  }

  #lost(): HTMLElement {
    const { title, what, detail } = tell(this.runtime.lost.value);
    const wake: Action = { t: 'error.wake', primary: true, click: () => this.runtime.resume() };
    return notice('warning', title, [what, t('error.nothingLost')], [wake], detail);
  }

  /** No model came that could answer what was said. */
  #noModel(): HTMLElement {
    const { choice, how } = this.runtime.failed.value!;
    const load = async (): Promise<void> => {
      void this.runtime.load(choice, how);
      await this.chat.retry();
    };
    const actions: Action[] = [
      { t: 'chat.loadAndAnswer', primary: true, click: () => void load() },
      { t: 'load.other', click: () => void (location.hash = '#models') },
    ];
    return notice('warning', t('chat.unanswered'), [t('chat.noModel')], actions);
  }

  /** The page was closed while this was written, or nothing has answered yet. */
  #interrupted(last: Said | undefined): HTMLElement[] {
    if (!last) return [];
    const cut = last.role === 'assistant' && last.ended === undefined && this.conversations.writer(last) === 'nobody';
    if (!cut && last.role === 'assistant') return [];
    const click = (): void => void (cut ? this.chat.again(last, last.seed) : this.chat.retry());
    return [
      cut
        ? notice('warning', t('chat.interrupted'), [t('chat.interruptedWhat')], [{ t: 'error.continue', primary: true, click }])
        : notice('warning', t('chat.unanswered'), [], [{ t: 'chat.answerNow', primary: true, click }]),
    ];
  }

  /** The model that the conversation was held with, where another is in use. */
  #otherModel(): { id: string; title: string } | undefined {
    const { model, all } = this.conversations.current.value;
    const used = this.runtime.loaded.value?.choice;
    if (!model || !used || this.runtime.loading.value || all.length === 0) return undefined;
    return model.id === used.id || model.title === used.title ? undefined : model;
  }

  /** The conversation was held with another model than the one in use. */
  #model(): HTMLElement[] {
    const before = this.#otherModel();
    const used = this.runtime.loaded.value?.choice;
    if (!before || !used) return [];
    const conversation = this.conversations.current.value;
    const gone = this.#gone.has(before.title);
    const again = async (): Promise<void> => {
      const choice = await this.models.find(before.id, before.title);
      if (choice) void this.runtime.load(choice);
      else this.#gone.add(before.title);
      this.shown();
    };
    const goOn = (): void => {
      const { id, title } = used;
      void this.conversations.change(conversation, (one) => (one.model = { id, title }), false);
    };
    const names = { before: before.title, now: used.title };
    const back: Action = gone
      ? { t: 'load.other', primary: true, click: () => void (location.hash = '#models') }
      : { text: t('chat.useAgain', { model: before.title }), primary: true, click: again };
    return [
      notice(
        'info',
        t('chat.otherModel', names),
        [t(gone ? 'chat.modelGone' : 'chat.otherModelWhat', names)],
        [back, { text: t('chat.goOnWith', { model: used.title }), click: goOn }],
      ),
    ];
  }

  /** What was kept by a later version of the page, or is damaged. */
  #unread(): HTMLElement[] {
    const { unread, version } = this.conversations.current.value;
    const what = [
      version > VERSION ? t('chat.newer') : '',
      unread.length ? t('chat.unread', { count: unread.length }) : '',
    ];
    return what.some(Boolean) ? [notice('info', t('chat.partly'), what)] : [];
  }
}
