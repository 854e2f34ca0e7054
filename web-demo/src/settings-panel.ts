/** The dialog with the system prompt and what sampling does. */
import { h } from './dom.js';
import { language, number, t, type Key } from './i18n.js';
import { iconButton } from './icons.js';
import type { Runtime } from './runtime.js';
import { change, DEFAULTS, RANGES, settings, temperatureOf } from './settings.js';

type Name = keyof typeof RANGES;
/** Those that most people never touch stand below a fold. */
const FIRST: Name[] = ['temperature', 'maxTokens', 'context'];
const MORE: Name[] = ['topP', 'topK', 'minP', 'repetitionPenalty', 'presencePenalty', 'frequencyPenalty'];

export class SettingsPanel {
  readonly #dialog = h('dialog', { class: 'panel', 'aria-labelledby': 'settings-title' });

  /** Opens the list of keys. */
  onKeys = (): void => {};

  constructor(private readonly runtime: Runtime) {
    document.body.append(this.#dialog);
    this.#dialog.addEventListener('click', (event) => event.target === this.#dialog && this.#dialog.close());
    language.watch(() => this.#dialog.open && this.#build());
    runtime.loaded.watch(() => this.#dialog.open && this.#build());
  }

  open(): void {
    this.#build();
    this.#dialog.showModal();
  }

  #build(): void {
    const system = h('textarea', { id: 'setting-system', rows: 4, hint: 'settings.systemHint' });
    system.value = settings.value.system;
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
    const { min, max, step } = RANGES[name];
    const id = `setting-${name}`;
    const explained = `${id}-what`;
    const value = this.#value(name);
    const digits = step < 1 ? 2 : 0;
    const box = h('input', {
      type: 'number',
      min,
      max,
      step: step < 1 ? step : 1,
      id,
      inputmode: 'decimal',
      'aria-describedby': explained,
    });
    box.value = String(value);
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
    range.value = String(from(value));
    const set = (given: number, other: HTMLInputElement, shown: number): void => {
      if (!(given >= min && given <= max)) return;
      change({ [name]: given });
      other.value = String(shown);
    };
    range.addEventListener('input', () => {
      const given = Number(to(Number(range.value)).toFixed(digits));
      set(given, box, given);
    });
    box.addEventListener('input', () => set(Number(box.value), range, from(Number(box.value))));
    box.addEventListener('blur', () => (box.value = String(this.#value(name))));
    return h(
      'div',
      { class: 'field' },
      h('div', { class: 'field-head' }, h('label', { for: id, id: `${id}-name`, t: `settings.${name}` as Key }), box),
      range,
      h('p', { class: 'faint', id: explained, t: `settings.${name}.what` as Key }),
    );
  }

  #value(name: Name): number {
    return name === 'temperature' ? temperatureOf(this.runtime.loaded.value?.choice) : settings.value[name];
  }

  #seed(): HTMLElement {
    const box = h('input', {
      type: 'number',
      id: 'setting-seed',
      min: 0,
      step: 1,
      inputmode: 'numeric',
      hint: 'settings.seedHint',
      'aria-describedby': 'setting-seed-what',
    });
    box.value = settings.value.seed === undefined ? '' : String(settings.value.seed);
    box.addEventListener('input', () => {
      const seed = box.value === '' ? undefined : Number(box.value);
      if (seed === undefined || (Number.isSafeInteger(seed) && seed >= 0)) change({ seed });
    });
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
