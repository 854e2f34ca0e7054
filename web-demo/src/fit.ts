/** What this device has room for, how fast it writes, and which model of the catalogue suits it. */
import type { DeviceInfo } from '../llamita/index.js';
import { memoryNeeded, OFFERS, type Offer, weightBytes } from './catalogue.js';
import { Cell } from './cell.js';
import { bytes, short, t } from './i18n.js';
import { keep, recall } from './keep.js';
import type { Loaded } from './runtime.js';
import { platform } from './support.js';

/** The adapter, as soon as it is known. */
export const adapter = new Cell<DeviceInfo | undefined>(undefined);

const MOBILE = ['android', 'ios'].includes(platform().system);

/** The memory of this device: as the browser rounds it, or what devices like this have at least. */
export function memory(): { bytes: number; told: boolean } {
  const told = (navigator as { deviceMemory?: number }).deviceMemory;
  if (told !== undefined) return { bytes: told * 1e9, told: true };
  // Adapters of phones seldom allow buffers of 2 GiB.
  const large = (adapter.value?.limits['maxBufferSize'] ?? 0) >= 2 ** 31;
  return { bytes: !MOBILE && large ? 8e9 : 4e9, told: false };
}

/** Whether what a model needs leaves the rest of the device enough. */
export function fits(needed: number): boolean {
  return needed <= 0.4 * memory().bytes;
}

/** What a file of which only the size is known takes: weights, working space, and a cache as of other models of its size. */
export function roughlyNeeded(size: number, context: number): number {
  return size * (1.03 + (0.05 * context) / 1024) + 64e6;
}

/** How fast a model wrote on this device. */
interface Measured {
  title: string;
  /** Of its weights: each token reads all of them. */
  bytes: number;
  dispatches: number;
  tokensPerSecond: number;
}

/** Models that are remembered. */
const MOST = 6;
/** Answers of fewer tokens tell little. */
const LEAST_TOKENS = 16;
/** Below this many bytes a token takes what its dispatches take, and not what reading the weights does. */
const TINY = 32e6;

/** Remembers what an answer took. */
export function noteSpeed({ choice, info }: Loaded, { tokens, tokensPerSecond }: { tokens: number; tokensPerSecond: number }): void {
  if (tokens < LEAST_TOKENS || !(tokensPerSecond > 0)) return;
  const { bytes, dispatchesPerToken: dispatches } = info;
  const now = { title: choice.title, bytes: bytes.weights, dispatches, tokensPerSecond };
  const others = measured().filter(({ title }) => title !== choice.title);
  keep('speeds', JSON.stringify([now, ...others].slice(0, MOST)));
}

function measured(): Measured[] {
  try {
    const kept: unknown = JSON.parse(recall('speeds') ?? '[]');
    const whole = (one: Partial<Measured> | null): boolean =>
      typeof one?.title === 'string' && [one.bytes, one.dispatches, one.tokensPerSecond].every((n) => Number(n) > 0);
    return Array.isArray(kept) ? (kept as Measured[]).filter(whole) : [];
  } catch {
    return []; // Something else was kept under this name.
  }
}

/** How fast a model of the catalogue will write here, going by the largest that did; undefined where none has. */
function speedOf(offer: Offer): { rate: number; by: string; sure: boolean } | undefined {
  const [best] = measured().sort((a, b) => b.bytes - a.bytes);
  if (!best) return undefined;
  const seconds = 1 / best.tokensPerSecond;
  const sure = best.bytes >= TINY;
  if (sure) return { rate: 1 / (seconds * (weightBytes(offer) / best.bytes)), by: best.title, sure };
  // A tiny model tells what dispatches take; what memory gives is a cautious guess by the kind of device.
  const perSecond = adapter.value?.software ? 5e9 : MOBILE ? 20e9 : 50e9;
  const dispatched = (seconds * (5 * offer.layers + 4)) / best.dispatches;
  return { rate: 1 / (dispatched + weightBytes(offer) / perSecond), by: best.title, sure };
}

/** One of each size, the most able last. */
const CANDIDATES = ['smollm2-135m-q4_0', 'smollm2-360m-q4_0', 'llama-3.2-1b-q4_0', 'llama-3.2-3b-q4_0'];
/** Tokens per second that people read at. */
const READABLE = 5;

/** The most able model that fits this device and writes as fast as one reads, with the reason. */
export function recommend(context: number): { offer: Offer; why: string } {
  const candidates = CANDIDATES.map((id) => OFFERS.find((one) => one.id === id)!);
  const room = candidates.filter((offer) => fits(memoryNeeded(offer, context)));
  const quick = room.filter((offer) => {
    const speed = speedOf(offer);
    // A large download is for who knows that it is worth it.
    if (offer.bytes > 1e9) return speed !== undefined && speed.sure && speed.rate >= 2 * READABLE;
    return speed === undefined || speed.rate >= READABLE;
  });
  const offer = quick.at(-1) ?? candidates[0]!;
  const next = room[room.indexOf(offer) + 1];
  const slower = next && speedOf(next);
  const speed = speedOf(offer);
  const { bytes: had, told } = memory();
  const values = { memory: bytes(had), model: speed?.by ?? '', speed: short(speed?.rate ?? 0), least: READABLE };
  if (slower && slower.rate < READABLE) return { offer, why: t('models.whySlow', { ...values, model: slower.by }) };
  if (speed?.sure) return { offer, why: t('models.whyFast', values) };
  return { offer, why: t(told ? 'models.whyFits' : 'models.whyGuess', values) };
}
