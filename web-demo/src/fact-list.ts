/** Names and values below each other, as the views about a device have them. */
import { h, type Child } from './dom.js';
import { number } from './i18n.js';

/** A list of facts; a value may have parts. */
export function factList(rows: readonly (readonly [string, ...Child[]])[]): HTMLElement {
  return h(
    'dl',
    { class: 'facts' },
    // A limit's name may break between its words.
    ...rows.map(([name, ...value]) => h('div', {}, h('dt', {}, ...words(name)), h('dd', {}, ...value))),
  );
}

/** Bytes of a limit, which is a power of two. */
export function binary(value: number): string {
  if (value >= 2 ** 30) return `${number(value / 2 ** 30, 1)} GiB`;
  return value >= 2 ** 20 ? `${number(value / 2 ** 20)} MiB` : `${number(value / 2 ** 10)} KiB`;
}

function words(name: string): (string | HTMLElement)[] {
  return name.split(/(?<=[a-z])(?=[A-Z])/).flatMap((word, i) => (i === 0 ? [word] : [h('wbr'), word]));
}
