/** The list of conversations: by day, searched, renamed, taken out and in, deleted. */
import type { Chat } from './chat.js';
import type { Conversations } from './conversations.js';
import { byId, h } from './dom.js';
import { asJson, asMarkdown, readImport, type Imported } from './exchange.js';
import { download, fileName } from './files.js';
import { dayOf, exactly, isolated, language, t, type Key } from './i18n.js';
import { icon, iconButton } from './icons.js';
import { menu } from './menu.js';
import { toast } from './notice.js';
import { search, type Found } from './search.js';
import type { Conversation } from './tree.js';

export class ConversationList {
  readonly #list = byId('conversations');
  readonly #field = h('input', {
    type: 'search',
    id: 'search',
    label: 'nav.search',
    hint: 'nav.search',
    autocomplete: 'off',
    dir: 'auto',
  });
  readonly #status = h('p', { class: 'sr', role: 'status' });
  readonly #file = h('input', { type: 'file', accept: '.json,application/json', multiple: true, hidden: true });
  /** The conversations that are being answered. */
  #writing: string[] = [];
  #shown = '';

  constructor(
    private readonly conversations: Conversations,
    private readonly chat: Chat,
    /** Goes to the chat, where one is on show. */
    private readonly opened: () => void,
  ) {
    const more = iconButton('more', { id: 'chats-more', label: 'nav.moreChats', 'aria-haspopup': 'menu' });
    more.addEventListener('click', () => this.#menuOfAll(more));
    byId('chats').append(h('div', { class: 'search' }, icon('search'), this.#field), more, this.#file, this.#status);
    this.#field.addEventListener('input', () => this.#show());
    this.#field.addEventListener('keydown', (event) => this.#key(event));
    this.#file.addEventListener('change', () => {
      void this.import([...(this.#file.files ?? [])]);
      this.#file.value = '';
    });
    const show = (): void => this.#show();
    conversations.list.watch(show);
    conversations.current.watch(show);
    language.watch(show);
    chat.answers.watch((answers) => {
      // It changes with every token.
      const writing = answers.map(({ conversation }) => conversation.id);
      if (String(writing) === String(this.#writing)) return;
      this.#writing = writing;
      show();
    });
    conversations.removedElsewhere.watch((gone) => gone && this.#undo([gone], 'nav.deletedElsewhere'));
  }

  /** Takes in conversations of files; those that are here already stay as they are. */
  async import(files: File[]): Promise<void> {
    for (const file of files) {
      const read = await readFile(file);
      const name = isolated(file.name);
      if (!read.conversations) {
        toast(t('import.refused', { name, why: t(read.why, { what: isolated(read.what) }) }));
        continue;
      }
      const { added, extended, same } = await this.conversations.take(read.conversations);
      const told: [Key, number][] = [
        ['import.added', added.length],
        ['import.extended', extended],
        ['import.same', same],
        ['import.others', read.others],
      ];
      const parts = told.filter(([, count]) => count > 0).map(([key, count]) => t(key, { count }));
      toast(`${name}: ${parts.join(' ')}`);
      const [first] = added;
      if (first) {
        this.conversations.select(first.id);
        this.opened();
      }
    }
  }

  /** Rebuilt only where it shows something else: anything more would close an open menu and lose the focus. */
  #show(): void {
    const query = this.#field.value.trim();
    const all = this.conversations.list.value;
    const found: Found[] = query ? search(all, query) : all.map((conversation) => ({ conversation }));
    const rows = found.map(({ conversation: { id, title, updated }, excerpt }) => [id, title, dayOf(updated), excerpt?.text]);
    const { unreadable } = this.conversations;
    const now = JSON.stringify([rows, query, unreadable, this.conversations.current.value.id, this.#writing, language.value, dayOf(Date.now())]);
    if (now === this.#shown) return;
    this.#shown = now;
    const groups = new Map<string, HTMLElement[]>();
    for (const one of found) {
      const day = dayOf(one.conversation.updated);
      groups.set(day, [...(groups.get(day) ?? []), this.#row(one)]);
    }
    const lists = [...groups].flatMap(([day, items], i) => {
      const id = `group-${i}`;
      return [h('p', { class: 'group', id }, day), h('ul', { 'aria-labelledby': id }, ...items)];
    });
    const none = h('p', { class: 'faint', t: all.length ? 'nav.notFound' : 'nav.none' });
    const rest = unreadable > 0 && h('p', { class: 'faint' }, t('chat.unreadable', { count: unreadable }));
    this.#list.replaceChildren(...(lists.length ? lists : [none]), ...(rest ? [rest] : []));
    this.#status.textContent = query ? t('nav.found', { count: found.length }) : '';
  }

  #key(event: KeyboardEvent): void {
    const rows = this.#list.querySelectorAll<HTMLElement>('.conversation');
    if (event.key === 'ArrowDown') rows[0]?.focus();
    else if (event.key === 'Enter') rows[0]?.click();
    else if (event.key === 'Escape' && this.#field.value) {
      this.#field.value = '';
      this.#show();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #row({ conversation, said, excerpt }: Found): HTMLElement {
    const { id, title, updated } = conversation;
    const current = this.conversations.current.value.id === id;
    const open = (): void => {
      this.conversations.select(id);
      if (said) this.conversations.reveal(said);
      this.opened();
    };
    const props = {
      type: 'button',
      class: 'conversation',
      'data-id': id,
      'aria-current': current && 'true',
      title: `${isolated(title)} · ${exactly(updated)}`,
      on: { click: open },
    };
    const button = h(
      'button',
      props,
      h(
        'span',
        { class: 'lines' },
        h('span', { class: 'title', dir: 'auto' }, title),
        excerpt && h('span', { class: 'excerpt', dir: 'auto' }, ...marked(excerpt)),
      ),
      this.#writing.includes(id) && h('span', { class: 'dot', label: 'chat.answering', role: 'img' }),
    );
    const more = iconButton('more', { label: 'nav.more', 'aria-haspopup': 'menu' });
    more.setAttribute('aria-label', t('nav.moreOf', { title: isolated(title) }));
    const item = h('li', {}, button, more);
    more.addEventListener('click', () =>
      menu(more, [
        { t: 'nav.rename', icon: 'edit', click: () => this.#rename(conversation, item) },
        { t: 'nav.exportText', icon: 'download', click: () => this.#export(conversation, 'md') },
        { t: 'nav.exportData', icon: 'download', click: () => this.#export(conversation, 'json') },
        { t: 'nav.delete', icon: 'trash', danger: true, click: () => this.#remove([conversation], 'nav.deleted') },
      ]),
    );
    return item;
  }

  #menuOfAll(opener: HTMLElement): void {
    const all = [...this.conversations.list.value];
    const some = all.length > 0;
    menu(opener, [
      { t: 'nav.import', icon: 'upload', click: () => this.#file.click() },
      ...(some ? [{ t: 'nav.exportAll', icon: 'download', click: () => this.#exportAll(all) } as const] : []),
      ...(some ? [{ t: 'nav.deleteAll', icon: 'trash', danger: true, click: () => this.#remove(all, 'nav.allDeleted') } as const] : []),
    ]);
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
      if (byKey) this.#list.querySelector<HTMLElement>(`[data-id="${CSS.escape(conversation.id)}"]`)?.focus();
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
    else download(name, 'application/json', asJson(conversation));
  }

  #exportAll(all: Conversation[]): void {
    download('llamita.json', 'application/json', asJson(all));
  }

  #remove(gone: Conversation[], told: Key): void {
    for (const conversation of gone) {
      this.chat.stopAll(conversation);
      void this.conversations.remove(conversation.id);
    }
    this.#undo(gone, told);
  }

  #undo(gone: Conversation[], told: Key): void {
    const title = isolated(gone[0]?.title ?? '');
    const back = async (): Promise<void> => {
      await Promise.all(gone.map((one) => this.conversations.restore(one)));
    };
    toast(t(told, { title, count: gone.length }), { t: 'do.undo', click: back });
  }
}

/** What a file holds; one that is no JSON is not read to its end. */
async function readFile(file: File): Promise<Imported> {
  try {
    const head = (await file.slice(0, 64).text()).replace(/^\uFEFF/, '');
    return readImport(/^\s*([[{]|$)/.test(head) ? await file.text() : head);
  } catch {
    return { why: 'import.failed', what: '' };
  }
}

function marked({ text, begin, end }: NonNullable<Found['excerpt']>): (string | Node)[] {
  return [text.slice(0, begin), h('mark', {}, text.slice(begin, end)), text.slice(end)];
}
