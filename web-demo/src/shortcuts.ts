/** Keys of the page, and the dialog that lists them. */
import type { Chat } from './chat.js';
import type { Composer } from './composer.js';
import { h } from './dom.js';
import { language, type Key } from './i18n.js';
import { iconButton } from './icons.js';
import type { Side } from './side.js';

interface Parts {
  chat: Chat;
  composer: Composer;
  side: Side;
  settings: () => void;
}

const LIST: [string, Key][] = [
  ['Enter', 'keys.send'],
  ['Shift Enter', 'keys.line'],
  ['Esc', 'keys.stop'],
  ['/', 'keys.prompt'],
  ['Ctrl Shift O', 'keys.new'],
  ['Ctrl ,', 'keys.settings'],
  ['?', 'keys.help'],
];

/** Listens for the keys; the answer opens their list. */
export function shortcuts({ chat, composer, side, settings }: Parts): () => void {
  const dialog = h('dialog', { class: 'ask', 'aria-labelledby': 'keys-title' });
  document.body.append(dialog);
  language.watch(() => {
    dialog.replaceChildren(
      h(
        'div',
        { class: 'panel-head' },
        h('h2', { id: 'keys-title', t: 'keys.title' }),
        iconButton('close', { label: 'do.close', on: { click: () => dialog.close() } }),
      ),
      h(
        'dl',
        { class: 'facts' },
        ...LIST.map(([keys, what]) =>
          h('div', {}, h('dt', {}, ...keys.split(' ').map((key) => h('kbd', {}, key))), h('dd', { t: what })),
        ),
      ),
    );
  });
  addEventListener('keydown', (event) => {
    const { key, ctrlKey, metaKey, shiftKey, altKey } = event;
    const command = ctrlKey || metaKey;
    const typing = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
    if (key === 'Escape' && !document.querySelector('dialog[open]')) chat.stop();
    else if (command && shiftKey && key.toLowerCase() === 'o') side.startNew();
    else if (command && !shiftKey && key === ',') settings();
    else if (key === '/' && !typing && !command) {
      location.hash = '#chat';
      composer.focus();
    } else if (key === '?' && !typing && !command && !altKey) dialog.showModal();
    else return;
    if (key !== 'Escape') event.preventDefault();
  });
  return () => dialog.showModal();
}
