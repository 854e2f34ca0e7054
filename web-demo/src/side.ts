/** The side of the page: conversations, views, language and theme. A drawer on narrow screens. */
import type { Chat } from './chat.js';
import { choices } from './choices.js';
import { ConversationList } from './conversation-list.js';
import type { Conversations } from './conversations.js';
import { byId, h } from './dom.js';
import type { Key } from './i18n.js';
import { icon, type IconName } from './icons.js';

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
  readonly list: ConversationList;

  constructor(
    private readonly conversations: Conversations,
    chat: Chat,
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
    choices();
    this.list = new ConversationList(conversations, chat, () => this.#opened());
  }

  /** Marks the view that is on show. */
  mark(view: View): void {
    for (const [name, link] of this.#links) {
      if (name === view) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
  }

  startNew(): void {
    this.conversations.select(undefined);
    this.#opened();
  }

  #opened(): void {
    location.hash = '#chat';
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
}
