// Tests in Firefox, whose WebGPU is wgpu and naga on the system's Vulkan driver. A test file says
//
//   import { firefoxTest } from './firefox.mjs';
//   firefoxTest('the page says hello', async ({ page, origin }) => { await page.goto(`${origin}/`); … });
//
// Each test has a context of its own, storage included, and fails as those of harness.mjs do.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { SITE } from './browser.mjs';
import { checkAdapter, launch } from './firefox-browser.mjs';
import { serve } from './server.mjs';

const LIMIT_MS = 300_000;
/** What takes a second takes many where the machine is slow and does other things. */
const WAIT_MS = 120_000;

let browser; // One for all tests of a file, as a promise.

after(async () => {
  await browser?.then((started) => started.close(), () => {});
});

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
