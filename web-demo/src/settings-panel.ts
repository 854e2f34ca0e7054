/** The dialog with the system prompt and what sampling does: for one chat, or for all that have nothing of their own. */
import type { Conversations } from './conversations.js';
import { h } from './dom.js';
import { isolated, language, number, t, type Key } from './i18n.js';
import { iconButton } from './icons.js';
import { presetField } from './preset-field.js';
import { own, presetOf, type Preset } from './presets.js';
import type { Runtime } from './runtime.js';
import { change, DEFAULTS, fit, RANGES, SEED, settings, settingsOf, temperatureOf, type Range, type Settings } from './settings.js';

type Name = keyof typeof RANGES;
/** Those that most people never touch stand below a fold. */
const FIRST: Name[] = ['temperature', 'maxTokens', 'context'];
const MORE: Name[] = ['topP', 'topK', 'minP', 'repetitionPenalty', 'presencePenalty', 'frequencyPenalty'];

export class SettingsPanel {
  readonly #dialog = h('dialog', { class: 'panel', 'aria-labelledby': 'settings-title' });

  /** Bring what is shown up to what is set, but for the field that is being filled in. */
  #fields: (() => void)[] = [];

  /** True where what is changed is of the conversation on show alone. */
  #forOne = false;
  /** What was done last, and how to take it back. */
  #told: { text: string; undo: (() => void) | undefined } | undefined;

  /** Opens the list of keys. */
  onKeys = (): void => {};

  constructor(
    private readonly runtime: Runtime,
    private readonly conversations: Conversations,
  ) {
    document.body.append(this.#dialog);
    this.#dialog.addEventListener('click', (event) => event.target === this.#dialog && this.#dialog.close());
    const build = (): void => void (this.#dialog.open && this.#build());
    language.watch(build);
    runtime.loaded.watch(build);
    own.watch(build);
    const show = (): void => this.#fields.forEach((each) => each());
    settings.watch(show);
    conversations.changed.watch(show);
  }

  open(): void {
    this.#forOne = Object.keys(this.conversations.current.value.own).length > 0;
    this.#told = undefined;
    this.#build();
    this.#dialog.showModal();
  }

  /** What is set, for one chat or for all. */
  #now(): Settings {
    return this.#forOne ? settingsOf(this.conversations.current.value) : settings.value;
  }

  /** Sets something; what is undefined is, for one chat, as in all, and for all the default. */
  #set(some: Partial<Settings>): void {
    if (!this.#forOne) return change({ ...some });
    this.#setOwn({ ...this.conversations.current.value.own, ...some });
  }

  #setOwn(all: Partial<Settings>): void {
    const set = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    void this.conversations.change(this.conversations.current.value, (one) => (one.own = set), false);
  }

  #build(): void {
    this.#fields = [];
    const system = h('textarea', { id: 'setting-system', rows: 4, dir: 'auto' });
    system.dataset['tHint'] = this.#forOne ? 'settings.systemHintOne' : 'settings.systemHint';
    system.placeholder = t(system.dataset['tHint'] as Key);
    this.#shows(system, () => (system.value = this.#now().system));
    system.addEventListener('input', () => this.#set({ system: system.value }));
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
        this.#scope(),
        this.#toldRow(),
        this.#preset(),
        h('div', { class: 'field' }, h('label', { for: 'setting-system', t: 'settings.system' }), system),
        ...FIRST.filter((name) => name !== 'context' || !this.#forOne).map((name) => this.#slider(name)),
        !this.#forOne && this.#contextNote(),
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
          h('button', {
            type: 'button',
            class: 'quiet',
            t: this.#forOne ? 'settings.asInAll' : 'settings.reset',
            on: { click: () => this.#reset() },
          }),
          h('button', { type: 'button', class: 'quiet keys', t: 'keys.title', on: { click: () => this.onKeys() } }),
        ),
      ),
    );
  }

  /** Whether what follows is for all chats or for this one. */
  #scope(): HTMLElement {
    const choice = (forOne: boolean, key: 'settings.all' | 'settings.one'): HTMLElement => {
      const id = forOne ? 'scope-one' : 'scope-all';
      const radio = h('input', { type: 'radio', name: 'scope', id, class: 'sr' });
      radio.checked = forOne === this.#forOne;
      radio.addEventListener('change', () => {
        this.#forOne = forOne;
        this.#told = undefined;
        this.#build();
      });
      return h('label', { for: id }, radio, h('span', { t: key }));
    };
    return h(
      'div',
      { class: 'segmented', role: 'radiogroup', label: 'settings.scope' },
      choice(false, 'settings.all'),
      choice(true, 'settings.one'),
    );
  }

  /** Shows which preset is set, as soon as another is. */
  #preset(): HTMLElement {
    const place = h('div');
    let shown: string | undefined = '';
    const show = (): void => {
      const now = presetOf(this.#now())?.id;
      if (now === shown) return;
      shown = now;
      place.replaceChildren(
        presetField({
          now: () => this.#now(),
          apply: (preset) => this.#apply(preset),
          told: (text, undo) => this.#tell(text, undo),
          changed: () => this.#build(),
        }),
      );
    };
    this.#shows(place, show);
    return place;
  }

  #toldRow(): HTMLElement {
    const { text, undo } = this.#told ?? {};
    const back = (): void => {
      this.#told = undefined;
      undo?.();
      this.#build();
    };
    const button = undo && h('button', { type: 'button', class: 'quiet', t: 'do.undo', on: { click: back } });
    return h('div', { class: 'row aside told', role: 'status' }, text && h('span', {}, text), button);
  }

  #tell(text: string, undo?: () => void): void {
    this.#told = { text, undo };
    this.#build();
  }

  #apply({ name, set }: Preset): void {
    const undo = this.#restorer();
    this.#set(set);
    this.#tell(t('preset.applied', { name: isolated(name) }), undo);
  }

  #reset(): void {
    const undo = this.#restorer();
    if (this.#forOne) this.#setOwn({});
    else change({ ...DEFAULTS, system: settings.value.system });
    this.#tell(t('settings.wasReset'), undo);
  }

  /** Brings back what is set now. */
  #restorer(): () => void {
    const [all, one] = [settings.value, this.conversations.current.value.own];
    return this.#forOne ? () => this.#setOwn(one) : () => change(all);
  }

  #slider(name: Name): HTMLElement {
    const limits: Range = RANGES[name];
    const { min, max, step } = limits;
    const id = `setting-${name}`;
    const explained = `${id}-what`;
    const digits = step < 1 ? 2 : 0;
    const shown = (): string => String(this.#value(name));
    const box = numberBox(id, limits, shown, (given) =>
      this.#set({ [name]: given ?? (this.#forOne ? undefined : DEFAULTS[name]) }),
    );
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
      this.#set({ [name]: fit(Number(to(Number(range.value)).toFixed(digits)), limits) });
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
    const now = this.#now();
    return name === 'temperature' ? temperatureOf(now, this.runtime.loaded.value?.choice) : now[name];
  }

  #seed(): HTMLElement {
    const shown = (): string => String(this.#now().seed ?? '');
    const box = numberBox('setting-seed', SEED, shown, (seed) => this.#set({ seed }));
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
