/**
 * Markdown as elements. Blocks that are complete are not looked at again, and of the last one what is as it was stays: a
 * long answer costs what its end costs, and what is read, selected or scrolled is not disturbed.
 */
import type { Token, Tokens } from 'marked';
import { copied } from './copied.js';
import { h, type Child } from './dom.js';
import { extras, want } from './extras.js';
import { t } from './i18n.js';
import { iconButton } from './icons.js';
import { characters, parse, safe, type Part } from './markdown.js';
import { settle } from './settle.js';

/** Views that show code or formulas plainly, until what they need is here. */
const plain = new Set<MarkdownView>();
extras.watch(() => {
  for (const view of plain) view.again();
});

export class MarkdownView {
  readonly element = h('div', { class: 'markdown' });
  #shown = '';
  #open = false;
  /** The blocks that are complete, and the length of their text. */
  #done = { blocks: 0, length: 0 };

  constructor() {
    this.element.addEventListener('click', ({ target }) => {
      const button = (target as Element).closest<HTMLElement>('.copy-code');
      const code = button?.closest('.code-block')?.querySelector('code');
      if (button && code) void copied(button, code.textContent);
    });
  }

  /** Shows the text; `open` while more of it is to come. */
  show(given: string, open: boolean): void {
    const text = given.includes('\r') ? given.replace(/\r\n?/g, '\n') : given;
    if (text === this.#shown && open === this.#open) return;
    // What a link refers to may come after it, so that the end looks at all of it once more.
    const goesOn = open && text.startsWith(this.#shown.slice(0, this.#done.length));
    if (!goesOn) this.#done = { blocks: 0, length: 0 };
    this.#shown = text;
    this.#open = open;
    this.#write();
  }

  /** Shows the same text with what is here now. */
  again(): void {
    this.#done = { blocks: 0, length: 0 };
    this.#write();
  }

  #write(): void {
    const rest = this.#shown.slice(this.#done.length);
    const parts = parse(rest, this.#open);
    lacking = false;
    settle(this.element, this.#done.blocks, blocks(parts));
    if (lacking) plain.add(this);
    else plain.delete(this);
    if (lacking) want();
    if (this.#open) this.#complete(rest, parts);
  }

  /** Remembers what will not change: all but the last block. */
  #complete(rest: string, parts: Part[]): void {
    const { blocks: before, length } = this.#done;
    const last = parts.findLastIndex(({ type }) => type !== 'space');
    let at = 0;
    let count = 0;
    for (const part of parts.slice(0, Math.max(0, last))) {
      const from = rest.indexOf(part.raw, at);
      if (from < 0 || rest.slice(at, from).trim()) return; // Only empty lines stand between two blocks.
      at = from + part.raw.length;
      if (hasElement(part)) count += 1;
      this.#done = { blocks: before + count, length: length + at };
    }
  }
}

/** Whether something that was made lacks a library. */
let lacking = false;

/** What was made of a code or formula, which is made once: streams show the same again and again. */
const made = new Map<string, Node | undefined>();
const MOST = 200;

function once(key: string, make: () => Node | undefined): Node | undefined {
  if (!made.has(key)) {
    if (made.size >= MOST) made.delete(made.keys().next().value!);
    made.set(key, make());
  }
  return made.get(key)?.cloneNode(true);
}

function hasElement({ type }: Part): boolean {
  return type !== 'space' && type !== 'def' && type !== 'hidden';
}

/** The blocks as elements. Those that nest have the direction of what they are in, the others that of their own text. */
function blocks(parts: readonly (Part | Token)[], nested = false): HTMLElement[] {
  const dir = nested ? undefined : 'auto';
  return (parts as Part[]).filter(hasElement).map((part) => {
    switch (part.type) {
      case 'heading': // The page has headings 1 and 2 of its own.
        return h(`h${Math.min(part.depth + 2, 6)}` as 'h3', { dir }, ...inlines(part.tokens));
      case 'hr':
        return h('hr');
      case 'blockquote':
        return h('blockquote', { dir }, ...blocks(part.tokens, true));
      case 'code':
        return codeBlock(part);
      case 'list':
        return list(part, dir);
      case 'table':
        return table(part);
      case 'math':
        return h(
          'div',
          { class: 'scroll-x formula', tabindex: 0, role: 'group', label: 'chat.formula' },
          math(part.text, true),
        );
      default:
        return h('p', { dir }, ...inlines('tokens' in part && part.tokens ? part.tokens : [part as Token]));
    }
  });
}

function list({ ordered, start, items }: Tokens.List, dir: 'auto' | undefined): HTMLElement {
  const rows = items.map(({ task, checked, tokens }) => {
    const label = checked ? 'chat.taskDone' : 'chat.taskOpen';
    const box = task && h('input', { type: 'checkbox', disabled: true, checked, label });
    const parts = tokens.filter(({ type }) => type !== 'space' && type !== 'checkbox');
    // What an item begins with needs no paragraph.
    const inner = parts.flatMap((part, i): Child[] => {
      const text = part.type === 'text' || (part.type === 'paragraph' && i === 0);
      return text ? inlines([{ ...part, type: 'text' } as Tokens.Text]) : blocks([part], true);
    });
    return h('li', { class: task ? 'task' : undefined }, box, ...inner);
  });
  return ordered
    ? h('ol', { dir, start: start === 1 || start === '' ? undefined : start }, ...rows)
    : h('ul', { dir }, ...rows);
}

function table({ align, header, rows }: Tokens.Table): HTMLElement {
  const cell = (tag: 'th' | 'td') => (one: Tokens.TableCell, column: number) =>
    h(tag, { class: align[column] ? `align-${align[column]}` : undefined }, ...inlines(one.tokens));
  const body = rows.map((row) => h('tr', {}, ...row.map(cell('td'))));
  const parts = [h('thead', {}, h('tr', {}, ...header.map(cell('th')))), h('tbody', {}, ...body)];
  const about = { class: 'scroll-x', dir: 'auto', tabindex: 0, role: 'group', label: 'chat.table' } as const;
  return h('div', about, h('table', {}, ...parts));
}

function codeBlock({ lang = '', text, open }: Extract<Part, { type: 'code' }>): HTMLElement {
  const language = /^\S*/.exec(lang)![0];
  const { colours } = extras.value;
  // Half a code has the colours of another.
  const coloured = !open && language && colours && once(`${language} ${text}`, () => colours(language, text));
  if (language && !open && !colours) lacking = true;
  const head = h(
    'div',
    { class: 'code-head' },
    h('span', {}, language),
    iconButton('copy', { class: 'copy-code', label: 'chat.copyCode' }),
  );
  // Long lines scroll, so the keyboard must reach it.
  const body = h('pre', { tabindex: 0, role: 'group', label: 'chat.code' }, h('code', {}, coloured || text));
  return h('div', { class: 'code-block', dir: 'ltr' }, head, body);
}

function math(tex: string, display: boolean): Node {
  const { formula } = extras.value;
  if (!formula) lacking = true;
  return (formula && once(`$${display} ${tex}`, () => formula(tex, display))) || h('code', { dir: 'ltr' }, tex);
}

function inlines(tokens: readonly (Part | Token)[]): Child[] {
  return (tokens as Part[]).flatMap((part): Child | Child[] => {
    switch (part.type) {
      case 'br':
        return h('br');
      case 'codespan':
        return h('code', { dir: 'ltr' }, part.text);
      case 'strong':
      case 'em':
      case 'del':
        return h(part.type, {}, ...inlines(part.tokens));
      case 'link':
        return link(part.href, inlines(part.tokens));
      case 'image': // Nothing is fetched: what the picture shows is said, and a click opens it.
        return link(part.href, [t('chat.picture', { name: characters(part.text) || part.href.slice(0, 80) })]);
      case 'math':
        return math(part.text, part.display);
      case 'escape':
        return part.text;
      case 'text':
        return part.tokens ? inlines(part.tokens) : characters(part.text);
      case 'checkbox':
        return [];
      default:
        return part.raw;
    }
  });
}

function link(address: string, inner: Child[]): Child | Child[] {
  const href = safe(address);
  return href ? h('a', { href, title: href, target: '_blank', rel: 'noopener noreferrer nofollow' }, ...inner) : inner;
}
