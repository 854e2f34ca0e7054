/** Files of the person's own: chosen, or dropped anywhere on the page. */
import { Model, type StoredModel } from '../llamita/index.js';
import { termsOf, titled, type Choice } from './catalogue.js';
import { byId, h } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';
import type { Handle, KeptFile } from './kept-files.js';
import type { KnownModels } from './known-models.js';
import { toast } from './notice.js';
import type { Prepare } from './runtime.js';

/** A file, with its handle where the browser has them. */
interface Given {
  file: File;
  handle?: Handle | undefined;
}

/** What the types of pages do not know yet. */
interface Picker {
  showOpenFilePicker?(options: object): Promise<Handle[]>;
}
interface DroppedItem extends DataTransferItem {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}

/** Uses a choice. `kept` is remembered once it is in use. */
export type UseFile = (choice: Choice, how: { prepare?: Prepare; kept?: Omit<KeptFile, 'used'> }) => void;

export class ModelFiles {
  constructor(
    private readonly known: KnownModels,
    private readonly use: UseFile,
    private readonly onTexts: (files: File[]) => void,
  ) {
    this.#acceptDrops();
  }

  /** The row with the button. */
  row(): HTMLElement {
    const input = h('input', { type: 'file', accept: '.gguf', id: 'model-file', hidden: true, multiple: true });
    input.addEventListener('change', () => {
      void this.take([...(input.files ?? [])].map((file) => ({ file })));
      input.value = '';
    });
    const choose = h(
      'button',
      { type: 'button', class: 'quiet', id: 'model-choose', on: { click: () => void this.#choose(input) } },
      icon('upload'),
      h('span', { t: 'models.choose' }),
    );
    return h(
      'div',
      { class: 'way' },
      h('div', {}, h('h3', { t: 'models.file' }), h('p', { class: 'faint', t: 'models.fileWhat' })),
      input,
      choose,
    );
  }

  /** Lets the person choose: with handles where the browser has them, which the next visit opens again. */
  async #choose(input: HTMLInputElement): Promise<void> {
    const picker = (window as Picker).showOpenFilePicker;
    if (!picker) return input.click();
    const types = [{ description: 'GGUF', accept: { 'application/octet-stream': ['.gguf'] } }];
    let handles: Handle[];
    try {
      handles = await picker.call(window, { multiple: true, types });
    } catch (error) {
      // Nothing was chosen; where it is not allowed, the plain field is.
      if ((error as Error).name !== 'AbortError') input.click();
      return;
    }
    await this.take(await Promise.all(handles.map(async (handle) => ({ file: await handle.getFile(), handle }))));
  }

  /**
   * Uses a file from where it is, or the files of a split model, which are copied into the store first. Of several models
   * the first is used; what is no model is left out beside one.
   */
  async take(given: Given[]): Promise<void> {
    const groups = await modelsFirst(grouped(given));
    const [first] = groups;
    if (!first) return;
    const left = given.length - first.length;
    if (left > 0) toast(t('models.oneAtATime', { name: first[0]!.file.name, count: left }));
    const [{ file, handle }] = first as [Given];
    const size = first.reduce((sum, one) => sum + one.file.size, 0);
    const id = `file:${file.name}:${size}`;
    const choice = { id, title: titled(file.name), source: file, terms: termsOf(file.name) };
    if (first.length > 1) this.use(choice, { prepare: this.#copied(first.map((one) => one.file)) });
    else this.use(choice, handle ? { kept: { id, name: file.name, size, handle } } : {});
  }

  /** Copies the parts of a model, and keeps them where they are one. */
  #copied(files: File[]): Prepare {
    return async (onProgress, signal) => {
      const store = await this.known.store();
      const { id }: StoredModel = await store.import(files, { onProgress, signal });
      const source = { stored: id };
      try {
        await Model.inspect(source, { signal });
      } catch (error) {
        if (!signal.aborted) await store.delete(id);
        throw error;
      }
      return source;
    };
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
      void dropped(event).then((given) => this.#sort(given));
    });
  }

  /** Decides what dropped files are. */
  async #sort(given: Given[]): Promise<void> {
    const models = await Promise.all(given.map(({ file }) => /\.gguf$/i.test(file.name) || beginsAsModel(file)));
    const texts = given.filter((_, i) => !models[i]).map(({ file }) => file);
    if (texts.length < given.length) await this.take(given.filter((_, i) => models[i]));
    if (texts.length) this.onTexts(texts);
  }
}

/** The files of a drop. Its items are gone after the event, so that all are asked for before any is waited for. */
async function dropped({ dataTransfer }: DragEvent): Promise<Given[]> {
  const items = [...(dataTransfer?.items ?? [])].filter(({ kind }) => kind === 'file') as DroppedItem[];
  const both = items.map((item) => [item.getAsFile(), item.getAsFileSystemHandle?.()] as const);
  const given = both.map(async ([file, handle]): Promise<Given[]> => {
    const found = await handle?.catch(() => null);
    if (found?.kind === 'directory' || !file) return [];
    return [{ file, handle: (found as Handle | null) ?? undefined }];
  });
  return (await Promise.all(given)).flat();
}

/** All parts of a split model together, any other file alone. */
function grouped(given: Given[]): Given[][] {
  const groups = new Map<string, Given[]>();
  for (const one of [...given].sort((a, b) => (a.file.name < b.file.name ? -1 : 1))) {
    const stem = one.file.name.replace(/-\d{5}(-of-\d{5}\.gguf)$/i, '$1');
    groups.set(stem, [...(groups.get(stem) ?? []), one]);
  }
  return [...groups.values()];
}

/** What begins as a model does, before what does not. */
async function modelsFirst(groups: Given[][]): Promise<Given[][]> {
  const marks = await Promise.all(groups.map(([one]) => beginsAsModel(one!.file)));
  return [...groups.filter((_, at) => marks[at]), ...groups.filter((_, at) => !marks[at])];
}

async function beginsAsModel(file: File): Promise<boolean> {
  return (await file.slice(0, 4).text().catch(() => '')) === 'GGUF';
}
