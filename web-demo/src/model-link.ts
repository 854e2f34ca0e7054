/** One field for what a person has: a Hugging Face link, `owner/name`, or the address of a file. */
import { atAddress, inRepository, isWeights, titled, type Choice, type Offer } from './catalogue.js';
import { h, type Child } from './dom.js';
import { fits, roughlyNeeded } from './fit.js';
import { mayConnect } from './hosts.js';
import { allowedList, askForHost } from './hosts-view.js';
import { isSupported, listModels, NoListing, readLink, type HubModel, type Link } from './hub.js';
import { bytes, language, t, type Key } from './i18n.js';
import { icon } from './icons.js';
import { button, card, tight, type Use } from './model-cards.js';
import { settings } from './settings.js';

type Repository = Extract<Link, { repo: string }>;

/** Quantizations by what answers gain for their bytes here, the best first; those that are not named come last. */
const PREFERRED = ['Q4_0', 'Q4_K_M', 'Q4_K_S', 'IQ4_NL', 'Q4_1', 'IQ4_XS', 'Q5_K_M', 'Q5_K_S', 'Q5_0', 'Q8_0', 'Q6_K', 'Q3_K_M'];

export class ModelLink {
  readonly #field = entry('model-link', 'text', 'owner/name');
  // It is sent to Hugging Face alone, and kept nowhere.
  readonly #token = entry('hf-token', 'password', 'hf_…');
  readonly #tokenPart = h(
    'details',
    { class: 'token' },
    h('summary', { t: 'link.tokenTitle' }),
    labelled('hf-token', 'link.token', this.#token),
    h('p', { class: 'faint', t: 'link.tokenWhat' }),
  );
  readonly #found = h('div', { id: 'link-found', role: 'status' });
  readonly element: HTMLElement;
  #abort: AbortController | undefined;
  /** Shows what was found last once more. */
  #again = (): void => {};

  constructor(private readonly use: Use) {
    this.element = h(
      'form',
      { class: 'way-form', id: 'link-form', novalidate: true },
      h('h3', { t: 'link.title' }),
      h('p', { class: 'faint', t: 'link.what' }),
      labelled('model-link', 'link.field', this.#field),
      this.#tokenPart,
      h('div', { class: 'row' }, h('button', { class: 'primary', t: 'link.look' })),
      this.#found,
      allowedList(),
    );
    language.watch(() => this.#again());
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#look(readLink(this.#field.value));
    });
  }

  /** Where an address is taken from a person: it is used at once, or looked at first where it is a repository. */
  #look(link: Link): void {
    this.#abort?.abort();
    this.#found.replaceChildren();
    this.#again = () => {};
    if ('wrong' in link) return wrong(this.#field, t(link.wrong));
    if ('url' in link) {
      const url = new URL(link.url);
      const go = (): void => this.use(atAddress(link.url));
      if (mayConnect(url)) return go();
      const leave = (): void => {
        this.#found.replaceChildren();
        this.#field.focus();
      };
      this.#again = () => this.#found.replaceChildren(askForHost(url, go, leave));
      return this.#again();
    }
    if (link.file !== undefined) return this.#get(link, link.file);
    void this.#list(link);
  }

  #get({ repo, revision }: Repository, file: string): void {
    this.use(this.#withToken(inRepository(repo, file, revision)));
  }

  /** Gets a model of a gated repository with the token that was entered, or asks for one. */
  gated(choice: Choice): void {
    if (this.#token.value.trim()) return this.use(this.#withToken(choice));
    const { repo } = choice.source as Offer['source'];
    this.#field.value = repo;
    this.#tokenPart.open = true;
    wrong(this.#token, t('link.gated', { repo }));
  }

  #withToken(choice: Choice): Choice {
    const token = this.#token.value.trim();
    return token ? { ...choice, source: { ...(choice.source as Offer['source']), token } } : choice;
  }

  async #list(link: Repository): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    this.#found.replaceChildren(h('p', { class: 'faint' }, t('link.looking', { repo: link.repo })));
    try {
      const models = await listModels(link, this.#token.value.trim(), abort.signal);
      if (abort.signal.aborted) return;
      this.#again = () => this.#show(link, models);
      this.#again();
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#found.replaceChildren();
      const { key, token } = error instanceof NoListing ? error : new NoListing('link.fault');
      this.#tokenPart.open ||= token;
      wrong(token ? this.#token : this.#field, t(key, { repo: link.repo, revision: link.revision }));
    }
  }

  #show(link: Repository, models: HubModel[]): void {
    const { context } = settings.value;
    const best = bestOf(models, link.quant, context);
    const bestFirst = [...models].sort((a, b) => Number(b === best) - Number(a === best));
    const rows = bestFirst.map((model) => {
      const { file, bytes: size, parts, quant } = model;
      const needed = roughlyNeeded(size, context);
      const what = [quant, bytes(size), parts > 1 && t('link.parts', { parts }), t('link.memory', { memory: bytes(needed) })];
      const about: Child[] = [h('p', { class: 'faint' }, what.filter((one) => one).join(' · '))];
      if (isSupported(quant)) about.push(...tight(needed));
      else about.push(h('p', { class: 'tight' }, icon('alert'), t('link.unsupported', { quant })));
      const get = button('models.get', () => this.#get(link, file), model === best ? 'primary' : 'quiet', file);
      const title = isWeights(file) ? file : titled(file);
      return card(title, about, [isSupported(quant) && get], model === best && 'link.best');
    });
    const title = h('p', { class: 'faint' }, t('link.found', { repo: link.repo, count: models.length }));
    const list = h('ul', { class: 'cards' }, ...rows);
    this.#found.replaceChildren(title, list);
    list.querySelector<HTMLElement>('.primary')?.scrollIntoView({ block: 'nearest' });
  }
}

/** The file to take: the quantization that was asked for, or else the best that fits, or else the smallest. */
function bestOf(models: HubModel[], quant: string | undefined, context: number): HubModel | undefined {
  const asked = quant && models.find((model) => model.quant === quant.toUpperCase());
  if (asked) return asked;
  const supported = models.filter((model) => isSupported(model.quant));
  const room = supported.filter((model) => fits(roughlyNeeded(model.bytes, context)));
  const rank = ({ quant }: HubModel): number => (PREFERRED.includes(quant) ? PREFERRED.indexOf(quant) : PREFERRED.length);
  return [...room].sort((a, b) => rank(a) - rank(b))[0] ?? supported[0];
}

function entry(id: string, type: string, placeholder: string): HTMLInputElement {
  return h('input', { id, type, placeholder, autocapitalize: 'off', spellcheck: 'false', autocomplete: 'off', dir: 'ltr' });
}

function labelled(id: string, key: Key, input: HTMLElement): HTMLElement {
  return h('div', { class: 'field' }, h('label', { for: id, t: key }), input);
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
