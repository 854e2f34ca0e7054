// A Hugging Face link, or a repository's name: what is in it, what fits this device, and why it cannot be had.
import assert from 'node:assert/strict';
import { BUNDLED } from './browser.mjs';
import { faultServer, fileContent } from './faults.mjs';
import { browserTest } from './harness.mjs';
import { get, open, ready, until } from './page.mjs';

const HUB = 'https://huggingface.co';
const headers = { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*', 'access-control-expose-headers': '*' };

/**
 * Stands in for Hugging Face: `answer(url, request)` gives a status and a list of files, `{ path, size }`, for a listing,
 * and files come from a server here. The result is the list of what was asked for.
 */
async function hub(context, answer, files) {
  const asked = [];
  await context.route(`${HUB}/**`, async (route) => {
    const request = route.request();
    const url = new URL(request.url());
    asked.push(`${decodeURIComponent(url.pathname)}${url.search}`);
    if (request.method() === 'OPTIONS') return route.fulfill({ status: 204, headers });
    if (url.pathname.startsWith('/api/') && url.pathname.includes('/tree/')) {
      const { status = 200, entries = [], more = {} } = await answer(url, request) ?? { status: 404 };
      if (status === 0) return route.abort('internetdisconnected');
      const list = entries.map((entry) => ({ type: 'file', oid: '0', ...entry }));
      return route.fulfill({ status, headers: { ...headers, ...more }, contentType: 'application/json', body: JSON.stringify(list) });
    }
    const response = await route.fetch({ url: `${files}${url.pathname}` });
    return route.fulfill({ response, headers: { ...response.headers(), ...headers } });
  });
  return asked;
}

/** A device as browsers tell of it. */
const device = (page, memory) => page.addInitScript((memory) => {
  Object.defineProperty(Navigator.prototype, 'deviceMemory', { get: () => memory, configurable: true });
}, memory);

browserTest('a repository is listed with sizes, quantizations and what fits, page by page, and a model of it is used', async ({ page, context, origin }) => {
  const content = await fileContent(BUNDLED);
  const server = await faultServer({ '/owner/Tiny-GGUF/Tiny-Q4_K_M.gguf': content, '/owner/Tiny-GGUF/other/Tiny-F16.gguf': content });
  const pages = [
    [{ path: 'README.md', size: 10 }, { path: 'Tiny-Q8_0.gguf', size: 3.6e9 }, { path: 'mmproj-Tiny-F16.gguf', size: 9e6 }, { path: 'big/Tiny-F16-00001-of-00002.gguf', size: 4e9 }],
    [{ path: 'big/Tiny-F16-00002-of-00002.gguf', size: 3e9 }, { path: 'Tiny-IQ2_XS.gguf', size: 6e8 }, { path: 'Tiny-Q4_K_M.gguf', size: content.size }],
  ];
  const asked = await hub(context, ({ pathname, searchParams }) => {
    if (!pathname.includes('/owner/Tiny-GGUF/')) return undefined;
    const at = Number(searchParams.get('cursor') ?? 0);
    const next = `<${HUB}/api/models/owner/Tiny-GGUF/tree/main?recursive=true&cursor=${at + 1}>; rel="next"`;
    return { entries: pages[at], more: at + 1 < pages.length ? { link: next } : {} };
  }, server.origin);
  try {
    await device(page, 4);
    await open(page, origin);
    await get(page, 'owner/Tiny-GGUF');
    const cards = page.locator('#link-found .card');
    await until('four models are listed', async () => await cards.count() === 4);
    const texts = await cards.allInnerTexts();
    assert.match(texts[0], /Tiny-Q4_K_M\s+Best fit\s+Q4_K_M · 1.96 MB/);
    assert.doesNotMatch(texts[0], /may not be enough/);
    assert.match(texts[1], /Tiny-IQ2_XS[^]*IQ2_XS are not computed here/);
    assert.equal(await cards.nth(1).getByRole('button').count(), 0);
    assert.match(texts[2], /Tiny-Q8_0\s+Q8_0 · 3.6 GB[^]*may not be enough/);
    assert.match(texts[3], /Tiny-F16\s+F16 · 7 GB · 2 files/);
    assert.equal(asked.filter((path) => path.includes('/tree/main?recursive=true')).length, 2);
    await cards.first().getByRole('button').click();
    await until('it is in use', async () => /Tiny-Q4_K_M/.test(await page.locator('#model-chip').innerText()), 60_000);
    await page.evaluate(() => { location.hash = '#models'; });
    const row = page.locator('#view-models .card', { hasText: 'From huggingface.co/owner/Tiny-GGUF' });
    assert.match(await row.innerText(), /Tiny-Q4_K_M.gguf\s+In use/);

    // The link of a file leads to the file, at its revision.
    await get(page, 'huggingface.co/owner/Tiny-GGUF/blob/refs%2Fpr%2F3/other/Tiny-F16.gguf?show_file_info=x#y');
    await until('the other is in use', async () => /Tiny-F16/.test(await page.locator('#model-chip').innerText()), 60_000);
    assert.ok(asked.includes('/owner/Tiny-GGUF/resolve/refs/pr/3/other/Tiny-F16.gguf'), asked.join('\n'));
  } finally {
    await server.close();
    await content.close();
  }
});

browserTest('every form of a link leads to its repository, revision and folder', async ({ page, context, origin }) => {
  const entries = [{ path: 'a/M-Q4_0.gguf', size: 1e6 }, { path: 'a/M-Q8_0.gguf', size: 2e6 }];
  const asked = await hub(context, () => ({ entries }));
  await open(page, origin);
  const forms = [
    ['owner/name', '/api/models/owner/name/tree/main?recursive=true', 'M-Q4_0'],
    [' https://huggingface.co/owner/name ', '/api/models/owner/name/tree/main?recursive=true', 'M-Q4_0'],
    ['http://hf.co/owner/name:q8_0', '/api/models/owner/name/tree/main?recursive=true', 'M-Q8_0'],
    ['owner/name@v1', '/api/models/owner/name/tree/v1?recursive=true', 'M-Q4_0'],
    ['https://huggingface.co/owner/name/tree/refs%2Fpr%2F2/a', '/api/models/owner/name/tree/refs/pr/2/a?recursive=true', 'M-Q4_0'],
    ['www.huggingface.co/owner/name/blob/dev/README.md', '/api/models/owner/name/tree/dev?recursive=true', 'M-Q4_0'],
    ['https://huggingface.co/owner/name/discussions/4', '/api/models/owner/name/tree/main?recursive=true', 'M-Q4_0'],
  ];
  for (const [link, path, best] of forms) {
    asked.length = 0;
    await get(page, link);
    const marked = page.locator('#link-found .card', { hasText: 'Best fit' });
    await until(`${link} is listed`, async () => asked.includes(path) && /M-/.test(await marked.innerText().catch(() => '')));
    assert.match(await marked.innerText(), new RegExp(best), link);
  }
});

browserTest('why a repository cannot be listed is told in one sentence, and a token goes to Hugging Face alone', async ({ page, context, origin, allow }) => {
  allow(/Failed to load resource|401|403|404|429|503/);
  const seen = [];
  const answers = {
    'a/missing': { status: 404 }, 'a/branch': { status: 404, more: { 'x-error-code': 'RevisionNotFound' } },
    'a/private': { status: 401, more: { 'x-error-code': 'RepoNotFound' } }, 'a/gated': { status: 403, more: { 'x-error-code': 'GatedRepo' } },
    'a/often': { status: 429 }, 'a/fault': { status: 503 }, 'a/away': { status: 0 }, 'a/none': { entries: [{ path: 'model.safetensors', size: 1e6 }] },
  };
  await hub(context, ({ pathname }, request) => {
    seen.push(request.headers().authorization);
    const name = pathname.split('/').slice(3, 5).join('/');
    return request.headers().authorization ? { entries: [{ path: 'M-Q4_0.gguf', size: 1e6 }] } : answers[name];
  });
  await open(page, origin);
  const below = page.locator('#link-form').getByRole('alert');
  const expected = [
    ['a/missing', /no repository a\/missing/, 'model-link'], ['a/branch@v9', /no branch, tag or commit v9/, 'model-link'],
    ['a/often', /asked too often/, 'model-link'], ['a/fault', /fault of its own/, 'model-link'], ['a/away', /cannot be reached/, 'model-link'],
    ['a/none', /no GGUF file in a\/none/, 'model-link'], ['a/gated', /is gated/, 'hf-token'], ['a/private', /does not exist or is private/, 'hf-token'],
  ];
  for (const [link, pattern, focus] of expected) {
    await get(page, link);
    await until(`${link} is told`, async () => pattern.test(await below.first().innerText().catch(() => '')));
    assert.equal((await below.first().innerText()).trim().match(/[.:!?](\s|$)/g).length <= 2, true, 'one sentence');
    assert.equal(await page.evaluate(() => document.activeElement.id), focus, link);
    if (focus === 'hf-token') await page.locator('#hf-token').fill('x');
    if (focus === 'hf-token') await page.locator('#hf-token').fill('');
    await page.locator('#model-link').fill('x');
  }
  assert.ok(seen.every((token) => token === undefined));
  await page.locator('#hf-token').fill('hf_secret');
  await get(page, 'a/private');
  await page.locator('#link-found .card').waitFor();
  assert.equal(seen.at(-1), 'Bearer hf_secret');
  const kept = await page.evaluate(() => JSON.stringify(localStorage) + JSON.stringify(sessionStorage));
  assert.doesNotMatch(kept, /hf_secret/);
});

browserTest('one model is recommended, by memory and by what was measured here, with the reason', async ({ page, origin }) => {
  await page.addInitScript(() => {
    Object.defineProperty(Navigator.prototype, 'deviceMemory', { get: () => Number(sessionStorage.getItem('memory') ?? 8) });
  });
  await open(page, origin, { path: '#models' });
  const marked = page.locator('#view-models .card', { hasText: 'For this device' });
  const cases = [
    [8, [], /Llama 3.2 1B · Q4_0[^]*fits the memory of this device, about 8 GB/],
    [2, [], /SmolLM2 360M[^]*about 2 GB/],
    [8, [{ title: 'Slow one', bytes: 230e6, dispatches: 164, tokensPerSecond: 4 }], /SmolLM2 135M[^]*fewer than 5 tokens\/s here, going by Slow one/],
    [8, [{ title: 'Quick one', bytes: 230e6, dispatches: 164, tokensPerSecond: 100 }], /Llama 3.2 3B · Q4_0[^]*about 12 tokens\/s here, going by Quick one/],
    [8, 'nonsense', /Llama 3.2 1B · Q4_0/],
  ];
  for (const [room, speeds, pattern] of cases) {
    await page.evaluate(([room, speeds]) => {
      sessionStorage.setItem('memory', room);
      localStorage.setItem('llamita.speeds', typeof speeds === 'string' ? speeds : JSON.stringify(speeds));
    }, [room, speeds]);
    await page.reload();
    await ready(page);
    assert.equal(await marked.count(), 1);
    assert.match(await marked.innerText(), pattern);
  }
});
