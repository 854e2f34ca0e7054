/** From what a page asks for to bytes. */
import { BadModel, Http, Unsupported } from '../errors.js';
import type { SourceSpec } from '../protocol.js';
import type { Progress } from '../types.js';
import type { ByteSource } from './source.js';

/** What opening a source is given. */
export interface OpenContext {
  signal: AbortSignal;
  onProgress(progress: Progress): void;
  /** Whether a download is stored for the next time. */
  keep: boolean;
}

/** A file of the page's own. */
export function blobSource(blob: Blob): ByteSource {
  const name = blob instanceof File ? blob.name : 'the given bytes';
  return {
    name,
    size: blob.size,
    async read(offset, length) {
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
  };
}

/** Opens a source. */
export async function openSource(spec: SourceSpec, context: OpenContext): Promise<ByteSource> {
  if (spec instanceof Blob) return blobSource(spec);
  if (!('url' in spec)) throw new Unsupported('Models are loaded from files and addresses.');
  const response = await fetch(spec.url, { headers: spec.headers ?? {}, signal: context.signal });
  if (!response.ok) {
    throw new Http(`${spec.url} answers with status ${response.status}.`, { status: response.status });
  }
  const blob = await response.blob();
  if (blob.size === 0) throw new BadModel(`${spec.url} is empty.`);
  return { ...blobSource(blob), name: spec.url };
}
