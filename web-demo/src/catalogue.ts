/** The models that the page offers by itself. */
import type { ModelSource } from '../llamita/index.js';
import type { Key } from './i18n.js';

/** Terms that a model comes with. */
export interface Terms {
  notice: string;
  licence: string;
  policy?: string;
}

const APACHE = 'https://www.apache.org/licenses/LICENSE-2.0';

export const LLAMA_3_2: Terms = {
  notice: 'Built with Llama',
  licence: 'https://www.llama.com/llama3_2/license/',
  policy: 'https://www.llama.com/llama3_2/use-policy/',
};

/** A model that a person can choose. */
export interface Choice {
  /** The same choice has the same name. */
  id: string;
  title: string;
  source: ModelSource;
  /** Gives the source in its place, after the browser has asked the person: to be called in a click. */
  open?: () => Promise<ModelSource>;
  terms?: Terms | undefined;
  /** What it answers best at, where the person has set nothing else. */
  temperature?: number;
}

export interface Offer extends Choice {
  source: { repo: string; file: string };
  about: Key;
  /** The file's size in bytes; `roughly` where that was not seen. */
  bytes: number;
  roughly?: boolean;
  /** What one position of the context takes, and how many the model was trained for. */
  bytesPerPosition: number;
  trained: number;
  layers: number;
}

/** Comes with the page. */
export const BUNDLED: Choice = {
  id: 'bundled',
  title: 'Llamita Stories',
  source: new URL('../models/llamita-stories.gguf', import.meta.url),
  temperature: 0.25,
};

/** Bytes of the cache per position, in halves. */
const perPosition = (layers: number, kvHeads: number, head: number): number => layers * 2 * kvHeads * head * 2;

const LLAMAS = {
  '1B': { layers: 16, bytesPerPosition: perPosition(16, 8, 64) },
  '3B': { layers: 28, bytesPerPosition: perPosition(28, 8, 128) },
};

function llama(size: '1B' | '3B', type: string, about: Key, bytes: number, roughly = false): Offer {
  return {
    id: `llama-3.2-${size}-${type}`.toLowerCase(),
    title: `Llama 3.2 ${size} · ${type}`,
    source: { repo: `bartowski/Llama-3.2-${size}-Instruct-GGUF`, file: `Llama-3.2-${size}-Instruct-${type}.gguf` },
    terms: LLAMA_3_2,
    about,
    bytes,
    roughly,
    ...LLAMAS[size],
    trained: 131_072,
  };
}

function smol(size: string, shape: [number, number, number], about: Key, bytes: number, roughly = false): Offer {
  return {
    id: `smollm2-${size}-q4_0`.toLowerCase(),
    title: `SmolLM2 ${size} · Q4_0`,
    source: { repo: `bartowski/SmolLM2-${size}-Instruct-GGUF`, file: `SmolLM2-${size}-Instruct-Q4_0.gguf` },
    terms: { notice: 'SmolLM2 © Hugging Face, Apache 2.0', licence: APACHE },
    temperature: 0.2,
    about,
    bytes,
    roughly,
    bytesPerPosition: perPosition(...shape),
    trained: 8192,
    layers: shape[0],
  };
}

const TINY_LLAMA: Offer = {
  id: 'tinyllama-1.1b-q4_0',
  title: 'TinyLlama 1.1B · Q4_0',
  source: { repo: 'TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF', file: 'tinyllama-1.1b-chat-v1.0.Q4_0.gguf' },
  terms: { notice: 'TinyLlama, Apache 2.0', licence: APACHE },
  about: 'models.aboutTiny',
  bytes: 637_699_456,
  bytesPerPosition: perPosition(22, 4, 64),
  trained: 2048,
  layers: 22,
};

export const OFFERS: Offer[] = [
  smol('135M', [30, 3, 64], 'models.about135m', 91.7e6, true),
  smol('360M', [32, 5, 64], 'models.about360m', 229_733_280),
  TINY_LLAMA,
  smol('1.7B', [24, 32, 64], 'models.about1700m', 993_874_912),
  llama('1B', 'Q4_0', 'models.about1bFast', 773_025_920),
  llama('1B', 'Q4_K_M', 'models.about1bGood', 807_694_464),
  llama('1B', 'Q8_0', 'models.about1bBest', 1_321_083_008),
  llama('3B', 'Q4_0', 'models.about3bFast', 1918e6, true),
  llama('3B', 'Q4_K_M', 'models.about3bGood', 2019e6, true),
];

/** The id of a choice of a file on a server. */
export function idOf(from: { url: string } | { repo: string; file: string; revision?: string }): string {
  if ('url' in from) return `url:${from.url}`;
  const { repo, file, revision = 'main' } = from;
  return `hf:${repo}/${file}${revision === 'main' ? '' : `@${encodeURIComponent(revision)}`}`;
}

/** What an id that `idOf` gave stands for. */
export function fromId(id: string): Choice | undefined {
  const url = /^url:(.+)$/.exec(id)?.[1];
  if (url && URL.canParse(url)) return { id, title: titled(lastName(url)), source: url, terms: termsOf(lastName(url)) };
  const [, repo, file, revision] = /^hf:([^/]+\/[^/]+)\/(.+?)(?:@([^@/]+))?$/.exec(id) ?? [];
  if (!repo || !file) return undefined;
  const source = { repo, file, ...(revision ? { revision: decodeURIComponent(revision) } : {}) };
  return { id, title: titled(file.split('/').at(-1)!), source, terms: termsOf(file) };
}

/** The name of the file that an address leads to. */
export function lastName(url: string): string {
  const { pathname, host } = new URL(url);
  const last = pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(last) || host;
  } catch {
    return last; // It has a percent sign that escapes nothing.
  }
}

/** The title of a file that is not in the catalogue. */
export function titled(name: string): string {
  return name.replace(/(-\d{5}-of-\d{5})?\.gguf$/i, '');
}

/** True where a model is fetched from another server before it can be used. */
export function isElsewhere(source: ModelSource): boolean {
  if (source === BUNDLED.source) return false;
  const named = typeof source === 'object' && ('url' in source || 'repo' in source);
  return typeof source === 'string' || source instanceof URL || named;
}

/** The terms of a file that is not in the catalogue, as far as its name tells. */
export function termsOf(name: string): Terms | undefined {
  return /llama[-_. ]?3[._-]2/i.test(name) ? LLAMA_3_2 : undefined;
}

/** What a model takes on the device with a context of so many positions: weights, cache and working space. */
export function memoryNeeded(offer: Offer, context: number): number {
  return offer.bytes * 1.03 + offer.bytesPerPosition * Math.min(context, offer.trained) + 64e6;
}
