/** The device: what it is, how fast it is, and whether its kernels compute what they should. */
import { connect, type Place } from './connection.js';
import type { Model } from './model.js';
import type { DeviceInfo, KernelReport } from './types.js';

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
 * @throws {LlamitaError} `NoWebGpu`, `DeviceLost`, and `InvalidSetting` where there is no such case.
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
