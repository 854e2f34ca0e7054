/** The kernel cases against the CPU oracle, in this very browser. */
import { kernelCases, runKernelCase, type DeviceInfo, type KernelReport } from '../llamita/index.js';
import { byId, h } from './dom.js';
import type { Verdict } from './doubt.js';
import { download } from './files.js';
import { language, number, t } from './i18n.js';
import type { Runtime } from './runtime.js';

type Row = KernelReport & { ms: number; error?: string };

export class ShadersView {
  readonly #state = h('p', { class: 'faint', role: 'status' });
  /** Says whose kernels are tested. */
  readonly #which = h('p', { class: 'faint' });
  readonly #progress = h('progress', { max: 1, label: 'shaders.progress' });
  readonly #body = h('tbody');
  readonly #filter = h('input', {
    type: 'search',
    id: 'shader-filter',
    placeholder: 'matvec q4_0',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  #rows: Row[] = [];
  #total = 0;
  #running = false;
  #halt = false;
  #tier: DeviceInfo['tier'] = 'base';

  constructor(
    private readonly runtime: Runtime,
    private readonly report: () => Promise<string>,
  ) {
    language.watch(() => this.#build());
    const name = (): void => {
      const loaded = runtime.loaded.value;
      this.#which.textContent = loaded ? t('shaders.ofModel', { model: loaded.choice.title }) : '';
    };
    language.watch(name);
    runtime.loaded.watch(name);
  }

  /** The tier that this device takes: its shaders are the ones to test. */
  set tier(tier: DeviceInfo['tier']) {
    this.#tier = tier;
  }

  #build(): void {
    const running = this.#running;
    const button = (id: string, key: Parameters<typeof t>[0], kind: string, click: () => void): HTMLElement =>
      h('button', { type: 'button', id, class: kind, t: key, on: { click } });
    const buttons = running
      ? [button('shaders-stop', 'do.stop', 'quiet', () => (this.#halt = true))]
      : [
          button('shaders-some', 'shaders.some', 'primary', () => void this.#run('kernels')),
          button('shaders-all', 'shaders.all', 'quiet', () => void this.#run('all')),
        ];
    const save = button('shaders-save', 'shaders.save', 'quiet', () => void this.#save());
    byId('view-shaders').replaceChildren(
      h(
        'div',
        { class: 'column' },
        h('h1', { t: 'nav.shaders', tabindex: -1 }),
        h('p', { class: 'lead', t: 'shaders.lead' }),
        this.#which,
        h('div', { class: 'field' }, h('label', { for: 'shader-filter', t: 'shaders.filter' }), this.#filter),
        h('div', { class: 'row' }, ...buttons, this.#rows.length > 0 && !running && save),
        this.#progress,
        this.#state,
        h(
          'div',
          { class: 'scroll-x', tabindex: 0, role: 'group', label: 'shaders.table' },
          h(
            'table',
            { id: 'shader-table' },
            h(
              'thead',
              {},
              h(
                'tr',
                {},
                h('th', { t: 'shaders.result' }),
                h('th', { t: 'shaders.case' }),
                h('th', { class: 'number', t: 'shaders.error' }),
                h('th', { class: 'number', t: 'shaders.tolerance' }),
                h('th', { class: 'number', t: 'bench.ms' }),
              ),
            ),
            this.#body,
          ),
        ),
      ),
    );
    this.#progress.hidden = !running;
    this.#body.replaceChildren(...this.#rows.map(rowElement));
    this.#count();
  }

  /**
   * Runs the first case of each kernel with each type of weights or cache, whatever the filter is, and tells how it went;
   * undefined where it was stopped.
   */
  async testEach(): Promise<Verdict> {
    if (this.#running) return undefined;
    this.#filter.value = '';
    await this.#run('types');
    if (this.#halt) return undefined;
    return { failed: this.#rows.filter(({ passed }) => !passed).map(({ name }) => name), cases: this.#rows.length };
  }

  /**
   * Runs a case of each kernel that the model in use dispatches, or the first case of each kernel with each type, or all;
   * only where the name has all words of the filter.
   */
  async #run(which: 'kernels' | 'types' | 'all'): Promise<void> {
    this.#running = true;
    this.#halt = false;
    this.#rows = [];
    this.#build();
    byId('shaders-stop').focus();
    try {
      const words = this.#filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const known = (await kernelCases(this.#tier)).filter((name) => words.every((word) => name.toLowerCase().includes(word)));
      const kernels = this.runtime.loaded.value?.info.kernels;
      const names = which === 'all' ? known : which === 'kernels' && kernels ? ofModel(known, kernels) : ofTypes(known);
      this.#total = names.length;
      for (const name of names) {
        if (this.#halt) break;
        this.#state.textContent = t('shaders.running', { name, at: this.#rows.length + 1, total: names.length });
        const row = await this.#one(name);
        this.#rows.push(row);
        this.#body.append(rowElement(row));
        this.#progress.value = this.#rows.length / names.length;
      }
    } catch (error) {
      this.#rows.push({ ...failed('–', error), ms: 0 });
    } finally {
      this.#running = false;
      this.#build();
    }
  }

  async #one(name: string): Promise<Row> {
    const begin = performance.now();
    try {
      const report = await runKernelCase(name, this.#tier);
      return { ...report, ms: performance.now() - begin };
    } catch (error) {
      return { ...failed(name, error), ms: performance.now() - begin };
    }
  }

  #count(): void {
    if (this.#rows.length === 0) this.#state.textContent = '';
    else {
      const passed = this.#rows.filter((row) => row.passed).length;
      const rest = this.#total - this.#rows.length;
      this.#state.textContent =
        t('shaders.count', { passed, failed: this.#rows.length - passed }) +
        (rest > 0 ? ` ${t('shaders.left', { rest })}` : '');
    }
  }

  async #save(): Promise<void> {
    const about = JSON.parse(await this.report()) as object;
    const text = JSON.stringify(
      { when: new Date().toISOString(), tier: this.#tier, ...about, cases: this.#rows },
      null,
      2,
    );
    download('llamita-shaders.json', 'application/json', text);
  }
}

/** The first case of each kernel with each type of weights or cache: `matvec/q4_0/plain/…` names the kernel, then the type. */
function ofTypes(known: string[]): string[] {
  const kind = (name: string): string => name.split(/[/:]/, 2).join('/');
  const seen = new Set<string>();
  return known.filter((name) => !seen.has(kind(name)) && seen.add(kind(name)));
}

/**
 * The words of a label, those that tell most first: `matvec/Q4_0-texels/plain/qkv/tile64-8x1x2` is a kernel, a type, its
 * input, what it is for, its shape, and last where the weights lie.
 */
function words(label: string): string[] {
  const [place] = label.match(/-(texels|sampled)/) ?? [''];
  return [...label.replace(place, '').split(/[/:\- ]+/), place];
}

/**
 * Of each kernel of a model the case that is most like it, those of 4-bit weights first: cases have small shapes of their
 * own, and so the numbers at a label's end differ.
 */
function ofModel(known: string[], kernels: string[]): string[] {
  const cases = new Set<string>();
  const fourBits = (label: string): boolean => /\/I?Q4_/.test(label);
  const labels = known.map((name) => ({ name, words: words(name.split(':')[0]!) }));
  for (const kernel of [...kernels.filter(fourBits), ...kernels.filter((one) => !fourBits(one))]) {
    const own = words(kernel);
    // The kernel, and the type of weights where it has one.
    const fixed = /^I?[FQB]\d/.test(own[1]!) ? 2 : 1;
    const likeness = (its: string[]): number => {
      if (own.slice(0, fixed).some((word, i) => its[i] !== word)) return -1;
      const common = own.map((word, i) => (its.includes(word) ? 2 ** (own.length - i) : 0));
      return common.reduce((sum, worth) => sum + worth) - its.length / 100;
    };
    const scores = labels.map((one) => likeness(one.words));
    const best = Math.max(...scores);
    if (best >= 0) cases.add(labels[scores.indexOf(best)]!.name);
  }
  return [...cases];
}

function failed(name: string, error: unknown): Omit<Row, 'ms'> {
  const message = error instanceof Error ? error.message : String(error);
  return { name, nmse: Number.NaN, tolerance: Number.NaN, passed: false, fault: '', error: message };
}

function rowElement({ name, nmse, tolerance, passed, fault, error, ms }: Row): HTMLElement {
  const why = error ?? (fault || undefined);
  return h(
    'tr',
    { class: passed ? 'passed' : 'failed' },
    h('td', {}, h('span', { class: 'verdict', t: passed ? 'shaders.passed' : 'shaders.failed' })),
    h('td', { class: 'case' }, name, why && h('div', { class: 'why' }, why)),
    h('td', { class: 'number' }, power(nmse)),
    h('td', { class: 'number' }, power(tolerance)),
    h('td', { class: 'number' }, number(ms)),
  );
}

function power(value: number): string {
  return Number.isFinite(value) ? value.toExponential(1) : '–';
}
