/** A small menu beside the button that opened it. */
import { h } from './dom.js';
import type { Key } from './i18n.js';
import { icon, type IconName } from './icons.js';

export interface Item {
  t: Key;
  icon: IconName;
  danger?: boolean;
  click: () => void;
}

/** Opens a menu; it closes when something is chosen, or anything else is touched. */
export function menu(opener: HTMLElement, items: Item[]): void {
  const choose = (item: Item): void => {
    close();
    item.click();
  };
  const buttons = items.map((item) =>
    h(
      'button',
      {
        type: 'button',
        role: 'menuitem',
        tabindex: -1,
        class: item.danger ? 'danger' : undefined,
        on: { click: () => choose(item) },
      },
      icon(item.icon),
      h('span', { t: item.t }),
    ),
  );
  const box = h('div', { class: 'menu', role: 'menu' }, ...buttons);
  const close = (): void => {
    removeEventListener('pointerdown', outside, true);
    box.remove();
    opener.setAttribute('aria-expanded', 'false');
    opener.focus();
  };
  const outside = (event: Event): void => {
    if (!box.contains(event.target as Node)) close();
  };
  box.addEventListener('keydown', (event) => {
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    const step: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 };
    const next = step[event.key];
    if (next !== undefined) {
      event.preventDefault();
      buttons.at(next % buttons.length)?.focus();
    } else if (event.key === 'Escape' || event.key === 'Tab') {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  document.body.append(box);
  opener.setAttribute('aria-expanded', 'true');
  const at = opener.getBoundingClientRect();
  const size = box.getBoundingClientRect();
  box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
  const below = at.bottom + size.height + 8 <= innerHeight;
  box.style.top = `${below ? at.bottom + 4 : Math.max(8, at.top - size.height - 4)}px`;
  addEventListener('pointerdown', outside, true);
  buttons[0]?.focus();
}
