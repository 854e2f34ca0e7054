/** Speed here: prefill by length of the prompt, decode by depth, with a chart and the numbers to take along. */
import { benchmark, type BenchmarkRow } from '../llamita/index.js';
import { chart, type Bar } from './chart.js';
import type { Chat } from './chat.js';
import { copied } from './copied.js';
import { byId, h } from './dom.js';
import { tell } from './errors.js';
import { download } from './files.js';
import { language, number, short, t } from './i18n.js';
import { notice } from './notice.js';
import type { Runtime } from './runtime.js';

/** Lengths in tokens, as far as the context allows. */
const PREFILL = [16, 64, 128, 256, 512, 1024];
const DECODE = [16, 64, 128, 256];

export class BenchmarkView {
  readonly #out = h('div', { class: 'results' });
  readonly #state = h('p', { class: 'faint', role: 'status' });
  #rows: BenchmarkRow[] = [];
  #abort: AbortController | undefined;
  #error: unknown;

  constructor(
    private readonly runtime: Runtime,
    private readonly chat: Chat,
    private readonly report: () => Promise<string>,
    private readonly proof: HTMLElement,
  ) {
    language.watch(() => this.#build());
    runtime.loaded.watch(() => this.#build());
  }

  #build(): void {
    const loaded = this.runtime.loaded.value;
    const running = this.#abort !== undefined;
    const start = h('button', {
      type: 'button',
      class: running ? 'quiet' : 'primary',
      id: 'benchmark-run',
      t: running ? 'do.stop' : 'bench.run',
      on: { click: () => void this.#toggle() },
    });
    start.disabled = !loaded && !running;
    byId('view-benchmark').replaceChildren(
      h(
        'div',
        { class: 'column' },
        h('h1', { t: 'nav.benchmark', tabindex: -1 }),
        h('p', { class: 'lead' }, t('bench.lead', { model: loaded?.choice.title ?? t('models.none') })),
        h('div', { class: 'row' }, start, this.#state),
        this.#out,
        this.proof,
      ),
    );
    this.#show();
  }

  async #toggle(): Promise<void> {
    if (this.#abort) return this.#abort.abort();
    const loaded = this.runtime.loaded.value;
    if (!loaded) return;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#rows = [];
    this.#error = undefined;
    this.#build();
    byId('benchmark-run').focus();
    let free = (): void => {};
    try {
      this.chat.stopAll();
      free = await this.runtime.take(signal);
      const fits =
        (room: number) =>
        (tokens: number): boolean =>
          tokens + room <= loaded.info.context;
      const options = { prefill: PREFILL.filter(fits(1)), decode: DECODE.filter(fits(16)), repeat: 3, signal };
      this.#state.textContent = t('bench.begins');
      await benchmark(loaded.model, {
        ...options,
        onRow: (row, rows) => {
          this.#rows.push(row);
          this.#state.textContent = t('bench.running', { at: this.#rows.length, total: rows });
          this.#show();
        },
      });
      this.#state.textContent = t('bench.done');
    } catch (error) {
      if (!signal.aborted) this.#error = error;
      this.#state.textContent = t('bench.stopped');
    } finally {
      free();
      this.#abort = undefined;
      this.#build();
    }
  }

  #show(): void {
    const parts: HTMLElement[] = [];
    if (this.#error !== undefined) {
      const { title, what, detail } = tell(this.#error);
      parts.push(notice('error', title, [what], [], detail));
    }
    const of = (kind: BenchmarkRow['kind']): BenchmarkRow[] => this.#rows.filter((row) => row.kind === kind);
    const bars = (rows: BenchmarkRow[]): Bar[] =>
      rows.map((row) => {
        return {
          label: number(row.tokens),
          value: row.tokensPerSecond,
          low: row.tokensPerSecondMin,
          high: row.tokensPerSecondMax,
        };
      });
    const charts = [
      ...(of('prefill').length ? [chart(t('bench.prefill'), t('bench.unit'), bars(of('prefill')))] : []),
      ...(of('decode').length ? [chart(t('bench.decode'), t('bench.unit'), bars(of('decode')))] : []),
    ];
    if (charts.length) {
      const note = h('p', { class: 'faint', t: 'bench.note' });
      parts.push(h('div', { class: 'charts' }, ...charts), this.#table(), note, this.#take());
    }
    this.#out.replaceChildren(...parts);
  }

  #table(): HTMLElement {
    const rows = this.#rows.map(({ kind, tokens, tokensPerSecond, timeToFirstTokenMs }) =>
      h(
        'tr',
        {},
        h('td', {}, kind === 'prefill' ? 'Prefill' : 'Decode'),
        h('td', { class: 'number' }, number(tokens)),
        h('td', { class: 'number' }, short(tokensPerSecond)),
        h('td', { class: 'number' }, short(timeToFirstTokenMs)),
      ),
    );
    return h(
      'div',
      { class: 'scroll-x', tabindex: 0, role: 'group', label: 'bench.table' },
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', { t: 'bench.what' }),
            h('th', { class: 'number', t: 'bench.tokens' }),
            h('th', { class: 'number', t: 'bench.unit' }),
            h('th', { class: 'number', t: 'bench.first' }),
          ),
        ),
        h('tbody', {}, ...rows),
      ),
    );
  }

  #take(): HTMLElement {
    const json = async (): Promise<string> => {
      const about = JSON.parse(await this.report()) as object;
      const when = new Date().toISOString();
      return JSON.stringify({ when, ...about, sampling: 'greedy', rows: this.#rows }, null, 2);
    };
    const copy = h('button', {
      type: 'button',
      class: 'quiet',
      t: 'bench.copy',
      on: { click: () => void json().then((text) => copied(copy, text)) },
    });
    const save = h('button', {
      type: 'button',
      class: 'quiet',
      t: 'bench.save',
      on: { click: () => void json().then((text) => download('llamita-benchmark.json', 'application/json', text)) },
    });
    return h('div', { class: 'row' }, copy, save);
  }
}
