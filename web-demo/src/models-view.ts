/** The model picker: what comes with the page, what is stored, what can be fetched, and files of one's own. */
import { Model, ModelStore, type Progress, type StoredModel } from '../llamita/index.js';
import { BUNDLED, memoryNeeded, OFFERS, termsOf, type Choice, type Offer, type Terms } from './catalogue.js';
import { byId, h, type Child } from './dom.js';
import { download } from './files.js';
import { bytes, language, t } from './i18n.js';
import { icon, iconButton } from './icons.js';
import { ProgressBar } from './loading.js';
import { toast } from './notice.js';
import type { Prepare, Runtime } from './runtime.js';
import { settings } from './settings.js';
import { tell } from './errors.js';

export class ModelsView {
  readonly #stored = h('div');
  readonly #storage = h('p', { class: 'faint' });
  /** Takes dropped files that are no models. */
  onTexts: (files: File[]) => void = () => {};
  #store: ModelStore | undefined;
  #models: StoredModel[] = [];

  constructor(private readonly runtime: Runtime) {
    language.watch(() => this.#build());
    let context: number | undefined;
    settings.watch((now) => {
      if (now.context !== context) this.#build();
      context = now.context;
    });
    runtime.loaded.watch(() => {
      this.#build();
      void this.refresh();
    });
    this.#acceptDrops();
  }

  /** Loads a model and goes to the conversation, which can go on meanwhile. */
  use(choice: Choice, prepare?: Prepare): void {
    location.hash = '#chat';
    void this.runtime.load(choice, { prepare });
  }

  /** What is stored, as choices. */
  async stored(): Promise<Choice[]> {
    await this.refresh();
    return this.#models.filter(({ complete }) => complete).map((model) => this.#choice(model));
  }

  async refresh(): Promise<void> {
    try {
      this.#store ??= await ModelStore.open();
      this.#models = await this.#store.list();
      const { usage, quota, persisted } = await this.#store.estimate();
      const kept = this.#store.kind === 'memory' ? t('models.memoryOnly') : persisted ? t('models.persisted') : '';
      this.#storage.textContent = [t('models.storage', { usage: bytes(usage), quota: bytes(quota) }), kept].join(' ');
    } catch (error) {
      this.#storage.textContent = tell(error).what;
    }
    this.#showStored();
  }

  #build(): void {
    const root = byId('view-models');
    // A form that is being filled in stays as it is.
    if (root.contains(document.activeElement) && document.activeElement?.tagName === 'INPUT') return;
    root.replaceChildren(
      h(
        'div',
        { class: 'column' },
        h('h1', { t: 'nav.models', tabindex: -1 }),
        h('p', { class: 'lead', t: 'models.lead' }),
        h('h2', { t: 'models.offered' }),
        h('ul', { class: 'cards' }, this.#bundled(), ...OFFERS.map((offer) => this.#offer(offer))),
        h('h2', { t: 'models.yours' }),
        this.#file(),
        this.#repository(),
        this.#url(),
        h('h2', { t: 'models.stored' }),
        this.#stored,
        this.#storage,
      ),
    );
    this.#showStored();
  }

  #card(choice: Choice, about: Child[], actions: HTMLElement[], recommended = false): HTMLElement {
    const used = this.runtime.loaded.value?.choice.id === choice.id;
    return h(
      'li',
      { class: `card ${used ? 'used' : ''}` },
      h(
        'div',
        { class: 'card-text' },
        h(
          'h3',
          {},
          choice.title,
          recommended && h('span', { class: 'badge', t: 'models.recommended' }),
          used && h('span', { class: 'badge used', t: 'models.inUse' }),
        ),
        ...about,
        choice.terms && termsLine(choice.terms),
      ),
      !used && h('div', { class: 'card-actions' }, ...actions),
    );
  }

  #bundled(): HTMLElement {
    const use = button('models.use', () => this.use(BUNDLED), 'quiet');
    return this.#card(
      BUNDLED,
      [h('p', { t: 'models.aboutBundled' }), h('p', { class: 'faint', t: 'models.bundledSize' })],
      [use],
    );
  }

  #offer(offer: Offer): HTMLElement {
    const { context } = settings.value;
    const needed = memoryNeeded(offer, context);
    const has = (navigator as { deviceMemory?: number }).deviceMemory;
    const tight = has !== undefined && needed > (has * 1e9) / 2;
    const facts = t('models.facts', { size: bytes(offer.bytes), memory: bytes(needed), context });
    const stored = this.#models.find((model) => same(model, offer) && model.complete);
    const use = button(
      stored ? 'models.use' : 'models.get',
      () => this.use(stored ? this.#choice(stored) : offer),
      offer.recommended ? 'primary' : 'quiet',
    );
    use.setAttribute('aria-label', `${use.textContent}: ${offer.title}`);
    return this.#card(
      offer,
      [
        h('p', { t: offer.about }),
        h('p', { class: 'faint' }, facts),
        tight && h('p', { class: 'tight' }, icon('alert'), t('models.tight', { memory: bytes(has * 1e9) })),
      ],
      [use],
      offer.recommended,
    );
  }

  #file(): HTMLElement {
    const input = h('input', { type: 'file', accept: '.gguf', id: 'model-file', class: 'sr', multiple: true });
    input.addEventListener('change', () => this.take([...(input.files ?? [])]));
    return h(
      'div',
      { class: 'way' },
      h('div', {}, h('h3', { t: 'models.file' }), h('p', { class: 'faint', t: 'models.fileWhat' })),
      input,
      h('label', { for: 'model-file', class: 'button quiet' }, icon('upload'), h('span', { t: 'models.choose' })),
    );
  }

  /** Uses a file of the person's own, from where it is. The files of a split model are copied into the store first. */
  take(files: File[]): void {
    const [first] = files.sort((a, b) => a.name.localeCompare(b.name));
    if (!first) return;
    const size = files.reduce((sum, file) => sum + file.size, 0);
    const choice = {
      id: `file:${first.name}:${size}`,
      title: first.name.replace(/\.gguf$/i, ''),
      source: first,
      terms: termsOf(first.name),
    };
    const copy: Prepare = async (onProgress, signal) => {
      const { id } = await this.#import(files, onProgress, signal);
      const source = { stored: id };
      try {
        await Model.inspect(source, { signal });
      } catch (error) {
        // What is no model is not kept.
        if (!signal.aborted) await this.#store?.delete(id);
        throw error;
      }
      return source;
    };
    this.use(choice, files.length > 1 ? copy : undefined);
  }

  async #import(files: File[], onProgress: (progress: Progress) => void, signal: AbortSignal): Promise<StoredModel> {
    this.#store ??= await ModelStore.open();
    return this.#store.import(files, { onProgress, signal });
  }

  /** The file in use is on the person's disk, and has to be chosen again next time, unless a copy is kept. */
  #keep(): HTMLElement | undefined {
    const choice = this.runtime.loaded.value?.choice;
    if (!(choice?.source instanceof File) || this.#models.some(({ name }) => name === (choice.source as File).name))
      return;
    const file = choice.source;
    const abort = new AbortController();
    const bar = new ProgressBar(() => abort.abort());
    const keep = async (): Promise<void> => {
      row.replaceChildren(bar.element);
      try {
        await this.#import([file], (progress) => bar.show({ choice, progress, abort }), abort.signal);
      } catch (error) {
        if (!abort.signal.aborted) toast(tell(error).what);
      }
      await this.refresh();
    };
    const text = h('div', {}, h('h3', {}, choice.title), h('p', { class: 'faint', t: 'models.keepWhat' }));
    const row = h(
      'div',
      { class: 'way' },
      text,
      button('models.keep', () => void keep(), 'quiet'),
    );
    return row;
  }

  #repository(): HTMLElement {
    const repo = h('input', {
      id: 'hf-repo',
      type: 'text',
      placeholder: 'bartowski/Llama-3.2-1B-Instruct-GGUF',
      autocapitalize: 'off',
      spellcheck: 'false',
      autocomplete: 'off',
    });
    const file = h('input', {
      id: 'hf-file',
      type: 'text',
      placeholder: 'Llama-3.2-1B-Instruct-Q4_0.gguf',
      autocapitalize: 'off',
      spellcheck: 'false',
      autocomplete: 'off',
    });
    // It is sent to the host of the model alone, and kept nowhere.
    const token = h('input', { id: 'hf-token', type: 'password', placeholder: 'hf_…', autocomplete: 'off' });
    const get = (): void => {
      const [name, path] = [repo.value.trim(), file.value.trim()];
      if (!/^[\w.-]+\/[\w.-]+$/.test(name)) return wrong(repo, t('models.noRepo'));
      if (!path) return wrong(file, t('models.noFile'));
      const source = { repo: name, file: path, ...(token.value.trim() ? { token: token.value.trim() } : {}) };
      this.use({ id: `hf:${name}/${path}`, title: path.replace(/\.gguf$/i, ''), source, terms: termsOf(path) });
    };
    return h(
      'details',
      { class: 'way-form' },
      h('summary', {}, h('h3', { t: 'models.hub' }), h('span', { class: 'faint', t: 'models.hubWhat' })),
      field('hf-repo', 'models.hubRepo', repo),
      field('hf-file', 'models.hubFile', file),
      field('hf-token', 'models.hubToken', token),
      h('p', { class: 'faint', t: 'models.hubTokenWhat' }),
      h('div', { class: 'row' }, button('models.get', get, 'primary')),
    );
  }

  #url(): HTMLElement {
    const url = h('input', {
      id: 'model-url',
      type: 'url',
      placeholder: 'https://…/model.gguf',
      autocomplete: 'off',
    });
    const get = (): void => {
      const parsed = URL.parse(url.value.trim());
      if (!parsed || !/^https?:$/.test(parsed.protocol)) return wrong(url, t('models.noAddress'));
      // The page allows itself nothing else, and neither do browsers on pages over HTTPS.
      const here = ['localhost', '127.0.0.1'].includes(parsed.hostname) || parsed.host === location.host;
      if (parsed.protocol === 'http:' && !here) return wrong(url, t('models.notSecure'));
      const name = lastName(parsed);
      this.use({
        id: `url:${parsed.href}`,
        title: name.replace(/\.gguf$/i, ''),
        source: parsed.href,
        terms: termsOf(name),
      });
    };
    return h(
      'details',
      { class: 'way-form' },
      h('summary', {}, h('h3', { t: 'models.url' }), h('span', { class: 'faint', t: 'models.urlWhat' })),
      field('model-url', 'models.urlField', url),
      h('div', { class: 'row' }, button('models.get', get, 'primary')),
    );
  }

  #showStored(): void {
    const rows = this.#models.map((model) => {
      const name = model.name;
      const part = model.complete
        ? bytes(model.size)
        : t('models.partly', { part: bytes(model.stored), total: bytes(model.size) });
      const use = button(model.complete ? 'models.use' : 'load.resume', () => this.use(this.#choice(model)), 'quiet');
      use.setAttribute('aria-label', `${use.textContent}: ${name}`);
      return h(
        'li',
        { class: 'card' },
        h('div', { class: 'card-text' }, h('h3', {}, name), h('p', { class: 'faint' }, part)),
        h(
          'div',
          { class: 'card-actions' },
          use,
          model.complete &&
            iconButton('download', { label: 'models.export', on: { click: () => void this.#export(model) } }),
          iconButton('trash', { label: 'models.delete', on: { click: () => void this.#delete(model) } }),
        ),
      );
    });
    const keep = this.#keep();
    this.#stored.replaceChildren(
      ...(keep ? [keep] : []),
      rows.length ? h('ul', { class: 'cards' }, ...rows) : h('p', { class: 'faint', t: 'models.noneStored' }),
    );
  }

  #choice(model: StoredModel): Choice {
    const offer = OFFERS.find((one) => same(model, one));
    const { name } = model;
    return {
      id: offer?.id ?? `stored:${model.id}`,
      title: offer?.title ?? name.replace(/\.gguf$/i, ''),
      // One that was begun goes on from where it came.
      source: model.complete || !model.from ? { stored: model.id } : model.from,
      terms: termsOf(name),
    };
  }

  async #export({ id, name, parts }: StoredModel): Promise<void> {
    for (let part = 0; part < parts; part += 1) {
      const blob = await this.#store?.export(id, part);
      const partName = name.replace(/-00001-of-/, `-${String(part + 1).padStart(5, '0')}-of-`);
      if (blob) download(partName.endsWith('.gguf') ? partName : `${partName}.gguf`, 'application/octet-stream', blob);
    }
  }

  async #delete(model: StoredModel): Promise<void> {
    const { name } = model;
    if (!(await confirmed(t('models.deleteSure', { name, size: bytes(model.size) })))) return;
    try {
      await this.#store?.delete(model.id);
    } catch (error) {
      toast(tell(error).what);
    }
    await this.refresh();
  }

  /** Files that are dropped anywhere on the page: models are used, and texts go along with what is said. */
  #acceptDrops(): void {
    const veil = byId('drop');
    const files = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;
    addEventListener('dragenter', (event) => files(event) && (veil.hidden = false));
    addEventListener('dragover', (event) => files(event) && event.preventDefault());
    addEventListener('dragleave', (event) => event.relatedTarget === null && (veil.hidden = true));
    addEventListener('drop', (event) => {
      veil.hidden = true;
      if (!files(event)) return;
      event.preventDefault();
      void this.#sort([...(event.dataTransfer?.files ?? [])]);
    });
  }

  /** Decides what dropped files are. */
  async #sort(files: File[]): Promise<void> {
    const models = await Promise.all(files.map(isModel));
    const chosen = files.filter((_, i) => models[i]);
    if (chosen.length) this.take(chosen);
    if (chosen.length < files.length) this.onTexts(files.filter((_, i) => !models[i]));
  }
}

/** True of a file that is named as models are, or begins as they do. */
async function isModel(file: File): Promise<boolean> {
  if (/\.gguf$/i.test(file.name)) return true;
  const begin = await file
    .slice(0, 4)
    .text()
    .catch(() => '');
  return begin === 'GGUF';
}

function button(key: Parameters<typeof t>[0], click: () => void, kind: 'primary' | 'quiet'): HTMLButtonElement {
  return h('button', { type: 'button', class: kind, t: key, on: { click } });
}

function field(id: string, key: Parameters<typeof t>[0], input: HTMLElement): HTMLElement {
  return h('div', { class: 'field' }, h('label', { for: id, t: key }), input);
}

/** The name of the file that an address leads to. */
function lastName({ pathname, host }: URL): string {
  const last = pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(last) || host;
  } catch {
    return last; // It has a percent sign that escapes nothing.
  }
}

/** Says below a field what is wrong with it, until it is changed. */
function wrong(input: HTMLInputElement, text: string): void {
  const id = `${input.id}-wrong`;
  const told = h('p', { class: 'tight', id, role: 'alert' }, icon('alert'), h('span', {}, text));
  document.getElementById(id)?.remove();
  input.after(told);
  input.setAttribute('aria-invalid', 'true');
  input.setAttribute('aria-describedby', id);
  const right = (): void => {
    told.remove();
    input.removeAttribute('aria-invalid');
    input.removeAttribute('aria-describedby');
  };
  input.addEventListener('input', right, { once: true });
  input.focus();
}

/** Terms that go with a model: shown wherever it is offered. */
export function termsLine({ notice, licence, policy }: Terms): HTMLElement {
  const out = { target: '_blank', rel: 'noopener noreferrer' };
  return h(
    'p',
    { class: 'terms' },
    h('span', {}, notice),
    h('a', { href: licence, t: 'models.licence', ...out }),
    h('a', { href: policy, t: 'models.policy', ...out }),
  );
}

/** Asks before something that cannot be undone. */
function confirmed(question: string): Promise<boolean> {
  return new Promise((resolve) => {
    const close = (answer: string): void => dialog.close(answer);
    const dialog = h(
      'dialog',
      { class: 'ask', 'aria-labelledby': 'ask-text' },
      h('p', { id: 'ask-text' }, question),
      h(
        'div',
        { class: 'row end' },
        h('button', { type: 'button', class: 'quiet', t: 'do.cancel', on: { click: () => close('no') } }),
        h('button', { type: 'button', class: 'primary danger', t: 'do.delete', on: { click: () => close('yes') } }),
      ),
    );
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** True where a stored model is this file of the catalogue. */
function same({ from }: StoredModel, { source }: Offer): boolean {
  return from !== null && 'repo' in from && from.repo === source.repo && from.file === source.file;
}
