/** Every model that a choice can be made from: the bundled one, the catalogue's, stored ones, and files with a handle. */
import { ModelStore, type ModelSource, type StoredModel } from '../llamita/index.js';
import { BUNDLED, fromId, idOf, OFFERS, termsOf, titleAt, titled, type Choice } from './catalogue.js';
import { KeptFiles, permitted, reopened, type KeptFile } from './kept-files.js';

export class KnownModels {
  readonly files = new KeptFiles();
  #store: Promise<ModelStore> | undefined;

  /** The store of this browser. */
  store(): Promise<ModelStore> {
    this.#store ??= ModelStore.open().catch((error: unknown) => {
      this.#store = undefined;
      throw error;
    });
    return this.#store;
  }

  /**
   * The choice with this id, or else with this title. It may be one that has to be fetched first (`isElsewhere`), or a
   * file that the browser asks about (`open`), so that it has to be loaded in a click.
   */
  async find(id: string, title?: string): Promise<Choice | undefined> {
    if (id === BUNDLED.id) return BUNDLED;
    const [stored, kept] = await Promise.all([this.stored(), this.files.all()]);
    const called = (choice: Choice): boolean => choice.title === title;
    const whole = stored.filter(({ complete }) => complete);
    const copy = whole.find((model) => idsOf(model).includes(id)) ?? whole.find((model) => called(storedChoice(model)));
    if (copy) return storedChoice(copy);
    const file = kept.find((one) => one.id === id) ?? kept.find((one) => (one.title ?? titled(one.name)) === title);
    if (file) return fileChoice(file);
    const begun = stored.find((model) => idsOf(model).includes(id));
    if (begun) return storedChoice(begun);
    return OFFERS.find((one) => one.id === id) ?? fromId(id) ?? [BUNDLED, ...OFFERS].find(called);
  }

  /** What is stored, whole and begun; nothing where the store cannot be opened. */
  async stored(): Promise<StoredModel[]> {
    try {
      return await (await this.store()).list();
    } catch {
      return [];
    }
  }
}

/** All names that a stored model may have been chosen by. */
export function idsOf({ id, name, size, from, also }: StoredModel): string[] {
  const places = [...(from ? [from] : []), ...also].map(idOf);
  const offers = OFFERS.filter((offer) => places.includes(idOf(offer.source))).map((offer) => offer.id);
  return [...offers, ...places, `file:${name}:${size}`, `stored:${id}`];
}

/** A stored model as a choice. One that was begun goes on from where it came. */
export function storedChoice(model: StoredModel): Choice {
  const { id, name, complete, from } = model;
  const ids = idsOf(model);
  const offer = OFFERS.find((one) => ids.includes(one.id));
  const source = complete || !from ? { stored: id } : from;
  return offer ? { ...offer, source } : { id: ids[0]!, title: titleAt(name), source, terms: termsOf(name) };
}

/** A file with a handle as a choice. The browser may want to ask the person before it is read. */
export async function fileChoice(kept: KeptFile): Promise<Choice> {
  const { id, name, title = titled(name) } = kept;
  // An empty file stands for it until it is opened.
  const choice = { id, title, terms: termsOf(title), source: new File([], name) };
  const open = (): Promise<ModelSource> => reopened(kept);
  if (!(await permitted(kept))) return { ...choice, open };
  const source = await open().catch(() => undefined);
  return source ? { ...choice, source } : { ...choice, open };
}
