/** Presets: a system prompt and how answers are drawn, under a name. A few come with the page, others are a person's own. */
import { Cell } from './cell.js';
import { t, type Key } from './i18n.js';
import { keep, onKept, recall } from './keep.js';
import { DEFAULTS, readSome, type Settings } from './settings.js';
import { newId } from './tree.js';

export interface Preset {
  id: string;
  name: string;
  set: Partial<Settings>;
}

/** What a preset sets; all else stays. */
const NAMES = [
  'system',
  'temperature',
  'topP',
  'topK',
  'minP',
  'repetitionPenalty',
  'presencePenalty',
  'frequencyPenalty',
] as const;

/** That part of some settings. */
export function presettable(settings: Settings): Partial<Settings> {
  return Object.fromEntries(NAMES.map((name) => [name, settings[name]]));
}

const OURS: { name: Key; system?: Key; set: Partial<Settings> }[] = [
  { name: 'preset.plain', set: { temperature: undefined } },
  { name: 'preset.precise', system: 'preset.precise.system', set: { temperature: 0.2, topP: 0.9 } },
  { name: 'preset.creative', system: 'preset.creative.system', set: { temperature: 1.1, topP: 1, minP: 0.05 } },
  { name: 'preset.brief', system: 'preset.brief.system', set: { temperature: 0.5 } },
  { name: 'preset.teacher', system: 'preset.teacher.system', set: { temperature: 0.6 } },
];

/** Those that come with the page, in its language. */
export function ours(): Preset[] {
  return OURS.map(({ name, system, set }) => ({
    id: name,
    name: t(name),
    set: { ...presettable(DEFAULTS), ...set, system: system ? t(system) : '' },
  }));
}

/** The person's own, in the order in which they were saved. */
export const own = new Cell<Preset[]>(read(recall('presets')));
onKept('presets', (text) => own.set(read(text)));

/** Those that can be made out of what was kept. */
function read(text: string | undefined): Preset[] {
  try {
    const kept: unknown = JSON.parse(text ?? '[]');
    if (!Array.isArray(kept)) return [];
    return (kept as (Partial<Preset> | null)[]).flatMap((one) => {
      if (typeof one?.id !== 'string' || typeof one.name !== 'string' || typeof one.set !== 'object') return [];
      return [{ id: one.id, name: one.name, set: { temperature: undefined, ...readSome({ ...one.set }) } }];
    });
  } catch {
    return [];
  }
}

function write(change: (presets: Preset[]) => Preset[]): void {
  const kept = recall('presets');
  own.set(change(kept === undefined ? own.value : read(kept)));
  keep('presets', own.value.length ? JSON.stringify(own.value) : undefined);
}

/** Saves settings under a name; one of the same name is replaced, and given back. */
export function save(name: string, settings: Settings): Preset | undefined {
  const before = own.value.find((one) => one.name === name);
  put({ id: before?.id ?? newId(), name, set: presettable(settings) });
  return before;
}

/** Keeps a preset as it is given, in the place of one with its id. */
export function put(preset: Preset): void {
  write((presets) => {
    const at = presets.findIndex(({ id }) => id === preset.id);
    return at < 0 ? [...presets, preset] : presets.with(at, preset);
  });
}

export function remove({ id }: Preset): void {
  write((presets) => presets.filter((one) => one.id !== id));
}

/** The preset that settings are exactly those of. */
export function presetOf(settings: Settings): Preset | undefined {
  const all = [...own.value, ...ours()];
  return all.find(({ set }) => NAMES.every((name) => settings[name] === set[name]));
}
