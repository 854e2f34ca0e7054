/** What a model's way to the device looks like: in the header, in the picker, and what went wrong. */
import { BUNDLED } from './catalogue.js';
import { byId, h } from './dom.js';
import { kindOf, tell } from './errors.js';
import { bytes, language, percent, seconds, t, type Key } from './i18n.js';
import { icon } from './icons.js';
import { notice, type Action } from './notice.js';
import type { Loading, Runtime } from './runtime.js';

/** Milliseconds that the first model may take without a bar, which would push the page down and up again. */
const PATIENCE = 3000;
/** The same while it, or the engine, still comes over the line. */
const SLOW_LINE = 700;

/** A bar with bytes, speed, time left, and a way out. It keeps its elements, so that the focus stays. */
export class ProgressBar {
  readonly #title = h('strong');
  readonly #text = h('span', { class: 'faint' });
  readonly #bar = h('progress', { max: 1 });
  readonly #stop: HTMLButtonElement;
  readonly element: HTMLElement;

  constructor(cancel: () => void) {
    this.#stop = h('button', { type: 'button', class: 'quiet', t: 'do.cancel', on: { click: cancel } });
    this.element = h(
      'div',
      { class: 'progress' },
      h('div', { class: 'progress-head' }, this.#title, this.#stop),
      this.#bar,
      this.#text,
    );
  }

  show({ choice, progress, returns = false }: Loading): void {
    const stage = progress?.stage ?? 'prepare';
    const key = stage === 'engine' && choice.id === BUNDLED.id ? 'load.first' : (`load.${stage}` as Key);
    const title = t(returns ? 'load.returns' : key, { title: choice.title });
    this.#stop.hidden = returns;
    this.#title.textContent = title;
    this.#bar.setAttribute('aria-label', title);
    const { loaded = 0, total = 0, bytesPerSecond = 0, secondsLeft, note } = progress ?? {};
    const parts: string[] = [];
    if (total > 0) {
      const part = Math.min(loaded / total, 1);
      this.#bar.value = part;
      parts.push(percent(part));
      // Of the engine, what a server compresses is less than what comes out.
      if (stage !== 'engine') parts.push(t('load.bytes', { loaded: bytes(loaded), total: bytes(total) }));
    } else this.#bar.removeAttribute('value');
    if (bytesPerSecond > 0) parts.push(t('load.speed', { speed: bytes(bytesPerSecond) }));
    if (stage === 'download' && secondsLeft !== undefined) parts.push(t('load.left', { time: seconds(secondsLeft) }));
    if (note) parts.push(t(`load.${note}`));
    this.#text.textContent = parts.join(' · ');
  }
}

/** The notice for a model that could not be loaded. Another attempt is offered where it may help. */
export function failure(runtime: Runtime, more: Action[] = []): HTMLElement | undefined {
  const failed = runtime.failed.value;
  if (!failed) return undefined;
  const { choice, how, error } = failed;
  const { title, what, again, detail } = tell(error);
  const retry: Action = {
    t: again === 'resume' ? 'load.resume' : 'error.again',
    primary: true,
    click: () => void runtime.load(choice, how),
  };
  // There it is forgotten, and checked again.
  const device: Action = { t: 'nav.device', click: () => void (location.hash = '#device') };
  const own = [...(again ? [retry] : []), ...(kindOf(error) === 'KernelFault' ? [device] : [])];
  return notice('error', `${choice.title}: ${title}`, [what], [...own, ...more], detail);
}

/** The model's name in the header, and the bar below it while one is on its way. */
export function header(runtime: Runtime): void {
  const chip = byId<HTMLButtonElement>('model-chip');
  const box = byId('load-bar');
  const bar = new ProgressBar(() => runtime.cancel());
  const name = h('span', { class: 'name' });
  const state = h('span', { class: 'state' });
  chip.append(state, name, icon('open'));
  chip.addEventListener('click', () => (location.hash = '#models'));
  let said: unknown;
  // What is there at once needs no bar, which would push the page down and up again.
  let begun: AbortController | undefined;
  let patient = false;
  const show = (): void => {
    const loading = runtime.loading.value;
    const loaded = runtime.loaded.value;
    const title = loaded?.choice.title ?? loading?.choice.title ?? t('models.none');
    name.textContent = title;
    chip.setAttribute('aria-label', t('models.chip', { title }));
    const ready = loaded && runtime.lost.value === undefined;
    state.className = `state ${loading ? 'busy' : ready ? 'ready' : 'bad'}`;
    if (loading) bar.show(loading);
    if (loading && loading.abort !== begun) {
      begun = loading.abort;
      patient = true;
      const over = (): void => {
        if (begun !== loading.abort) return;
        patient = false;
        show();
      };
      const slow = (): boolean => {
        const { progress } = runtime.loading.value ?? {};
        return progress?.stage === 'engine' && progress.loaded < progress.total;
      };
      setTimeout(() => slow() && over(), SLOW_LINE);
      setTimeout(over, loading.choice.id === BUNDLED.id ? PATIENCE : 300);
    }
    const now = loading ?? runtime.failed.value;
    if (loading && box.firstChild !== bar.element) box.replaceChildren(bar.element);
    if (!loading && now !== said) {
      const told = failure(runtime, [{ t: 'load.other', click: () => void (location.hash = '#models') }]);
      box.replaceChildren(...(told ? [told] : []));
    }
    said = now;
    box.hidden = !now || (loading !== undefined && patient);
  };
  for (const cell of [runtime.loading, runtime.loaded, runtime.failed, runtime.lost, language]) {
    (cell as { watch: (watcher: () => void) => void }).watch(show);
  }
}
