/** Bytes per second, and the seconds that are left. */
import type { Progress } from './types.js';

/** Milliseconds between two reports, and how far back a speed looks. */
const BETWEEN = 100;
const WINDOW = 4000;

/** Turns counts of bytes into reports of progress, ten a second at most. */
export class RateMeter {
  readonly #report: (progress: Progress) => void;
  #stage: Progress['stage'] | undefined;
  #samples: { at: number; loaded: number }[] = [];
  #reported = 0;

  constructor(report: (progress: Progress) => void) {
    this.#report = report;
  }

  /** So many bytes of a stage are done. The first and the last count of a stage are always reported. */
  tell(stage: Progress['stage'], loaded: number, total: number): void {
    const now = performance.now();
    const first = stage !== this.#stage;
    if (first) {
      this.#stage = stage;
      this.#samples = [];
    }
    this.#samples.push({ at: now, loaded });
    if (!first && loaded < total && now - this.#reported < BETWEEN) return;
    this.#reported = now;
    while (this.#samples.length > 2 && now - (this.#samples[0]?.at ?? now) > WINDOW) this.#samples.shift();
    const oldest = this.#samples[0];
    const ms = oldest ? now - oldest.at : 0;
    const bytesPerSecond = oldest && ms > 0 ? (loaded - oldest.loaded) / ms * 1000 : 0;
    const secondsLeft = bytesPerSecond > 0 ? (total - loaded) / bytesPerSecond : undefined;
    this.#report({ stage, loaded, total, bytesPerSecond, secondsLeft });
  }
}
