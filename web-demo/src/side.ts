/** The side of the page: conversations, views, language and theme. A drawer on narrow screens. */
import type { Chat } from './chat.js';
import type { Conversations } from './conversations.js';
import { byId, h } from './dom.js';
import { isolated, language, speak, t, when, type Key, type Language } from './i18n.js';
import { icon, iconButton, type IconName } from './icons.js';
import { keep, onKept, recall } from './keep.js';
import { menu } from './menu.js';
import { toast } from './notice.js';
import { download, fileName } from './files.js';
import { asJson, asMarkdown } from './exchange.js';
import type { Conversation } from './tree.js';

export const VIEWS = ['chat', 'models', 'benchmark', 'shaders', 'device'] as const;
export type View = (typeof VIEWS)[number];
const ICONS: Record<View, IconName> = {
  chat: 'chat',
  models: 'models',
  benchmark: 'chart',
  shaders: 'flask',
  device: 'chip',
};

export class Side {
  readonly #side = byId('side');
  readonly #veil = byId('veil');
  readonly #opener = byId('side-open');
  readonly #links = new Map<View, HTMLAnchorElement>();
  /** The conversations that are being answered. */
  #writing: string[] = [];

  constructor(
    private readonly conversations: Conversations,
    private readonly chat: Chat,
  ) {
    this.#opener.append(icon('menu'));
    byId('side-close').append(icon('close'));
    byId('new-chat').append(icon('plus'), h('span', { t: 'nav.new' }));
    byId('new-chat').addEventListener('click', () => this.startNew());
    this.#opener.addEventListener('click', () => this.#drawer(true));
    byId('side-close').addEventListener('click', () => this.#drawer(false));
    this.#veil.addEventListener('click', () => this.#drawer(false));
    this.#side.addEventListener('keydown', (event) => event.key === 'Escape' && this.#drawer(false));
    for (const view of VIEWS) {
      const link = h(
        'a',
        { href: `#${view}`, on: { click: () => this.#drawer(false) } },
        icon(ICONS[view]),
        h('span', { t: `nav.${view}` as Key }),
      );
      this.#links.set(view, link);
      byId('views').append(link);
    }
    this.#choices();
    // Rebuilt only where it shows something else: anything more would close an open menu and lose the focus.
    let shown = '';
    const list = (): void => {
      const rows = conversations.list.value.map(({ id, title }) => [id, title]);
      const states = [conversations.current.value.id, this.#writing, language.value, new Date().toDateString()];
      const now = JSON.stringify([rows, states]);
      if (now !== shown) this.#list();
      shown = now;
    };
    conversations.list.watch(list);
    conversations.current.watch(list);
    language.watch(list);
    chat.answers.watch((answers) => {
      // It changes with every token.
      const writing = answers.map(({ conversation }) => conversation.id);
      if (String(writing) === String(this.#writing)) return;
      this.#writing = writing;
      list();
    });
    conversations.removedElsewhere.watch((gone) => gone && this.#undo(gone, 'nav.deletedElsewhere'));
  }

  /** Marks the view that is on show. */
  mark(view: View): void {
    for (const [name, link] of this.#links) {
      if (name === view) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
  }

  startNew(): void {
    location.hash = '#chat';
    this.conversations.select(undefined);
    this.#drawer(false);
  }

  #drawer(open: boolean): void {
    if (document.body.classList.contains('side-is-open') === open) return;
    document.body.classList.toggle('side-is-open', open);
    this.#veil.hidden = !open;
    this.#opener.setAttribute('aria-expanded', String(open));
    byId('page').inert = open;
    if (open) byId('side-close').focus();
    else this.#opener.focus();
  }

  #choices(): void {
    const tongue = byId<HTMLSelectElement>('language');
    language.watch((name) => (tongue.value = name));
    tongue.addEventListener('change', () => speak(tongue.value as Language));
    const theme = byId<HTMLSelectElement>('theme');
    const kept = recall('theme');
    theme.value = kept === 'light' || kept === 'dark' ? kept : 'auto';
    const apply = (): void => {
      if (theme.value === 'auto') delete document.documentElement.dataset['theme'];
      else document.documentElement.dataset['theme'] = theme.value;
    };
    theme.addEventListener('change', () => {
      keep('theme', theme.value === 'auto' ? undefined : theme.value);
      apply();
    });
    onKept('theme', (name) => {
      theme.value = name === 'light' || name === 'dark' ? name : 'auto';
      apply();
    });
    apply();
  }

  #list(): void {
    const rows = this.conversations.list.value.map((conversation) => this.#row(conversation));
    const empty = h('p', { class: 'faint', t: 'nav.none' });
    byId('conversations').replaceChildren(...(rows.length ? [h('ul', {}, ...rows)] : [empty]));
  }

  #row(conversation: Conversation): HTMLElement {
    const { id, title, updated } = conversation;
    const current = this.conversations.current.value.id === id;
    const open = (): void => {
      location.hash = '#chat';
      this.conversations.select(id);
      this.#drawer(false);
    };
    const writing = this.#writing.includes(id);
    const button = h(
      'button',
      {
        type: 'button',
        class: 'conversation',
        'data-id': id,
        'aria-current': current && 'true',
        title: `${title} · ${when(updated)}`,
        on: { click: open },
      },
      h('span', { class: 'title', dir: 'auto' }, title),
      writing && h('span', { class: 'dot', label: 'chat.answering', role: 'img' }),
    );
    const more = iconButton('more', { label: 'nav.more', 'aria-haspopup': 'menu' });
    more.setAttribute('aria-label', t('nav.moreOf', { title: isolated(title) }));
    const item = h('li', {}, button, more);
    more.addEventListener('click', () =>
      menu(more, [
        { t: 'nav.rename', icon: 'edit', click: () => this.#rename(conversation, item) },
        { t: 'nav.exportText', icon: 'download', click: () => this.#export(conversation, 'md') },
        { t: 'nav.exportData', icon: 'download', click: () => this.#export(conversation, 'json') },
        { t: 'nav.exportAll', icon: 'download', click: () => this.#exportAll() },
        { t: 'nav.delete', icon: 'trash', danger: true, click: () => this.#remove(conversation) },
      ]),
    );
    return item;
  }

  #rename(conversation: Conversation, item: HTMLElement): void {
    const field = h('input', { type: 'text', label: 'nav.rename', maxlength: 120, dir: 'auto' });
    field.value = conversation.title;
    let over = false;
    const end = (save: boolean, byKey = false): void => {
      if (over) return;
      over = true;
      const title = field.value.trim();
      field.replaceWith(...kept);
      if (save && title) void this.conversations.change(conversation, (one) => (one.title = title), false);
      // The list may have been made anew with another title.
      if (byKey) byId('conversations').querySelector<HTMLElement>(`[data-id="${conversation.id}"]`)?.focus();
    };
    const kept = [...item.childNodes];
    item.replaceChildren(field);
    field.addEventListener('blur', () => end(true));
    field.addEventListener('keydown', (event) => {
      event.stopPropagation();
      if (event.key !== 'Enter' && event.key !== 'Escape') return;
      // Else the same key would press the row that gets the focus.
      event.preventDefault();
      end(event.key === 'Enter', true);
    });
    field.focus();
    field.select();
  }

  #export(conversation: Conversation, type: 'md' | 'json'): void {
    const name = `${fileName(conversation.title)}.${type}`;
    if (type === 'md') download(name, 'text/markdown', asMarkdown(conversation, t('chat.you')));
    else download(name, 'application/json', asJson([conversation]));
  }

  #exportAll(): void {
    download('llamita.json', 'application/json', asJson(this.conversations.list.value));
  }

  #remove(conversation: Conversation): void {
    this.chat.stopAll(conversation);
    void this.conversations.remove(conversation.id);
    this.#undo(conversation, 'nav.deleted');
  }

  #undo(conversation: Conversation, told: Key): void {
    const title = isolated(conversation.title);
    toast(t(told, { title }), { t: 'do.undo', click: () => this.conversations.restore(conversation) });
  }
}
