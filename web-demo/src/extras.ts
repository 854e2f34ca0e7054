/**
 * Libraries that only some answers need: colours of code, and formulas. They are loaded after the model, while nothing
 * else goes on, or when a text that is shown needs one; never while an answer is written, since no request is made then.
 */
import { Cell } from './cell.js';

export interface Extras {
  /** Code of a language in colours; undefined for a language that is not known. */
  colours?: (language: string, code: string) => DocumentFragment | undefined;
  /** A formula; undefined where the TeX is wrong. */
  formula?: (tex: string, display: boolean) => Element | undefined;
}

/** What is here so far. */
export const extras = new Cell<Extras>({});

let writing = false;
let wanted = false;
let loading = false;

/** Tells whether an answer is being written. */
export function setWriting(now: boolean): void {
  writing = now;
  if (wanted) want();
}

/** Loads what is not here yet, now or when the answer has ended. */
export function want(): void {
  wanted = true;
  if (writing || loading) return;
  loading = true;
  const parts = [import('./colours.js'), import('./formula.js')] as const;
  void Promise.all(parts).then(
    ([{ colours }, { formula }]) => {
      wanted = false;
      extras.set({ colours, formula });
    },
    // Without a network code has no colours, and formulas stay TeX, until another text wants them.
    () => {
      wanted = false;
      loading = false;
    },
  );
}
