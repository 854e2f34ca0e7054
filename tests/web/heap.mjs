// What scripts and WebAssembly hold in memory, in a page and its workers, by the browser's own count.

/** The browser's tools for a page and its workers. */
async function devtools(context, page) {
  const session = await context.newCDPSession(page);
  const workers = new Map();
  const waiting = new Map();
  let next = 0;
  session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
    if (targetInfo.type === 'worker') workers.set(sessionId, targetInfo.url);
  });
  session.on('Target.detachedFromTarget', ({ sessionId }) => {
    workers.delete(sessionId);
    for (const [id, asked] of waiting) {
      if (asked.sessionId !== sessionId) continue;
      waiting.delete(id);
      asked.reject(new Error('the worker ended'));
    }
  });
  session.on('Target.receivedMessageFromTarget', ({ message }) => {
    const { id, result, error } = JSON.parse(message);
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error) reject?.(new Error(error.message));
    else resolve?.(result);
  });
  const ask = (sessionId, method, params = {}) => new Promise((resolve, reject) => {
    next += 1;
    waiting.set(next, { sessionId, resolve, reject });
    const message = JSON.stringify({ id: next, method, params });
    session.send('Target.sendMessageToTarget', { sessionId, message }).catch(reject);
  });
  await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  return {
    workers,
    ask,
    /** Asks the page, then its workers, all at once. */
    askAll: (method, params) => Promise.all(
      [session.send(method, params), ...[...workers.keys()].map((id) => ask(id, method, params))],
    ),
  };
}

const heap = (usage) => usage.usedSize + usage.backingStorageSize + usage.embedderHeapUsedSize;
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

/** Looks every `every` milliseconds, for the largest sum. The context must have had `memories` or `meter`. */
export async function heapMeter(context, page, every = 25) {
  const { workers, ask, askAll } = await devtools(context, page);
  let peak = { sum: 0 };
  let samples = 0;
  let going = true;
  const look = async () => {
    const [own, ...others] = await askAll('Runtime.getHeapUsage');
    const all = heap(own) + sum(others.map(heap));
    samples += 1;
    if (all > peak.sum) peak = { sum: all, page: own, workers: others };
  };
  const loop = (async () => {
    while (going) {
      await look().catch(() => {}); // A worker that ends meanwhile.
      await new Promise((resolve) => setTimeout(resolve, every));
    }
  })();

  /** What an expression gives in each of the workers. */
  const inWorkers = async (expression) => {
    const all = [...workers.keys()].map((id) => ask(id, 'Runtime.evaluate', { expression, returnByValue: true }));
    return (await Promise.all(all)).map(({ result }) => result.value);
  };

  /** Bytes of all WebAssembly memories of the workers. They never shrink. */
  const wasm = async () => {
    const all = await inWorkers('globalThis.memories && [...memories].map(({ buffer }) => buffer.byteLength)');
    if (all.includes(undefined)) throw new Error('the context was not told to keep memories in sight');
    return sum(all.flat());
  };

  return {
    /** Bytes of scripts that something still holds, and of WebAssembly: what nothing holds is thrown away first. */
    async live() {
      await askAll('HeapProfiler.collectGarbage');
      return { scripts: sum((await askAll('Runtime.getHeapUsage')).map(heap)), wasm: await wasm() };
    },
    inWorkers,
    /** The largest sum seen, in bytes, and what it consisted of. */
    async stop() {
      going = false;
      await loop;
      return { ...peak, samples, wasm: await wasm(), watched: workers.size };
    },
  };
}
