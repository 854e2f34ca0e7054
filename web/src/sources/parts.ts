/** Checkpoints of several files. */
import type { ByteSource } from './source.js';

/** The names of all parts, from that of one: `NAME-00002-of-00003.gguf`. One name for a file that was not split. */
export function partNames(name: string): string[] {
  const match = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/.exec(name);
  const [stem, number, count] = [match?.[1], Number(match?.[2]), Number(match?.[3])];
  if (!match || number < 1 || number > count) return [name];
  const digits = (n: number) => String(n).padStart(5, '0');
  return Array.from({ length: count }, (_, i) => `${stem}-${digits(i + 1)}-of-${digits(count)}.gguf`);
}

/** The address of a file beside another. */
export function besideUrl(address: string, name: string): string {
  const url = new URL(address);
  url.pathname = besidePath(url.pathname, encodeURIComponent(name));
  return url.href;
}

/** The path of a file beside another. */
export function besidePath(path: string, name: string): string {
  return [...path.split('/').slice(0, -1), name].join('/');
}

/** Files one behind the other. */
export function join(files: ByteSource[]): ByteSource {
  const [first] = files;
  if (!first) throw new RangeError('no parts');
  if (files.length === 1) return first;
  let size = 0;
  const placed = files.map((file) => {
    const begin = size;
    size += file.size;
    return { file, begin, end: size };
  });
  return {
    name: first.name,
    size,
    parts: files.map(({ name, size }) => ({ name, size })),
    async read(offset, length) {
      const end = offset + length;
      const touched = placed.filter((part) => offset < part.end && part.begin < end);
      const pieces = touched.map((part) => {
        const from = Math.max(offset, part.begin);
        return part.file.read(from - part.begin, Math.min(end, part.end) - from);
      });
      // No tensor lies in two files: most reads are of one.
      if (pieces.length === 1 && pieces[0]) return pieces[0];
      const bytes = new Uint8Array(length);
      let at = 0;
      for (const piece of await Promise.all(pieces)) {
        bytes.set(piece, at);
        at += piece.length;
      }
      return bytes;
    },
    close() {
      for (const file of files) file.close?.();
    },
  };
}
