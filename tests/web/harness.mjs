// Tests in a real browser. A test file says
//
//   import { browserTest } from './harness.mjs';
//   browserTest('the page says hello', async ({ page, origin }) => { await page.goto(`${origin}/`); … });
//
// Each test has a browser context of its own (storage included) and a page. It fails if its body throws, or if a page
// or worker threw, warned, logged an error or crashed, unless the test allowed it: `allow(/text/)`.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { checkAdapter, FLAGS, launch, SITE } from './browser.mjs';
import { chromiumPath, load } from './packages.mjs';
import { serve } from './server.mjs';

const LIMIT_MS = 300_000;
/** What takes a second takes many where the machine is slow and does other things. */
const WAIT_MS = 120_000;

let browser; // One for all tests of a file, as a promise.
let adapter; // What it computes on.
let server;
const profiles = [];

after(async () => {
  // One that did not start has nothing to close, and must not keep the other open.
  await browser?.then((started) => started.close(), () => {});
  await server?.then((started) => started.close(), () => {});
  for (const profile of profiles) await rm(profile, { recursive: true, force: true, maxRetries: 5 });
});

/**
 * A test with a page of a browser whose WebGPU adapter is the expected one. Options, beside those of node:test:
 * - `context`: options of Playwright's context, for instance `{ viewport, hasTouch, locale }`
 * - `persistent`: true for a profile on disk, which survives `reopen()`, a kill of the browser and a new start
 * - `folders`: more folders to serve, `{ '/prefix/': path }`; the site is at '/'
 *
 * The body gets `{ page, context, origin, allow, complaints, reopen, kill, log }`.
 */
export function browserTest(name, options, body = options) {
  const { context: settings = {}, persistent = false, folders, ...rest } = typeof options === 'function' ? {} : options;
  test(name, { timeout: LIMIT_MS, ...rest }, async (t) => {
    const own = folders ? await serve({ '/': SITE, ...folders }) : undefined;
    const { origin } = own ?? await (server ??= serve({ '/': SITE }));
    const stage = new Stage(settings, persistent);
    try {
      await stage.open(origin);
      await body({
        ...stage.handles(), origin, allow: (pattern) => stage.allowed.push(pattern), complaints: stage.complaints,
        reopen: async () => { await stage.close(); await stage.open(origin); return stage.handles(); },
        kill: () => stage.kill(), log: (text) => t.diagnostic(text),
      });
      await stage.settle();
    } finally {
      await stage.close();
      await own?.close();
    }
    assert.deepEqual(stage.unexpected(), [], 'what pages and workers complained of');
  });
}

/** The site must be there: a test that needs it says so in one line, not by a timeout. */
export function needSite() {
  assert.ok(existsSync(join(SITE, 'index.html')), `no site in ${SITE}: build it with \`cargo xtask web\``);
}

/** The page, its context and its browser, and what they complain of. */
class Stage {
  allowed = [];
  complaints = [];
  #settings;
  #profile;
  #persistent;

  constructor(settings, persistent) {
    this.#settings = settings;
    this.#persistent = persistent;
  }

  async open(origin) {
    if (this.#persistent) {
      if (!this.#profile) profiles.push(this.#profile = await mkdtemp(join(tmpdir(), 'llamita-profile-')));
      const { chromium } = await load('playwright-core');
      const options = { executablePath: chromiumPath(), args: FLAGS, chromiumSandbox: false, ...this.#settings };
      this.context = await chromium.launchPersistentContext(this.#profile, options);
    } else {
      this.context = await (await (browser ??= launch())).newContext(this.#settings);
    }
    this.context.setDefaultTimeout(WAIT_MS);
    this.context.on('page', (page) => this.#watch(page));
    const check = () => checkAdapter(this.context, origin);
    this.adapter = await (this.#persistent ? check() : adapter ??= check());
    this.page = await this.context.newPage();
  }

  handles() {
    return { page: this.page, context: this.context, adapter: this.adapter };
  }

  #watch(page) {
    const say = (text) => this.complaints.push(text);
    page.on('pageerror', (error) => say(error.stack ?? String(error)));
    page.on('crash', () => say('the page crashed'));
    page.on('console', (message) => {
      if (['error', 'warning', 'assert'].includes(message.type())) say(`${message.type()}: ${message.text()}`);
    });
  }

  /** Gives what was thrown last the time to be reported. */
  async settle() {
    await this.page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 0))).catch(() => {});
  }

  /** Ends the whole browser as a crash does: nothing is said to the page. Only for a persistent profile. */
  async kill() {
    const session = await this.context.browser().newBrowserCDPSession();
    await session.send('Browser.crash').catch(() => {});
    await this.context.close().catch(() => {});
  }

  async close() {
    await this.context?.close().catch(() => {});
  }

  unexpected() {
    return [...new Set(this.complaints)].filter((text) => !this.allowed.some((pattern) => pattern.test(text)));
  }
}
