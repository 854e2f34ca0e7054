/**
 * Gives memory back at once. Pieces of a file come faster than garbage is collected: hundreds of megabytes would wait
 * for it. Whoever has a view of the bytes loses it.
 */
export function free(bytes: Uint8Array | undefined): void {
  // Bytes that are part of something larger are not all that is in it.
  if (bytes === undefined || bytes.byteLength !== bytes.buffer.byteLength) return;
  const { buffer } = bytes as { buffer: ArrayBufferLike & { transfer?(length: number): ArrayBuffer } };
  buffer.transfer?.(0);
}
