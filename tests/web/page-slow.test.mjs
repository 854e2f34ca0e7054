// A first visit over a slow line, from a host that compresses what it sends: what is fetched, and what is said meanwhile.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { SITE } from './browser.mjs';
import { browserTest } from './harness.mjs';
import { answered, ready, say } from './page.mjs';
import { listen } from './server.mjs';

const TYPES = {
  '.css': 'text/css', '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json', '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm', '.webmanifest': 'application/manifest+json',
};
const RATE = 200_000;

/**
 * The site on a line of so many bytes per second, which all answers share. Texts and the engine are compressed, as hosts do;
 * `sent` has the bytes of each path, and when its answer began and ended.
 */
async function slowSite(rate) {
  const sent = new Map();
  const kept = new Map();
  const began = Date.now();
  let free = Date.now();
  const body = async (path) => {
    if (!kept.has(path)) {
      const bytes = await readFile(join(SITE, path));
      const type = TYPES[extname(path)];
      kept.set(path, { type: type ?? 'application/octet-stream', zipped: Boolean(type), bytes: type ? gzipSync(bytes) : bytes });
    }
    return kept.get(path);
  };
  const server = createServer(async (request, response) => {
    const path = request.url.replace(/[?#].*/, '').replace(/\/$/, '/index.html');
    const file = await body(path).catch(() => undefined);
    if (!file) return response.writeHead(404).end();
    const entry = { times: (sent.get(path)?.times ?? 0) + 1, bytes: 0, began: Date.now() - began, ended: 0 };
    sent.set(path, entry);
    response.writeHead(200, { 'content-type': file.type, 'cache-control': 'max-age=600', ...(file.zipped ? { 'content-encoding': 'gzip' } : {}), 'content-length': file.bytes.length });
    const step = Math.ceil(rate / 40);
    for (let at = 0; at < file.bytes.length && !response.destroyed; at += step) {
      const piece = file.bytes.subarray(at, at + step);
      free = Math.max(free, Date.now()) + piece.length / rate * 1000;
      await sleep(free - Date.now());
      response.write(piece);
      entry.bytes += piece.length;
    }
    entry.ended = Date.now() - began;
    response.end();
  });
  const { origin, close } = await listen(server);
  return { origin, close, sent };
}

/** After the first model it fetches all files for use without a network: that is no part of this. */
const withoutServiceWorker = (page) => page.addInitScript(() => {
  Object.defineProperty(ServiceWorkerContainer.prototype, 'register', { value: () => new Promise(() => {}) });
});

/** Colours of code and formulas: fetched when the page is idle, once its first model can be used. */
const IDLE = /^\/app\/(colours|formula)-/;

const total = (entries) => [...entries].reduce((sum, [, { bytes }]) => sum + bytes, 0);

browserTest('at 200 kB/s the page says what it does with a percentage, fetches nothing twice, and is ready in 25 s', async ({ page, log }) => {
  const site = await slowSite(RATE);
  try {
    await withoutServiceWorker(page);
    await page.addInitScript(() => {
      const seen = globalThis.seen = [];
      new MutationObserver(() => {
        const text = document.querySelector('#load-bar:not([hidden]) .progress')?.textContent;
        if (text && seen.at(-1)?.text !== text) seen.push({ at: Math.round(performance.now()), text });
      }).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
    });
    const begin = Date.now();
    await page.goto(`${site.origin}/`);
    await ready(page);
    const took = Date.now() - begin;
    const seen = await page.evaluate(() => globalThis.seen);
    const parts = seen.map(({ text }) => Number(/(\d+)\s?%/.exec(text)?.[1] ?? NaN));
    const first = seen.filter(({ text }) => /Fetching the engine and Llamita Stories/.test(text));
    log(`ready after ${(took / 1000).toFixed(1)} s; told from ${first[0]?.at} ms on, ${parts[0]} % to ${Math.max(...parts)} %`);
    for (const [path, { bytes, began, ended }] of site.sent) log(`${String(bytes).padStart(8)} ${began} ${ended} ${path}`);
    assert.ok(first.length > 5, 'it is told what comes');
    assert.ok(first.every(({ text }) => /\d\s?%/.test(text)), 'always with a percentage');
    assert.ok(parts[0] < 50, `it began at ${parts[0]} %`);
    const shown = parts.slice(0, first.length);
    assert.deepEqual(shown, [...shown].sort((a, b) => a - b), 'it grows');

    for (const [path, { times }] of site.sent) assert.equal(times, 1, `${path} was fetched ${times} times`);
    const [engine, model] = ['/llamita/llamita_bg.wasm', '/models/llamita-stories.gguf'].map((path) => site.sent.get(path));
    assert.ok(model.began < engine.ended && engine.began < model.ended, 'both come at the same time');
    const firstLoad = [...site.sent].filter(([path]) => !IDLE.test(path));
    const rest = firstLoad.filter(([path]) => !path.endsWith('.gguf'));
    log(`${total(rest)} bytes without the model, ${total(firstLoad)} with it`);
    // The engine, with the probe in it, is most of it.
    assert.ok(total(rest) <= 1_500_000, `${total(rest)} bytes without the model`);
    // What the line takes, whatever else this machine does: five of the 25 seconds are left for the device.
    assert.ok(total(firstLoad) / RATE <= 20, `${total(firstLoad)} bytes take ${total(firstLoad) / RATE} s`);
    const last = Math.max(...firstLoad.map(([, { ended }]) => ended));
    const early = [...site.sent].filter(([path, { began }]) => IDLE.test(path) && began < last);
    assert.deepEqual(early.map(([path]) => path), [], 'what can wait waits for the first load');
    await say(page, 'Tell me a story about a brave cat');
    assert.match(await answered(page), /cat/);
  } finally {
    await site.close();
  }
});

browserTest('a first load that is given up leaves a page that goes on when it is asked to', async ({ page }) => {
  const site = await slowSite(150_000);
  try {
    await withoutServiceWorker(page);
    await page.goto(`${site.origin}/`);
    await page.locator('#load-bar .progress').getByRole('button', { name: 'Cancel' }).click();
    await page.evaluate(() => { location.hash = '#models'; });
    await page.getByRole('button', { name: 'Use', exact: true }).click();
    await ready(page);
    assert.match(await page.locator('#model-chip').innerText(), /Llamita Stories/);
    assert.ok(await page.locator('#load-bar').isHidden());
  } finally {
    await site.close();
  }
});
