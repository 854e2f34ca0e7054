/** Files of the person's own: chosen, or dropped anywhere on the page. */
import { Model, type StoredModel } from '../llamita/index.js';
import { isWeights, termsOf, titled, type Choice } from './catalogue.js';
import { byId, h } from './dom.js';
import { t } from './i18n.js';
import { icon } from './icons.js';
import { dropped, models, ofModels, type Drop, type Given } from './given-files.js';
import type { Handle, KeptFile } from './kept-files.js';
import type { KnownModels } from './known-models.js';
import { toast } from './notice.js';
import type { Prepare } from './runtime.js';

/** What the types of pages do not know yet. */
interface Picker {
  showOpenFilePicker?(options: object): Promise<Handle[]>;
}

/** Endings of files that belong to models. */
const TYPES = ['.gguf', '.pth', '.safetensors', '.json', '.model'];

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
    const input = h('input', { type: 'file', accept: TYPES.join(), id: 'model-file', hidden: true, multiple: true });
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
    const types = [{ description: 'GGUF, PyTorch, safetensors', accept: { 'application/octet-stream': TYPES } }];
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
   * Uses a file, or Meta's files, from where they are, and the files of a split model, which are copied into the store
   * first. Of several models the first is used; what is no model is left out beside one.
   */
  async take(given: Given[]): Promise<void> {
    const [first] = await models(given);
    if (!first) return;
    const left = given.length - first.length;
    if (left > 0) toast(t('models.oneAtATime', { name: first[0]!.file.name, count: left }));
    const [{ file, handle, folder }, ...others] = first as [Given, ...Given[]];
    const size = first.reduce((sum, one) => sum + one.file.size, 0);
    const id = `file:${file.name}:${size}`;
    const files = first.map((one) => one.file);
    const title = isWeights(file.name) && folder ? folder : titled(file.name);
    const choice = { id, title, source: others.length ? files : file, terms: termsOf(title) };
    const parts = others.length > 0 && /\.gguf$/i.test(file.name);
    if (parts) return this.use({ ...choice, source: file }, { prepare: this.#copied(files) });
    const beside = others.flatMap((one) => one.handle ?? []);
    const kept = handle && beside.length === others.length && { id, name: file.name, title, size, handle, beside };
    this.use(choice, kept ? { kept } : {});
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
      void dropped(event).then((drop) => this.#sort(drop));
    });
  }

  /** Decides what dropped files are. */
  async #sort({ given, empty }: Drop): Promise<void> {
    const found = await ofModels(given);
    const texts = given.filter((one) => !found.includes(one)).map(({ file }) => file);
    if (empty !== undefined) toast(t('models.emptyFolder', { name: empty }));
    if (found.length) await this.take(found);
    if (texts.length) this.onTexts(texts);
  }
}
