/** One writer per model, over all tabs and workers of the origin. */

/** How a lock is asked for. */
export interface LockOptions {
  mode: 'exclusive' | 'shared';
  signal?: AbortSignal;
  /** Called if another holds it: this one waits. */
  waits?: () => void;
}

/** Waits for a lock, and gives the function that lets it go. A tab that ends lets go of its locks too. */
export async function lock(name: string, options: LockOptions): Promise<() => void> {
  const { mode, signal, waits } = options;
  const atOnce = await tryLock(name, mode);
  if (atOnce) return atOnce;
  signal?.throwIfAborted();
  waits?.();
  return new Promise((resolve, reject) => {
    const held = () => new Promise<void>((release) => resolve(release));
    navigator.locks.request(name, { mode, ...(signal ? { signal } : {}) }, held).catch(reject);
  });
}

/** A lock, or undefined where another holds it. */
function tryLock(name: string, mode: 'exclusive' | 'shared'): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    const held = (granted: Lock | null) => {
      if (!granted) return resolve(undefined);
      return new Promise<void>((release) => resolve(release));
    };
    navigator.locks.request(name, { mode, ifAvailable: true }, held).catch(reject);
  });
}
