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
  const locks = navigator.locks ?? own;
  const atOnce = await tryLock(locks, name, mode);
  if (atOnce) return atOnce;
  signal?.throwIfAborted();
  waits?.();
  return new Promise((resolve, reject) => {
    const held = () => new Promise<void>((release) => resolve(release));
    locks.request(name, { mode, ...(signal ? { signal } : {}) }, held).catch(reject);
  });
}

/** A lock, or undefined where another holds it. */
function tryLock(locks: Locks, name: string, mode: 'exclusive' | 'shared'): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    const held = (granted: unknown) => {
      if (!granted) return resolve(undefined);
      return new Promise<void>((release) => resolve(release));
    };
    locks.request(name, { mode, ifAvailable: true }, held).catch(reject);
  });
}

/** What is used of `navigator.locks`. */
interface Locks {
  request(
    name: string, options: { mode: 'exclusive' | 'shared'; ifAvailable?: boolean; signal?: AbortSignal },
    held: (granted: unknown) => Promise<void> | void,
  ): Promise<unknown>;
}

/**
 * Locks of this worker alone, for pages without https, where browsers have none and nothing is shared with other tabs. A
 * lock that cannot be had is asked for again whenever one is let go.
 */
class OwnLocks implements Locks {
  /** How many hold a lock; -1 where one holds it exclusively. */
  readonly #holders = new Map<string, number>();
  #waiting: (() => void)[] = [];

  async request(...[name, { mode, ifAvailable, signal }, held]: Parameters<Locks['request']>): Promise<void> {
    while (!this.#take(name, mode)) {
      if (ifAvailable) return held(null);
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
      signal?.throwIfAborted();
    }
    try {
      await held(name);
    } finally {
      const holders = this.#holders.get(name) ?? 0;
      this.#holders.set(name, holders < 0 ? 0 : holders - 1);
      for (const ask of this.#waiting.splice(0)) ask();
    }
  }

  #take(name: string, mode: 'exclusive' | 'shared'): boolean {
    const holders = this.#holders.get(name) ?? 0;
    if (mode === 'exclusive' ? holders !== 0 : holders < 0) return false;
    this.#holders.set(name, mode === 'exclusive' ? -1 : holders + 1);
    return true;
  }
}

const own = new OwnLocks();
