/** What can go wrong, as classes with a `kind` and the numbers that decided. Every message says what to do. */

/** The kind of an error, for `switch`, for pages in other languages, and across a worker's boundary. */
export type ErrorKind =
  | 'NoWebGpu' | 'KernelFault' | 'OutOfMemory' | 'DeviceLost' | 'BadModel' | 'Unsupported' | 'Quota' | 'Aborted' | 'Offline' | 'Http'
  | 'NoRange' | 'Cors' | 'Busy' | 'ContextFull' | 'InvalidSetting' | 'ChatTemplate' | 'InternalError';

/** What all errors of this package have in common. Their `name` is their kind, whatever a minifier calls the class. */
export abstract class LlamitaError extends Error {
  abstract readonly kind: ErrorKind;
}

/** There is no WebGPU here, or no adapter that fits. */
export class NoWebGpu extends LlamitaError {
  static { this.prototype.name = 'NoWebGpu'; }
  readonly kind = 'NoWebGpu';
}

/** A kernel does not compile here, or whatever could run a model needs one that is in quarantine. */
export class KernelFault extends LlamitaError {
  static { this.prototype.name = 'KernelFault'; }
  readonly kind = 'KernelFault';
}

/** More memory would be needed than there is. */
export class OutOfMemory extends LlamitaError {
  static { this.prototype.name = 'OutOfMemory'; }
  readonly kind = 'OutOfMemory';
  /** Bytes on the device in all. */
  readonly needed: number;
  /** Bytes that are allowed, or that the device had given when it refused more. */
  readonly had: number;

  constructor(message: string, numbers: { needed: number; had: number }) {
    super(message);
    this.needed = numbers.needed;
    this.had = numbers.had;
  }
}

/** The device went away. Weights and caches are lost; the conversation is not. */
export class DeviceLost extends LlamitaError {
  static { this.prototype.name = 'DeviceLost'; }
  readonly kind = 'DeviceLost';
}

/** The bytes are no model, or a damaged one. */
export class BadModel extends LlamitaError {
  static { this.prototype.name = 'BadModel'; }
  readonly kind = 'BadModel';
}

/** It is valid, and asks for something that is not done here. */
export class Unsupported extends LlamitaError {
  static { this.prototype.name = 'Unsupported'; }
  readonly kind = 'Unsupported';
}

/** The browser has no room left to store a model. */
export class Quota extends LlamitaError {
  static { this.prototype.name = 'Quota'; }
  readonly kind = 'Quota';
  /** Bytes that the model takes. */
  readonly needed: number;
  /** Bytes that are free. */
  readonly free: number;

  constructor(message: string, numbers: { needed: number; free: number }) {
    super(message);
    this.needed = numbers.needed;
    this.free = numbers.free;
  }
}

/** It was given up by the caller. */
export class Aborted extends LlamitaError {
  static { this.prototype.name = 'Aborted'; }
  readonly kind = 'Aborted';
}

/** There is no network, or it was cut. */
export class Offline extends LlamitaError {
  static { this.prototype.name = 'Offline'; }
  readonly kind = 'Offline';
}

/** A server answered with an error. */
export class Http extends LlamitaError {
  static { this.prototype.name = 'Http'; }
  readonly kind = 'Http';
  /** Its status, such as 403. */
  readonly status: number;

  constructor(message: string, numbers: { status: number }) {
    super(message);
    this.status = numbers.status;
  }
}

/** A server gives whole files only. */
export class NoRange extends LlamitaError {
  static { this.prototype.name = 'NoRange'; }
  readonly kind = 'NoRange';
}

/** A server does not let this page read its files. */
export class Cors extends LlamitaError {
  static { this.prototype.name = 'Cors'; }
  readonly kind = 'Cors';
}

/** A stored model is in use, here or in another tab. */
export class Busy extends LlamitaError {
  static { this.prototype.name = 'Busy'; }
  readonly kind = 'Busy';
}

/** The prompt leaves no room for an answer. */
export class ContextFull extends LlamitaError {
  static { this.prototype.name = 'ContextFull'; }
  readonly kind = 'ContextFull';
  /** Tokens of the prompt. */
  readonly prompt: number;
  /** Tokens that a session holds. */
  readonly context: number;

  constructor(message: string, numbers: { prompt: number; context: number }) {
    super(message);
    this.prompt = numbers.prompt;
    this.context = numbers.context;
  }
}

/** A setting is outside its range, or unknown. */
export class InvalidSetting extends LlamitaError {
  static { this.prototype.name = 'InvalidSetting'; }
  readonly kind = 'InvalidSetting';
}

/** The model has no chat template, or it fails, or it refuses the conversation. */
export class ChatTemplate extends LlamitaError {
  static { this.prototype.name = 'ChatTemplate'; }
  readonly kind = 'ChatTemplate';
}

/** A bug of this package. */
export class InternalError extends LlamitaError {
  static { this.prototype.name = 'InternalError'; }
  readonly kind = 'InternalError';
}

/** The numbers of an error, as they cross a worker's boundary. */
type Numbers = Record<string, number>;

/** An error as it crosses a worker's boundary. */
export interface WireError { kind: ErrorKind; message: string; numbers: Numbers }

/** What to do, for errors whose message does not say so. */
const ADVICE: Partial<Record<ErrorKind, string>> = {
  NoWebGpu: 'Use a browser with WebGPU: Chrome or Edge, or a recent Safari or Firefox.',
  KernelFault: 'Update the browser, or the driver.',
  OutOfMemory: 'Load a smaller model, or ask for a shorter context.',
  DeviceLost: 'Call resume() to go on where it stopped.',
  BadModel: 'Choose another file, or download it again.',
  Unsupported: 'Choose another file.',
  ContextFull: 'Drop the oldest messages, or load the model with a longer context.',
  ChatTemplate: 'Pass a text instead of messages to continue it, or load a model that was tuned for chat.',
  InternalError: 'Please report this, and load the page again.',
};

/** The engine names what its command line has to offer, which a page has not. */
const COMMAND_LINE = / \([^()]*(?:--[a-z]|llamita [a-z])[^()]*\)|, or less under --limits/g;

/** An error with the advice of its kind. */
function advised(kind: ErrorKind, said: string): string {
  const message = said.replace(COMMAND_LINE, '');
  const advice = ADVICE[kind];
  if (advice === undefined || message.includes(advice)) return message;
  return `${message}${/[.!?]$/.test(message) ? '' : '.'} ${advice}`;
}

const makers: Record<ErrorKind, (message: string, numbers: Numbers) => LlamitaError> = {
  NoWebGpu: (message) => new NoWebGpu(message),
  KernelFault: (message) => new KernelFault(message),
  OutOfMemory: (message, { needed = NaN, had = NaN }) => new OutOfMemory(message, { needed, had }),
  DeviceLost: (message) => new DeviceLost(message),
  BadModel: (message) => new BadModel(message),
  Unsupported: (message) => new Unsupported(message),
  Quota: (message, { needed = NaN, free = NaN }) => new Quota(message, { needed, free }),
  Aborted: (message) => new Aborted(message),
  Offline: (message) => new Offline(message),
  Http: (message, { status = NaN }) => new Http(message, { status }),
  NoRange: (message) => new NoRange(message),
  Cors: (message) => new Cors(message),
  Busy: (message) => new Busy(message),
  ContextFull: (message, { prompt = NaN, context = NaN }) => new ContextFull(message, { prompt, context }),
  InvalidSetting: (message) => new InvalidSetting(message),
  ChatTemplate: (message) => new ChatTemplate(message),
  InternalError: (message) => new InternalError(message),
};

/** The error that crossed. */
export function fromWire({ kind, message, numbers }: WireError): LlamitaError {
  return makers[kind](message, numbers);
}

/** An error of any origin, made ready to cross: of this package, of the engine, of the browser, or anything thrown. */
export function toWire(error: unknown): WireError {
  if (!(error instanceof Error)) {
    return { kind: 'InternalError', message: advised('InternalError', String(error)), numbers: {} };
  }
  const known = (error as { kind?: unknown }).kind;
  const abort = error.name === 'AbortError' ? 'Aborted' : 'InternalError';
  const kind = typeof known === 'string' && known in makers ? known as ErrorKind : abort;
  const fields = Object.entries(error).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  const message = kind === 'InternalError' && !(error instanceof LlamitaError) ? String(error) : error.message;
  return { kind, message: advised(kind, message), numbers: Object.fromEntries(fields) };
}
