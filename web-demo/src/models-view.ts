/** The model picker: what comes with the page, what is stored, what can be fetched, and files of one's own. */
import { isElsewhere, type Choice } from './catalogue.js';
import { byId, h } from './dom.js';
import { adapter } from './fit.js';
import { tell } from './errors.js';
import { bytes, language, t } from './i18n.js';
import type { KnownModels } from './known-models.js';
import { offers } from './model-cards.js';
import { ModelFiles, type UseFile } from './model-files.js';
import { ModelLink } from './model-link.js';
import { StoredModels } from './stored-models.js';
import type { Runtime } from './runtime.js';
import { settings } from './settings.js';

export class ModelsView {
  readonly #offers = h('div');
  readonly #storage = h('p', { class: 'faint' });
  readonly #stored: StoredModels;
  readonly #link: ModelLink;

  constructor(
    private readonly runtime: Runtime,
    private readonly known: KnownModels,
    /** Takes dropped files that are no models. */
    onTexts: (files: File[]) => void,
  ) {
    this.#link = new ModelLink((choice) => void this.use(choice));
    const files = new ModelFiles(known, (choice, how) => void this.use(choice, how), onTexts);
    this.#stored = new StoredModels(runtime, known, this.#choose, () => this.refresh());
    byId('view-models').replaceChildren(
      h(
        'div',
        { class: 'column' },
        h('h1', { t: 'nav.models', tabindex: -1 }),
        h('p', { class: 'lead', t: 'models.lead' }),
        h('h2', { t: 'models.offered' }),
        this.#offers,
        h('h2', { t: 'models.yours' }),
        files.row(),
        this.#link.element,
        h('h2', { t: 'models.stored' }),
        this.#stored.element,
        this.#storage,
      ),
    );
    const show = (): void => this.#show();
    language.watch(show);
    adapter.watch(show);
    let context: number | undefined;
    settings.watch((now) => {
      if (now.context !== context) show();
      context = now.context;
    });
    runtime.loaded.watch(() => void this.refresh());
  }

  /** Loads a model and goes to the conversation, which can go on meanwhile. False where it could not be loaded. */
  async use(choice: Choice, how: Parameters<UseFile>[1] = {}): Promise<boolean> {
    location.hash = '#chat';
    const { loaded, loading } = this.runtime;
    // The second of two clicks finds it in use.
    const { prepare, kept } = how;
    const there = loaded.value?.choice.id === choice.id && !loading.value;
    // A browser that keeps nothing does not keep a model from being used.
    const before = kept && (() => this.known.files.keep(kept).catch(() => {}));
    const came = there || (await this.runtime.load(choice, { prepare, before }));
    if (there) await before?.();
    await this.refresh();
    return came;
  }

  async refresh(): Promise<void> {
    try {
      const store = await this.known.store();
      const { usage, quota, persisted } = await store.estimate();
      const kept = store.kind === 'memory' ? t('models.memoryOnly') : persisted ? t('models.persisted') : '';
      this.#storage.textContent = [t('models.storage', { usage: bytes(usage), quota: bytes(quota) }), kept].join(' ');
    } catch (error) {
      this.#storage.textContent = tell(error).what;
    }
    await this.#stored.refresh();
    this.#show();
  }

  /** Uses what a card offers. */
  readonly #choose = (choice: Choice): void => {
    if (choice.gated && isElsewhere(choice.source)) this.#link.gated(choice);
    else void this.use(choice);
  };

  #show(): void {
    const used = this.runtime.loaded.value?.choice.id;
    this.#offers.replaceChildren(offers(used, this.#stored.models, this.#choose));
    this.#stored.show();
  }
}
