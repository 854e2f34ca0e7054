/** The models that the page offers by itself. */
import type { ModelSource } from '../llamita/index.js';
import type { Key } from './i18n.js';

/** Terms that a model comes with. */
export interface Terms {
  notice: string;
  licence: string;
  policy: string;
}

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
  /** The file's size in bytes, and what one position of the context takes. */
  bytes: number;
  bytesPerPosition: number;
  recommended?: boolean;
}

/** Comes with the page. */
export const BUNDLED: Choice = {
  id: 'bundled',
  title: 'Llamita Stories',
  source: new URL('../models/llamita-stories.gguf', import.meta.url),
  temperature: 0.25,
};

/** Bytes of the cache per position, in halves: layers × keys and values × KV heads × head × 2. */
const KV_1B = 16 * 2 * 8 * 64 * 2;
const KV_3B = 28 * 2 * 8 * 128 * 2;

function llama(size: '1B' | '3B', type: string, bytes: number, about: Key, recommended = false): Offer {
  const file = `Llama-3.2-${size}-Instruct-${type}.gguf`;
  return {
    id: `llama-3.2-${size}-${type}`.toLowerCase(),
    title: `Llama 3.2 ${size} · ${type}`,
    source: { repo: `bartowski/Llama-3.2-${size}-Instruct-GGUF`, file },
    terms: LLAMA_3_2,
    about,
    bytes,
    bytesPerPosition: size === '1B' ? KV_1B : KV_3B,
    recommended,
  };
}

export const OFFERS: Offer[] = [
  llama('1B', 'Q4_0', 773e6, 'models.about1bFast', true),
  llama('1B', 'Q4_K_M', 808e6, 'models.about1bGood'),
  llama('1B', 'Q8_0', 1321e6, 'models.about1bBest'),
  llama('3B', 'Q4_0', 1918e6, 'models.about3bFast'),
  llama('3B', 'Q4_K_M', 2019e6, 'models.about3bGood'),
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
  return offer.bytes * 1.03 + offer.bytesPerPosition * context + 64e6;
}
