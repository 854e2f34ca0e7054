/** A framed message with what to do about it. */
import { h } from './dom.js';
import { t as text, type Key } from './i18n.js';
import { icon } from './icons.js';

export interface Action {
  t: Key;
  /** What stands in its text; whoever shows the notice shows it anew in another language. */
  values?: Record<string, string | number>;
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
  const buttons = actions.map(({ t, values, primary, click }) => {
    const props = { type: 'button', class: primary ? 'primary' : 'quiet', on: { click: () => void run() } };
    const button = values ? h('button', props, text(t, values)) : h('button', { ...props, t });
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
  const button = action && h('button', { type: 'button', class: 'quiet', t: action.t });
  const box = h('div', { class: 'toast', role: 'status' }, h('span', {}, text), button);
  button?.addEventListener('click', () => {
    box.remove();
    void action?.click();
  });
  place.append(box);
  setTimeout(() => box.remove(), action ? 10_000 : 5000);
}
