/** The check of the kernels on this device, and those in quarantine, in the view of the device. */
import { doctor, forgetQuarantine, quarantined, type Diagnosis, type DoctorProgress, type QuarantinedKernel } from '../llamita/index.js';
import { h } from './dom.js';
import { kindOf, tell } from './errors.js';
import { language, t } from './i18n.js';
import { notice } from './notice.js';

/** `?only=rmsnorm` in the address bounds what is checked: for tests. */
const ONLY = new URLSearchParams(location.search).get('only') ?? '';

export class KernelCheck {
  readonly element = h('section', { id: 'kernel-check' });
  readonly #bar = h('progress', { max: 1, label: 'check.progress' });
  readonly #what = h('strong', { role: 'status' });
  #running: AbortController | undefined;
  #found: Diagnosis | undefined;
  #error: unknown;
  /** Kernels in quarantine, once they are known. */
  #kept: QuarantinedKernel[] = [];
  /** How many were forgotten a moment ago. */
  #forgotten = 0;

  constructor() {
    language.watch(() => this.#build());
  }

  /** Looks which kernels are in quarantine. */
  async refresh(): Promise<void> {
    if (this.#running) return;
    this.#kept = await quarantined().catch(() => []);
    this.#build();
  }

  #build(): void {
    this.element.replaceChildren(
      h('h2', { t: 'check.title' }),
      h('p', { class: 'faint', t: 'check.what' }),
      ...(this.#running ? this.#progress() : this.#outcome()),
    );
  }

  #progress(): HTMLElement[] {
    const click = (): void => this.#running?.abort();
    const stop = h('button', { type: 'button', class: 'quiet', id: 'check-stop', t: 'do.stop', on: { click } });
    return [h('div', { class: 'progress' }, h('div', { class: 'progress-head' }, this.#what, stop), this.#bar)];
  }

  #outcome(): HTMLElement[] {
    const start = h('button', { type: 'button', class: 'quiet', id: 'check-start', t: 'check.start', on: { click: () => void this.#run() } });
    const forget = h('button', { type: 'button', class: 'quiet', id: 'check-forget', t: 'check.forget', on: { click: () => void this.#forget() } });
    return [
      ...this.#verdict(),
      ...(this.#kept.length > 0 ? [h('h3', { t: 'check.quarantine' }), entries(this.#kept)] : []),
      h('div', { class: 'row' }, start, this.#kept.length > 0 && forget),
    ];
  }

  #verdict(): HTMLElement[] {
    if (this.#error !== undefined && kindOf(this.#error) !== 'Aborted') {
      const { title, what, detail } = tell(this.#error);
      const busy = kindOf(this.#error) === 'Busy';
      return [notice('error', busy ? t('check.busy') : title, [busy ? t('check.busyWhat') : what], [], detail)];
    }
    const said = (text: string): HTMLElement[] => [h('p', { id: 'check-verdict', role: 'status', tabindex: -1 }, text)];
    if (this.#forgotten > 0) return said(t('check.forgotten', { count: this.#forgotten }));
    const found = this.#found;
    if (!found) return [];
    const works = found.plans.find((checked) => checked.works);
    if (!works) return said(t('check.nothing'));
    const { plan, tier, kernels } = works;
    return said(t(found.plans.length === 1 ? 'check.works' : 'check.instead', { plan, tier, kernels }));
  }

  async #run(): Promise<void> {
    this.#running = new AbortController();
    [this.#found, this.#error, this.#forgotten] = [undefined, undefined, 0];
    this.#show({ plan: 'gpu', tier: '', done: 0, kernels: 0 });
    this.#build();
    document.getElementById('check-stop')?.focus();
    try {
      const onProgress = (step: DoctorProgress): void => this.#show(step);
      this.#found = await doctor({ only: ONLY, onProgress, signal: this.#running.signal });
    } catch (error) {
      this.#error = error;
    }
    await this.#settle();
  }

  async #forget(): Promise<void> {
    this.#error = this.#found = undefined;
    try {
      this.#forgotten = await forgetQuarantine();
    } catch (error) {
      this.#error = error;
    }
    await this.#settle();
  }

  /** Shows what is so now, and brings the reader to it. */
  async #settle(): Promise<void> {
    this.#running = undefined;
    await this.refresh();
    (document.getElementById('check-verdict') ?? document.getElementById('check-start'))?.focus();
  }

  #show({ plan, tier, done, kernels }: DoctorProgress): void {
    const text = kernels === 0 ? t('check.opening') : t('check.running', { plan, tier });
    // What is said again is read aloud again.
    if (this.#what.textContent !== text) this.#what.textContent = text;
    this.#bar.value = kernels === 0 ? 0 : done / kernels;
  }
}

/** Kernels that failed, each with what it did. */
function entries(all: QuarantinedKernel[]): HTMLElement {
  const one = ({ kernel, fault, plan, tier, error }: QuarantinedKernel): HTMLElement =>
    h(
      'div',
      {},
      h('dt', {}, h('code', {}, kernel)),
      h('dd', {}, t(`check.fault.${fault}`, { plan, tier }), error !== '' && h('div', { class: 'why' }, error)),
    );
  return h('dl', { class: 'facts', id: 'check-entries' }, ...all.map(one));
}
