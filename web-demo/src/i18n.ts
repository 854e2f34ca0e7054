/** The page's language: chosen by the browser's, switchable, one table of strings each. */
import { Cell } from './cell.js';
import { keep, onKept, recall } from './keep.js';
import { en } from './strings/en.js';
import { es } from './strings/es.js';

export type Key = keyof typeof en;
export type Language = 'en' | 'es';
const TABLES: Record<Language, Record<Key, string>> = { en, es };

/** The first of the reader's languages that the page speaks. */
export function choose(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const name = tag.toLowerCase().split('-')[0];
    if (name === 'en' || name === 'es') return name;
  }
  return 'en';
}

function first(): Language {
  const kept = recall('language');
  return kept === 'en' || kept === 'es' ? kept : choose(navigator.languages);
}

export const language = new Cell<Language>(first());

onKept('language', () => language.set(first()));

/** Changes the language and remembers that. */
export function speak(name: Language): void {
  keep('language', name);
  language.set(name);
}

/** The text of a key, with `{name}` replaced by what is given. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return TABLES[language.value][key].replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === 'number' ? number(value) : value;
  });
}

/** A name within a sentence, whichever way it is written. */
export function isolated(text: string): string {
  return `\u2068${text}\u2069`;
}

/** A number as the reader writes it. */
export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(language.value, { maximumFractionDigits: digits }).format(value);
}

/** A part of a whole: 34 %. */
export function percent(part: number): string {
  return new Intl.NumberFormat(language.value, { style: 'percent', maximumFractionDigits: 0 }).format(part);
}

/** Three digits at most: 123, 12.3, 1.23. */
export function short(value: number): string {
  return number(value, value >= 100 ? 0 : value >= 10 ? 1 : 2);
}

/** A count of bytes, in units of a thousand. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${short(value)} ${units[unit]}`;
}

/** A time in seconds: 0.21 s, 12 s, 3 min 20 s, 2 h 5 min. */
export function seconds(value: number): string {
  if (value < 10) return `${number(value, value < 1 ? 2 : 1)} s`;
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** The day of a time: today, yesterday, or its month. */
export function dayOf(time: number): string {
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (time >= midnight) return t('nav.today');
  if (time >= new Date(midnight - 1).setHours(0, 0, 0, 0)) return t('nav.yesterday');
  return new Intl.DateTimeFormat(language.value, { month: 'long', year: 'numeric' }).format(time);
}

/** A day and its time, to the minute. */
export function exactly(time: number): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: 'full', timeStyle: 'short' }).format(time);
}
