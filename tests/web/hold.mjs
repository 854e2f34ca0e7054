// Answers that a test holds where it wants them. What must happen during an answer happens while it is held, however
// fast the device is and however slow the machine.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SITE } from './browser.mjs';

const HELD = fileURLToPath(new URL('held/', import.meta.url));

/** The folders of a `browserTest` whose answers can be held: `{ folders: HOLDABLE }`. */
export const HOLDABLE = {
  '/held/': HELD,
  '/llamita/worker.js': join(HELD, 'served.js'),
  '/llamita/own-worker.js': join(SITE, 'llamita/worker.js'),
};

/** Holds the page's next answer after so many tokens. To be called when the model is ready. */
export async function holdAnswer(page, tokens, ...call) {
  await page.evaluate(async (args) => {
    const { hold } = await import('/held/in-page.js');
    globalThis.answer = await hold(...args);
  }, [tokens, ...call]);
  return {
    /** Kept when it is held there. */
    held: () => page.evaluate(() => globalThis.answer.held()),
    release: () => page.evaluate(() => globalThis.answer.release()),
  };
}
