// Counts what scripts ask of the browser, in a page and its workers: calls of WebGPU, and bytes that are moved.

/** Lets every page of a context, and the module workers that it starts, keep their WebAssembly memories in sight. */
export const memories = (context) => inject(context, keepMemories);

/** The same, and lets them count from their beginning. */
export const meter = (context) => inject(context, keepMemories, count);

async function inject(context, ...functions) {
  const source = functions.map((f) => `(${f})();`).join('\n');
  await context.addInitScript(`${source}
    const Plain = Worker;
    const script = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    globalThis.Worker = class extends Plain {
      constructor(url, options) {
        const first = script(${JSON.stringify(source)});
        super(script(\`import '\${first}'; import '\${new URL(url, location.href)}';\`), options);
      }
    };`);
}

/** Keeps the memories that instances import or export as `memories`. */
function keepMemories() {
  const memories = new Set();
  globalThis.memories = memories;
  for (const name of ['instantiate', 'instantiateStreaming']) {
    const plain = WebAssembly[name];
    WebAssembly[name] = async (source, imports = {}) => {
      const made = await plain.call(WebAssembly, source, imports);
      const { exports = {} } = made.instance ?? made;
      for (const value of [exports, ...Object.values(imports)].flatMap(Object.values)) {
        if (value instanceof WebAssembly.Memory) memories.add(value);
      }
      return made;
    };
  }
}

/**
 * Wraps what is counted, and keeps it as `meter`:
 * - calls: of WebGPU's objects, by class and name
 * - moved: bytes by how they were moved. In a page, those of its workers too, whether they still live or not
 * - readbacks: when buffers were mapped for reading, in milliseconds since 1970
 * - marks: the calls up to each of the last readbacks that were asked for
 */
function count() {
  const calls = {};
  const moved = { stream: 0, arrays: 0, messages: 0, blobs: 0, files: 0, gpu: 0 };
  const [readbacks, marks] = [[], []];
  globalThis.meter = { calls, moved, readbacks, marks };
  const channel = new BroadcastChannel('meter');
  const isPage = globalThis.document !== undefined;
  const small = 4096; // Settings and texts: what a model's bytes are moved by is larger.
  if (isPage) channel.onmessage = ({ data: [how, bytes] }) => { moved[how] += bytes; };
  const move = (how, bytes) => {
    if (!(bytes >= small)) return;
    moved[how] += bytes;
    if (!isPage) channel.postMessage([how, bytes]);
  };

  /** Wraps a method: `seen(result, this, arguments)` comes after it. */
  const wrap = (type, name, seen) => {
    const prototype = type?.prototype;
    const plain = prototype?.[name];
    if (typeof plain !== 'function') return;
    const wrapped = function (...args) {
      const result = plain.apply(this, args);
      seen(result, this, args);
      return result;
    };
    Object.defineProperty(prototype, name, { value: wrapped, writable: true, configurable: true });
  };
  const now = () => performance.timeOrigin + performance.now();

  for (const name of ['Device', 'Queue', 'Texture', 'Buffer', 'CommandEncoder', 'ComputePassEncoder']) {
    const type = globalThis[`GPU${name}`];
    for (const [method, { value }] of Object.entries(Object.getOwnPropertyDescriptors(type?.prototype ?? {}))) {
      if (typeof value !== 'function' || method === 'constructor') continue;
      const key = `${name}.${method}`;
      wrap(type, method, () => { calls[key] = (calls[key] ?? 0) + 1; });
    }
  }
  wrap(globalThis.GPUBuffer, 'mapAsync', (mapped) => {
    mapped.then(() => readbacks.push(now()), () => {});
    marks.push({ ...calls });
    if (marks.length > 16) marks.shift();
  });

  const size = (data) => data?.byteLength ?? 0;
  wrap(globalThis.GPUQueue, 'writeBuffer', (_, __, [, , data, offset = 0, length]) => {
    const unit = data.BYTES_PER_ELEMENT ?? 1;
    move('gpu', length === undefined ? size(data) - offset * unit : length * unit);
  });
  wrap(globalThis.GPUQueue, 'writeTexture', (_, __, [, data]) => move('gpu', size(data)));

  const typed = { prototype: Object.getPrototypeOf(Uint8Array.prototype) };
  wrap(typed, 'set', (_, array, [from]) => move('arrays', size(from) || from.length * array.BYTES_PER_ELEMENT));
  wrap(typed, 'slice', (copy) => move('arrays', size(copy)));
  wrap(ArrayBuffer, 'slice', (copy) => move('arrays', size(copy)));

  const whole = (how) => (promise) => promise.then((bytes) => move(how, size(bytes)), () => {});
  for (const type of [globalThis.ReadableStreamDefaultReader, globalThis.ReadableStreamBYOBReader]) {
    wrap(type, 'read', (promise) => promise.then(({ value }) => move('stream', size(value)), () => {}));
  }
  wrap(globalThis.Response, 'arrayBuffer', whole('stream'));
  wrap(globalThis.Blob, 'arrayBuffer', whole('blobs'));
  wrap(globalThis.FileSystemSyncAccessHandle, 'read', (bytes) => move('files', bytes));
  wrap(globalThis.FileSystemSyncAccessHandle, 'write', (bytes) => move('files', bytes));
  wrap(globalThis.FileSystemWritableFileStream, 'write', (_, __, [data]) => move('files', size(data)));

  /** Bytes in a message that are copied: those that are not handed over. */
  const copied = (message, given, depth = 0) => {
    const buffer = ArrayBuffer.isView(message) ? message.buffer : message;
    if (buffer instanceof ArrayBuffer) return given.includes(buffer) ? 0 : size(message);
    if (typeof message !== 'object' || message === null || depth > 3) return 0;
    return Object.values(message).reduce((sum, value) => sum + copied(value, given, depth + 1), 0);
  };
  const send = (type) => {
    const plain = type?.prototype.postMessage;
    if (!plain) return;
    type.prototype.postMessage = function (message, options) {
      move('messages', copied(message, Array.isArray(options) ? options : options?.transfer ?? []));
      return plain.call(this, message, options);
    };
  };
  [globalThis.Worker, globalThis.MessagePort].forEach(send);
  if (!isPage) {
    const plain = globalThis.postMessage;
    globalThis.postMessage = (message, options) => {
      move('messages', copied(message, Array.isArray(options) ? options : options?.transfer ?? []));
      return plain.call(globalThis, message, options);
    };
  }
}
