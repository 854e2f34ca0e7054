/** Elements made by calls: no text is ever parsed as markup. */
import { language, t, type Key } from './i18n.js';

export type Child = Node | string | false | null | undefined;

/** What an element gets besides its children. Any other name is an attribute; false and undefined leave it out. */
export interface Props {
  class?: string | undefined;
  /** Its text, kept in the language of the page. */
  t?: Key;
  /** Its accessible name and tooltip, kept in the language of the page. */
  label?: Key;
  /** Its placeholder, kept in the language of the page. */
  hint?: Key;
  on?: { [E in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[E]) => void };
  [attribute: string]: unknown;
}

/** One element. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false || value === null) continue;
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value as object)) element.addEventListener(event, listener);
    } else if (name === 't') element.dataset['t'] = String(value);
    else if (name === 'label') element.dataset['tLabel'] = String(value);
    else if (name === 'hint') element.dataset['tHint'] = String(value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  add(element, ...children);
  translateOne(element);
  return element;
}

/** Appends what is there to append. */
export function add(parent: Node, ...children: Child[]): void {
  for (const child of children) {
    if (child !== false && child !== null && child !== undefined) {
      parent.appendChild(typeof child === 'string' ? document.createTextNode(child) : child);
    }
  }
}

/** The element with this id, which index.html has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found as T;
}

function translateOne(element: HTMLElement): void {
  const { t: text, tLabel, tHint } = element.dataset;
  if (text) element.textContent = t(text as Key);
  if (tLabel) {
    element.setAttribute('aria-label', t(tLabel as Key));
    if (element.tagName === 'BUTTON' || element.tagName === 'A') element.title = t(tLabel as Key);
  }
  if (tHint) element.setAttribute('placeholder', t(tHint as Key));
}

/** Brings every text of the page into its language, now and whenever that changes. */
export function keepTranslated(): void {
  language.watch((name) => {
    document.documentElement.lang = name;
    for (const element of document.querySelectorAll<HTMLElement>('[data-t], [data-t-label], [data-t-hint]')) {
      translateOne(element);
    }
  });
}

const SVG = 'http://www.w3.org/2000/svg';

/** An element of SVG. */
export function svg(tag: string, attributes: Record<string, string | number>, ...children: Child[]): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  add(element, ...children);
  return element;
}
