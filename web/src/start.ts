/** Starting ahead of the first call. */
import { connect, type Place } from './connection.js';
import type { Progress } from './types.js';

/** What starting takes into account. */
export interface StartOptions extends Place {
  /** Told how much of the engine has come. */
  onProgress?: (progress: Progress) => void;
}

/**
 * Starts the worker and fetches the engine, which otherwise happens with the first call. It is there when this ends.
 *
 * @throws {LlamitaError} `Offline`, `Http`, `InvalidSetting`.
 */
export async function start({ onProgress, ...place }: StartOptions = {}): Promise<void> {
  const connection = connect(place);
  if (onProgress) connection.onEngine.add(onProgress);
  try {
    await connection.ask('start', {});
  } finally {
    if (onProgress) connection.onEngine.delete(onProgress);
  }
}
