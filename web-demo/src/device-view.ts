/** What this device and browser are, as far as WebGPU says. */
import type { DeviceInfo } from '../llamita/index.js';
import { copied } from './copied.js';
import { byId, h } from './dom.js';
import { binary, factList } from './fact-list.js';
import { build, facts, offline } from './facts.js';
import { bytes, language, number, seconds, t } from './i18n.js';
import { KernelCheck } from './kernel-check.js';
import type { KnownModels } from './known-models.js';
import { total, type Runtime } from './runtime.js';
import { platform } from './support.js';

/** The limits that decide what a model may be. */
const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupsPerDimension',
] as const;
/** Of what the device offers, what could make a difference here. */
const FEATURES = ['shader-f16', 'subgroups', 'timestamp-query'];
const IN_BYTES = ['maxBufferSize', 'maxStorageBufferBindingSize', 'maxComputeWorkgroupStorageSize'];

export class DeviceView {
  #device: DeviceInfo | undefined;
  /** What is known a moment later than the rest. */
  readonly #kept = h('span', {}, '…');
  readonly #build = h('span', {}, '…');
  readonly #kernels = new KernelCheck();

  constructor(
    private readonly runtime: Runtime,
    private readonly known: KnownModels,
  ) {
    const changed = (): void => {
      this.build();
      if (!byId('view-device').hidden) void this.refresh();
    };
    language.watch(changed);
    runtime.loaded.watch(changed);
  }

  set device(device: DeviceInfo) {
    this.#device = device;
    this.build();
  }

  /** Looks again at what changes while the page is open: what is kept for use without a network, and in quarantine. */
  async refresh(): Promise<void> {
    if (this.#device) void this.#kernels.refresh();
    const [kept, which] = await Promise.all([offline(this.runtime.loaded.value, this.known), build()]);
    this.#kept.textContent = t(`device.offline.${kept}`);
    this.#build.textContent = which ? [which.version, which.commit].filter(Boolean).join(' · ') : '–';
  }

  build(): void {
    const copy = h('button', {
      type: 'button',
      class: 'quiet',
      t: 'device.copy',
      on: { click: () => void this.report().then((text) => copied(copy, text)) },
    });
    byId('view-device').replaceChildren(
      h(
        'div',
        { class: 'column' },
        h('h1', { t: 'nav.device', tabindex: -1 }),
        h('p', { class: 'lead', t: 'device.lead' }),
        ...this.#gpu(),
        this.#device !== undefined && this.#kernels.element,
        ...this.#model(),
        ...this.#browser(),
        h('div', { class: 'row' }, copy, h('a', { class: 'button quiet', href: 'probe.html', t: 'probe.link' })),
        h('p', { class: 'faint', t: 'probe.linkWhat' }),
      ),
    );
  }

  #gpu(): HTMLElement[] {
    const device = this.#device;
    if (!device) return [h('p', { t: 'device.none' })];
    const { vendor, architecture, description, software, features, limits, tier, lacks, bad } = device;
    const name = [vendor, architecture, description].filter(Boolean).join(' · ');
    return [
      h('h2', { t: 'device.adapter' }),
      factList([
        [t('device.name'), name || t('device.hidden')],
        ...(software ? [[t('device.kind'), t('device.software')] as const] : []),
        [t('device.tier'), tier],
        [t('device.features'), features.filter((one) => FEATURES.includes(one)).join(', ') || '–'],
        ...lacks.map((what) => [t('device.lacks'), what] as const),
        ...(bad ? [[t('device.reported'), [bad.what, ...bad.links].join(' ')] as const] : []),
      ]),
      h('h2', { t: 'device.limits' }),
      factList(
        LIMITS.flatMap((limit) => {
          const value = limits[limit];
          return value === undefined
            ? []
            : [[limit, IN_BYTES.includes(limit) ? binary(value) : number(value)] as const];
        }),
      ),
    ];
  }

  #model(): HTMLElement[] {
    const loaded = this.runtime.loaded.value;
    if (!loaded) return [];
    const { info, choice, loadMs } = loaded;
    const { weights, kv, scratch } = info.bytes;
    return [
      h('h2', { t: 'device.model' }),
      factList([
        [t('device.name'), choice.title],
        [t('device.format'), [info.format, info.kind].filter(Boolean).join(' · ')],
        [t('device.parameters'), number(info.parameters)],
        [
          t('device.shape'),
          t('device.shapeValue', { layers: info.layers, dim: info.dim, vocabulary: info.vocabulary }),
        ],
        [t('device.context'), number(info.context)],
        [t('device.tier'), info.device === 'CPU' ? 'CPU' : (info.tier ?? '–')],
        [t('device.plan'), t(`device.plan.${info.plan}`)],
        [t('device.memory'), `${bytes(total(info))} (${[weights, kv, scratch].map(bytes).join(' + ')})`],
        [t('device.types'), info.types.join(', ')],
        [t('device.dispatches'), number(info.dispatchesPerToken)],
        [t('device.loaded'), seconds(loadMs / 1000)],
      ]),
    ];
  }

  #browser(): HTMLElement[] {
    const { browser, version, system } = platform();
    const memory = (navigator as { deviceMemory?: number }).deviceMemory;
    return [
      h('h2', { t: 'device.browser' }),
      factList([
        [t('device.browser'), `${browser} ${version}`],
        [t('device.system'), system],
        [t('device.cores'), number(navigator.hardwareConcurrency)],
        [t('device.ram'), memory === undefined ? '–' : `≥ ${memory} GB`],
        [t('device.screen'), `${screen.width} × ${screen.height} @ ${number(devicePixelRatio, 2)}`],
        [t('device.offline'), this.#kept],
        [t('device.build'), this.#build],
      ]),
    ];
  }

  /** Everything as text, for a bug report. */
  async report(): Promise<string> {
    return JSON.stringify(await facts(this.#device, this.runtime.loaded.value, this.known), null, 2);
  }
}
