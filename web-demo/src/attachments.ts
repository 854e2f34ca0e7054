/** Files that go along with what a person says: reading them, counting them, fitting them, and what the model is given. */
import type { Key } from './i18n.js';

/** A text that was said along. */
export interface Attachment {
  name: string;
  text: string;
  /** About how many tokens the text is; `exact` where a tokenizer has counted them. */
  tokens?: number;
  exact?: boolean;
  /** Where it was cut: about how many tokens the file has. */
  of?: number;
}

/** Why a file is refused. */
export type Refusal = Extract<Key, `attach.refused.${string}`>;

/** Larger files are no text for a context of thousands of tokens. */
const LARGEST = 5_000_000;
/** Larger texts, in characters, are not counted exactly. */
const COUNTED = 300_000;
/** The template's own tokens are not counted, nor all else exactly: what is fitted leaves this part of the room. */
const SPARE = 0.1;
/** A beginning of fewer tokens is worth nothing. */
const LEAST = 16;

/** The text of a file, or why it is none. */
export async function read(file: File): Promise<{ text: string } | { refused: Refusal }> {
  if (file.size === 0) return { refused: 'attach.refused.empty' };
  if (file.size > LARGEST) return { refused: 'attach.refused.large' };
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    return { refused: 'attach.refused.unreadable' }; // A folder, or a file that has gone.
  }
  const text = decoded(bytes);
  if (text === undefined) return { refused: looksBinary(bytes) ? 'attach.refused.binary' : 'attach.refused.encoding' };
  if (text.includes('\0')) return { refused: 'attach.refused.binary' };
  if (!text.trim()) return { refused: 'attach.refused.empty' };
  return { text: text.replace(/\r\n?/g, '\n') };
}

/** UTF-8, or UTF-16 where its mark stands before it. */
function decoded(bytes: Uint8Array): string | undefined {
  const mark = (bytes[0]! << 8) | (bytes[1] ?? 0);
  const encoding = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Text in another encoding has few control characters, and what is none has many. */
function looksBinary(bytes: Uint8Array): boolean {
  const some = bytes.subarray(0, 65_536);
  const odd = some.filter((byte) => byte < 9 || (byte > 13 && byte < 32)).length;
  return odd > some.length / 200;
}

/**
 * What makes a token, by the size of a vocabulary: letters of a word, digits, marks, and bytes of other scripts than
 * Latin. Compared with Llama 3's and Llama 2's tokenizers and the bundled model's, it is mostly within a quarter.
 */
const SIZES = [
  { above: 90_000, word: 7, digits: 3, marks: 2.2, other: 3.8 },
  { above: 16_000, word: 4.5, digits: 1, marks: 1.6, other: 2.3 },
  { above: 0, word: 2.2, digits: 1, marks: 1, other: 1 },
];

/** About how many tokens a text is, for a vocabulary of this size. */
export function countTokens(text: string, vocabulary: number): number {
  const { word, digits, marks, other } = SIZES.find(({ above }) => vocabulary > above)!;
  let count = 0;
  for (const [piece] of text.matchAll(/[A-Za-z]+|\d+|[ \t]+|\n+|[^\0-\x7f]+|[^\sA-Za-z\d]+|\s/g)) {
    const { length } = piece;
    const first = piece.charCodeAt(0);
    if (first > 127) count += new TextEncoder().encode(piece).length / other;
    // A single space belongs to the word after it.
    else if (/\s/.test(piece)) count += piece === ' ' ? 0 : Math.ceil(length / 16);
    else if (/\d/.test(piece)) count += Math.ceil(length / digits);
    else count += Math.ceil(length / (/[a-z]/i.test(piece) ? word : marks));
  }
  return Math.ceil(count);
}

/** What is known of a file's tokens: about how many, and how many by the model's own tokenizer, once it has counted. */
interface Count {
  vocabulary: number;
  about: number;
  exactly?: number;
}

/** Of files, with the vocabulary: a large one takes a while. */
const counts = new WeakMap<Attachment, Count>();

function countOf(file: Attachment, vocabulary: number): Count {
  const before = counts.get(file);
  if (before?.vocabulary === vocabulary) return before;
  const count = { vocabulary, about: countTokens(file.text, vocabulary) };
  counts.set(file, count);
  return count;
}

/** Whether the model's own tokenizer is still to count a file; a large one is cut anyway. */
export function isUncounted(file: Attachment, vocabulary: number): boolean {
  return file.text.length <= COUNTED && countOf(file, vocabulary).exactly === undefined;
}

/** Takes over what the model's own tokenizer has counted of a file. */
export function setCount(file: Attachment, vocabulary: number, tokens: number): void {
  countOf(file, vocabulary).exactly = tokens;
}

/** What the context is used for beside the files, in tokens. */
export interface Use {
  context: number;
  /** Of the conversation so far, with what is being said. */
  conversation: number;
  /** The longest answer that is asked for. */
  answer: number;
  vocabulary: number;
}

/**
 * The tokens that files may have: what conversation and answer leave of the context. At least half of what the answer
 * leaves, since older turns make room for newer ones.
 */
export function room({ context, conversation, answer }: Use): number {
  const left = context - Math.min(answer, context / 4);
  return Math.floor(Math.max(left - conversation, left / 2) * (1 - SPARE));
}

/** The files as far as they fit, each cut at the end of a line where that is near: short ones whole, long ones alike. */
export function fitted(files: readonly Attachment[], use: Use): Attachment[] {
  const whole = files.map((file) => {
    const { about, exactly } = countOf(file, use.vocabulary);
    // What is exact of the whole makes the count of a part better, too.
    return { name: file.name, text: file.text, of: exactly ?? about, exact: exactly !== undefined, scale: (exactly ?? about) / Math.max(about, 1) };
  });
  let left = room(use);
  const result = new Map<object, Attachment>();
  [...whole]
    .sort((a, b) => a.of - b.of)
    .forEach((file, i, all) => {
      const { name, text, of, exact, scale } = file;
      const share = Math.floor(left / (all.length - i));
      const kept = of <= share ? text : cut(text, Math.floor(share / Math.max(scale, 0.01)), use.vocabulary);
      const isWhole = kept === text;
      const tokens = isWhole ? of : Math.ceil(countTokens(kept, use.vocabulary) * scale);
      left -= tokens;
      result.set(file, { name, text: kept, tokens, ...(isWhole ? {} : { of }), ...(isWhole && exact ? { exact } : {}) });
    });
  return whole.map((file) => result.get(file)!);
}

/** As much of a text from its beginning as is about so many tokens. */
function cut(text: string, tokens: number, vocabulary: number): string {
  if (tokens < LEAST) return '';
  // No vocabulary has tokens that are longer on average.
  let [low, high] = [0, Math.min(text.length, tokens * 16)];
  while (high - low > 16) {
    const middle = (low + high) >> 1;
    if (countTokens(text.slice(0, middle), vocabulary) <= tokens) low = middle;
    else high = middle;
  }
  const end = text.lastIndexOf('\n', low);
  // No half of a character.
  return text.slice(0, end > low * 0.8 ? end : low).replace(/[\ud800-\udbff]$/, '');
}

/** What the model is given of something said: its files in fences, and then the text. */
export function promptText({ content, attachments = [] }: { content: string; attachments?: Attachment[] }): string {
  // Of a file that found no room there is nothing to give.
  const files = attachments
    .filter(({ text }) => text)
    .map(({ name, text, of }) => {
      const ticks = Math.max(2, ...[...text.matchAll(/`{3,}/g)].map(([run]) => run.length)) + 1;
      const fence = '`'.repeat(ticks);
      return `File "${name.replaceAll('"', "'")}"${of ? ' (only its beginning)' : ''}:\n${fence}\n${text.replace(/\n$/, '')}\n${fence}`;
    });
  return [...files, content].filter((part) => part !== '').join('\n\n');
}
