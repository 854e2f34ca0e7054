/** What a person is told when something fails: what happened, and what to do. */
import type { Key } from './i18n.js';
import { bytes, t } from './i18n.js';

/** The kinds of the package's errors that have a text of their own. */
const KINDS = [
  'NoWebGpu',
  'OutOfMemory',
  'DeviceLost',
  'BadModel',
  'Unsupported',
  'Quota',
  'Aborted',
  'Offline',
  'Http',
  'NoRange',
  'Cors',
  'Busy',
  'ContextFull',
  'InvalidSetting',
  'ChatTemplate',
  'InternalError',
] as const;
export type Kind = (typeof KINDS)[number];

export interface Told {
  kind: Kind;
  title: string;
  what: string;
  /** The package's own sentence, with the numbers that decided; none where it would only repeat. */
  detail: string;
}

/** The kind of an error; anything unknown is an internal one. */
export function kindOf(error: unknown): Kind {
  const kind = (error as { kind?: unknown } | undefined)?.kind;
  if (KINDS.includes(kind as Kind)) return kind as Kind;
  const name = (error as { name?: unknown } | undefined)?.name;
  if (name === 'AbortError') return 'Aborted';
  return 'InternalError';
}

/** An error in the reader's language. */
export function tell(error: unknown): Told {
  const kind = kindOf(error);
  const values: Record<string, string | number> = {};
  for (const name of ['needed', 'had', 'free', 'prompt', 'context', 'status'] as const) {
    const value = (error as Record<string, unknown> | undefined)?.[name];
    if (typeof value !== 'number') continue;
    values[name] = ['needed', 'had', 'free'].includes(name) ? bytes(value) : value;
  }
  const message = error instanceof Error ? error.message : String((error as { message?: unknown })?.message ?? error);
  const http = kind === 'Http' && [401, 403, 404].includes(Number(values['status'])) ? String(values['status']) : '';
  const what = t(`error.${kind}${http}.what` as Key, values);
  // A number that the error did not bring leaves its sentence out.
  return {
    kind,
    title: t(`error.${kind}.title`, values),
    what: what.replace(/[^.!?]*\{\w+\}[^.!?]*[.!?]\s*/g, ''),
    detail: message,
  };
}
