/**
 * Int4 Llama models on the GPU of the browser.
 *
 * ```ts
 * const model = await Model.load('model.gguf', { onProgress: console.log });
 * const session = await model.session();
 * for await (const piece of session.reply([{ role: 'user', content: 'Hello!' }])) print(piece);
 * ```
 */
export * from './engine.js';
export {
  Aborted, BadModel, Busy, ChatTemplate, ContextFull, Cors, DeviceLost, Http, InternalError, InvalidSetting, KernelFault,
  LlamitaError, NoRange, NoWebGpu, Offline, OutOfMemory, Quota, Unsupported, type ErrorKind,
} from './errors.js';
export * from './measure.js';
export { Model } from './model.js';
export { ModelStore } from './model-store.js';
export { Reply, Session } from './session.js';
export { start, type StartOptions } from './start.js';
export type * from './types.js';
