/** A port whose other end is closed: a message is dropped, with the buffers that it transfers. */
const nowhere = (() => {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  return port1;
})();

/**
 * Gives memory back at once. Pieces of a file come faster than garbage is collected: hundreds of megabytes would wait
 * for it. Whoever has a view of the bytes loses it. `transfer(0)` would not do: Chromium keeps the memory of buffers
 * that it made itself (of a `Blob` or a `fetch`) until the next collection even if they are detached, but not if they
 * are posted.
 */
export function free(bytes: Uint8Array | undefined): void {
  if (!bytes?.byteLength) return; // Freed already, or nothing.
  // Bytes that are part of something larger are not all that is in it; shared ones are not the worker's alone.
  if (bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength) {
    nowhere.postMessage(undefined, [bytes.buffer]);
  }
}
