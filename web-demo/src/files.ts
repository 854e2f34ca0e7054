/** Files of the page's own, and those that leave it, to the person's own disk. */
import { Http } from '../llamita/index.js';

/** A file of the site; `told` is called with the bytes that have come. */
export async function ownFile(url: URL, init: RequestInit, told?: (loaded: number) => void): Promise<Blob> {
  const response = await fetch(url, init);
  const { status } = response;
  if (!response.ok || !response.body) throw new Http(`${url.pathname}: ${status}`, { status });
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const reader = response.body.getReader();
  let loaded = 0;
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    pieces.push(piece.value);
    loaded += piece.value.length;
    told?.(loaded);
  }
  return new Blob(pieces);
}

/** Saves a text or blob under a name. */
export function download(name: string, type: string, content: string | Blob): void {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A title as a name that every file system takes. */
export function fileName(title: string): string {
  const plain = title
    .normalize('NFKD')
    .replace(/[^\w\s-]/g, '')
    .trim()
    .replace(/\s+/g, '-')
    .toLowerCase();
  return plain.slice(0, 60) || 'llamita';
}
