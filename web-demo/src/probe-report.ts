/** A report of the probe in the reader's language: a verdict in large type, and what was measured. */
import type { ProbeKernel, ProbeMemory, ProbeModel, ProbeReport } from '../llamita/index.js';
import { h, type Child } from './dom.js';
import { binary, factList } from './fact-list.js';
import { bytes, number, percent, seconds, short, t } from './i18n.js';

/** What it all means. A report that is not whole has no verdict yet. */
export function verdict(report: ProbeReport): HTMLElement {
  const { kernels, device, quarantined, speed: timed } = report;
  const wrong = kernels.filter(({ passed }) => !passed);
  const parts: Child[] = [];
  if (wrong.length > 0) {
    parts.push(
      headline('bad', t('probe.verdict.wrong')),
      h('p', {}, t('probe.verdict.wrongWhat', { wrong: wrong.length, total: kernels.length }), ' ', toKernels()),
    );
  } else if (report.verdict && quarantined[0] && !timed) {
    parts.push(
      headline('bad', t('probe.verdict.quarantine')),
      h('p', {}, t('probe.verdict.quarantineWhat', { kernel: quarantined[0].kernel }), ' ', toKernels()),
    );
  } else if (report.verdict) {
    for (const model of report.verdict.models) parts.push(...about(model, report.memory));
    if (device.software) parts.push(h('p', { class: 'faint', t: 'probe.verdict.software' }));
  } else {
    parts.push(headline('part', t('probe.verdict.part')), h('p', { t: 'probe.verdict.partWhat' }));
  }
  return h('section', { class: 'probe-verdict', id: 'verdict', tabindex: -1 }, ...parts);
}

/** Leads to the view of the device, where kernels are checked and forgotten. */
function toKernels(): HTMLElement {
  return h('a', { href: './#device', t: 'probe.verdict.toKernels' });
}

function headline(kind: 'good' | 'bad' | 'part', text: string): HTMLElement {
  return h('h2', { class: kind }, text);
}

function about({ model, fits, decode_tokens_per_second: rate, bytes_needed }: ProbeModel, memory: ProbeMemory | null): Child[] {
  const name = { model: `Llama 3.2 ${model}` };
  if (fits && rate !== null) return [headline('good', t('probe.verdict.runs', { ...name, rate: speed(rate) }))];
  if (fits) return [headline('good', t('probe.verdict.fits', name))];
  if (!memory) return [headline('part', t('probe.verdict.unknown', name))];
  const numbers = { needed: bytes(bytes_needed), granted: bytes(memory.most_bytes) };
  // What was not to be tried is not refused.
  const key = memory.end === 'cap' ? 'probe.verdict.unknown' : 'probe.verdict.not';
  return [headline(memory.end === 'cap' ? 'part' : 'bad', t(key, name)), h('p', {}, t(`probe.why.${memory.end}`, numbers))];
}

/** What was measured, as far as it is known. */
export function results(report: ProbeReport): HTMLElement[] {
  const { engine, memory, quarantined, sustained } = report;
  const rows: [string, ...Child[]][] = [...facts(report)];
  if (report.kernels.length > 0) rows.push([t('probe.kernels'), ...kernelSummary(report.kernels)]);
  if (memory) rows.push([t('probe.memory'), t(`probe.memory.${memory.end}`, { bytes: bytes(memory.most_bytes) })]);
  if (sustained && sustained.tokens_per_second.length > 0) {
    const [first, last] = [sustained.tokens_per_second[0]!, sustained.tokens_per_second.at(-1)!];
    const numbers = { first: speed(first), last: speed(last), time: seconds(sustained.seconds) };
    rows.push([t('probe.sustained'), t('probe.sustained.value', numbers)]);
  }
  for (const { kernel, error } of quarantined) {
    rows.push([t('probe.quarantined'), kernel, h('div', { class: 'why' }, error)]);
  }
  rows.push([t('device.build'), joined([engine.version, engine.commit])]);
  return [h('h2', { t: 'probe.results' }), ...speeds(report), factList(rows), ...each(report.kernels)];
}

function facts({ device, features, limits, latency, copy }: ProbeReport): [string, ...Child[]][] {
  const { subgroup_sizes: sizes } = features;
  const has = [
    features.shader_f16 && 'f16',
    sizes && subgroups(...sizes),
    features.packed_dot && t('probe.feature.dot'),
    features.timestamps && t('probe.feature.clock'),
  ];
  const rows: [string, ...Child[]][] = [
    [t('probe.device'), joined([device.name, !device.name.includes(device.vendor ?? '') && device.vendor, device.kind, device.driver])],
    [t('probe.browser'), joined([device.browser, device.system])],
    [t('probe.plan'), `${device.plan} · ${device.tier}`],
    [t('probe.features'), has.filter(Boolean).join(', ') || '–'],
    [
      t('probe.limits'),
      joined([
        t('probe.limit.binding', { bytes: binary(limits.binding_bytes) }),
        t('probe.limit.buffer', { bytes: binary(limits.buffer_bytes) }),
        t('probe.limit.workgroup', { bytes: binary(limits.workgroup_bytes) }),
        t('probe.limit.invocations', { count: limits.workgroup_invocations }),
        t('probe.limit.storage', { count: limits.storage_buffers }),
      ]),
    ],
  ];
  if (latency) {
    const { submit_us, dispatch_us, readback_us } = latency;
    rows.push([
      t('probe.latency'),
      joined([
        t('probe.latency.submit', { time: micro(submit_us) }),
        t('probe.latency.dispatch', { time: micro(dispatch_us) }),
        t('probe.latency.readback', { time: micro(readback_us) }),
      ]),
    ]);
  }
  if (copy) rows.push([t('probe.copy'), t('probe.copy.value', { rate: short(copy.gb_per_second) })]);
  return rows;
}

function joined(parts: (string | false | null | undefined)[]): string {
  return parts.filter(Boolean).join(' · ') || '–';
}

function subgroups(least: number, most: number): string {
  return least === most ? t('probe.feature.subgroup', { least }) : t('probe.feature.subgroups', { least, most });
}

function kernelSummary(kernels: ProbeKernel[]): Child[] {
  const wrong = kernels.filter(({ passed }) => !passed);
  if (wrong.length === 0) {
    const runs = Math.min(...kernels.map((one) => one.runs));
    return [t('probe.kernels.right', { total: kernels.length, runs })];
  }
  return [
    h('strong', {}, t('probe.kernels.wrong', { wrong: wrong.length, total: kernels.length })),
    ...wrong.map(({ kernel, place, fault }) => h('div', { class: 'why' }, `${kernel} (${place}): ${fault ?? '–'}`)),
  ];
}

/** Every kernel with its error, for those who want to know. */
function each(kernels: ProbeKernel[]): HTMLElement[] {
  if (kernels.length === 0) return [];
  const rows = kernels.map(({ kernel, place, passed, nmse, tolerance }) =>
    h(
      'tr',
      { class: passed ? 'passed' : 'failed' },
      h('td', {}, h('span', { class: 'verdict', t: passed ? 'shaders.passed' : 'shaders.failed' })),
      h('td', { class: 'case' }, kernel, h('div', { class: 'faint' }, place)),
      h('td', { class: 'number' }, power(nmse)),
      h('td', { class: 'number' }, power(tolerance)),
    ),
  );
  const heads = [
    h('th', { t: 'shaders.result' }),
    h('th', { t: 'probe.kernels.kernel' }),
    h('th', { class: 'number', t: 'shaders.error' }),
    h('th', { class: 'number', t: 'shaders.tolerance' }),
  ];
  return [
    h('details', { class: 'probe-each' }, h('summary', { t: 'probe.kernels.each' }), scrolling('probe.kernels.each', heads, rows)),
  ];
}

/** Prefill and decode, by what is before. */
function speeds({ speed: measured }: ProbeReport): HTMLElement[] {
  if (!measured || measured.runs.length === 0) return [];
  const rows = measured.runs.map((run) =>
    h(
      'tr',
      {},
      h('td', { class: 'number' }, number(run.depth)),
      h('td', { class: 'number' }, speed(run.prefill_tokens_per_second)),
      h('td', { class: 'number' }, speed(run.decode_tokens_per_second)),
      h('td', { class: 'number' }, run.share_of_copy === null ? '–' : percent(run.share_of_copy)),
    ),
  );
  const heads = (['depth', 'prefill', 'decode', 'share'] as const).map((name) =>
    h('th', { class: 'number', t: `probe.speed.${name}` }),
  );
  const { layers, of_layers: all } = measured;
  return [
    h('p', { class: 'probe-table', t: 'probe.speed' }),
    scrolling('probe.speed', heads, rows),
    ...(layers < all ? [h('p', { class: 'faint' }, t('probe.speed.layers', { layers, all }))] : []),
  ];
}

function scrolling(label: 'probe.speed' | 'probe.kernels.each', heads: HTMLElement[], rows: HTMLElement[]): HTMLElement {
  return h(
    'div',
    { class: 'scroll-x', tabindex: 0, role: 'group', label },
    h('table', { class: 'wide' }, h('thead', {}, h('tr', {}, ...heads)), h('tbody', {}, ...rows)),
  );
}

/** Tokens per second, with two digits that count. */
function speed(rate: number): string {
  return number(rate, rate < 10 ? 1 : 0);
}

function micro(microseconds: number): string {
  return microseconds < 1000 ? `${short(microseconds)} µs` : `${short(microseconds / 1000)} ms`;
}

function power(value: number | null): string {
  return value !== null ? value.toExponential(1) : '–';
}
