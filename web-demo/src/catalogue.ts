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
  /** Its repository gives it to those alone who accepted a licence and say who they are by a token. */
  gated?: boolean;
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
  /** Bytes of its weights on a device, where the file has not about as many. */
  packed?: number;
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

/** A checkpoint as Meta delivers it: the repository holds the three files, which are read as they are. */
function ofMeta(
  size: '1B' | '3B',
  method: 'SpinQuant' | 'QLORA',
  about: Key,
  bytes: number,
  packed: number,
): Offer {
  return {
    id: `llama-3.2-${size}-meta-${method}`.toLowerCase(),
    title: `Llama 3.2 ${size} · ${method === 'QLORA' ? 'QLoRA' : method}`,
    source: { repo: `meta-llama/Llama-3.2-${size}-Instruct-${method}_INT4_EO8`, file: 'consolidated.00.pth' },
    gated: true,
    terms: LLAMA_3_2,
    about,
    bytes,
    packed,
    roughly: true,
    ...LLAMAS[size],
    trained: 8192,
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
  // A byte per int4 weight in the file, and half of one on a device.
  ofMeta('1B', 'SpinQuant', 'models.aboutSpin', 1.62e9, 1.14e9),
  ofMeta('1B', 'QLORA', 'models.aboutQlora', 1.64e9, 1.16e9),
  ofMeta('3B', 'SpinQuant', 'models.aboutSpin', 3.96e9, 2.55e9),
  ofMeta('3B', 'QLORA', 'models.aboutQlora', 4.01e9, 2.6e9),
];

/** Bytes of an offer's weights on a device. */
export function weightBytes(offer: Offer): number {
  return offer.packed ?? offer.bytes;
}

/** The id of a choice of a file on a server. */
export function idOf(from: { url: string } | { repo: string; file: string; revision?: string }): string {
  if ('url' in from) return `url:${from.url}`;
  const { repo, file, revision = 'main' } = from;
  return `hf:${repo}/${file}${revision === 'main' ? '' : `@${encodeURIComponent(revision)}`}`;
}

/** What an id that `idOf` gave stands for. */
export function fromId(id: string): Choice | undefined {
  const url = /^url:(.+)$/.exec(id)?.[1];
  if (url && URL.canParse(url)) return atAddress(url);
  const [, repo, file, revision] = /^hf:([^/]+\/[^/]+)\/(.+?)(?:@([^@/]+))?$/.exec(id) ?? [];
  return repo && file ? inRepository(repo, file, revision && decodeURIComponent(revision)) : undefined;
}

/** A file at an address as a choice. */
export function atAddress(url: string): Choice {
  const title = titleAt(decodedPath(url)) || new URL(url).host;
  return { id: idOf({ url }), title, source: url, terms: termsOf(title) };
}

/** A file of a repository as a choice. */
export function inRepository(repo: string, file: string, revision = 'main'): Choice {
  const source = { repo, file, ...(revision === 'main' ? {} : { revision }) };
  const title = titleAt(`${repo}/${file}`);
  return { id: idOf(source), title, source, terms: termsOf(file) ?? termsOf(title) };
}

/** The path of an address, as it is read. */
function decodedPath(url: string): string {
  const { pathname } = new URL(url);
  try {
    return decodeURIComponent(pathname);
  } catch {
    return pathname; // It has a percent sign that escapes nothing.
  }
}

/** Whether a file is weights of Meta's, by its name; `params.json` and a tokenizer stand beside it. */
export const isWeights = (name: string): boolean => /\.(pth|safetensors)$/i.test(name);

/** The title of a file that is not in the catalogue. */
export function titled(name: string): string {
  return name.replace(/(-\d{5}-of-\d{5})?\.gguf$|\.(pth|safetensors)$/i, '');
}

/** The title of what a path leads to. Meta's files are all called the same, and their folders are not. */
export function titleAt(path: string): string {
  const names = path.split('/').filter((name) => name);
  const file = names.pop() ?? '';
  return (isWeights(file) && names.findLast((name) => name !== 'original')) || titled(file);
}

/** The files of the person's own that a source is; none for any other. */
export function ownFiles(source: ModelSource | undefined): File[] {
  return [source].flat().filter((one) => one instanceof File);
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
  return weightBytes(offer) * 1.03 + offer.bytesPerPosition * Math.min(context, offer.trained) + 64e6;
}
