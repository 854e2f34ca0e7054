/** Markdown as elements. A block whose text is unchanged keeps its element: a long answer costs what its end costs. */
import { add, h, type Child } from './dom.js';
import { iconButton } from './icons.js';
import { parse, type Block, type Inline } from './markdown.js';

export class MarkdownView {
  readonly element = h('div', { class: 'markdown' });
  #sources: string[] = [];
  #shown = '';
  #open = false;

  /** Shows the text; `open` while more of it is to come. */
  show(text: string, open: boolean): void {
    if (text === this.#shown && open === this.#open) return;
    this.#shown = text;
    this.#open = open;
    const pieces = parse(text, open);
    let same = 0;
    while (same < pieces.length && pieces[same]!.source === this.#sources[same]) same += 1;
    while (this.element.childNodes.length > same) this.element.lastChild!.remove();
    for (const { block } of pieces.slice(same)) this.element.append(element(block));
    this.#sources = pieces.map(({ source }) => source);
  }
}

function element(block: Block): HTMLElement {
  switch (block.kind) {
    case 'paragraph':
      return h('p', {}, ...inlines(block.inner));
    case 'heading': // The page has headings 1 and 2 of its own.
      return h(`h${Math.min(block.level + 2, 6)}` as 'h3', {}, ...inlines(block.inner));
    case 'rule':
      return h('hr');
    case 'quote':
      return h('blockquote', {}, ...block.inner.map(element));
    case 'code':
      return codeBlock(block.language, block.text);
    case 'list': {
      const items = block.items.map((item) => h('li', {}, ...listItem(item)));
      return block.ordered
        ? h('ol', { start: block.start === 1 ? undefined : block.start }, ...items)
        : h('ul', {}, ...items);
    }
    case 'table':
      return table(block);
  }
}

/** An item of one paragraph needs none. */
function listItem(blocks: Block[]): Child[] {
  return blocks.flatMap((block, i) =>
    i === 0 && block.kind === 'paragraph' ? inlines(block.inner) : [element(block)],
  );
}

function table({ align, head, rows }: Extract<Block, { kind: 'table' }>): HTMLElement {
  const cell = (tag: 'th' | 'td') => (inner: Inline[], column: number) =>
    h(tag, { class: align[column] && `align-${align[column]}` }, ...inlines(inner));
  const body = rows.map((row) => h('tr', {}, ...row.map(cell('td'))));
  const parts = [h('thead', {}, h('tr', {}, ...head.map(cell('th')))), h('tbody', {}, ...body)];
  return h('div', { class: 'scroll-x', tabindex: 0, role: 'group', label: 'chat.table' }, h('table', {}, ...parts));
}

function codeBlock(language: string, text: string): HTMLElement {
  const copy = iconButton('copy', {
    class: 'copy-code',
    label: 'chat.copyCode',
    on: { click: () => void copied(copy, text) },
  });
  const head = h('div', { class: 'code-head' }, h('span', {}, language), copy);
  // Long lines scroll, so the keyboard must reach it.
  const body = h('pre', { tabindex: 0, role: 'group', label: 'chat.code' }, h('code', {}, text));
  return h('div', { class: 'code-block' }, head, body);
}

/** Copies a text and shows on the button that it did. */
export async function copied(button: HTMLElement, text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
  button.classList.add('done');
  setTimeout(() => button.classList.remove('done'), 1500);
}

function inlines(parts: Inline[]): Child[] {
  return parts.map((part): Child => {
    switch (part.kind) {
      case 'text':
        return part.text;
      case 'break':
        return h('br');
      case 'code':
        return h('code', {}, part.text);
      case 'link': {
        const link = h('a', { href: part.href, target: '_blank', rel: 'noopener noreferrer nofollow' });
        add(link, ...inlines(part.inner));
        return link;
      }
      default:
        return h(part.kind, {}, ...inlines(part.inner));
    }
  });
}
