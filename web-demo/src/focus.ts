/**
 * The focus never falls to the body, where the keyboard begins anew at the top of the page and a screen reader is lost.
 * When the element that has it goes, is hidden or is switched off, its successor gets it.
 */

const FIELDS = 'a[href], button, input, select, textarea, summary, [tabindex]';

/** True where an element can have the focus. */
function takes(element: HTMLElement): boolean {
  const shown = element.isConnected && element.checkVisibility({ visibilityProperty: true });
  return shown && !element.matches(':disabled') && !element.closest('[inert]');
}

/** What stands for what: elements that are made anew have the same id, name or text. */
function mark(element: HTMLElement): string {
  const { t, tLabel } = element.dataset;
  const called = t ?? tLabel ?? element.getAttribute('aria-label') ?? element.textContent;
  return element.id || `${element.tagName} ${called}`;
}

/** Keeps the focus; `rest` is where it goes when nothing stands for what had it. */
export function keepFocus(rest: () => HTMLElement): void {
  let last: HTMLElement | undefined;
  let name = '';
  /** The parts of the page that it was in, the innermost first. */
  let within: HTMLElement[] = [];

  addEventListener('focusin', ({ target }) => {
    last = target as HTMLElement;
    name = mark(last);
    within = [];
    for (let part = last.parentElement; part; part = part.parentElement) within.push(part);
  });
  // Who clicks beside everything takes the focus away on purpose.
  const beside = (): void => {
    if (document.activeElement === document.body && last && takes(last)) last = undefined;
  };
  addEventListener('pointerdown', () => requestAnimationFrame(beside), true);

  const look = (): void => {
    const { activeElement, body } = document;
    if (!last || takes(last) || (activeElement !== body && activeElement !== last)) return;
    const dialog = [...document.querySelectorAll<HTMLElement>('dialog[open]')].at(-1);
    const place = within.find((part) => part.isConnected) ?? body;
    const inside = [...(dialog ?? place).querySelectorAll<HTMLElement>(FIELDS)].filter(takes);
    const twin = inside.find((element) => mark(element) === name);
    const next = twin ?? (dialog ? inside[0] : rest());
    last = undefined;
    next?.focus({ preventScroll: true });
  };
  // What a change hides is known in the frame after it.
  const soon = (): void => {
    look();
    requestAnimationFrame(look);
  };
  const attributeFilter = ['hidden', 'class', 'disabled', 'inert'];
  const seen = { subtree: true, childList: true, attributes: true, attributeFilter };
  new MutationObserver(soon).observe(document.body, seen);
}
