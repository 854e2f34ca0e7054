/** The page of the probe: what this device can do for Llama 3.2. It never begins by itself, and uploads nothing. */
import './trust.js';
import { probe, probeEnded, start, type DeviceInfo, type ProbeOptions, type ProbeProgress, type ProbeReport } from '../llamita/index.js';
import { choices } from './choices.js';
import { byId, h, keepTranslated } from './dom.js';
import { kindOf, tell } from './errors.js';
import { bytes, language, seconds, t } from './i18n.js';
import { keep, recall } from './keep.js';
import { notice } from './notice.js';
import { results, verdict } from './probe-report.js';
import { sending } from './probe-send.js';
import { check, platform, type Missing } from './support.js';

type Skipped = NonNullable<ProbeOptions['skip']>;
type Phase = ProbeProgress['phase'] | 'opening';

/** The parts of the time that phases take, roughly. */
const SHARES: Record<Phase, number> = { opening: 4, device: 6, weights: 10, kernels: 35, speed: 30, sustained: 0, memory: 15 };
/** Minutes that a probe takes where the CPU runs the shaders. */
const SOFTWARE_MINUTES = 10;
const SUSTAINED_SECONDS = 300;

/** `?small`, `?layers=2`, `?memory=500000000` and `?skip=speed` in the address bound what is done: for tests. */
const asked = new URLSearchParams(location.search);
const BOUNDS: ProbeOptions & { skip: Skipped } = {
  ...(asked.has('small') ? { small: true } : {}),
  ...(asked.has('layers') ? { layers: Number(asked.get('layers')) } : {}),
  ...(asked.has('memory') ? { memory: Number(asked.get('memory')) } : {}),
  skip: (asked.get('skip') ?? '').split(',').filter(Boolean) as Skipped,
};

interface Running {
  abort: AbortController;
  began: number;
  /** Whether it is decode alone, watched for minutes. */
  sustained: boolean;
}

class ProbePage {
  readonly #bar = h('progress', { max: 1, label: 'probe.progress' });
  readonly #phase = h('strong', { role: 'status' });
  readonly #time = h('span', { class: 'faint' });
  #running: Running | undefined;
  #report: ProbeReport | undefined;
  #error: unknown;
  #device: DeviceInfo | undefined;
  #missing: Missing | undefined;
  /** Whether it is known what is there. */
  #looked = false;
  /** Bytes at which an earlier probe was ended, until a report counts them. */
  #ended: number | undefined;

  /** Looks at what is there, and lets the person begin. */
  async open(): Promise<void> {
    language.watch(() => this.#build());
    try {
      const found = await check();
      if ('missing' in found) this.#missing = found.missing;
      else {
        this.#device = found.device;
        this.#ended = await probeEnded();
        if (this.#ended !== undefined) this.#report = remembered(this.#ended);
      }
    } catch (error) {
      this.#error = error;
    }
    this.#looked = true;
    this.#build();
  }

  #build(): void {
    document.title = `${t('probe.title')} · Llamita`;
    byId('probe').replaceChildren(
      h('h1', { t: 'probe.title', tabindex: -1 }),
      h('p', { class: 'lead', t: 'probe.lead' }),
      ...(this.#running ? this.#progress() : this.#beginning()),
    );
  }

  #progress(): HTMLElement[] {
    const stop = h('button', { type: 'button', class: 'quiet', id: 'probe-stop', t: 'do.stop', on: { click: () => this.#running?.abort.abort() } });
    return [
      h('div', { class: 'progress', id: 'probe-progress' }, h('div', { class: 'progress-head' }, this.#phase, stop), this.#bar, this.#time),
      h('p', { class: 'faint', t: 'probe.front' }),
    ];
  }

  /** All that there is while nothing runs. */
  #beginning(): HTMLElement[] {
    if (!this.#looked) return [];
    if (this.#missing) return [missing(this.#missing)];
    const report = this.#report;
    return [
      ...this.#trouble(),
      ...(report && this.#ended === undefined ? [verdict(report)] : []),
      ...(report ? [...sending(report), ...results(report), ...this.#sustain(report)] : []),
      ...this.#start(),
    ];
  }

  #start(): HTMLElement[] {
    if (this.#ended !== undefined) return [];
    const again = this.#report !== undefined;
    const button = h('button', {
      type: 'button',
      id: 'probe-start',
      class: again ? 'quiet' : 'primary',
      t: again ? 'probe.again' : 'probe.start',
      on: { click: () => void this.#run() },
    });
    const slow = this.#device?.software && !again && h('p', { class: 'faint' }, t('probe.software', { minutes: SOFTWARE_MINUTES }));
    return [h('div', { class: 'row' }, button), ...(slow ? [slow] : [])];
  }

  #trouble(): HTMLElement[] {
    if (this.#ended !== undefined) {
      const go = { t: 'probe.ended.go', primary: true, click: () => this.#run({ skip: ['memory'] }) } as const;
      const all = { t: 'probe.ended.all', click: () => this.#run() } as const;
      const title = t('probe.ended.title', { bytes: bytes(this.#ended) });
      return [notice('warning', title, [t('probe.ended.what')], [go, all])];
    }
    if (this.#error === undefined || kindOf(this.#error) === 'Aborted') return [];
    const told = tell(this.#error);
    const kind = kindOf(this.#error);
    const title = kind === 'DeviceLost' ? t('probe.error.DeviceLost') : kind === 'Busy' ? t('probe.error.Busy') : told.title;
    const what = kind === 'DeviceLost' ? t('probe.error.DeviceLostWhat') : kind === 'Busy' ? t('probe.error.BusyWhat') : told.what;
    const reload = { t: 'support.retry', click: () => location.reload() } as const;
    return [notice('error', title, [what], [reload], told.detail)];
  }

  #sustain(report: ProbeReport): HTMLElement[] {
    if (!report.verdict?.works) return [];
    const run = (): Promise<void> => this.#run({ skip: ['kernels', 'speed', 'memory'], sustained: SUSTAINED_SECONDS });
    const button = h('button', { type: 'button', class: 'quiet', id: 'probe-sustain', t: 'probe.sustain', on: { click: () => void run() } });
    return [h('p', { class: 'faint probe-sustain', t: 'probe.sustainWhat' }), h('div', { class: 'row' }, button)];
  }

  async #run(options: Pick<ProbeOptions, 'skip' | 'sustained'> = {}): Promise<void> {
    const abort = new AbortController();
    const before = this.#report;
    const sustained = options.sustained !== undefined;
    this.#running = { abort, began: performance.now(), sustained };
    this.#error = undefined;
    if (!sustained) this.#report = undefined;
    // The speed over minutes is added to what is known, as far as it has come.
    const take = (report: ProbeReport): void => {
      this.#report = sustained && before ? { ...before, sustained: report.sustained ?? before.sustained } : report;
    };
    keep('probe', undefined);
    const awake = stayAwake();
    const clock = setInterval(() => this.#tick(), 1000);
    this.#show('opening', 0);
    this.#build();
    byId('probe-stop').focus();
    try {
      const about = await surroundings();
      await start({ onProgress: ({ loaded, total }) => this.#show('opening', total > 0 ? loaded / total : 0) });
      const onProgress = ({ phase, share, report }: ProbeProgress): void => {
        this.#show(phase, share);
        take(report);
        // Whoever ends the page then does not take this along.
        if (phase === 'memory') keep('probe', JSON.stringify(report));
      };
      const skip = [...BOUNDS.skip, ...(options.skip ?? [])];
      const report = await probe({ ...BOUNDS, ...about, ...options, skip, onProgress, signal: abort.signal });
      keep('probe', undefined);
      this.#ended = undefined;
      take(report);
    } catch (error) {
      this.#error = error;
    } finally {
      clearInterval(clock);
      (await awake)?.release().catch(() => {});
      this.#running = undefined;
      if (!this.#report) this.#ended = await probeEnded().catch(() => undefined);
      this.#build();
      document.getElementById('verdict')?.focus();
    }
  }

  #show(phase: Phase, share: number): void {
    this.#bar.value = this.#running?.sustained ? (phase === 'sustained' ? share : 0) : overall(phase, share);
    const text = t(`probe.phase.${phase}`);
    // What is said again is read aloud again.
    if (this.#phase.textContent !== text) this.#phase.textContent = text;
    this.#tick();
  }

  #tick(): void {
    const began = this.#running?.began;
    if (began !== undefined) this.#time.textContent = t('probe.elapsed', { time: seconds(Math.round((performance.now() - began) / 1000)) });
  }
}

/** The share of the whole that is done when a share of a phase is. */
function overall(phase: Phase, share: number): number {
  const names = Object.keys(SHARES) as Phase[];
  const sum = (phases: Phase[]): number => phases.reduce((all, name) => all + SHARES[name], 0);
  return (sum(names.slice(0, names.indexOf(phase))) + SHARES[phase] * share) / sum(names);
}

/** What the last probe had seen when it was ended at so many bytes, which is its answer about memory. */
function remembered(ended: number): ProbeReport | undefined {
  try {
    const report = JSON.parse(recall('probe') ?? '') as ProbeReport;
    const granted = (report.memory?.steps ?? []).filter((step) => step.granted && step.bytes < ended);
    const steps = [...granted, { bytes: ended, granted: false, reason: 'the page was ended at this step' }];
    return { ...report, memory: { steps, most_bytes: granted.at(-1)?.bytes ?? 0, end: 'killed' } };
  } catch {
    return undefined; // Nothing was kept.
  }
}

/** Says that no GPU can be used here, and what to do. */
function missing({ why, advice, reason }: Missing): HTMLElement {
  const retry = { t: 'support.retry', primary: true, click: () => location.reload() } as const;
  return notice('error', t(`support.${why}.title`), [t(`support.${why}.what`), ...advice.map((key) => t(key))], [retry], reason);
}

/** Keeps the screen on, where the browser lets a page do that. */
async function stayAwake(): Promise<WakeLockSentinel | undefined> {
  try {
    return await navigator.wakeLock.request('screen');
  } catch {
    return undefined;
  }
}

interface UserAgentData {
  getHighEntropyValues(hints: string[]): Promise<{ platform?: string; platformVersion?: string; model?: string; architecture?: string }>;
}

/** The system and the browser, for the report: with the model of the phone, where the browser tells it. */
async function surroundings(): Promise<{ system: string; browser: string }> {
  const { browser, version, system } = platform();
  const data = (navigator as { userAgentData?: UserAgentData }).userAgentData;
  const told = await data?.getHighEntropyValues(['platformVersion', 'model', 'architecture']).catch(() => undefined);
  const parts = told ? [told.platform || system, told.platformVersion, told.architecture, told.model] : [system];
  return { system: parts.filter(Boolean).join(' '), browser: `${browser} ${version}`.trim() };
}

keepTranslated();
choices();
byId('skip').addEventListener('click', (event) => {
  event.preventDefault();
  byId('content').focus();
});
void new ProbePage().open();
