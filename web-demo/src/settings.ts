/** What a person sets for answers, kept in this browser. */
import type { ReplyOptions } from '../llamita/index.js';
import type { Choice } from './catalogue.js';
import { Cell } from './cell.js';
import { keep, recall } from './keep.js';

export interface Settings {
  system: string;
  /** Undefined leaves it to the model. */
  temperature: number | undefined;
  topP: number;
  topK: number;
  minP: number;
  repetitionPenalty: number;
  presencePenalty: number;
  frequencyPenalty: number;
  /** The seed of every answer; undefined draws one for each. */
  seed: number | undefined;
  maxTokens: number;
  /** Positions to make room for when a model is loaded. */
  context: number;
}

/** The numbers a person can change, and between what. */
export const RANGES = {
  temperature: { min: 0, max: 2, step: 0.05 },
  topP: { min: 0.05, max: 1, step: 0.05 },
  topK: { min: 0, max: 200, step: 1 },
  minP: { min: 0, max: 0.5, step: 0.01 },
  repetitionPenalty: { min: 1, max: 2, step: 0.05 },
  presencePenalty: { min: -2, max: 2, step: 0.1 },
  frequencyPenalty: { min: -2, max: 2, step: 0.1 },
  maxTokens: { min: 16, max: 8192, step: 16 },
  context: { min: 256, max: 131072, step: 256 },
} as const;

export const DEFAULTS: Settings = {
  system: '',
  temperature: undefined,
  topP: 0.95,
  topK: 40,
  minP: 0.05,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  seed: undefined,
  maxTokens: 1024,
  context: 4096,
};

/** Settings from what was kept: anything odd in it is left at its default. */
export function read(text: string | undefined): Settings {
  const settings = { ...DEFAULTS };
  let kept: Record<string, unknown> = {};
  try {
    kept = JSON.parse(text ?? '{}') as Record<string, unknown>;
  } catch {
    return settings;
  }
  for (const [name, { min, max }] of Object.entries(RANGES)) {
    const value = kept[name];
    if (typeof value === 'number' && value >= min && value <= max) settings[name as keyof typeof RANGES] = value;
  }
  if (typeof kept['system'] === 'string') settings.system = kept['system'];
  if (Number.isSafeInteger(kept['seed'])) settings.seed = kept['seed'] as number;
  return settings;
}

export const settings = new Cell<Settings>(read(recall('settings')));

/** Changes some settings and keeps all. */
export function change(some: Partial<Settings>): void {
  settings.set({ ...settings.value, ...some });
  keep('settings', JSON.stringify(settings.value));
}

/** The temperature in use: what the person set, or what the model is best at, or Llama's usual one. */
export function temperatureOf(choice: Choice | undefined): number {
  return settings.value.temperature ?? choice?.temperature ?? 0.7;
}

/** The options of one answer, with its own seed: with the same seed the same answer comes again. */
export function replyOptions(choice: Choice, seed: number, signal: AbortSignal): ReplyOptions {
  const { topP, topK, minP, repetitionPenalty, presencePenalty, frequencyPenalty, maxTokens } = settings.value;
  const temperature = temperatureOf(choice);
  const penalties = { repetitionPenalty, presencePenalty, frequencyPenalty };
  return { temperature, topP, topK, minP, ...penalties, maxTokens, seed, signal };
}
