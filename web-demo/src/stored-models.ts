/** What is kept in this browser: stored models with where they came from, and files on the person's disk. */
import { Model, type StoredModel } from '../llamita/index.js';
import { BUNDLED, ownFiles, type Choice } from './catalogue.js';
import { h, type Child } from './dom.js';
import { tell } from './errors.js';
import { download } from './files.js';
import { bytes, t } from './i18n.js';
import { iconButton } from './icons.js';
import type { KeptFile } from './kept-files.js';
import { fileChoice, idsOf, storedChoice, type KnownModels } from './known-models.js';
import { ProgressBar } from './loading.js';
import { button, card, type Use } from './model-cards.js';
import { toast } from './notice.js';
import type { Prepare, Runtime } from './runtime.js';

export class StoredModels {
  readonly element = h('div');
  /** Whatever was read last. */
  models: StoredModel[] = [];
  #files: KeptFile[] = [];
  /** Copies on their way, by the choice that they are of. */
  readonly #copying = new Map<string, HTMLElement>();

  constructor(
    private readonly runtime: Runtime,
    private readonly known: KnownModels,
    private readonly use: Use,
    /** To be called when something was kept or deleted. */
    private readonly changed: () => Promise<void>,
  ) {}

  async refresh(): Promise<void> {
    [this.models, this.#files] = await Promise.all([this.known.stored(), this.known.files.all()]);
    this.show();
  }

  show(): void {
    const copied = this.models.flatMap(idsOf);
    const onDisk = this.#files.filter(({ id }) => !copied.includes(id));
    const rows = [
      ...this.#given(copied, onDisk),
      ...onDisk.map((file) => this.#file(file)),
      ...this.models.map((model) => this.#row(model)),
    ];
    this.element.replaceChildren(
      rows.length ? h('ul', { class: 'cards' }, ...rows) : h('p', { class: 'faint', t: 'models.noneStored' }),
    );
  }

  get #used(): string {
    return this.runtime.loaded.value?.choice.id ?? '';
  }

  #row(model: StoredModel): HTMLElement {
    const { name, complete, size, stored } = model;
    const used = idsOf(model).includes(this.#used);
    const part = complete ? bytes(size) : t('models.partly', { part: bytes(stored), total: bytes(size) });
    const use = button(complete ? 'models.use' : 'load.resume', () => this.use(storedChoice(model)), 'quiet', name);
    const save = iconButton('download', { label: 'models.export', on: { click: () => void this.#export(model) } });
    const remove = iconButton('trash', { label: 'models.delete', on: { click: () => void this.#delete(model, used) } });
    const about = [h('p', { class: 'faint' }, part), ...origins(model)];
    return card(name, about, [!used && use, complete && save, remove], used && 'models.inUse');
  }

  /** A file that the browser opens again. */
  #file(file: KeptFile): HTMLElement {
    const { id, name, size } = file;
    const used = id === this.#used;
    const copying = this.#copying.get(id);
    if (copying) return h('li', { class: 'card' }, copying);
    const use = async (): Promise<void> => this.use(await fileChoice(file));
    const forget = async (): Promise<void> => {
      await this.known.files.forget(id);
      await this.changed();
    };
    return card(
      name,
      [h('p', { class: 'faint' }, t('models.onDisk', { size: bytes(size) }))],
      [
        !used && button('models.use', () => void use(), 'quiet', name),
        button('models.keep', () => void fileChoice(file).then((choice) => this.#keep(choice)), 'quiet', name),
        iconButton('close', { label: 'models.forget', on: { click: () => void forget() } }),
      ],
      used && 'models.inUse',
    );
  }

  /** The file in use, where the browser cannot open it again by itself. */
  #given(copied: string[], onDisk: KeptFile[]): HTMLElement[] {
    const choice = this.runtime.loaded.value?.choice;
    const [first] = ownFiles(choice?.source);
    if (!choice || !first || copied.includes(choice.id)) return [];
    if (onDisk.some(({ id }) => id === choice.id)) return [];
    const copying = this.#copying.get(choice.id);
    if (copying) return [h('li', { class: 'card' }, copying)];
    const keep = button('models.keep', () => void this.#keep(choice), 'quiet', choice.title);
    return [card(first.name, [h('p', { class: 'faint', t: 'models.keepWhat' })], [keep], 'models.inUse')];
  }

  /** Keeps a copy of a file on the person's disk. */
  async #keep(choice: Choice): Promise<void> {
    if (this.#copying.has(choice.id)) return;
    const abort = new AbortController();
    const bar = new ProgressBar(() => abort.abort());
    this.#copying.set(choice.id, bar.element);
    bar.show({ choice, progress: undefined, abort });
    try {
      const prepare = copied(this.known, choice);
      this.show();
      await prepare((progress) => bar.show({ choice, progress, abort }), abort.signal);
    } catch (error) {
      if (!abort.signal.aborted) toast(tell(error).what);
    }
    this.#copying.delete(choice.id);
    await this.changed();
  }

  async #export({ id, files }: StoredModel): Promise<void> {
    const store = await this.known.store();
    for (const [part, path] of files.entries()) {
      const blob = await store.export(id, part);
      const name = path.split('/').at(-1)!;
      download(/\.\w+$/.test(name) ? name : `${name}.gguf`, 'application/octet-stream', blob);
    }
  }

  /** Deletes a model. What is in use makes room for the bundled one first, so that the page goes on. */
  async #delete(model: StoredModel, used: boolean): Promise<void> {
    const { name, size, id } = model;
    const values = { name, size: bytes(size), other: BUNDLED.title };
    if (!(await confirmed(t(used ? 'models.deleteUsed' : 'models.deleteSure', values)))) return;
    if (idsOf(model).includes(this.#used) && !(await this.runtime.load(BUNDLED))) return;
    try {
      await (await this.known.store()).delete(id);
    } catch (error) {
      toast(tell(error).what);
    }
    await this.changed();
  }
}

/** Copies a file into the store, once it is known to be a model. */
export function copied(known: KnownModels, { source, open }: Choice): Prepare {
  // First of all: the browser asks the person only in the click.
  const opened = open ? open() : Promise.resolve(source);
  return async (onProgress, signal) => {
    const given = await opened;
    await Model.inspect(given, { signal });
    const { id } = await (await known.store()).import(ownFiles(given), { onProgress, signal });
    return { stored: id };
  };
}

/** Where a stored model came from: each place once. */
function origins({ from, also }: StoredModel): Child[] {
  const places = [...(from ? [from] : []), ...also].map((one) =>
    'repo' in one ? `huggingface.co/${one.repo}` : one.url.replace(/^https?:\/\//, ''),
  );
  const text = t('models.from', { places: [...new Set(places)].join(', ') });
  return places.length > 0 ? [h('p', { class: 'faint origins' }, text)] : [];
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
