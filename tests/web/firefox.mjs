// Tests in Firefox, whose WebGPU is wgpu and naga on the system's Vulkan driver. A test file says
//
//   import { firefoxTest } from './firefox.mjs';
//   firefoxTest('the page says hello', async ({ page, origin }) => { await page.goto(`${origin}/`); … });
//
// Each test has a context of its own, storage included, and fails as those of harness.mjs do.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { SITE } from './browser.mjs';
import { firefoxPath, load } from './packages.mjs';
import { BLANK, serve } from './server.mjs';

const LIMIT_MS = 300_000;
/** What takes a second takes many where the machine is slow and does other things. */
const WAIT_MS = 120_000;

/** Without the second there is no adapter on drivers that run on the CPU; the third is about the page's own pixels. */
const PREFERENCES = { 'dom.webgpu.enabled': true, 'gfx.webgpu.ignore-blocklist': true, 'gfx.webrender.software': true };

let browser; // One for all tests of a file, as a promise.

after(async () => {
  await browser?.then((started) => started.close(), () => {});
});

/** A browser with an empty profile; `preferences` come after the usual ones. */
export async function launch(preferences = {}) {
  const { launch } = await load('puppeteer-core');
  const extraPrefsFirefox = { ...PREFERENCES, ...preferences };
  return launch({ browser: 'firefox', executablePath: firefoxPath(), headless: true, extraPrefsFirefox });
}

/** What the adapter of a page can do. Firefox hides its name, so it is known by halves in shaders, which Mesa's has. */
export async function checkAdapter(page, origin) {
  await page.goto(origin + BLANK);
  const features = await page.evaluate(async () => {
    const adapter = await navigator.gpu?.requestAdapter();
    return adapter && [...adapter.features].sort();
  });
  if (!features) throw new Error('the browser has no WebGPU adapter');
  if (!features.includes('shader-f16')) throw new Error(`the WebGPU adapter has no shader-f16, but ${features}`);
  return features;
}

/** A test with a page of Firefox whose adapter is the expected one. `folders` are those of harness.mjs. */
export function firefoxTest(name, options, body = options) {
  const { folders = {}, ...rest } = typeof options === 'function' ? {} : options;
  test(name, { timeout: LIMIT_MS, ...rest }, async (t) => {
    const { origin, close } = await serve({ '/': SITE, ...folders });
    const [allowed, complaints] = [[], []];
    let context;
    try {
      context = await (await (browser ??= launch())).createBrowserContext();
      const page = await context.newPage();
      page.setDefaultTimeout(WAIT_MS);
      page.on('pageerror', (error) => complaints.push(error.stack ?? String(error)));
      page.on('console', (message) => {
        if (['error', 'warn', 'assert'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
      });
      const features = await checkAdapter(page, origin);
      const allow = (pattern) => allowed.push(pattern);
      await body({ page, origin, features, allow, complaints, log: (text) => t.diagnostic(text) });
      // What was thrown last gets the time to be reported.
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 0)));
    } finally {
      await context?.close().catch(() => {});
      await close();
    }
    const unexpected = [...new Set(complaints)].filter((text) => !allowed.some((pattern) => pattern.test(text)));
    assert.deepEqual(unexpected, [], 'what pages and workers complained of');
  });
}
