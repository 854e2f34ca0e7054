/**
 * A page that is left, or put aside by the system, in the middle of a check takes its worker along, whose marker stays in
 * the journal. What the check ran is not to blame for that, so it is noted where a page can write at its very end. A tab
 * that crashes notes nothing.
 */
import type { JournalName } from './protocol.js';

const keyOf = (journal: JournalName) => `llamita/left/${journal}`;
const JOURNALS: JournalName[] = ['kernels', 'probe'];

/** Runs a check that writes a journal. */
export async function noticingLeave<T>(journal: JournalName, check: () => Promise<T>): Promise<T> {
  const { document } = globalThis;
  if (document === undefined) return check(); // A worker's own: nobody leaves it.
  const note = ({ type }: Event) => store((storage) => {
    if (type === 'pagehide' || document.visibilityState === 'hidden') storage.setItem(keyOf(journal), '1');
    else storage.removeItem(keyOf(journal));
  });
  const events: [EventTarget, string][] = [
    [globalThis, 'pagehide'], [globalThis, 'pageshow'], [document, 'visibilitychange'],
  ];
  for (const [target, event] of events) target.addEventListener(event, note);
  try {
    return await check();
  } finally {
    for (const [target, event] of events) target.removeEventListener(event, note);
    store((storage) => storage.removeItem(keyOf(journal)));
  }
}

/** The journals of checks whose page was left. Each is told once. */
export function leftJournals(): JournalName[] {
  return store((storage) => JOURNALS.filter((journal) => {
    const left = storage.getItem(keyOf(journal)) !== null;
    if (left) storage.removeItem(keyOf(journal));
    return left;
  })) ?? [];
}

/** Uses the origin's storage, where the browser lets pages have one. */
function store<T>(use: (storage: Storage) => T): T | undefined {
  try {
    return use(localStorage);
  } catch {
    return undefined;
  }
}
