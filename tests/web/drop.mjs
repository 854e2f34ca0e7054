// Drops a file or folder of this machine on the page in Chromium, as a person does, and prints what it takes:
// `node tests/web/drop.mjs PATH`, where the tests have been set up (`cargo xtask web`). Memory needs /proc.
import { basename, extname, resolve } from 'node:path';
import { launch, SITE } from './browser.mjs';
import { answered, open, say } from './page.mjs';
import { processMeter } from './process.mjs';
import { serve } from './server.mjs';

const [path] = process.argv.slice(2);
if (!path) throw new Error('usage: drop.mjs PATH');
const LIMIT_MS = 1_800_000;
const TYPES = { 'the page': 'renderer', 'the GPU process': 'GPU' };

const { origin, close } = await serve({ '/': SITE });
const browser = await launch();
try {
  const context = await browser.newContext();
  context.setDefaultTimeout(LIMIT_MS);
  const page = await context.newPage();
  await open(page, origin, { settings: { temperature: 0, maxTokens: 16, seed: 1 } });
  const meters = await Promise.all(Object.values(TYPES).map((type) => processMeter(context, type)));

  const session = await context.newCDPSession(page);
  const data = { items: [], files: [resolve(path)], dragOperationsMask: 1 };
  const begin = Date.now();
  for (const type of ['dragEnter', 'dragOver', 'drop']) {
    await session.send('Input.dispatchDragEvent', { type, x: 400, y: 300, data });
  }
  const name = basename(path, extname(path));
  await page.locator('#model-chip', { hasText: name }).and(page.locator('#model-chip:has(.state.ready)')).waitFor();
  console.log(`${path}: can answer after ${((Date.now() - begin) / 1000).toFixed(1)} s`);
  for (const [at, what] of Object.keys(TYPES).entries()) {
    const memory = await meters[at].stop();
    if (memory) console.log(`${what}: ${mb(memory.begin)} with the bundled model, at most ${mb(memory.peak)} since`);
  }

  await say(page, 'Once upon a time');
  await answered(page, 0, LIMIT_MS);
  console.log(await page.locator('.said.answer .foot').first().innerText());
} finally {
  await browser.close();
  await close();
}

function mb(bytes) {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
