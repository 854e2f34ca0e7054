/** Cards of the model picker: the bundled model, those of the catalogue, and what all cards have in common. */
import { BUNDLED, memoryNeeded, OFFERS, type Choice, type Offer, type Terms } from './catalogue.js';
import type { StoredModel } from '../llamita/index.js';
import { h, type Child } from './dom.js';
import { fits, memory, recommend } from './fit.js';
import { bytes, t, type Key } from './i18n.js';
import { icon } from './icons.js';
import { idsOf, storedChoice } from './known-models.js';
import { settings } from './settings.js';

export type Use = (choice: Choice) => void;

/** A button that says what it does, of which there is one for each model. */
export function button(t: Key, click: () => void, kind: 'primary' | 'quiet', of?: string): HTMLButtonElement {
  const made = h('button', { type: 'button', class: kind, t, on: { click } });
  if (of) made.setAttribute('aria-label', `${made.textContent}: ${of}`);
  return made;
}

/** A model with what is said of it; `badge` is what marks it. */
export function card(title: string, about: Child[], actions: Child[], badge?: Key | false): HTMLElement {
  const used = badge === 'models.inUse';
  const buttons = actions.filter((one) => one);
  return h(
    'li',
    { class: `card ${used ? 'used' : ''}` },
    h(
      'div',
      { class: 'card-text' },
      h('h3', {}, title, badge && h('span', { class: `badge ${used ? 'used' : ''}`, t: badge })),
      ...about,
    ),
    buttons.length > 0 && h('div', { class: 'card-actions' }, ...buttons),
  );
}

/** The models that the page offers by itself. */
export function offers(used: string | undefined, models: StoredModel[], use: Use): HTMLElement {
  const { context } = settings.value;
  const { offer: best, why } = recommend(context);
  const bundled = card(
    BUNDLED.title,
    [h('p', { t: 'models.aboutBundled' }), h('p', { class: 'faint', t: 'models.bundledSize' })],
    [used !== BUNDLED.id && button('models.use', () => use(BUNDLED), 'quiet')],
    used === BUNDLED.id && 'models.inUse',
  );
  const rest = OFFERS.map((offer) => {
    const stored = models.find((model) => model.complete && idsOf(model).includes(offer.id));
    const choice = stored ? storedChoice(stored) : offer;
    const kind = offer === best ? 'primary' : 'quiet';
    const inUse = used === offer.id && 'models.inUse';
    return card(
      offer.title,
      [
        h('p', { t: offer.about }),
        offer === best && h('p', { class: 'why' }, why),
        h('p', { class: 'faint' }, facts(offer, context)),
        ...tight(memoryNeeded(offer, context)),
        offer.gated && gatedLine(offer),
        offer.terms && termsLine(offer.terms),
      ],
      [!inUse && button(stored ? 'models.use' : 'models.get', () => use(choice), kind, offer.title)],
      inUse || (offer === best && 'models.recommended'),
    );
  });
  return h('ul', { class: 'cards' }, bundled, ...rest);
}

/** What has to be done before a gated model can be fetched. */
function gatedLine({ source: { repo } }: Offer): HTMLElement {
  const page = `https://huggingface.co/${repo}`;
  const link = h('a', { href: page, target: '_blank', rel: 'noopener noreferrer', t: 'models.gatedPage' });
  return h('p', { class: 'faint' }, h('span', { t: 'models.gated' }), ' ', link);
}

function facts(offer: Offer, context: number): string {
  const size = offer.roughly ? t('models.about', { size: bytes(offer.bytes) }) : bytes(offer.bytes);
  const room = Math.min(context, offer.trained);
  return t('models.facts', { size, memory: bytes(memoryNeeded(offer, context)), context: room });
}

/** A warning where the device may have too little memory; none where it is enough. */
export function tight(needed: number): Child[] {
  if (fits(needed)) return [];
  const { bytes: had, told } = memory();
  const text = t(told ? 'models.tight' : 'models.tightGuess', { memory: bytes(had) });
  return [h('p', { class: 'tight' }, icon('alert'), text)];
}

/** Terms that go with a model: shown wherever it is offered. */
export function termsLine({ notice, licence, policy }: Terms): HTMLElement {
  const out = { target: '_blank', rel: 'noopener noreferrer' };
  return h(
    'p',
    { class: 'terms' },
    h('span', {}, notice),
    h('a', { href: licence, t: 'models.licence', ...out }),
    policy && h('a', { href: policy, t: 'models.policy', ...out }),
  );
}
