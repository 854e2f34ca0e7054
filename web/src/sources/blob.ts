/** Files that the page has: chosen, dropped, or bytes in memory. */
import { BadModel } from '../errors.js';
import { free } from './free.js';
import type { Origin } from './origin.js';
import { SMALL, type ByteSource } from './source.js';

const nameOf = (blob: Blob) => blob instanceof File ? blob.name : 'the given bytes';

/** A file to load from. */
export function blobSource(blob: Blob): ByteSource {
  const name = nameOf(blob);
  let last: Uint8Array | undefined;
  return {
    name,
    size: blob.size,
    async read(offset, length) {
      if (length <= SMALL) return readBlob(blob, name, offset, offset + length);
      free(last);
      return last = await readBlob(blob, name, offset, offset + length);
    },
  };
}

/** A file to keep a copy of. */
export function blobOrigin(blob: Blob): Origin {
  const name = nameOf(blob);
  const modified = blob instanceof File ? { modified: String(blob.lastModified) } : {};
  return {
    name, size: blob.size, version: modified, ranges: true,
    async* stream(begin, end) {
      const step = 4 << 20;
      for (let at = begin; at < end; at += step) yield await readBlob(blob, name, at, Math.min(at + step, end));
    },
  };
}

async function readBlob(blob: Blob, name: string, begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await blob.slice(begin, end).arrayBuffer());
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new BadModel(`${name} cannot be read any more: ${said}. It was moved or changed: choose it again.`);
  }
}
