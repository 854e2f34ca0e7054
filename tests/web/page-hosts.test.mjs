// Where the page may connect to: what its Content-Security-Policy allows, and what the person adds to it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { BUNDLED } from './browser.mjs';
import { browserTest } from './harness.mjs';
import { open, ready, siteKept, until } from './page.mjs';

const ORIGIN = 'https://models.example';
const FILE = `${ORIGIN}/tiny.gguf`;

/** A host elsewhere, in the browser alone. `asked` is what it was asked for. */
async function elsewhere(context) {
  const bytes = readFileSync(BUNDLED);
  const asked = [];
  await context.route(`${ORIGIN}/**`, async (route) => {
    const range = /^bytes=(\d+)-(\d*)$/.exec(route.request().headers().range ?? '');
    asked.push(route.request().url());
    const cors = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'Content-Range, ETag', etag: '"1"' };
    if (route.request().method() === 'OPTIONS') return route.fulfill({ status: 204, headers: { ...cors, 'access-control-allow-headers': 'range' } });
    const begin = Number(range?.[1] ?? 0);
    const end = range?.[2] ? Math.min(Number(range[2]) + 1, bytes.length) : bytes.length;
    const headers = { ...cors, 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes' };
    if (range) headers['content-range'] = `bytes ${begin}-${end - 1}/${bytes.length}`;
    return route.fulfill({ status: range ? 206 : 200, headers, body: bytes.subarray(begin, end) });
  });
  return asked;
}

const inspect = (page, url) => page.evaluate(async (url) => {
  const { Model } = await import(new URL('llamita/index.js', location.href).href);
  return Model.inspect(url).then(({ name }) => name, ({ kind, message }) => `${kind}: ${message}`);
}, url);

const policy = (page) => page.locator('meta[http-equiv="Content-Security-Policy"]').getAttribute('content');

browserTest('a host is connected to when the person has allowed it, and not before or after', async ({ page, context, origin, allow }) => {
  allow(/Content.Security.Policy/);
  const asked = await elsewhere(context);
  await open(page, origin);
  await siteKept(page);
  await page.reload();
  await ready(page);
  assert.doesNotMatch(await policy(page), /connect-src[^;]*( https?: | \*)/, 'no host by default but those of models');
  assert.match(await inspect(page, FILE), /^Cors: .*Content-Security-Policy.*https:\/\/models\.example/);
  assert.deepEqual(asked, []);

  await page.locator('#views a[href="#models"]').click();
  const field = page.locator('#model-link');
  await field.fill(FILE);
  await field.press('Enter');
  const question = page.locator('#link-found .notice');
  await question.waitFor();
  assert.match(await question.innerText(), /Connect to models\.example\?/);
  await question.getByRole('button', { name: 'Cancel' }).click();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'model-link');
  assert.deepEqual(asked, [], 'a question is no request');

  await field.press('Enter');
  await Promise.all([
    page.waitForEvent('load'),
    page.getByRole('button', { name: 'Allow models.example' }).click(),
  ]);
  await until('it is in use', async () => /tiny/.test(await page.locator('#model-chip').innerText()));
  await ready(page);
  assert.ok(asked.length > 0);
  assert.match(await policy(page), /connect-src [^;]* https:\/\/models\.example;/);

  await page.locator('#views a[href="#models"]').click();
  await page.getByRole('button', { name: `No longer allow ${ORIGIN}` }).click();
  await until('it is not in the list', async () => await page.locator('#hosts li').count() === 0);
  await page.reload();
  await ready(page);
  assert.doesNotMatch(await policy(page), /models\.example/);
  asked.length = 0;
  assert.match(await inspect(page, `${ORIGIN}/another.gguf`), /^Cors: /, 'what is stored needs no connection, another file does');
  assert.deepEqual(asked, []);
});

browserTest('what is kept as an allowed host says no more than a host in the policy', async ({ page, origin }) => {
  await open(page, origin);
  await siteKept(page);
  await page.evaluate(async (hosts) => {
    await (await caches.open('llamita-hosts')).put('hosts.json', new Response(JSON.stringify(hosts)));
  }, ['https://good.example', 'https://bad.example; script-src *', '*', 'https://x.example/path', 7, null]);
  await page.reload();
  await ready(page);
  const [, connect] = /connect-src ([^;]*)/.exec(await policy(page));
  assert.deepEqual(connect.split(' ').filter((word) => /example|^\*/.test(word)), ['https://good.example']);
  assert.equal((await policy(page)).match(/script-src/g).length, 1);
});

browserTest('headers that the site’s host sends hold when the service worker answers too', async ({ page, origin }) => {
  await open(page, origin);
  await siteKept(page);
  // As if the host had sent them when the site was kept.
  await page.evaluate(async () => {
    const [name] = (await caches.keys()).filter((one) => one.startsWith('llamita-site-'));
    const cache = await caches.open(name);
    const text = await (await cache.match('index.html')).text();
    const headers = { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': "frame-ancestors 'none'; connect-src 'self'", 'x-content-type-options': 'nosniff' };
    await cache.put('index.html', new Response(text, { headers }));
    await (await caches.open('llamita-hosts')).put('hosts.json', new Response('["https://good.example"]'));
  });
  const response = await page.goto(`${origin}/`);
  assert.ok(response.fromServiceWorker());
  const headers = response.headers();
  assert.equal(headers['content-security-policy'], "frame-ancestors 'none'; connect-src 'self' https://good.example");
  assert.equal(headers['x-content-type-options'], 'nosniff');
  await ready(page);
});
