/** Files that go along, as elements: below the prompt before they are said, and in the conversation after. */
import type { Attachment } from './attachments.js';
import { h, type Child } from './dom.js';
import { bytes, t } from './i18n.js';
import { icon, iconButton } from './icons.js';

/** The size of a text as a file. */
const size = (text: string): string => bytes(new Blob([text]).size);

function named(name: string, facts: Child): HTMLElement[] {
  return [h('bdi', { class: 'name' }, name), h('span', { class: 'faint' }, facts)];
}

/** Size and tokens of a file that goes along whole. */
function whole({ text, tokens = 0, exact = false }: Attachment): string {
  return t(exact ? 'attach.exactly' : 'attach.facts', { size: size(text), tokens });
}

/** A file that will go along: what fits of it, and a button that takes it away. */
export function chip({ name, text }: Attachment, fit: Attachment, remove: () => void): HTMLElement {
  const { tokens = 0, of } = fit;
  const facts = of ? `${size(text)} · ${t('attach.cut', { tokens, of })}` : whole(fit);
  const button = iconButton('close', { on: { click: remove }, 'aria-label': t('attach.remove', { name }) });
  button.title = t('attach.remove', { name });
  return h(
    'li',
    { class: of ? 'chip cut' : 'chip' },
    icon(of ? 'alert' : 'file'),
    h('span', {}, ...named(name, facts)),
    button,
  );
}

/** The files of something said, which open where they are. */
export function attachmentsOf({ attachments = [] }: { attachments?: Attachment[] }): HTMLElement | undefined {
  if (attachments.length === 0) return undefined;
  const rows = attachments.map((file) => {
    const { name, text, tokens = 0, of } = file;
    const facts = of ? t('attach.was', { size: size(text), tokens, of }) : whole(file);
    return h(
      'li',
      {},
      h(
        'details',
        { class: 'attachment' },
        h('summary', { class: 'chip' }, icon('file'), h('span', {}, ...named(name, facts))),
        h('pre', { tabindex: 0, role: 'group', dir: 'auto', 'aria-label': name }, text),
      ),
    );
  });
  return h('ul', { class: 'attached', label: 'attach.list' }, ...rows);
}
