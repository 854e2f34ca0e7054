/** From what a page asks for to bytes. */
import type { SourceSpec } from '../protocol.js';
import { RateMeter } from '../rate.js';
import type { Provenance } from '../store/journal.js';
import { Store, type StoreContext, type Target } from '../store/store.js';
import type { Progress, StoredModel } from '../types.js';
import { blobSource } from './blob.js';
import { DirectSource } from './direct.js';
import { decoded, HttpFile, lastName, type Request } from './http.js';
import { hubRequest, hubUrl } from './hub.js';
import { arranged, BESIDE, isWeights, missingBeside, nameInFolder } from './meta.js';
import { openFirst, RETRY, type Place, type Retry } from './origin.js';
import { besidePath, besideUrl, join, partNames } from './parts.js';
import type { ByteSource } from './source.js';

/** What opening a source is given. */
export interface OpenContext {
  signal: AbortSignal;
  onProgress(progress: Progress): void;
  /** Whether a download is stored for the next time. */
  keep: boolean;
  /** How patiently a line is taken up again. */
  retry?: Retry;
}

/** Opens a source. */
export async function openSource(spec: SourceSpec, given: OpenContext): Promise<ByteSource> {
  if (isGiven(spec)) return join(arranged([spec].flat().map(blobSource)));
  const context = { ...given, ...attentive(given) };
  const { retry } = context;
  const store = await Store.open();
  const storing = storeContext(store, spec, context);
  if ('stored' in spec) return store.openStored(spec.stored, storing);
  const target = targetOf(spec, retry);
  if (context.keep) return store.fetch(target, storing);
  return await store.openWhole(target, storing) ?? openDirect(target, retry, context);
}

/** Stores all of a model without opening it. */
export async function downloadTo(
  store: Store, spec: SourceSpec, given: Omit<OpenContext, 'keep'>,
): Promise<StoredModel> {
  const context = { ...given, ...attentive(given) };
  const storing = storeContext(store, spec, context);
  if (isGiven(spec)) return store.import([spec].flat(), storing);
  if (!('stored' in spec)) return store.complete(targetOf(spec, context.retry), storing);
  return store.completeStored(spec.stored, storing);
}

/** Progress that says what troubles the line, and the patience that tells of it. */
function attentive({ onProgress, retry = RETRY }: Pick<OpenContext, 'onProgress' | 'retry'>) {
  let trouble: Progress['note'];
  let last: Progress = { stage: 'download', loaded: 0, total: 0, bytesPerSecond: 0, secondsLeft: undefined };
  const report = (progress: Progress) => {
    last = progress;
    onProgress(trouble ? { ...progress, note: trouble } : progress);
  };
  const told = (now: 'stalled' | 'retrying' | undefined) => {
    if (now === trouble) return;
    trouble = now;
    if (now) report({ ...last, bytesPerSecond: 0, secondsLeft: undefined });
  };
  return { onProgress: report, retry: { ...retry, told } };
}

/** What the store is given for a source. `spec` has what may be secret, which the store does not keep. */
export function storeContext(
  store: Store, spec: SourceSpec | undefined, { signal, onProgress, retry = RETRY }: Omit<OpenContext, 'keep'>,
): StoreContext {
  let note: Progress['note'];
  const meter = new RateMeter((progress) => onProgress(note ? { ...progress, note } : progress));
  return {
    signal,
    retry,
    told(loaded, total, waiting) {
      note = waiting ? 'otherTab' : store.kind === 'memory' ? 'notKept' : undefined;
      meter.tell('download', loaded, total);
    },
    reopen: (from, signal) => openOrigin({ ...from, ...secretsFor(from, spec) }, retry, signal),
  };
}

/**
 * The model that an address or a repository names: one file, all parts of a split one, or weights of Meta's with the
 * files beside them.
 */
export function targetOf(spec: RemoteSpec, retry: Retry): Target {
  const name = nameAt(spec);
  if (isWeights(name)) return metaTarget(spec, retry);
  const names = partNames(name);
  const each = names.length > 1 ? names.map((part) => part === name ? spec : besideSpec(spec, part)) : [spec];
  const place = (part: RemoteSpec): Place[] => [placeOf(part, retry)];
  return { identity: addressOf(each[0] ?? spec), name: names[0] ?? name, parts: each.map(place) };
}

/** Weights of Meta's, whose name says nothing without that of their folder. */
function metaTarget(spec: RemoteSpec, retry: Retry): Target {
  const folder = 'url' in spec ? new URL(spec.url).pathname : `${spec.repo}/${spec.file}`;
  const name = nameInFolder(decoded(folder));
  const beside = (names: string[]): Place[] => names.map((one) => {
    const explain = (status: number) => status === 404 ? `${missingBeside(name, names)} (404)` : undefined;
    return placeOf(besideSpec(spec, one), retry, { name: besidePath(name, one), explain });
  });
  return { identity: addressOf(spec), name, parts: [[placeOf(spec, retry, { name })], ...BESIDE.map(beside)] };
}

type RemoteSpec = Exclude<SourceSpec, Blob | Blob[] | { stored: string }>;

/** Files that the page has. */
const isGiven = (spec: SourceSpec): spec is Blob | Blob[] => spec instanceof Blob || Array.isArray(spec);

const addressOf = (spec: RemoteSpec) => 'url' in spec ? withoutFragment(spec.url) : hubUrl(spec);

/** The name of the file. */
const nameAt = (spec: RemoteSpec) => lastName(addressOf(spec));

/** A file beside another, whose hash is not known. */
function besideSpec(spec: RemoteSpec, name: string): RemoteSpec {
  if ('url' in spec) {
    const { sha256: _, ...other } = spec;
    return { ...other, url: besideUrl(spec.url, name) };
  }
  return { ...spec, file: besidePath(spec.file, name) };
}

/** `about` is what is said of it otherwise than of any file there. */
function placeOf(spec: RemoteSpec, retry: Retry, about: Partial<Request> = {}): Place {
  return { from: provenance(spec), open: (signal) => openOrigin(spec, retry, signal, about) };
}

async function openOrigin(
  spec: RemoteSpec, retry: Retry, signal: AbortSignal, about: Partial<Request> = {},
): Promise<HttpFile> {
  const request: Request = 'url' in spec ? spec : await hubRequest(spec, signal);
  const explain = (status: number) => about.explain?.(status) ?? request.explain?.(status);
  return HttpFile.open({ ...request, ...about, explain }, retry, signal);
}

/** A source that leaves nothing behind. */
async function openDirect(target: Target, retry: Retry, { signal, onProgress }: OpenContext): Promise<ByteSource> {
  const found = await Promise.all(target.parts.map((places) => openFirst(places, signal)));
  const origins = found.map(({ origin }) => origin);
  const total = origins.reduce((sum, { size }) => sum + size, 0);
  const meter = new RateMeter(onProgress);
  const reached = origins.map(() => 0);
  return join(origins.map((origin, i) => new DirectSource(origin, retry, signal, (at) => {
    reached[i] = Math.max(reached[i] ?? 0, at);
    meter.tell('download', reached.reduce((sum, at) => sum + at, 0), total);
  })));
}

/** What the store writes down. */
function provenance(spec: RemoteSpec): Provenance {
  if ('url' in spec) return { url: withoutFragment(spec.url), ...(spec.sha256 ? { sha256: spec.sha256 } : {}) };
  const { repo, file, revision, endpoint } = spec;
  return { repo, file, ...(revision ? { revision } : {}), ...(endpoint ? { endpoint } : {}) };
}

/** What it does not write down, for a place on the server that it was given for, and for no other. */
function secretsFor(
  from: Provenance, spec: SourceSpec | undefined,
): { headers?: Record<string, string>; token?: string } {
  if (!spec || isGiven(spec) || 'stored' in spec) return {};
  if ('url' in spec) {
    const same = 'url' in from && new URL(from.url).origin === new URL(spec.url).origin;
    return same && spec.headers ? { headers: spec.headers } : {};
  }
  const same = 'repo' in from && from.endpoint === spec.endpoint;
  return same && spec.token ? { token: spec.token } : {};
}

function withoutFragment(address: string): string {
  const url = new URL(address);
  url.hash = '';
  return url.href;
}
