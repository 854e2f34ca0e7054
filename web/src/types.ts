/** The shapes that cross this package's boundary: options, reports, messages. */

/** Where a model comes from. Addresses that are relative count from the page. */
export type ModelSource =
  /** An address, or a file of a page's own. */
  | string | URL | Blob | ArrayBuffer | ArrayBufferView
  /**
   * The files of one model, in any order: the parts of a split one, or Meta's weights (`consolidated.00.pth`, or a
   * `.safetensors` file of the same tensors) with `params.json` and `tokenizer.model` or `tokenizer.json`.
   */
  | readonly File[]
  /**
   * An address with headers for its server, and the SHA-256 that the file must have. Beside weights of Meta's, here and
   * in a repository, `params.json` and the tokenizer are taken from the same folder.
   */
  | { url: string; headers?: Record<string, string>; sha256?: string }
  /** A file of a repository on Hugging Face, or of a mirror at `endpoint`; `token` is for gated ones. */
  | { repo: string; file: string; revision?: string; token?: string; endpoint?: string }
  /** A model that `ModelStore` holds. */
  | { stored: string };

/** How far a call has come. */
export interface Progress {
  /** The `engine` on its way, `download` from a server, `load` onto the device, `prepare` what the first answer needs. */
  stage: 'engine' | 'download' | 'load' | 'prepare';
  /** Bytes so far. */
  loaded: number;
  /** Bytes in all; 0 while that is not known. */
  total: number;
  /** Bytes per second, over the last seconds. */
  bytesPerSecond: number;
  /** Seconds that are left at this speed; unknown at first. */
  secondsLeft: number | undefined;
  /**
   * `otherTab`: another tab downloads it, and this one waits. `notKept`: this browser stores nothing for later.
   * `stalled`: nothing has come for seconds. `retrying`: the line was cut, or the server is busy, and is asked again.
   */
  note?: 'otherTab' | 'notKept' | 'stalled' | 'retrying';
}

/** How a model is brought to the store. */
export interface StoreOptions {
  onProgress?: (progress: Progress) => void;
  /** Gives it up. What came is kept. */
  signal?: AbortSignal;
}

/** A place that a file comes from. */
export type StoredFrom = { url: string } | { repo: string; file: string; revision?: string; endpoint?: string };

/** A model of the store. */
export interface StoredModel {
  /** Its name in the store: `{ stored: id }` loads it. */
  id: string;
  /** The name of its file, or of its first. */
  name: string;
  /** Bytes of the whole, as far as it is known, and bytes that are stored. */
  size: number;
  stored: number;
  /** Whether all is stored. */
  complete: boolean;
  /** Files that it consists of, and the names of those that were begun. */
  parts: number;
  files: string[];
  /** SHA-256 of the whole file; null while it is not whole, and for models of several files. */
  sha256: string | null;
  /** Where it came from; null for an imported file. */
  from: StoredFrom | null;
  /** Other places that the same file was asked from: it is stored once. */
  also: StoredFrom[];
  /** Milliseconds since 1970. */
  added: number;
}

/** What the browser lets this site store. It may round the numbers, and be wrong about what is free. */
export interface StorageEstimate {
  /** Bytes that may be used, and bytes that are. */
  quota: number;
  usage: number;
  /** Whether the browser keeps them when disk space is short. */
  persisted: boolean;
}

/** A plan: kernels, the layout of the weights and the default tier, as made for real GPUs or for a driver on the CPU. */
export type Plan = 'gpu' | 'lavapipe' | 'swiftshader';

/** What `Model.inspect` takes into account. */
export interface InspectOptions {
  /** Tokens that a session is to hold; the model's own context, up to 4096, by default. */
  context?: number;
  /** Numbers of the KV cache, `f16` by default. */
  kv?: 'f16' | 'f32';
  /**
   * Activations that products read, `auto` by default: int8 per token where the checkpoint was trained for it, as Meta's int4
   * checkpoints were, and f32 elsewhere. `int8` is for any weights whose quants are bytes.
   */
  activations?: 'auto' | 'f32' | 'int8' | 'fixed';
  /** Scales of Meta's int4 weights on the device: as they are by default, or rounded, in half the bytes. */
  scales?: 'f32' | 'f16';
  /** Quantizes weights of F32, F16 and BF16 while they are loaded. */
  quantize?: 'q4_0' | 'q8_0';
  /** Turns the rotation of SpinQuant on or off, where a checkpoint is not what it seems to be. */
  spinquant?: boolean;
  /**
   * The plan to run, on any device: by default (`auto`) the one of the driver at hand, and `software` is the driver's own for
   * the CPU. What is only inspected is counted for the adapter of this browser, and for a real GPU where it has none.
   */
  plan?: 'auto' | 'software' | Plan;
  /** Told how far it has come, ten times a second at most. */
  onProgress?: (progress: Progress) => void;
  /** Gives it up. */
  signal?: AbortSignal;
  /** Where this package's `worker.js` is, where it is not beside the module. */
  workerUrl?: string | URL;
  /** Where `llamita_bg.wasm` is, where it is not beside the worker. */
  wasmUrl?: string | URL;
}

/** What `Model.load` takes into account. */
export interface LoadOptions extends InspectOptions {
  /** What to run on: the GPU, or the CPU, which is slow and needs no WebGPU. */
  device?: 'gpu' | 'cpu';
  /** Shader features to use; by default the best that the device has. */
  tier?: 'base' | 'f16';
  /** Most bytes on the device. More is an `OutOfMemory` before anything is allocated. */
  memory?: number;
  /** Whether a download is stored for the next time; true by default. */
  keep?: boolean;
  /** Messages that most conversations will begin with: they are computed while the model loads. */
  prime?: Message[];
  /** For tests: only what every phone has, whatever this device has. */
  maskLimits?: 'phone';
}

/** What is known of a model. */
export interface ModelInfo {
  name: string;
  /** The file format with its version, such as `GGUF v3` or `PyTorch`. */
  format: string;
  /** Which of Meta's int4 checkpoints it is. */
  kind?: 'SpinQuant' | 'QLoRA' | 'int4';
  /** Numbers of all tensors. */
  parameters: number;
  layers: number;
  dim: number;
  vocabulary: number;
  /** Tokens that a session holds. */
  context: number;
  /** Tokens that the model was trained for. */
  trainedContext: number;
  /** Shader features in use; null for a file that was only inspected. */
  tier: 'base' | 'f16' | null;
  /** The plan that runs, or that was counted. */
  plan: Plan;
  /** The adapter's name, which browsers may hide, or `CPU`; null for a file that was only inspected. */
  device: string | null;
  /** Whether shaders run on the CPU; null for a file that was only inspected. */
  software: boolean | null;
  /** Bytes on the device: weights once, the others per session when it has grown to its context. */
  bytes: { weights: number; kv: number; scratch: number };
  /** Types of its matrices as files name them, `Q4_0`, the one with the most bytes first. */
  types: string[];
  dispatchesPerToken: number;
  /** The kernels that it dispatches, each once; names of kernel cases begin with them. */
  kernels: string[];
  hasChatTemplate: boolean;
}

/** One message of a conversation. */
export interface Message { role: 'system' | 'user' | 'assistant'; content: string }

/** How a reply is made; what is missing is the model's own, or Llama's. */
export interface ReplyOptions {
  /** 0 takes the likeliest token every time. */
  temperature?: number;
  /** Keeps this many of the likeliest tokens; 0 keeps all. */
  topK?: number;
  /** Keeps the likeliest tokens up to this mass, in (0, 1]. */
  topP?: number;
  /** Keeps tokens at least this many times as likely as the likeliest, in [0, 1]. */
  minP?: number;
  /** Divides positive logits of tokens in the context; 1 is off. */
  repetitionPenalty?: number;
  /** Is taken off the logits of tokens in the context; 0 is off. */
  presencePenalty?: number;
  /** The same, once for each time. */
  frequencyPenalty?: number;
  /** Tokens that the penalties look back, up to 1024. */
  penaltyLastN?: number;
  /** An integer. The same seed, prompt and device give the same text; without one each reply is another. */
  seed?: number;
  /** Most tokens to generate, 256 by default. */
  maxTokens?: number;
  /** Texts that end the reply and are not part of it. */
  stop?: string | string[];
  /** Whether the token that ends an answer is generated like any other. */
  ignoreEos?: boolean;
  /** Added to the logits of token ids; -Infinity bans one. */
  logitBias?: Record<number, number>;
  /** Cancels the reply, which then ends as after `cancel()`. */
  signal?: AbortSignal;
}

/** Why a reply ended. */
export type StopReason = 'eos' | 'stop' | 'length' | 'context' | 'cancelled' | 'error';

/** What a reply took. */
export interface Stats {
  /** Tokens that were computed before the first that came out: what the cache held already is not among them. */
  promptTokens: number;
  generatedTokens: number;
  /** From the call to the last token of the prompt. */
  prefillMs: number;
  timeToFirstTokenMs: number;
  /** From the first token to the last. */
  decodeMs: number;
  prefillTokensPerSecond: number;
  decodeTokensPerSecond: number;
  /** Submits of the token loop. */
  submits: number;
  /** Times that the device had nothing to do while more was wanted. */
  waits: number;
  stopReason: StopReason;
}

/** Where a session stands. */
export interface SessionState {
  /** Tokens of the conversation. */
  tokens: number;
  /** Tokens that it holds at most. */
  context: number;
  /** Tokens that it has room for now; it grows. */
  capacity: number;
}

/** What the device was asked for since it was opened. */
export interface Counters {
  submits: number;
  dispatches: number;
  /** Bytes now, and most bytes at any time. */
  allocated: number;
  peak: number;
  buffers: number;
  bindGroups: number;
}

/** The adapter that this browser shows. */
export interface DeviceInfo {
  /** Whether there is WebGPU with an adapter. */
  available: boolean;
  /** Why not. */
  reason: string | undefined;
  vendor: string;
  architecture: string;
  description: string;
  /** Whether shaders run on the CPU. */
  software: boolean;
  /** The shader features that a model would be loaded with. */
  tier: 'base' | 'f16';
  /** What the browser offers beyond the default limits is not used. */
  limits: Record<string, number>;
  features: string[];
  /** What models need and it does not have, with the numbers, one line each: none can be loaded. Mostly empty. */
  lacks: string[];
  /** Wrong results that others report of its kind. Whether they are so here is what kernel cases tell. */
  bad: DeviceReport | undefined;
}

/** What is reported of a kind of device. */
export interface DeviceReport {
  what: string;
  /** Where it was reported. */
  links: string[];
}

/** A kernel on this device, against its oracle. */
export interface KernelReport {
  name: string;
  /** The worst normalised mean squared error of an output, and the most that it may be. */
  nmse: number;
  tolerance: number;
  passed: boolean;
  /** What did not hold; empty where everything did. */
  fault: string;
}

/** A kernel that failed on this device. */
export interface QuarantinedKernel {
  kernel: string;
  /** Of its text, or of all texts that differ in sizes alone. */
  digest: string;
  /** The tier and the plan that it failed in. */
  tier: string;
  plan: Plan;
  fault: 'wrong' | 'does_not_compile' | 'lost_the_device';
  /** What did not hold, or the driver's own words. */
  error: string;
}

/** How far the check of a plan in a tier has come. */
export interface DoctorProgress { plan: Plan; tier: string; done: number; kernels: number }

/** What a check of the kernels found of this device. */
export interface Diagnosis {
  /** What the browser tells of the adapter, and of itself. */
  adapter: string;
  driver: string;
  /** Whether a plan works. */
  works: boolean;
  /** The plans and tiers in the order in which models take them, up to the first that works. */
  plans: CheckedPlan[];
}

/** A plan in a tier. */
export interface CheckedPlan {
  plan: Plan;
  tier: string;
  /** Whether every kernel is right, so that any model runs. */
  works: boolean;
  /** Kernels that were checked now, and their cases. */
  kernels: number;
  cases: number;
  /** Its kernels in quarantine, from before and from now. */
  quarantined: QuarantinedKernel[];
}

/** The parts of a probe, in order. */
export type ProbePhase = 'device' | 'weights' | 'kernels' | 'speed' | 'sustained' | 'memory';

/** How far a probe has come. */
export interface ProbeProgress {
  phase: ProbePhase;
  /** The share of the phase that is done, from 0 to 1. */
  share: number;
  /** What is known so far. */
  report: ProbeReport;
}

/**
 * What a device can do for Llama 3.2, in the fields of `docs/devices/report.schema.json`: the same object that `llamita
 * probe --json` prints. What is not known, or not yet, is `null`.
 */
export interface ProbeReport {
  format: 'llamita-probe';
  version: 1;
  engine: { version: string; commit: string | null; platform: 'native' | 'web' };
  /** The day, as `2026-11-30`. */
  date: string | null;
  device: {
    name: string;
    vendor: string | null;
    kind: string;
    backend: string;
    driver: string | null;
    system: string | null;
    browser: string | null;
    /** Whether shaders run on the CPU. */
    software: boolean;
    plan: Plan;
    tier: string;
  };
  features: {
    shader_f16: boolean;
    /** The smallest and the largest; null without subgroups. */
    subgroup_sizes: [number, number] | null;
    packed_dot: boolean;
    timestamps: boolean;
  };
  /** What the adapter can be asked for; the engine keeps to the defaults of WebGPU. */
  limits: {
    binding_bytes: number;
    buffer_bytes: number;
    workgroup_bytes: number;
    workgroup_invocations: number;
    storage_buffers: number;
  };
  /** Microseconds: medians. */
  latency: { submit_us: number; dispatch_us: number; readback_us: number } | null;
  copy: { gb_per_second: number; buffer_bytes: number } | null;
  /** Every kernel of the plan, against its oracle and against itself. */
  kernels: ProbeKernel[];
  speed: { layers: number; of_layers: number; runs: ProbeSpeed[] } | null;
  memory: ProbeMemory | null;
  /** Tokens per second of every ten seconds, where that was asked for. */
  sustained: { seconds: number; tokens_per_second: number[] } | null;
  /** Variants of kernels that are not used on this device. */
  quarantined: { kernel: string; tier: string; plan: string; fault: string; error: string }[];
  verdict: { works: boolean; text: string; models: ProbeModel[] } | null;
}

/** A kernel at its place in a plan. */
export interface ProbeKernel {
  kernel: string;
  place: string;
  /** Rows that were compared with the oracle; null where the whole result was. */
  rows_checked: number | null;
  /** Null where it did not run. */
  nmse: number | null;
  tolerance: number;
  /** Runs that were compared with each other, and whether they gave the same bits. */
  runs: number;
  identical: boolean;
  passed: boolean;
  fault: string | null;
}

/** Speeds of Llama 3.2 1B behind some tokens. */
export interface ProbeSpeed {
  depth: number;
  prefill_tokens: number;
  prefill_tokens_per_second: number;
  decode_tokens: number;
  decode_tokens_per_second: number;
  weight_gb_per_second: number;
  /** Of the bytes that copies move in a second. */
  share_of_copy: number | null;
}

/** How much memory the device grants. */
export interface ProbeMemory {
  steps: { bytes: number; granted: boolean; reason: string | null }[];
  most_bytes: number;
  /** It was enough, the device refused, the browser ended an earlier probe, or the system had no more. */
  end: 'cap' | 'refused' | 'killed' | 'budget';
}

/** Whether Llama 3.2 of a size, in Q4_0, runs here. */
export interface ProbeModel {
  model: '1B' | '3B';
  fits: boolean;
  decode_tokens_per_second: number | null;
  bytes_needed: number;
  reason: string | null;
}
