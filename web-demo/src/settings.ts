/** What a person sets for answers, kept in this browser. */
import type { ReplyOptions } from '../llamita/index.js';
import type { Choice } from './catalogue.js';
import { Cell } from './cell.js';
import { keep, onKept, recall } from './keep.js';

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

/** What a number may be. */
export interface Range {
  min: number;
  max: number;
  /** Between two positions of its slider. */
  step: number;
  /** Only whole numbers. */
  whole?: boolean;
}

/** The numbers a person can change, and between what. */
export const RANGES = {
  temperature: { min: 0, max: 2, step: 0.05 },
  topP: { min: 0.05, max: 1, step: 0.05 },
  topK: { min: 0, max: 200, step: 1, whole: true },
  minP: { min: 0, max: 0.5, step: 0.01 },
  repetitionPenalty: { min: 1, max: 2, step: 0.05 },
  presencePenalty: { min: -2, max: 2, step: 0.1 },
  frequencyPenalty: { min: -2, max: 2, step: 0.1 },
  maxTokens: { min: 16, max: 8192, step: 16, whole: true },
  context: { min: 256, max: 131072, step: 256, whole: true },
} satisfies Record<string, Range>;

export const SEED: Range = { min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, whole: true };

/** The nearest number that a range has. */
export function fit(value: number, { min, max, whole }: Range): number {
  return Math.min(Math.max(whole ? Math.round(value) : value, min), max);
}

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

/** Settings from what was kept: numbers out of their range are brought into it, anything odd is left at its default. */
export function read(text: string | undefined): Settings {
  return { ...DEFAULTS, ...readSome(parsed(text)) };
}

/** Those of some fields that are settings. */
export function readSome(kept: Record<string, unknown>): Partial<Settings> {
  const settings: Partial<Settings> = {};
  for (const [name, range] of Object.entries(RANGES)) {
    const value = kept[name];
    if (typeof value === 'number') settings[name as keyof typeof RANGES] = fit(value, range);
  }
  if (typeof kept['system'] === 'string') settings.system = kept['system'];
  if (typeof kept['seed'] === 'number') settings.seed = fit(kept['seed'], SEED);
  return settings;
}

/** The fields of a kept object; none where something else was kept. */
function parsed(text: string | undefined): Record<string, unknown> {
  try {
    const kept: unknown = JSON.parse(text ?? '{}');
    return typeof kept === 'object' && kept !== null ? (kept as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function start(): Settings {
  const text = recall('settings');
  const settings = read(text);
  // What was healed stays so.
  if (text !== undefined) keep('settings', JSON.stringify(settings));
  return settings;
}

export const settings = new Cell<Settings>(start());

/** Changes some settings. Those that another tab has changed meanwhile stay as they are there. */
export function change(some: Partial<Settings>): void {
  const kept = recall('settings');
  settings.set({ ...(kept === undefined ? settings.value : read(kept)), ...some });
  keep('settings', JSON.stringify(settings.value));
}
onKept('settings', (text) => settings.set(read(text)));

/** The settings of a conversation: those of all, and its own before them. */
export function settingsOf({ own }: { own: Partial<Settings> }): Settings {
  return { ...settings.value, ...readSome(own) };
}

/** The temperature in use: what the person set, or what the model is best at, or Llama's usual one. */
export function temperatureOf({ temperature }: Settings, choice: Choice | undefined): number {
  return temperature ?? choice?.temperature ?? 0.7;
}

/** The options of one answer, with its own seed: with the same seed the same answer comes again. */
export function replyOptions(given: Settings, choice: Choice, seed: number, signal: AbortSignal): ReplyOptions {
  const { topP, topK, minP, repetitionPenalty, presencePenalty, frequencyPenalty, maxTokens } = given;
  const temperature = temperatureOf(given, choice);
  const penalties = { repetitionPenalty, presencePenalty, frequencyPenalty };
  return { temperature, topP, topK, minP, ...penalties, maxTokens, seed, signal };
}
