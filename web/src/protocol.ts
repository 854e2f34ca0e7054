/** What a page and its worker say to each other. Every call has an id, which its events, its end and a cancel carry. */
import type { WireError } from './errors.js';
import type {
  Counters, DeviceInfo, Diagnosis, DoctorProgress, KernelReport, Message, ModelInfo, ProbeProgress, ProbeReport, Progress,
  QuarantinedKernel, SessionState, Stats, StorageEstimate, StoredModel,
} from './types.js';

/** A source as it crosses to the worker: no relative address, no bytes that would be copied. */
export type SourceSpec =
  | Blob
  | Blob[]
  | { url: string; headers?: Record<string, string>; sha256?: string }
  | { repo: string; file: string; revision?: string; token?: string; endpoint?: string }
  | { stored: string };

/** Settings as the engine parses them, in JSON: the options of a load without those of the worker. */
export type Json = string;

/** What happens during a reply, in order. */
export type ReplyEvent =
  | { started: { dropped: number } }
  /** Text, tokens generated so far, the ids of those since the last piece, and where the session stands. */
  | { piece: string; generated: number; ids: number[]; state: SessionState }
  /** It cannot go on by itself: the page says `proceed`. */
  | { failed: WireError }
  /** It goes on. */
  | { resumed: true };

/** Every call: what it takes, what it ends with, and what it tells meanwhile. */
export interface Calls {
  /** Ends when the engine is there. */
  start: { args: Record<string, never>; result: null; event: never };
  device: { args: Record<string, never>; result: DeviceInfo; event: never };
  inspect: { args: { source: SourceSpec; options: Json }; result: ModelInfo; event: Progress };
  load: {
    args: { source: SourceSpec; options: Json; keep: boolean; prime: Message[] };
    result: { model: number; info: ModelInfo };
    event: Progress;
  };
  /** Waits for the loss of a model's device; never ends otherwise, until the model is disposed of. */
  lost: { args: { model: number }; result: string; event: never };
  resumeModel: { args: { model: number }; result: ModelInfo; event: never };
  destroyDevice: { args: { model: number }; result: null; event: never };
  countTokens: { args: { model: number; text: string }; result: number; event: never };
  counters: { args: { model: number }; result: Counters; event: never };
  disposeModel: { args: { model: number }; result: null; event: never };
  session: { args: { model: number }; result: { session: number; state: SessionState }; event: never };
  reply: { args: { session: number; prompt: Json; options: Json }; result: Stats; event: ReplyEvent };
  resumeSession: { args: { session: number }; result: SessionState; event: never };
  resetSession: { args: { session: number }; result: SessionState; event: never };
  disposeSession: { args: { session: number }; result: null; event: never };
  benchmark: { args: { session: number; kind: 'prefill' | 'decode'; tokens: number }; result: Stats; event: never };
  kernelCases: { args: { tier: 'base' | 'f16' }; result: string[]; event: never };
  probe: { args: { options: Json }; result: ProbeReport; event: ProbeProgress };
  /** Bytes at which an earlier probe's tab was ended; null where none was. */
  probeEnded: { args: Record<string, never>; result: number | null; event: never };
  doctor: { args: { options: Json }; result: Diagnosis; event: DoctorProgress };
  quarantined: { args: Record<string, never>; result: QuarantinedKernel[]; event: never };
  /** Kernels that were in quarantine. */
  forgetQuarantine: { args: Record<string, never>; result: number; event: never };
  storeList: {
    args: Record<string, never>;
    result: { kind: 'opfs' | 'memory'; models: StoredModel[]; estimate: StorageEstimate };
    event: never;
  };
  storeDownload: { args: { source: SourceSpec }; result: StoredModel; event: Progress };
  storeImport: { args: { files: Blob[] }; result: StoredModel; event: Progress };
  storeExport: { args: { stored: string; part: number }; result: Blob; event: never };
  storeDelete: { args: { stored: string }; result: null; event: never };
  runKernelCase: { args: { name: string; tier: 'base' | 'f16' }; result: KernelReport; event: never };
}

export type CallName = keyof Calls;

/** The journals: of the check of kernels, and of the probe's steps of memory. */
export type JournalName = 'kernels' | 'probe';

/** From the page. */
export type ToWorker =
  | { [Name in CallName]: { id: number; call: Name; args: Calls[Name]['args'] } }[CallName]
  /** The first message: where the module is, or null where it is beside the worker. */
  | { start: { wasmUrl: string | null } }
  | { cancel: number }
  /** Journals whose marker accuses nothing: their page was left in the middle. Calls after this find them empty. */
  | { left: JournalName[] }
  /** A reply that failed shall go on. */
  | { proceed: number };

/** From the worker. */
export type FromWorker =
  /** The first message: its script was found and runs. */
  | { started: true }
  /** How far the engine's module has come. */
  | { engine: Progress }
  | { id: number; result: unknown }
  | { id: number; error: WireError }
  | { id: number; event: unknown }
  /** Nothing goes any more: every call ends with this, and later ones need a new worker. */
  | { fatal: WireError };
