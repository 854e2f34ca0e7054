/** Small things that the browser remembers: nothing where it is told to remember nothing. */

/** What was kept under this name, or undefined. */
export function recall(name: string): string | undefined {
  try {
    return localStorage.getItem(`llamita.${name}`) ?? undefined;
  } catch {
    return undefined; // Storage is switched off.
  }
}

/** Keeps a text under this name; undefined forgets it. */
export function keep(name: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(`llamita.${name}`);
    else localStorage.setItem(`llamita.${name}`, value);
  } catch {
    // Storage is switched off or full: the page works without.
  }
}

/** The same for as long as a tab lives, reloads and restored tabs included. */
export const inTab = {
  recall(name: string): string | undefined {
    try {
      return sessionStorage.getItem(`llamita.${name}`) ?? undefined;
    } catch {
      return undefined;
    }
  },
  keep(name: string, value: string): void {
    try {
      sessionStorage.setItem(`llamita.${name}`, value);
    } catch {
      // As above.
    }
  },
};
