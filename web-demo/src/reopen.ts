/** The model of the last visit that does not come back by itself: says why, and offers to open, keep or fetch it. */
import { BUNDLED, isElsewhere, type Choice } from './catalogue.js';
import { byId } from './dom.js';
import { language, t } from './i18n.js';
import type { KnownModels } from './known-models.js';
import { notice, type Action } from './notice.js';
import type { Runtime } from './runtime.js';
import { copied } from './stored-models.js';

/** Shows the notice, until something else is chosen. `choice` is what is known of the model now. */
export function offerAgain(
  runtime: Runtime,
  known: KnownModels,
  last: { id: string; title: string },
  choice: Choice | undefined,
): void {
  const box = byId('reopen');
  const { title } = last;
  const other = BUNDLED.title;
  const use = async (prepared?: ReturnType<typeof copied>): Promise<void> => {
    if (choice && (await runtime.load(choice, { prepare: prepared }))) close();
  };
  const fetchable = choice && isElsewhere(choice.source);
  const onDisk = last.id.startsWith('file:');
  const what = choice?.open ? 'reopen.ask' : fetchable ? 'reopen.gone' : onDisk ? 'reopen.choose' : 'reopen.lost';
  const goOn = async (): Promise<void> => {
    close();
    if (runtime.loaded.value?.choice.id !== BUNDLED.id) await runtime.load(BUNDLED);
    else runtime.remember(BUNDLED);
  };
  const actions = (): Action[] => {
    const list: Action[] = [];
    if (choice?.open) {
      list.push({ text: t('reopen.open', { title }), primary: true, click: () => use() });
      list.push({ t: 'reopen.keep', click: () => use(copied(known, choice)) });
    } else if (fetchable) {
      list.push({ text: t('reopen.fetch', { title }), primary: true, click: () => use() });
    } else {
      list.push({ t: onDisk ? 'models.choose' : 'load.other', primary: true, click: () => choose(onDisk) });
    }
    list.push({ text: t('reopen.goOn', { other }), click: goOn });
    return list;
  };
  const stops = [
    language.watch(() => box.replaceChildren(notice('info', t('reopen.title', { title }), [t(what)], actions()))),
    // Whoever chooses another model has answered.
    runtime.loaded.watch((loaded) => loaded && loaded.choice.id !== BUNDLED.id && queueMicrotask(close)),
  ];
  function close(): void {
    for (const stop of stops) stop();
    box.replaceChildren();
  }
}

function choose(file: boolean): void {
  if (file) byId('model-choose').click();
  else location.hash = '#models';
}
