/** Where a preset is chosen, saved and deleted. */
import { h } from './dom.js';
import { isolated, t } from './i18n.js';
import { iconButton } from './icons.js';
import { ours, own, presetOf, put, remove, save, type Preset } from './presets.js';
import type { Settings } from './settings.js';

export interface PresetActions {
  /** What is set now. */
  now: () => Settings;
  apply: (preset: Preset) => void;
  /** Says what was done, and how to take it back. */
  told: (text: string, undo?: () => void) => void;
  /** Shows everything anew. */
  changed: () => void;
}

export function presetField(actions: PresetActions): HTMLElement {
  const { now, apply, told, changed } = actions;
  const chosen = presetOf(now());
  const option = ({ id, name }: Preset): HTMLOptionElement => h('option', { value: id, selected: id === chosen?.id }, name);
  const group = (key: 'preset.ours' | 'preset.own', presets: Preset[]): HTMLElement | false =>
    presets.length > 0 && optgroup(t(key), presets.map(option));
  const select = h(
    'select',
    { id: 'preset' },
    !chosen && h('option', { value: '', selected: true, t: 'preset.none' }),
    group('preset.ours', ours()),
    group('preset.own', own.value),
  );
  select.addEventListener('change', () => {
    const preset = [...ours(), ...own.value].find(({ id }) => id === select.value);
    if (preset) apply(preset);
  });
  const mine = own.value.find(({ id }) => id === chosen?.id);
  const drop = (): void => {
    if (!mine) return;
    remove(mine);
    changed();
    told(t('preset.deleted', { name: isolated(mine.name) }), () => {
      put(mine);
      changed();
    });
  };
  const name = h('input', { id: 'preset-name', type: 'text', maxlength: 60, dir: 'auto', label: 'preset.name', hint: 'preset.name' });
  const keep = (): void => {
    const text = name.value.trim();
    if (!text) return name.focus();
    const before = save(text, now());
    changed();
    told(t(before ? 'preset.replaced' : 'preset.saved', { name: isolated(text) }), before && (() => {
      put(before);
      changed();
    }));
  };
  name.addEventListener('keydown', ({ key }) => key === 'Enter' && keep());
  return h(
    'div',
    { class: 'field' },
    h('label', { for: 'preset', t: 'preset.title' }),
    h('div', { class: 'together' }, select, mine && iconButton('trash', { label: 'preset.delete', on: { click: drop } })),
    !chosen &&
      h(
        'div',
        { class: 'together' },
        name,
        h('button', { type: 'button', class: 'quiet', t: 'preset.keep', label: 'preset.save', on: { click: keep } }),
      ),
  );
}

/** Its `label` is its text, and not a name for screen readers alone. */
function optgroup(label: string, options: HTMLOptionElement[]): HTMLElement {
  const group = h('optgroup', {}, ...options);
  group.label = label;
  return group;
}
