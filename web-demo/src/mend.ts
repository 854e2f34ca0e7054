/** Where formulas stand in a text, and how a text that is still being written is closed. */

/** A formula within a line: its text, whether it is to stand on a line of its own, and all of it with its marks. */
export interface Found {
  raw: string;
  text: string;
  display: boolean;
}

/** The most characters of a formula within a line, and of the label of a link. */
const LONGEST = 1000;
/** The most marks of emphasis that are open at once. */
const DEEPEST = 6;

/** The formula that begins at a place; `before` is the character there, where the text does not have it. */
export function mathAt(text: string, at: number, before?: string): Found | undefined {
  if (text[at] === '\\') {
    const close = text[at + 1] === '(' ? '\\)' : text[at + 1] === '[' ? '\\]' : undefined;
    return close && closed(text, at, 2, close, close === '\\]');
  }
  if (text[at] !== '$') return undefined;
  if (text[at + 1] === '$') return closed(text, at, 2, '$$', true);
  if (!opens(text, at, before)) return undefined;
  for (let end = text.indexOf('$', at + 2); end > 0 && end - at < LONGEST; end = text.indexOf('$', end + 1)) {
    const inner = text.slice(at + 1, end);
    if (inner.includes('\n\n')) return undefined;
    if (inner.endsWith('\\')) continue;
    // A dollar after a space, or before a word or number, is one of money or of a variable.
    if (/\s$/.test(inner) || /[\p{L}\p{N}]/u.test(text[end + 1] ?? '')) return undefined;
    return mayBeMath(inner) ? { raw: text.slice(at, end + 1), text: inner, display: false } : undefined;
  }
  return undefined;
}

function closed(text: string, at: number, marks: number, close: string, display: boolean): Found | undefined {
  const end = text.indexOf(close, at + marks);
  const inner = text.slice(at + marks, end).trim();
  if (end < 0 || end - at > LONGEST || !inner) return undefined;
  return { raw: text.slice(at, end + close.length), text: inner, display };
}

/** True where a dollar can open a formula. */
function opens(text: string, at: number, before = text[at - 1] ?? ' '): boolean {
  return !/[\p{L}\p{N}$\\]/u.test(before) && /[^\s$]/.test(text[at + 1] ?? '');
}

/** True where what stands between two dollars is no sentence: “5 and up to 10” is none, “5x + 3” and “n” are. */
function mayBeMath(inner: string): boolean {
  if (/[\\^_=+*<>{}|]/.test(inner)) return true;
  const words = inner.match(/\p{L}{2,}/gu) ?? [];
  return words.length === 0 ? inner.length < 40 : words.length === 1 && !/^\d|\s/.test(inner);
}

/** Emphasis that was opened: its mark, and how many of it. */
interface Opened {
  mark: string;
  count: number;
}

/**
 * The text of one block as it will look when it is complete: what it has opened is closed, and what cannot be told yet is
 * taken off its end.
 */
export function mend(given: string): string {
  const text = withoutBegun(given);
  const opened: Opened[] = [];
  let out = '';
  let at = 0;
  const close = (): string => {
    const marks = opened.map(({ mark, count }) => mark.repeat(count)).reverse();
    return marks.length ? out.trimEnd() + marks.join('') : out;
  };
  while (at < text.length) {
    const plain = /[^\\`$[!<*_~]+/y;
    plain.lastIndex = at;
    const run = plain.exec(text)?.[0];
    if (run) {
      out += run;
      at += run.length;
      continue;
    }
    const step = special(text, at, opened);
    out += step.text;
    if (step.ends) return close();
    at = step.next;
  }
  return close();
}

interface Step {
  /** What stands for it, and where the text goes on. */
  text: string;
  next: number;
  /** Nothing more can be told. */
  ends?: boolean;
}

function special(text: string, at: number, opened: Opened[]): Step {
  const char = text[at]!;
  const one = { text: char, next: at + 1 };
  if (char === '\\' || char === '$') {
    const math = mathAt(text, at);
    if (math) return { text: math.raw, next: at + math.raw.length };
    if (mayBegin(text, at)) return { text: '', next: at, ends: true };
    return char === '$' ? one : { text: text.slice(at, at + 2), next: at + 2 };
  }
  if (char === '`') return code(text, at);
  if (char === '[') return link(text, at);
  if (char === '!') return text[at + 1] === '[' && !link(text, at + 1).whole ? { text: '', next: at, ends: true } : one;
  if (char === '<')
    return /^<[/a-zA-Z][^>\s]*$/.test(text.slice(at, at + 200)) ? { text: '', next: at, ends: true } : one;
  return emphasis(text, at, opened);
}

/** True where a formula may have begun whose end is still to come. */
function mayBegin(text: string, at: number): boolean {
  const rest = text.slice(at);
  if (rest.length > LONGEST) return false;
  if (rest[0] === '\\') return rest.length === 1 || rest[1] === '(' || rest[1] === '[';
  if (rest === '$' || rest.startsWith('$$')) return true;
  const inner = rest.slice(1);
  return opens(text, at) && !inner.includes('$') && !inner.includes('\n\n') && mayBeMath(inner.trimEnd());
}

function code(text: string, at: number): Step {
  const ticks = /^`+/.exec(text.slice(at))![0];
  const from = at + ticks.length;
  for (let end = text.indexOf(ticks, from); end >= 0; end = text.indexOf(ticks, end)) {
    const run = /^`+/.exec(text.slice(end))![0].length;
    if (run === ticks.length) return { text: text.slice(at, end + run), next: end + run };
    end += run;
  }
  const inner = text.slice(from).replace(/`+$/, '');
  return { text: inner.trim() ? ticks + inner + ticks : '', next: text.length, ends: true };
}

/** A link: of one whose address is being written, the label stands there already. */
function link(text: string, at: number): Step & { whole?: boolean } {
  let nested = 0;
  let end = at;
  const limit = Math.min(text.length, at + LONGEST);
  for (; end < limit; end += 1) {
    if (text[end] === '\\') end += 1;
    else if (text[end] === '[') nested += 1;
    else if (text[end] === ']' && --nested === 0) break;
  }
  if (end >= limit) {
    // The label is being written.
    const label = limit === text.length && !/[[\n]/.test(text.slice(at + 1));
    return label ? { text: '', next: at + 1 } : { text: '[', next: at + 1, whole: limit < text.length };
  }
  const begun = text[end + 1] === '(' && !text.slice(end, end + 2000).includes(')');
  if (!begun) return { text: '[', next: at + 1, whole: true };
  return { text: mend(text.slice(at + 1, end)), next: text.length, ends: true };
}

function emphasis(text: string, at: number, opened: Opened[]): Step {
  const mark = text[at]!;
  let next = at;
  while (text[next] === mark) next += 1;
  let count = next - at;
  const run = { text: text.slice(at, next), next };
  if (mark === '~' && count !== 2 && next < text.length) return run;
  const [before, after] = [text[at - 1] ?? ' ', text[next] ?? ' '];
  const word = /[\p{L}\p{N}]/u;
  if (mark === '_' && word.test(before) && word.test(after)) return run;
  if (!/\s/.test(before)) {
    for (let top = opened.at(-1); top?.mark === mark && count > 0; top = opened.at(-1)) {
      if (top.count > count && next === text.length) return { text: '', next, ends: true }; // A half of what closes it.
      if (top.count > count && top.count < 3) break;
      const closes = Math.min(top.count, count);
      top.count -= closes;
      count -= closes;
      if (top.count === 0) opened.pop();
    }
    if (count === 0) return run;
  }
  // What opens nothing yet is not shown.
  if (next === text.length) return { text: text.slice(at, next - count), next, ends: true };
  if (!/\s/.test(after) && count <= 3 && opened.length < DEEPEST) opened.push({ mark, count });
  return run;
}

/** A text without a last line that is only the beginning of a list, heading, rule, fence or table. */
function withoutBegun(text: string): string {
  const at = text.lastIndexOf('\n') + 1;
  const last = text.slice(at);
  const before = text.slice(0, Math.max(0, at - 1));
  const rowBefore = before.slice(before.lastIndexOf('\n') + 1);
  // The line under the head of a table, or the head.
  if (at > 0 && rowBefore.includes('|') && /^[ \t]*[|:-][\s|:-]*$/.test(last)) return withoutRow(before);
  if (/^ {0,3}\|/.test(last)) return before.trimEnd();
  if (last === '' && /^ {0,3}\|/.test(rowBefore)) return withoutRow(before);
  return /^[ \t]*(?:[-*+_=#>]{1,2}|#{1,6}|`{1,3}|~{1,3})[ \t]*$/.test(last) ? before : text;
}

function withoutRow(text: string): string {
  return text.slice(0, Math.max(0, text.lastIndexOf('\n')));
}
