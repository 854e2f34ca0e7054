// What scripts and WebAssembly hold in memory, in a page and its workers, by the browser's own count.

/** Looks every `every` milliseconds. `stop()` gives the largest sum seen, in bytes, and what it consisted of. */
export async function heapMeter(context, page, every = 25) {
  const devtools = await context.newCDPSession(page);
  const workers = new Map();
  const waiting = new Map();
  let next = 0;
  devtools.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
    if (targetInfo.type === 'worker') workers.set(sessionId, targetInfo.url);
  });
  devtools.on('Target.detachedFromTarget', ({ sessionId }) => workers.delete(sessionId));
  devtools.on('Target.receivedMessageFromTarget', ({ message }) => {
    const { id, result, error } = JSON.parse(message);
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (error) reject?.(new Error(error.message));
    else resolve?.(result);
  });
  const ask = (sessionId, method, params = {}) => new Promise((resolve, reject) => {
    next += 1;
    waiting.set(next, { resolve, reject });
    const message = JSON.stringify({ id: next, method, params });
    devtools.send('Target.sendMessageToTarget', { sessionId, message }).catch(reject);
  });
  await devtools.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });

  let peak = { sum: 0 };
  let samples = 0;
  let going = true;
  const heap = (usage) => usage.usedSize + usage.backingStorageSize + usage.embedderHeapUsedSize;
  const look = async () => {
    const asked = [...workers.keys()].map((id) => ask(id, 'Runtime.getHeapUsage'));
    const [own, ...others] = await Promise.all([devtools.send('Runtime.getHeapUsage'), ...asked]);
    const sum = [own, ...others].reduce((sum, usage) => sum + heap(usage), 0);
    samples += 1;
    if (sum > peak.sum) peak = { sum, page: own, workers: others };
  };
  const loop = (async () => {
    while (going) {
      await look().catch(() => {}); // A worker that ends meanwhile.
      await new Promise((resolve) => setTimeout(resolve, every));
    }
  })();

  /** Bytes of all WebAssembly memories of the workers. They never shrink. */
  async function wasm() {
    let sum = 0;
    for (const id of workers.keys()) {
      const prototype = await ask(id, 'Runtime.evaluate', { expression: 'WebAssembly.Memory.prototype' });
      const { objectId: prototypeObjectId } = prototype.result;
      const { objects } = await ask(id, 'Runtime.queryObjects', { prototypeObjectId });
      const { result } = await ask(id, 'Runtime.callFunctionOn', {
        objectId: objects.objectId, returnByValue: true,
        functionDeclaration: 'function () { return this.reduce((sum, memory) => sum + memory.buffer.byteLength, 0); }',
      });
      sum += result.value;
    }
    return sum;
  }

  return {
    async stop() {
      going = false;
      await loop;
      return { ...peak, samples, wasm: await wasm(), watched: workers.size };
    },
  };
}
