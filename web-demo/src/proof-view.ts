/** The comparison with Meta's runtime: a button, how far it is, and what came out. */
import type { Chat } from './chat.js';
import { add, h } from './dom.js';
import { tell } from './errors.js';
import { firstDifference, type Golden } from './golden.js';
import { bytes, language, number, short, t, type Key } from './i18n.js';
import { notice } from './notice.js';
import { write, type Written } from './proof.js';
import type { Runtime } from './runtime.js';

/** Bytes of the checkpoint, by the build: a server that compresses them does not tell. */
declare const PROOF_BYTES: number;

const PLACE = new URL('../proof/', import.meta.url);
/** How many tokens Meta's runtime was asked for. */
const TOKENS = 200;

export class ProofView {
  readonly element = h('section', { id: 'proof' });
  readonly #run = h('button', { type: 'button', id: 'proof-run', on: { click: () => void this.#toggle() } });
  readonly #state = h('span', { class: 'faint', role: 'status' });
  readonly #count = h('span', { class: 'faint' });
  readonly #bar = h('progress', { max: 1, label: 'proof.title' });
  readonly #out = h('div', { class: 'found' });
  #abort: AbortController | undefined;
  #step: Key | undefined;
  /** The outcome, or why there is none. */
  #found: { golden: Golden; written: Written } | { error: unknown } | undefined;

  constructor(
    private readonly runtime: Runtime,
    private readonly chat: Chat,
  ) {
    add(
      this.element,
      h('h2', { t: 'proof.title' }),
      h('p', { class: 'lead' }),
      h('div', { class: 'row' }, this.#run, this.#state, this.#count),
      this.#bar,
      this.#out,
    );
    language.watch(() => this.#show());
    runtime.loaded.watch(() => this.#show());
  }

  async #toggle(): Promise<void> {
    if (this.#abort) return this.#abort.abort();
    const abort = new AbortController();
    const { signal } = abort;
    this.#abort = abort;
    this.#found = undefined;
    let free = (): void => {};
    try {
      this.#at('proof.waits');
      this.chat.stopAll();
      free = await this.runtime.take(signal);
      this.#at('proof.fetch');
      const answer = await fetch(new URL('golden.json', PLACE), { signal });
      const golden = (await answer.json()) as Golden;
      const written = await write({
        folder: new URL('spinquant/', PLACE),
        prompt: golden.prompt,
        tokens: golden.ids.length,
        options: { activations: 'int8', device: this.runtime.device },
        signal,
        onFetched: (loaded) => this.#far(loaded / PROOF_BYTES, bytes(loaded)),
        onLoad: () => this.#at('proof.load'),
        onToken: ({ length }) => {
          if (this.#step !== 'proof.write') this.#at('proof.write');
          this.#far(length / golden.ids.length, t('proof.tokens', { at: length, total: golden.ids.length }));
        },
      });
      this.#found = { golden, written };
    } catch (error) {
      if (!signal.aborted) this.#found = { error };
    } finally {
      free();
      this.#abort = undefined;
      this.#step = undefined;
      this.#show();
    }
  }

  #at(step: Key): void {
    this.#step = step;
    this.#far(undefined, '');
    this.#show();
  }

  #far(part: number | undefined, count: string): void {
    if (part === undefined) this.#bar.removeAttribute('value');
    else this.#bar.value = Math.min(part, 1);
    this.#count.textContent = count;
  }

  #show(): void {
    const running = this.#abort !== undefined;
    this.element.querySelector('.lead')!.textContent = t('proof.lead', { size: bytes(PROOF_BYTES), tokens: TOKENS });
    this.#run.textContent = t(running ? 'do.cancel' : 'proof.run');
    this.#run.className = running ? 'quiet' : 'primary';
    this.#run.disabled = !running && !this.runtime.loaded.value;
    this.#state.textContent = this.#step ? t(this.#step) : '';
    this.#bar.hidden = !running;
    if (!running) this.#count.textContent = '';
    this.#out.replaceChildren(...this.#outcome());
  }

  #outcome(): HTMLElement[] {
    if (!this.#found) return [];
    if ('error' in this.#found) {
      const { title, what, detail } = tell(this.#found.error);
      return [notice('error', title, [what], [], detail)];
    }
    const { golden, written } = this.#found;
    const { info } = written;
    const differs = firstDifference(golden, written.ids);
    const verdict = differs
      ? t('proof.differs', {
          before: differs.at,
          theirs: String(differs.theirs),
          ours: String(differs.ours ?? '–'),
          margin: number(differs.margin, 3),
        })
      : t('proof.same', { count: golden.ids.length });
    const rows: [string, string][] = [
      [t('device.adapter'), [info.device || t('device.hidden'), info.software && 'CPU'].filter(Boolean).join(' · ')],
      [t('device.plan'), t(`device.plan.${info.plan}`)],
      [t('proof.model'), t('proof.int8', { kind: info.kind ?? info.format })],
      [t('proof.speed'), `${short(written.tokensPerSecond)} ${t('bench.unit')}`],
    ];
    const story = (name: Key, text: string): HTMLElement =>
      h(
        'figure',
        {},
        h('figcaption', { t: name }),
        h('p', { class: 'written' }, h('span', { class: 'faint' }, golden.prompt), text),
      );
    return [
      h('p', { class: differs ? 'failed' : 'passed', role: 'status' }, h('strong', { class: 'verdict' }, verdict)),
      h('dl', { class: 'facts' }, ...rows.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))),
      ...(differs
        ? [story('proof.ours', written.text), story('proof.theirs', golden.text)]
        : [story('proof.text', written.text)]),
    ];
  }
}
