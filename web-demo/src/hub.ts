/** Repositories on Hugging Face: what a link or name that a person has leads to, and which models are there. */
import { isWeights } from './catalogue.js';
import type { Key } from './i18n.js';

const HUB = 'https://huggingface.co';
const HOSTS = ['huggingface.co', 'www.huggingface.co', 'hf.co', 'www.hf.co'];

/** What a person may enter where a model is asked for. */
export type Link =
  /** A repository, or the file in it that the link leads to; `quant` is a quantization that is asked for by name. */
  | { repo: string; revision: string; folder: string; file?: string; quant?: string }
  /** A file anywhere else. */
  | { url: string }
  /** Why it is neither. */
  | { wrong: Key };

/** Reads a link: `owner/name`, with a branch, a folder or a file, as addresses or pages have them, or any address. */
export function readLink(text: string): Link {
  const given = text.trim().replace(/^<|>$/g, '');
  const bare = /^([\w-]+\/[\w.-]+)(?:@([\w./-]+))?(?::([\w-]+))?$/.exec(given);
  const [, repo, revision = 'main', quant] = bare ?? [];
  if (repo && !HOSTS.includes(repo.split('/')[0]!)) return { repo, revision, folder: '', ...(quant ? { quant } : {}) };
  if (/^[\w-]+\/[\w.-]+\/[^?#]+$/.test(given) && isModel(given)) return inHub(given.split('/'));
  const withScheme = /^[a-z][a-z+.-]*:\/\//i.test(given) ? given : `https://${given}`;
  const url = /\s/.test(given) ? null : URL.parse(withScheme);
  if (!url || !/^https?:$/.test(url.protocol) || !/\.|^localhost$|^\[/.test(url.hostname)) return { wrong: 'link.wrong' };
  if (HOSTS.includes(url.hostname)) return inHub(url.pathname.split('/').filter((part) => part).map(decoded));
  // The page allows itself nothing else, and neither do browsers on pages over HTTPS.
  const here = ['localhost', '127.0.0.1'].includes(url.hostname) || url.host === location.host;
  if (url.protocol === 'http:' && !here) return { wrong: 'models.notSecure' };
  return { url: url.href };
}

/** Whether a path is that of a model's file. */
const isModel = (path: string): boolean => /\.gguf$/i.test(path) || isWeights(path);

/** What the path of a page there leads to. */
function inHub(path: string[]): Link {
  const [kind = ''] = path;
  if (['datasets', 'spaces', 'papers', 'docs', 'collections', 'blog'].includes(kind)) return { wrong: 'link.noModel' };
  const parts = kind === 'api' && path[1] === 'models' ? path.slice(2) : path;
  const [owner, named, what, ...rest] = parts;
  if (!owner || !named) return { wrong: 'link.noModel' };
  const [name = '', quant] = named.split(':');
  const repo = `${owner}/${name}`;
  if (!/^[\w.-]+\/[\w.-]+$/.test(repo)) return { wrong: 'link.noModel' };
  const some = quant ? { quant } : {};
  if (!what || !['tree', 'blob', 'resolve', 'raw'].includes(what)) {
    // `owner/name/file.gguf`, as some programs write it.
    const file = [what, ...rest].join('/');
    return { repo, revision: 'main', folder: '', ...some, ...(isModel(file) ? { file } : {}) };
  }
  // Pull requests are the only revisions with slashes of their own.
  const length = rest[0] === 'refs' ? 3 : 1;
  const [revision, inside] = [rest.slice(0, length).join('/') || 'main', rest.slice(length).join('/')];
  if (what === 'tree') return { repo, revision, folder: inside, ...some };
  return isModel(inside) ? { repo, revision, folder: '', file: inside } : { repo, revision, folder: '' };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // It has a percent sign that escapes nothing.
  }
}

/** A model of a repository: one file, all parts of a split one by the name of the first, or Meta's by its weights. */
export interface HubModel {
  file: string;
  /** Of all parts. */
  bytes: number;
  parts: number;
  /** As the name tells it, such as Q4_K_M; empty where it does not. */
  quant: string;
}

/** Why a repository cannot be listed. */
export class NoListing extends Error {
  constructor(
    readonly key: Key,
    /** Whether a token may help. */
    readonly token = false,
  ) {
    super(key);
  }
}

interface Entry {
  type: string;
  path: string;
  size: number;
}

/** All models of a repository, the smallest first. */
export async function listModels(
  { repo, revision, folder }: { repo: string; revision: string; folder: string },
  token: string,
  signal: AbortSignal,
): Promise<HubModel[]> {
  const path = folder && `/${folder.split('/').map(encodeURIComponent).join('/')}`;
  const tree = `${HUB}/api/models/${repo}/tree/${encodeURIComponent(revision)}${path}?recursive=true`;
  const entries: Entry[] = [];
  for (let next: string | undefined = tree; next; ) {
    const response = await ask(next, token, signal);
    entries.push(...((await response.json().catch(() => [])) as Entry[]));
    const link = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
    // A token goes nowhere else.
    next = link && new URL(link, HUB).origin === HUB ? new URL(link, HUB).href : undefined;
  }
  const files = entries.filter(({ type }) => type === 'file');
  const models = [...grouped(files), ...ofMeta(files, repo)];
  if (models.length === 0) throw new NoListing('link.noGguf');
  return models.sort((a, b) => a.bytes - b.bytes);
}

async function ask(url: string, token: string, signal: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  let response: Response;
  try {
    response = await fetch(url, { headers, signal, referrerPolicy: 'no-referrer' });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new NoListing('link.offline');
  }
  const { status, ok } = response;
  if (ok) return response;
  const code = response.headers.get('x-error-code') ?? '';
  if (code === 'GatedRepo' || status === 403) throw new NoListing('link.gated', true);
  // Whoever is not known is not told whether a repository is private or does not exist.
  if (status === 401) throw new NoListing(token ? 'link.badToken' : 'link.private', true);
  if (status === 404) throw new NoListing(code === 'RevisionNotFound' ? 'link.noRevision' : 'link.noRepo');
  throw new NoListing(status === 429 ? 'link.tooOften' : 'link.fault');
}

/** The models among files: parts of one together, and without what belongs to one and is none. */
function grouped(files: Entry[]): HubModel[] {
  const models = new Map<string, HubModel>();
  for (const { path, size } of files) {
    const name = path.split('/').at(-1)!;
    if (!/\.gguf$/i.test(name) || /mmproj|imatrix|^ggml-vocab/i.test(name)) continue;
    const stem = path.replace(/-\d{5}-of-\d{5}\.gguf$/i, '');
    const known = models.get(stem);
    if (known) {
      known.bytes += size;
      known.parts += 1;
      if (path < known.file) known.file = path;
    } else models.set(stem, { file: path, bytes: size, parts: 1, quant: quantOf(path) });
  }
  return [...models.values()];
}

/** Meta's checkpoints among files: weights in one file, with the numbers and the tokenizer in the same folder. */
function ofMeta(files: Entry[], repo: string): HubModel[] {
  const at = (path: string): Entry | undefined => files.find((file) => file.path === path);
  return files.flatMap(({ path, size }) => {
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    const [numbers, next] = [at(`${folder}params.json`), at(`${folder}consolidated.01.pth`)];
    const tokenizer = at(`${folder}tokenizer.model`) ?? at(`${folder}tokenizer.json`);
    if (!isWeights(path) || !numbers || !tokenizer || next) return [];
    const quant = /SpinQuant|QLoRA/i.exec(`${repo}/${path}`)?.[0] ?? '';
    return [{ file: path, bytes: size + numbers.size + tokenizer.size, parts: 3, quant }];
  });
}

/** The quantization that a path names: that of the file, or of its folder. */
function quantOf(path: string): string {
  const found = /(?:^|[._/-])((?:UD-)?(?:I?Q\d\w*|TQ\d\w*|MXFP4\w*|BF16|F16|FP16|F32|FP32))(?=[._/-])/gi;
  return ([...path.matchAll(found)].at(-1)?.[1] ?? '').toUpperCase().replace(/^FP/, 'F');
}

/** Which quantizations are computed here. */
export function isSupported(quant: string): boolean {
  return !/^(UD-)?(I?Q1|IQ[23]|TQ|MXFP)|_[48]_[48]$/.test(quant);
}
