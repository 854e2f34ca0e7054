/** What an empty conversation shows: who this is, and things to try in the reader's language. */
import { BUNDLED } from './catalogue.js';
import { byId, h } from './dom.js';
import { recommend } from './fit.js';
import { bytes, language, t, type Key } from './i18n.js';
import { icon, llama } from './icons.js';
import type { Runtime } from './runtime.js';
import { settings } from './settings.js';

/** The bundled model tells stories and nothing else; any other is asked for what people ask. */
const STORIES: Key[] = ['try.story1', 'try.story2', 'try.story3', 'try.story4'];
const ANYTHING: Key[] = ['try.any1', 'try.any2', 'try.any3', 'try.any4'];

function lead(bundled: boolean, onCpu: boolean): Key {
  if (bundled) return onCpu ? 'greeting.bundledCpu' : 'greeting.bundled';
  return onCpu ? 'greeting.otherCpu' : 'greeting.other';
}

export function greeting(runtime: Runtime, say: (text: string) => void): void {
  const show = (): void => {
    const loaded = runtime.loaded.value ?? runtime.loading.value;
    const bundled = (loaded?.choice.id ?? BUNDLED.id) === BUNDLED.id;
    const keys = bundled ? STORIES : ANYTHING;
    const buttons = keys.map((key) =>
      h(
        'button',
        { type: 'button', class: 'suggestion', on: { click: () => say(t(key)) } },
        h('span', { t: key }),
        icon('send'),
      ),
    );
    const { offer } = recommend(settings.value.context);
    const more = h(
      'a',
      { class: 'more', href: '#models' },
      t('greeting.more', { model: offer.title.split(' · ')[0]!, size: bytes(offer.bytes) }),
    );
    byId('greeting').replaceChildren(
      llama(104, 'hello'),
      h('h2', { t: 'greeting.title' }),
      h('p', { class: 'lead', t: lead(bundled, runtime.loaded.value?.info.software === true) }),
      h('div', { class: 'suggestions' }, ...buttons),
      ...(bundled ? [more] : []),
    );
  };
  let before: string | undefined;
  const changed = (): void => {
    const now = `${language.value} ${runtime.loaded.value?.choice.id} ${runtime.loading.value?.choice.id}`;
    if (now !== before) show();
    before = now;
  };
  runtime.loaded.watch(changed);
  runtime.loading.watch(changed);
  language.watch(changed);
}
