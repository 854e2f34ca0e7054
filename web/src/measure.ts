/** The device: what it is, how fast it is, and whether its kernels compute what they should. */
import { connect, type Place } from './connection.js';
import { noticingLeave } from './leaving.js';
import { localDate, type Model } from './model.js';
import type {
  DeviceInfo, Diagnosis, DoctorProgress, KernelReport, Plan, ProbePhase, ProbeProgress, ProbeReport, QuarantinedKernel,
} from './types.js';

/** The adapter that this browser shows. */
export async function device(place?: Place): Promise<DeviceInfo> {
  return connect(place).ask('device', {});
}

/** The names of all kernel cases of a tier. */
export async function kernelCases(tier: 'base' | 'f16' = 'base', place?: Place): Promise<string[]> {
  return connect(place).ask('kernelCases', { tier });
}

/**
 * Runs a kernel case on this device, and compares it with its oracle.
 *
 * @throws {LlamitaError} `NoWebGpu`, `KernelFault`, `DeviceLost`, and `InvalidSetting` where there is no such case.
 */
export async function runKernelCase(name: string, tier: 'base' | 'f16' = 'base', place?: Place): Promise<KernelReport> {
  return connect(place).ask('runKernelCase', { name, tier });
}

/** What to measure. */
export interface BenchmarkOptions {
  /** Lengths of prompts. */
  prefill?: number[];
  /** Numbers of tokens to generate. */
  decode?: number[];
  /** Measured runs of each, after a first that compiles shaders; 3 by default. */
  repeat?: number;
  signal?: AbortSignal;
  /** Told each row as it is there, and how many there will be. */
  onRow?: (row: BenchmarkRow, rows: number) => void;
}

/** Speeds of one length. */
export interface BenchmarkRow {
  kind: 'prefill' | 'decode';
  tokens: number;
  /** Median, least and most. */
  tokensPerSecond: number;
  tokensPerSecondMin: number;
  tokensPerSecondMax: number;
  /** Median. */
  timeToFirstTokenMs: number;
  /** The run that compiles shaders, which is in none of the others. */
  firstRunTimeToFirstTokenMs: number;
  runs: number;
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const [below = NaN, above = NaN] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return (below + above) / 2;
}

/**
 * Measures prefill and decode with random tokens, as `llamita bench` does.
 *
 * @throws {LlamitaError} `ContextFull` where a length does not fit, `Aborted`, `DeviceLost`, `OutOfMemory`.
 */
export async function benchmark(model: Model, options: BenchmarkOptions = {}): Promise<BenchmarkRow[]> {
  const { prefill = [32, 128], decode = [32], repeat = 3, signal, onRow } = options;
  const all = [
    ...prefill.map((tokens) => ({ kind: 'prefill' as const, tokens })),
    ...decode.map((tokens) => ({ kind: 'decode' as const, tokens })),
  ];
  const session = await model.session();
  const rows: BenchmarkRow[] = [];
  try {
    for (const { kind, tokens } of all) {
      const first = await session.measure(kind, tokens, signal);
      const runs = [];
      for (let i = 0; i < repeat; i += 1) runs.push(await session.measure(kind, tokens, signal));
      const speed = runs.map((run) => kind === 'prefill' ? run.prefillTokensPerSecond : run.decodeTokensPerSecond);
      const row: BenchmarkRow = {
        kind,
        tokens,
        tokensPerSecond: median(speed),
        tokensPerSecondMin: Math.min(...speed),
        tokensPerSecondMax: Math.max(...speed),
        timeToFirstTokenMs: median(runs.map((run) => run.timeToFirstTokenMs)),
        firstRunTimeToFirstTokenMs: first.timeToFirstTokenMs,
        runs: repeat,
      };
      rows.push(row);
      onRow?.(row, all.length);
    }
    return rows;
  } finally {
    await session.dispose();
  }
}

/** What a check of the kernels takes into account. */
export interface DoctorOptions extends Place {
  /** Checks this tier alone. */
  tier?: 'base' | 'f16';
  /** Checks this plan alone. */
  plan?: 'auto' | 'software' | Plan;
  /** Checks the kernels whose names contain this alone. */
  only?: string;
  /** Told how far it has come. */
  onProgress?: (progress: DoctorProgress) => void;
  /** Gives it up. */
  signal?: AbortSignal;
}

/**
 * Checks the kernels that models use on this device against a plain computation, as `llamita doctor` does. One that gives
 * wrong results, does not compile or takes the device or the page down goes into quarantine, for this adapter and version
 * of the browser: models do not use it any more, and the next plainer tier or another plan, which is checked too, takes
 * its place. A kernel in quarantine is not checked again until it is forgotten.
 *
 * @throws {LlamitaError} `NoWebGpu`, `DeviceLost`, `Aborted`, `InvalidSetting`, and `Busy` where another tab checks.
 */
export async function doctor(options: DoctorOptions = {}): Promise<Diagnosis> {
  const { onProgress, signal, workerUrl, wasmUrl, ...rest } = options;
  const args = { options: JSON.stringify(rest) };
  const connection = connect({ workerUrl, wasmUrl });
  return noticingLeave('kernels', () => connection.ask('doctor', args, { onEvent: onProgress, signal }));
}

/** The kernels in quarantine on this device: those that a check found, and those that did not compile for a model. */
export async function quarantined(place?: Place): Promise<QuarantinedKernel[]> {
  return connect(place).ask('quarantined', {});
}

/** Empties the quarantine of this device, so that its kernels are tried again. Gives how many it had. */
export async function forgetQuarantine(place?: Place): Promise<number> {
  return connect(place).ask('forgetQuarantine', {});
}

/** What a probe takes into account. */
export interface ProbeOptions extends Place {
  /** Shader features to use; by default the best that the device has. */
  tier?: 'base' | 'f16';
  /** The plan to probe; by default that of the driver at hand. */
  plan?: 'auto' | 'software' | Plan;
  /** Most layers that run; by default all of them, or as many as memory and time allow. */
  layers?: number;
  /** Most bytes to take on the device. */
  memory?: number;
  /** Parts to leave out. Without `memory` what ended an earlier probe's tab is the answer, where something did. */
  skip?: Extract<ProbePhase, 'kernels' | 'speed' | 'memory'>[];
  /** Seconds for which decode is watched, besides all else. */
  sustained?: number;
  /** For tests: a model of a few megabytes. */
  small?: boolean;
  /** What the page knows of its surroundings, for the report: the system, and the browser with its version. */
  system?: string;
  browser?: string;
  /** Told how far it has come, with the report so far: one that is cut short still tells what it saw. */
  onProgress?: (progress: ProbeProgress) => void;
  /** Gives it up. */
  signal?: AbortSignal;
}

/**
 * Measures what this device can do for Llama 3.2, as `llamita probe` does: without a model, in about a minute on a GPU.
 * What the device refuses, or computes wrongly, is in the report. A marker is written before each step of memory, so that
 * the next probe knows of one that ended the tab, and does not try it again.
 *
 * @throws {LlamitaError} `NoWebGpu`, `DeviceLost`, `Aborted`, `InvalidSetting`, and `Busy` where another tab probes.
 */
export async function probe(options: ProbeOptions = {}): Promise<ProbeReport> {
  const { onProgress, signal, workerUrl, wasmUrl, ...rest } = options;
  const settings = JSON.stringify({ date: localDate().slice(0, 10), ...rest });
  const connection = connect({ workerUrl, wasmUrl });
  return noticingLeave('probe', () => connection.ask('probe', { options: settings }, { onEvent: onProgress, signal }));
}

/** Bytes of memory at which an earlier probe's tab was ended by the browser or the system; undefined where none was. */
export async function probeEnded(place?: Place): Promise<number | undefined> {
  return await connect(place).ask('probeEnded', {}) ?? undefined;
}
