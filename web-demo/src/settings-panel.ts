/** The dialog with the system prompt and what sampling does. */
import { h } from './dom.js';
import { language, number, t, type Key } from './i18n.js';
import { iconButton } from './icons.js';
import type { Runtime } from './runtime.js';
import { change, DEFAULTS, fit, RANGES, SEED, settings, temperatureOf, type Range } from './settings.js';

type Name = keyof typeof RANGES;
/** Those that most people never touch stand below a fold. */
const FIRST: Name[] = ['temperature', 'maxTokens', 'context'];
const MORE: Name[] = ['topP', 'topK', 'minP', 'repetitionPenalty', 'presencePenalty', 'frequencyPenalty'];

export class SettingsPanel {
  readonly #dialog = h('dialog', { class: 'panel', 'aria-labelledby': 'settings-title' });

  /** Bring what is shown up to what is set, but for the field that is being filled in. */
  #fields: (() => void)[] = [];

  /** Opens the list of keys. */
  onKeys = (): void => {};

  constructor(private readonly runtime: Runtime) {
    document.body.append(this.#dialog);
    this.#dialog.addEventListener('click', (event) => event.target === this.#dialog && this.#dialog.close());
    language.watch(() => this.#dialog.open && this.#build());
    runtime.loaded.watch(() => this.#dialog.open && this.#build());
    settings.watch(() => this.#fields.forEach((show) => show()));
  }

  open(): void {
    this.#build();
    this.#dialog.showModal();
  }

  #build(): void {
    this.#fields = [];
    const system = h('textarea', { id: 'setting-system', rows: 4, hint: 'settings.systemHint', dir: 'auto' });
    this.#shows(system, () => (system.value = settings.value.system));
    system.addEventListener('input', () => change({ system: system.value }));
    const reset = (): void => {
      change({ ...DEFAULTS, system: settings.value.system });
      this.#build();
    };
    this.#dialog.replaceChildren(
      h(
        'div',
        { class: 'panel-head' },
        h('h2', { id: 'settings-title', t: 'settings.title' }),
        iconButton('close', { label: 'do.close', on: { click: () => this.#dialog.close() } }),
      ),
      h(
        'div',
        { class: 'panel-body' },
        h('div', { class: 'field' }, h('label', { for: 'setting-system', t: 'settings.system' }), system),
        ...FIRST.map((name) => this.#slider(name)),
        this.#contextNote(),
        h(
          'details',
          {},
          h('summary', { t: 'settings.more' }),
          ...MORE.map((name) => this.#slider(name)),
          this.#seed(),
        ),
        h(
          'div',
          { class: 'row' },
          h('button', { type: 'button', class: 'quiet', t: 'settings.reset', on: { click: reset } }),
          h('button', { type: 'button', class: 'quiet keys', t: 'keys.title', on: { click: () => this.onKeys() } }),
        ),
      ),
    );
  }

  #slider(name: Name): HTMLElement {
    const limits: Range = RANGES[name];
    const { min, max, step } = limits;
    const id = `setting-${name}`;
    const explained = `${id}-what`;
    const digits = step < 1 ? 2 : 0;
    const shown = (): string => String(this.#value(name));
    const box = numberBox(id, limits, shown, (given) => change({ [name]: given ?? DEFAULTS[name] }));
    // The context spans three powers of two and more: its slider goes by powers.
    const power = name === 'context' || name === 'maxTokens';
    const to = (x: number): number => (power ? Math.round(2 ** x / step) * step : x);
    const from = (x: number): number => (power ? Math.log2(x) : x);
    const range = h('input', {
      type: 'range',
      min: from(min),
      max: from(max),
      step: power ? 0.25 : step,
      'aria-labelledby': `${id}-name`,
      tabindex: -1,
    });
    this.#shows(range, () => (range.value = String(from(this.#value(name)))));
    this.#shows(box, () => (box.value = shown()));
    range.addEventListener('input', () => {
      change({ [name]: fit(Number(to(Number(range.value)).toFixed(digits)), limits) });
    });
    const bounds = t('settings.range', { min: number(min, 2), max: number(max, 2) });
    return h(
      'div',
      { class: 'field' },
      h('div', { class: 'field-head' }, h('label', { for: id, id: `${id}-name`, t: `settings.${name}` as Key }), box),
      range,
      h('p', { class: 'faint', id: explained }, `${t(`settings.${name}.what` as Key)} ${bounds}`),
    );
  }

  #shows(field: HTMLElement, show: () => void): void {
    this.#fields.push(() => field !== document.activeElement && show());
    show();
  }

  #value(name: Name): number {
    return name === 'temperature' ? temperatureOf(settings.value, this.runtime.loaded.value?.choice) : settings.value[name];
  }

  #seed(): HTMLElement {
    const shown = (): string => String(settings.value.seed ?? '');
    const box = numberBox('setting-seed', SEED, shown, (seed) => change({ seed }));
    box.placeholder = t('settings.seedHint');
    this.#shows(box, () => (box.value = shown()));
    return h(
      'div',
      { class: 'field' },
      h('div', { class: 'field-head' }, h('label', { for: 'setting-seed', t: 'settings.seed' }), box),
      h('p', { class: 'faint', id: 'setting-seed-what', t: 'settings.seed.what' }),
    );
  }

  /** The context is made when a model is loaded. */
  #contextNote(): HTMLElement | false {
    const loaded = this.runtime.loaded.value;
    if (!loaded) return false;
    const reload = h('button', {
      type: 'button',
      class: 'quiet',
      t: 'settings.reload',
      on: { click: () => void this.runtime.load(loaded.choice) },
    });
    return h(
      'div',
      { class: 'row aside' },
      h('span', { class: 'faint' }, t('settings.contextNow', { context: number(loaded.info.context) })),
      reload,
    );
  }
}

/**
 * A field for a number of a range. Whatever is typed is brought into the range at once, and in the field itself when
 * the person has finished; undefined is told for an empty one.
 */
function numberBox(
  id: string,
  limits: Range,
  value: () => string,
  set: (given: number | undefined) => void,
): HTMLInputElement {
  const { min, max, step, whole } = limits;
  const box = h('input', {
    type: 'number',
    min,
    max,
    step: whole ? 1 : step,
    id,
    inputmode: whole ? 'numeric' : 'decimal',
    'aria-describedby': `${id}-what`,
  });
  box.value = value();
  box.addEventListener('input', () => {
    if (box.value !== '') set(fit(Number(box.value), limits));
    else if (!box.validity.badInput) set(undefined);
  });
  box.addEventListener('blur', () => {
    // First nothing: what is no number would stay beside the same value.
    box.value = '';
    box.value = value();
  });
  return box;
}
