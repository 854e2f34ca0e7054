/** A framed message with what to do about it. */
import { h } from './dom.js';
import type { Key } from './i18n.js';
import { icon } from './icons.js';

/** What can be done: a text of the page, or one with names in it. */
export interface Action {
  t?: Key;
  text?: string;
  primary?: boolean;
  click: () => void | Promise<void>;
}

/** A message; `detail` is for those who want to know exactly. */
export function notice(
  kind: 'warning' | 'error' | 'info',
  title: string,
  what: string[],
  actions: Action[] = [],
  detail = '',
): HTMLElement {
  const buttons = actions.map(({ t, text, primary, click }) => {
    const props = { type: 'button', class: primary ? 'primary' : 'quiet', ...(t ? { t } : {}) };
    const button = h('button', { ...props, on: { click: () => void run() } }, text);
    const run = async (): Promise<void> => {
      button.disabled = true;
      try {
        await click();
      } finally {
        button.disabled = false;
      }
    };
    return button;
  });
  return h(
    'section',
    { class: `notice ${kind}`, role: kind === 'info' ? 'status' : 'alert' },
    h('p', { class: 'notice-title' }, icon('alert'), h('strong', {}, title)),
    ...what.filter((text) => text).map((text) => h('p', {}, text)),
    detail && h('details', {}, h('summary', { t: 'error.detail' }), h('p', { class: 'detail' }, detail)),
    buttons.length > 0 && h('div', { class: 'row' }, ...buttons),
  );
}

/** A short message at the edge of the page that goes by itself; an action may undo what it tells. */
export function toast(text: string, action?: Action): void {
  const place = document.getElementById('toasts');
  if (!place) return;
  const button = action && h('button', { type: 'button', class: 'quiet', ...(action.t ? { t: action.t } : {}) }, action.text);
  const box = h('div', { class: 'toast', role: 'status' }, h('span', {}, text), button);
  button?.addEventListener('click', () => {
    box.remove();
    void action?.click();
  });
  place.append(box);
  // As long as it takes to read, and to go to what undoes it.
  setTimeout(() => box.remove(), action ? 20_000 : Math.max(5000, text.length * 80));
}
