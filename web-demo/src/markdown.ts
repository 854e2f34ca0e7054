/**
 * Markdown as models write it, to a tree. Sans DOM, and never fails: what is no Markdown is text. While an answer
 * streams (`open`), what its last block has begun counts as if it ended there, so that nothing flickers.
 */

export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'strong' | 'em' | 'del'; inner: Inline[] }
  | { kind: 'link'; href: string; inner: Inline[] }
  | { kind: 'break' };

export type Align = 'left' | 'center' | 'right' | undefined;

export type Block =
  | { kind: 'paragraph'; inner: Inline[] }
  | { kind: 'heading'; level: number; inner: Inline[] }
  | { kind: 'code'; language: string; text: string }
  | { kind: 'quote'; inner: Block[] }
  | { kind: 'list'; ordered: boolean; start: number; items: Block[][] }
  | { kind: 'table'; align: Align[]; head: Inline[][]; rows: Inline[][][] }
  | { kind: 'rule' };

/** A block and the text it came from: as long as that is the same, so is the block. */
export interface Piece {
  source: string;
  block: Block;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^ {0,3}([-*_])\s*(?:\1\s*){2,}$/;
const QUOTE = /^ {0,3}>\s?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(\s+|$)/;
const DIVIDER = /^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
/** How deep quotes and lists nest; deeper ones are text. */
const DEEP = 8;

/** The blocks of a text. */
export function parse(text: string, open = false): Piece[] {
  return blocks(text.replace(/\r\n?/g, '\n').split('\n'), open, 0);
}

function blocks(lines: string[], open: boolean, depth: number): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  while (at < lines.length) {
    if (lines[at]!.trim() === '') {
      at += 1;
      continue;
    }
    const begin = at;
    const [block, next] = one(lines, at, open, depth);
    at = next;
    pieces.push({ source: lines.slice(begin, at).join('\n') + (at >= lines.length && open ? '\u0000' : ''), block });
  }
  return pieces;
}

/** The block that begins at a line, and the line after it. */
function one(lines: string[], at: number, open: boolean, depth: number): [Block, number] {
  const line = lines[at]!;
  const fence = FENCE.exec(line);
  if (fence) return fenced(lines, at, fence[1]!, fence[2]!);
  const heading = HEADING.exec(line);
  if (heading) {
    const last = open && at === lines.length - 1;
    return [{ kind: 'heading', level: heading[1]!.length, inner: inline(heading[2]!, last) }, at + 1];
  }
  if (RULE.test(line)) return [{ kind: 'rule' }, at + 1];
  if (depth < DEEP && QUOTE.test(line)) return quoted(lines, at, open, depth);
  if (depth < DEEP && ITEM.test(line)) return list(lines, at, open, depth);
  if (line.includes('|') && DIVIDER.test(lines[at + 1] ?? '')) return table(lines, at, open);
  let end = at + 1;
  while (end < lines.length && lines[end]!.trim() !== '' && !starts(lines[end]!)) end += 1;
  const text = lines
    .slice(at, end)
    .map((row, i) => (i ? row.trimStart() : row.trim()))
    .join('\n');
  return [{ kind: 'paragraph', inner: inline(text, open && end === lines.length) }, end];
}

/** True where a line begins a block that ends a paragraph. */
function starts(line: string): boolean {
  const item = ITEM.exec(line);
  return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || (!!item && item[3] !== '');
}

function fenced(lines: string[], at: number, fence: string, language: string): [Block, number] {
  const close = new RegExp(`^ {0,3}${fence[0] === '`' ? '`' : '~'}{${fence.length},}\\s*$`);
  let end = at + 1;
  while (end < lines.length && !close.test(lines[end]!)) end += 1;
  return [{ kind: 'code', language, text: lines.slice(at + 1, end).join('\n') }, Math.min(end + 1, lines.length)];
}

function quoted(lines: string[], at: number, open: boolean, depth: number): [Block, number] {
  let end = at;
  while (end < lines.length && (QUOTE.test(lines[end]!) || (lines[end]!.trim() !== '' && !starts(lines[end]!))))
    end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ''));
  return [{ kind: 'quote', inner: strip(blocks(inner, open && end === lines.length, depth + 1)) }, end];
}

function list(lines: string[], at: number, open: boolean, depth: number): [Block, number] {
  const mark = ITEM.exec(lines[at]!)![2]!;
  const ordered = /\d/.test(mark);
  const same = (line: string): RegExpExecArray | null => {
    const item = ITEM.exec(line);
    return item && !RULE.test(line) && /\d/.test(item[2]!) === ordered ? item : null;
  };
  const items: string[][] = [];
  let end = at;
  while (end < lines.length) {
    const item = same(lines[end]!);
    if (!item) break;
    // What follows belongs to the item where it is indented, or goes on in its paragraph.
    const indent = item[1]!.length + item[2]!.length + 1;
    const own = [lines[end]!.slice(item[0].length)];
    end += 1;
    while (end < lines.length) {
      const line = lines[end]!;
      const depthOfLine = line.length - line.trimStart().length;
      if (line.trim() === '') {
        const next = lines.slice(end + 1).find((later) => later.trim() !== '');
        if (next === undefined || next.length - next.trimStart().length < Math.min(indent, 2)) break;
        own.push('');
      } else if (depthOfLine >= Math.min(indent, 2)) own.push(line.slice(Math.min(indent, depthOfLine)));
      else if (!starts(line) && own.at(-1) !== '') own.push(line.trimStart());
      else break;
      end += 1;
    }
    items.push(own);
    // Blank lines between items.
    const next = lines.findIndex((line, i) => i >= end && line.trim() !== '');
    if (next > end && same(lines[next]!)) end = next;
  }
  const inner = items.map((own, i) => {
    return strip(blocks(own, open && end >= lines.length && i === items.length - 1, depth + 1));
  });
  return [{ kind: 'list', ordered, start: ordered ? parseInt(mark, 10) : 1, items: inner }, end];
}

function table(lines: string[], at: number, open: boolean): [Block, number] {
  const align = cells(lines[at + 1]!).map((cell): Align => {
    const [left, right] = [cell.startsWith(':'), cell.endsWith(':')];
    return left && right ? 'center' : right ? 'right' : left ? 'left' : undefined;
  });
  let end = at + 2;
  while (end < lines.length && lines[end]!.includes('|')) end += 1;
  const rows = lines.slice(at + 2, end).map((line, i) => {
    return cells(line).map((cell) => inline(cell, open && at + 3 + i === lines.length));
  });
  return [{ kind: 'table', align, head: cells(lines[at]!).map((cell) => inline(cell, false)), rows }, end];
}

function cells(line: string): string[] {
  return line
    .trim()
    .replace(/^\|/, '')
    .replace(/\|$/, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}

function strip(pieces: Piece[]): Block[] {
  return pieces.map(({ block }) => block);
}

const DELIMITERS = ['***', '___', '**', '__', '~~', '*', '_'] as const;
const PLAIN = /[^\\`*_~[!<\nh]+/y;
const URL_TEXT = /https?:\/\/[^\s<>()[\]"'`]*[^\s<>()[\]"'`.,;:!?*_~]/y;

/** The inline parts of a text. */
export function inline(text: string, open: boolean): Inline[] {
  const parts: Inline[] = [];
  let plain = '';
  const flush = (): void => {
    if (plain) parts.push({ kind: 'text', text: plain });
    plain = '';
  };
  const push = (part: Inline): void => {
    flush();
    parts.push(part);
  };
  let at = 0;
  while (at < text.length) {
    PLAIN.lastIndex = at;
    const run = PLAIN.exec(text);
    if (run) {
      plain += run[0];
      at += run[0].length;
      continue;
    }
    const found = special(text, at, open);
    if (found) {
      for (const part of found.parts) {
        if (part.kind === 'text') plain += part.text;
        else push(part);
      }
      at = found.end;
    } else {
      plain += text[at]!;
      at += 1;
    }
  }
  flush();
  return parts;
}

interface Found {
  parts: Inline[];
  end: number;
}

/** What begins at a character that may mean something. */
function special(text: string, at: number, open: boolean): Found | undefined {
  const char = text[at]!;
  if (char === '\\') {
    const next = text[at + 1];
    if (next === '\n') return { parts: [{ kind: 'break' }], end: at + 2 };
    if (next && /[!-/:-@[-`{-~]/.test(next)) return { parts: [{ kind: 'text', text: next }], end: at + 2 };
    return undefined;
  }
  // Models end a line where they mean a new line.
  if (char === '\n') return { parts: [{ kind: 'break' }], end: at + 1 };
  if (char === '`') return code(text, at, open);
  // A picture becomes a link: nothing is fetched.
  if (char === '!' && text[at + 1] === '[') return link(text, at + 1, open);
  if (char === '[') return link(text, at, open);
  if (char === '<' || char === 'h') return bare(text, at);
  if (char === '*' || char === '_' || char === '~') return emphasis(text, at, open);
  return undefined;
}

function code(text: string, at: number, open: boolean): Found | undefined {
  const ticks = /^`+/.exec(text.slice(at))![0];
  const from = at + ticks.length;
  let end = text.indexOf(ticks, from);
  while (end >= 0 && (text[end + ticks.length] === '`' || text[end - 1] === '`')) end = text.indexOf(ticks, end + 1);
  if (end < 0) {
    if (!open) return { parts: [{ kind: 'text', text: ticks }], end: from };
    const inner = text.slice(from);
    return { parts: inner.trim() ? [{ kind: 'code', text: inner }] : [], end: text.length };
  }
  const inner = text.slice(from, end).replace(/\n/g, ' ');
  const trimmed = /^ .* $/.test(inner) && inner.trim() ? inner.slice(1, -1) : inner;
  return { parts: [{ kind: 'code', text: trimmed }], end: end + ticks.length };
}

function link(text: string, at: number, open: boolean): Found | undefined {
  let depth = 0;
  let close = at;
  for (; close < text.length; close += 1) {
    if (text[close] === '\\') close += 1;
    else if (text[close] === '[') depth += 1;
    else if (text[close] === ']' && --depth === 0) break;
  }
  if (close >= text.length) return undefined;
  const label = text.slice(at + 1, close);
  if (text[close + 1] !== '(') return undefined;
  const target = /^\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+["'][^"']*["'])?\s*\)/.exec(
    text.slice(close + 1),
  );
  if (!target) {
    // The address is still being written: its text stands there already.
    return open && !text.slice(close).includes(')') ? { parts: inline(label, true), end: text.length } : undefined;
  }
  const end = close + 1 + target[0].length;
  const href = safe(target[1]!);
  const inner = inline(label || target[1]!, false);
  return { parts: href ? [{ kind: 'link', href, inner }] : inner, end };
}

function bare(text: string, at: number): Found | undefined {
  const angle = text[at] === '<';
  URL_TEXT.lastIndex = angle ? at + 1 : at;
  if (!angle && at > 0 && /[\w/]/.test(text[at - 1]!)) return undefined;
  const found = URL_TEXT.exec(text);
  const href = found && safe(found[0]);
  if (!href) return undefined;
  const end = URL_TEXT.lastIndex + (angle && text[URL_TEXT.lastIndex] === '>' ? 1 : 0);
  return { parts: [{ kind: 'link', href, inner: [{ kind: 'text', text: found[0] }] }], end };
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

function emphasis(text: string, at: number, open: boolean): Found | undefined {
  const mark = DELIMITERS.find((delimiter) => text.startsWith(delimiter, at));
  if (!mark) return undefined;
  const from = at + mark.length;
  // `_` within a word is a letter, and a mark before a space opens nothing.
  if (mark[0] === '_' && /[\p{L}\p{N}]/u.test(text[at - 1] ?? ''))
    return { parts: [{ kind: 'text', text: mark }], end: from };
  if (from >= text.length) return open ? { parts: [], end: from } : undefined;
  if (/\s/.test(text[from]!)) return { parts: [{ kind: 'text', text: mark }], end: from };
  let end = closing(text, mark, from);
  let next = end + mark.length;
  if (end < 0) {
    if (!open) return { parts: [{ kind: 'text', text: mark }], end: from };
    // A mark that is half written at the very end is none yet.
    const half = mark.length > 1 && text.endsWith(mark[0]!) ? 1 : 0;
    end = text.length - half;
    next = text.length;
  }
  const inner = inline(text.slice(from, end), open && next === text.length);
  if (mark === '~~') return { parts: [{ kind: 'del', inner }], end: next };
  if (mark.length === 3) return { parts: [{ kind: 'strong', inner: [{ kind: 'em', inner }] }], end: next };
  return { parts: [{ kind: mark.length === 2 ? 'strong' : 'em', inner }], end: next };
}

/** Where emphasis closes: the same mark after a character that is no space, outside of code; -1 where it does not. */
function closing(text: string, mark: string, from: number): number {
  let at = from;
  while (at < text.length) {
    const char = text[at]!;
    if (char === '\\') at += 2;
    else if (char === '`') {
      const end = text.indexOf('`', at + 1);
      at = (end > 0 ? end : at) + 1;
    } else if (char === mark[0]) {
      let end = at + 1;
      while (text[end] === char) end += 1;
      // Three at once close what opened last within, and then this; other runs are of other emphasis.
      const run = end - at;
      const fits = run === mark.length || (run === 3 && char !== '~');
      const word = char === '_' && /[\p{L}\p{N}]/u.test(text[end] ?? '');
      if (fits && at > from && !/\s/.test(text[at - 1]!) && !word) return end - mark.length;
      at = end;
    } else at += 1;
  }
  return -1;
}
