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

/** The names that begin like this, of all that is kept. */
export function keptNames(begin: string): string[] {
  try {
    const prefix = `llamita.${begin}`;
    return Object.keys(localStorage).filter((name) => name.startsWith(prefix)).map((name) => name.slice('llamita.'.length));
  } catch {
    return [];
  }
}

/** Tells what another tab keeps or forgets. */
export function onKept(name: string, tell: (value: string | undefined) => void): void {
  addEventListener('storage', ({ key, newValue }) => key === `llamita.${name}` && tell(newValue ?? undefined));
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
  keep(name: string, value: string | undefined): void {
    try {
      if (value === undefined) sessionStorage.removeItem(`llamita.${name}`);
      else sessionStorage.setItem(`llamita.${name}`, value);
    } catch {
      // As above.
    }
  },
};
