/** What a person is told when something fails: what happened, and what to do. */
import type { Key } from './i18n.js';
import { bytes, t } from './i18n.js';

/** The kinds of the package's errors that have a text of their own. */
const KINDS = [
  'NoWebGpu',
  'KernelFault',
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
  title: string;
  /** What happened, and what to do. */
  what: string;
  /** What the same attempt may bring: the rest of a download, or another outcome; undefined where it is the same. */
  again: 'resume' | 'again' | undefined;
  /** The package's own sentence, with the numbers that decided; none where it would only repeat. */
  detail: string;
}

/** What the package's own sentence tells more exactly than the kind: the first that fits, with a group as `what`. */
const EXACT: [Kind[], RegExp, Key][] = [
  [['BadModel'], /sends a page \(text\/html|begins with "<(?:!|h|H|\?)/, 'error.page'],
  [['BadModel'], /begins with "vers"/, 'error.pointer'],
  [['BadModel'], /begins with "PK/, 'error.archive'],
  [['BadModel'], /begins with "(.*)" instead of/, 'error.otherFile'],
  [['BadModel'], /file ends at byte|and \d+ are left of|its end is missing/, 'error.cut'],
  [['BadModel', 'Http'], /its (params\.json|tokenizer\.model) is missing/, 'error.beside'],
  [['BadModel'], /its weights are missing/, 'error.weights'],
  [['BadModel'], /are both weights/, 'error.bothWeights'],
  [['BadModel'], /moved or changed: choose it again/, 'error.moved'],
  [['BadModel'], /changed on its server/, 'error.changed'],
  [['Unsupported'], /general\.architecture is "([^"]*)"/, 'error.architecture'],
  [['Unsupported'], /tokenizer\.ggml\.\w+ is "?([^";,]*)"?[;,]/, 'error.tokenizer'],
  [['Unsupported'], /has type (?:number )?(\w+)[^;]*; supported types/, 'error.type'],
  [['Unsupported'], /zip archive without a data\.pkl/, 'error.archive'],
  [['Unsupported'], /came alone/, 'error.part'],
  [['Unsupported'], /holds a vocabulary and no weights|holds no tokenizer/, 'error.partial'],
  [['Aborted'], /may not be read by this page/, 'error.notAllowed'],
  [['Cors'], /does not allow connections to ([^,]+),/, 'error.blocked'],
  [['Cors', 'Offline'], /local network/, 'error.local'],
  [['Http'], /is gated, private|token may not read/, 'error.gated'],
];

/** What to say of a status. */
function statusKey(status: number): Key {
  if (status === 401 || status === 403) return `error.Http${status}.what`;
  if (status === 404 || status === 410) return 'error.Http404.what';
  if (status === 429) return 'error.Http429.what';
  return status >= 500 ? 'error.Http500.what' : 'error.Http.what';
}

/** What the same attempt may bring. */
function outlook(kind: Kind, status: number, message: string): Told['again'] {
  switch (kind) {
    case 'Offline':
    case 'Quota':
      return 'resume';
    case 'Http':
      return status === 408 || status === 429 || status >= 500 ? 'resume' : undefined;
    case 'BadModel':
      return /\bLoad it (?:again|once more)/.test(message) ? 'again' : undefined;
    case 'Unsupported':
    case 'Cors':
    case 'NoRange':
    case 'InvalidSetting':
    case 'ContextFull':
      return undefined;
    default:
      return 'again';
  }
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
  const status = Number(values['status'] ?? 0);
  const fits = EXACT.find(([kinds, pattern]) => kinds.includes(kind) && pattern.test(message));
  const found = fits?.[1].exec(message)?.[1];
  if (found) values['what'] = found;
  const key: Key = fits?.[2] ?? (kind === 'Http' ? statusKey(status) : `error.${kind}.what`);
  // A number that the error did not bring leaves its sentence out.
  return {
    title: t(`error.${kind}.title`, values),
    what: t(key, values).replace(/[^.!?]*\{\w+\}[^.!?]*[.!?]\s*/g, ''),
    again: outlook(kind, status, message),
    detail: message,
  };
}
