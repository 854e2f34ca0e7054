/**
 * Markdown as models write it, to the tokens of `marked`. Knows no element of the page, and never fails: what is no
 * Markdown is text. While an answer streams (`open`), what its last block has begun counts as if it ended there, and what
 * is not yet known for what it is, such as half a formula or the head of a table, is held back, so that nothing flickers.
 */
import { Lexer, Marked, Tokenizer, type MarkedToken, type Token, type Tokens } from 'marked';
import { mathAt, mend } from './mend.js';

/** A formula in TeX; on lines of its own where it is a block. */
export interface Formula {
  type: 'math';
  raw: string;
  text: string;
  display: boolean;
}

/** Code; `open` where it is still being written. */
type Code = Tokens.Code & { open?: boolean };

/** What a text consists of; `hidden` is what is held back. */
export type Part = Exclude<MarkedToken, Tokens.Code> | Code | Formula | { type: 'hidden'; raw: string };

/** How deep quotes and lists nest; deeper ones are text. */
const DEEP = 8;

/** So many marks of a paragraph may emphasise nothing; the others are text, since each looks for what closes it. */
const VAIN = 200;

/** What quotes and lists are within, and whether more text is to come. */
let depth = 0;
let open = false;

/** HTML, indented code and underlined headings, which no model means, are text. */
class OwnTokenizer extends Tokenizer {
  override html(): undefined {
    return undefined;
  }

  override code(): undefined {
    return undefined;
  }

  override lheading(): undefined {
    return undefined;
  }

  override tag(src: string): Tokens.Tag | undefined {
    const br = /^<br ?\/?>/i.exec(src);
    return br ? ({ type: 'br', raw: br[0] } as unknown as Tokens.Tag) : undefined;
  }

  /** One tilde is “about”. */
  override del(src: string, masked: string, before?: string): Tokens.Del | undefined {
    return src.startsWith('~~') ? this.#unlessVain(masked, () => super.del(src, masked, before)) : undefined;
  }

  override emStrong(src: string, masked: string, before?: string): Tokens.Em | Tokens.Strong | undefined {
    return this.#unlessVain(masked, () => super.emStrong(src, masked, before));
  }

  #paragraph = '';
  #vain = 0;

  #unlessVain<T>(paragraph: string, work: () => T | undefined): T | undefined {
    if (paragraph !== this.#paragraph) this.#vain = 0;
    this.#paragraph = paragraph;
    if (this.#vain >= VAIN) return undefined;
    const found = work();
    if (!found) this.#vain += 1;
    return found;
  }

  override blockquote(src: string): Tokens.Blockquote | undefined {
    return deeper(() => super.blockquote(src));
  }

  override list(src: string): Tokens.List | undefined {
    return deeper(() => super.list(src));
  }
}

function deeper<T>(work: () => T): T | undefined {
  if (depth >= DEEP) return undefined;
  depth += 1;
  try {
    return work();
  } finally {
    depth -= 1;
  }
}

const BLOCK = /^ {0,3}(?:\$\$([^]{1,4000}?)\$\$|\\\[([^]{1,4000}?)\\\])[ \t]*(?:\n+|$)/;
const BLOCK_BEGIN = /^ {0,3}(?:\$\$(?![^]{0,4000}?\$\$)|\\\[(?![^]{0,4000}?\\\]))/;

const block = {
  name: 'formula',
  level: 'block' as const,
  start: (src: string) => {
    const at = src.search(/\n {0,3}(?:\$\$|\\\[)/);
    return at < 0 ? undefined : at + 1;
  },
  tokenizer: (src: string): Tokens.Generic | undefined => {
    const found = BLOCK.exec(src);
    const text = (found?.[1] ?? found?.[2])?.trim();
    if (found && text) return { type: 'math', raw: found[0], text, display: true };
    return open && src.length < 4000 && BLOCK_BEGIN.test(src) ? { type: 'hidden', raw: src } : undefined;
  },
};

const inline = {
  name: 'math',
  level: 'inline' as const,
  start: (src: string) => {
    const at = src.search(/\$|\\[([]/);
    return at < 0 ? undefined : at;
  },
  tokenizer: (src: string, before: Token[]): Tokens.Generic | undefined => {
    const found = mathAt(src, 0, before.at(-1)?.raw.at(-1));
    return found && { type: 'math', ...found };
  },
};

const { defaults } = new Marked({ gfm: true, breaks: true, extensions: [block, inline] });

/** The blocks of a text; `more` while it is not complete. */
export function parse(text: string, more = false): Part[] {
  depth = 0;
  open = more;
  const lexer = new Lexer({ ...defaults, tokenizer: new OwnTokenizer() });
  let blocks: Token[];
  try {
    blocks = lexer.lex(text);
    if (more) finish(blocks, lexer, text);
  } catch {
    blocks = [{ type: 'paragraph', raw: text, text, tokens: [{ type: 'text', raw: text, text, escaped: false }] }];
  }
  return blocks as Part[];
}

/** Makes of the end of an unfinished text what it will most likely be. */
function finish(blocks: Token[], lexer: Lexer, text: string): void {
  const last = blocks.findLast(({ type }) => type !== 'space') as Part | undefined;
  if (!last) return;
  if (last.type === 'list') {
    const item = last.items.at(-1);
    if (item) finish(item.tokens, lexer, text);
  } else if (last.type === 'blockquote') finish(last.tokens, lexer, text);
  else if (last.type === 'code') unfinishedCode(last);
  else if (last.type === 'table') {
    const cell = last.rows.at(-1)?.at(-1);
    if (cell) cell.tokens = lexer.inlineTokens(mend(cell.text));
  } else if (
    (last.type === 'paragraph' || last.type === 'heading' || last.type === 'text') &&
    !/\n[ \t]*\n$/.test(text)
  ) {
    const mended = mend(last.text);
    if (mended) (last as Tokens.Paragraph).tokens = lexer.inlineTokens(mended);
    else blocks.splice(blocks.indexOf(last as Token), 1);
  }
}

/** Its last line may be a half of the fence that closes it, and its first a half of the language. */
function unfinishedCode(code: Code): void {
  const fence = /^ {0,3}(`{3,}|~{3,})/.exec(code.raw)?.[1] ?? '```';
  if (new RegExp(`\\n {0,3}${fence}${fence[0]}*[ \\t]*\\n*$`).test(code.raw)) return;
  code.open = true;
  code.text = code.text.replace(/(^|\n) {0,3}[`~]+$/, '');
  if (!code.raw.includes('\n')) code.lang = '';
}

/** The address, where it is one that a click may open. */
export function safe(href: string): string | undefined {
  try {
    const url = new URL(href);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** Text with the character references that models write. */
export function characters(text: string): string {
  return text.replace(
    /&(?:#(\d{1,6})|#[xX]([\da-fA-F]{1,5})|(amp|lt|gt|quot|apos|nbsp));/g,
    (whole, dec, hex, name) => {
      if (name) return NAMED[name as keyof typeof NAMED];
      const code = dec ? parseInt(dec, 10) : parseInt(hex, 16);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}

const NAMED = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0' };
