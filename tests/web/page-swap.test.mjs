// One model instead of another: the present one works until the new one is known to be good, and stays where it is not.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { SITE } from './browser.mjs';
import { faultServer, fileContent } from './faults.mjs';
import { browserTest } from './harness.mjs';
import { answered, get, GREEDY, open, ready, say, until } from './page.mjs';
import { listen } from './server.mjs';

const MODEL = join(SITE, 'models/llamita-stories.gguf');
const STORY = 'Tell me a story about a brave cat';

/**
 * Watches how the page uses the package: `globalThis.watched` counts models that were given up, and lets a test decide how
 * loading an address ends, `fail(url)`. Models seem to be so large that no other fits beside them.
 */
async function watch(page) {
  await page.addInitScript(() => {
    const watched = globalThis.watched = { disposed: 0, fail: undefined };
    import(new URL('llamita/index.js', location.href).href).then(({ Model }) => {
      const { load } = Model;
      const { dispose } = Model.prototype;
      Model.prototype.dispose = function () {
        watched.disposed += 1;
        return dispose.call(this);
      };
      Model.load = async (source, options) => {
        await watched.fail?.(source, options);
        const model = await load.call(Model, source, options);
        const info = { ...model.info, bytes: { ...model.info.bytes, weights: 900e6 } };
        Object.defineProperty(model, 'info', { value: info });
        return model;
      };
    });
  });
}

const disposed = (page) => page.evaluate(() => globalThis.watched.disposed);
const kept = (page) => page.evaluate(() => localStorage.getItem('llamita.model'));
const chip = (page) => page.locator('#model-chip').innerText();

/** A content with another text at its first occurrence, of the same length. */
async function changed(content, from, to) {
  const bytes = await content.read(0, content.size);
  bytes.write(to, bytes.indexOf(from));
  return { size: bytes.length, read: async (begin, end) => Buffer.from(bytes.subarray(begin, end)) };
}

browserTest('a choice that is refused neither takes the model off nor is remembered', async ({ page, origin, allow }) => {
  allow(/404|500|403|CORS|Failed to load resource/);
  const content = await fileContent(MODEL);
  const text = Buffer.from('<!doctype html><p>Not found'.repeat(400));
  const server = await faultServer({
    '/other.gguf': await changed(content, 'llama', 'mamba'),
    '/cut.gguf': { size: 300_000, read: content.read },
    '/page.gguf': { size: text.length, read: async (begin, end) => text.subarray(begin, end) },
  });
  const closed = await listen(createServer((request, response) => response.writeHead(200).end('mine')));
  try {
    await watch(page);
    await open(page, origin);
    const before = await kept(page);
    const told = page.locator('#load-bar [role="alert"]');
    const urls = [`${server.origin}/other.gguf`, `${server.origin}/cut.gguf`, `${server.origin}/page.gguf`, `${server.origin}/none.gguf`, `${closed.origin}/closed.gguf`];
    for (const url of urls) {
      await get(page, url);
      const name = url.split('/').at(-1).replace('.gguf', '');
      await until(`${name} is refused`, async () => (await told.innerText().catch(() => '')).startsWith(`${name}:`), 60_000);
      assert.equal(await disposed(page), 0, `${name}: the model is still on the device`);
      assert.match(await chip(page), /Llamita Stories/);
      assert.ok(await page.locator('#model-chip .state.ready').isVisible(), name);
      assert.equal(await kept(page), before, `${name} is not remembered`);
    }
    // Files of the person's own are no different, one or several parts of one.
    const files = [['notes.gguf', 'notes'], ['big-00001-of-00002.gguf', 'one'], ['big-00002-of-00002.gguf', 'two']]
      .map(([name, text]) => ({ name, mimeType: '', buffer: Buffer.from(text.repeat(1000)) }));
    for (const chosen of [files.slice(0, 1), files.slice(1)]) {
      await page.evaluate(() => { location.hash = '#models'; });
      await page.locator('#model-file').setInputFiles(chosen);
      const name = chosen[0].name.replace(/(-00001-of-00002)?\.gguf/, '');
      await until(`${name} is refused`, async () => (await told.innerText().catch(() => '')).startsWith(`${name}:`), 60_000);
      assert.equal(await disposed(page), 0);
      assert.equal(await kept(page), before);
    }
    await page.evaluate(() => { location.hash = '#models'; });
    await until('nothing of them is kept', async () => /None yet/.test(await page.locator('#view-models').innerText()));
    await page.evaluate(() => { location.hash = '#chat'; });
    await say(page, STORY);
    assert.match(await answered(page), /cat/);
    await page.reload();
    await ready(page);
    assert.match(await chip(page), /Llamita Stories/);
  } finally {
    await server.close();
    await closed.close();
    await content.close();
  }
});

browserTest('the present model answers while another is fetched, and is remembered until that is in use', async ({ page, origin }) => {
  const content = await fileContent(MODEL);
  const rules = { rate: 250_000 };
  const server = await faultServer({ '/next.gguf': content }, rules);
  try {
    await watch(page);
    await open(page, origin);
    const before = await kept(page);
    const bar = page.locator('#load-bar .progress');
    await get(page, `${server.origin}/next.gguf`);
    await until('it is fetched', async () => /of 1.96 MB/.test(await bar.innerText()));
    await say(page, STORY);
    assert.match(await answered(page), /cat/, 'the present model answers');
    assert.equal(await disposed(page), 0);
    assert.equal(await kept(page), before);

    // Cancelled: nothing is lost but the choice.
    if (await bar.isVisible()) {
      await bar.getByRole('button', { name: 'Cancel' }).click();
      await until('the bar is gone', async () => !(await bar.isVisible()));
    }
    assert.equal(await disposed(page), 0);
    assert.equal(await kept(page), before);
    rules.rate = undefined;
    await get(page, `${server.origin}/next.gguf`);
    await until('the other is in use', async () => /next/.test(await chip(page)), 60_000);
    await ready(page);
    assert.equal(await disposed(page), 1, 'the first model is given up, and no other');
    assert.match(await kept(page), /next/);
  } finally {
    await server.close();
    await content.close();
  }
});

browserTest('a model that was taken off comes back where the next one fails or is cancelled', async ({ page, origin }) => {
  const content = await fileContent(MODEL);
  const server = await faultServer({ '/next.gguf': content });
  try {
    await watch(page);
    await open(page, origin, { settings: { ...GREEDY, context: 512 } });
    await say(page, STORY);
    const expected = await answered(page);
    const before = await kept(page);
    // It does not fit: the device says so when the first one is gone.
    await page.evaluate(() => {
      globalThis.watched.fail = (source) => {
        if (/next/.test(String(source))) throw Object.assign(new Error('too large'), { kind: 'OutOfMemory', needed: 9e9, had: 1e9 });
      };
    });
    await get(page, `${server.origin}/next.gguf`);
    const told = page.locator('#load-bar [role="alert"]');
    await told.waitFor();
    assert.match(await told.innerText(), /next: Not enough GPU memory/);
    await ready(page);
    assert.match(await chip(page), /Llamita Stories/);
    assert.equal(await kept(page), before);
    await until('it has the context that it had', async () => /of 512/.test(await page.locator('#live').innerText()));

    // Cancelled when the first one is gone already; a message that waits meanwhile is answered by the one that comes back.
    await page.evaluate(() => {
      globalThis.watched.fail = (source, { signal }) => /next/.test(String(source)) && new Promise((resolve, reject) => {
        globalThis.watched.hangs = true;
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    });
    await get(page, `${server.origin}/next.gguf`);
    await page.waitForFunction(() => globalThis.watched.hangs);
    await page.getByRole('button', { name: 'New chat' }).click();
    await say(page, STORY);
    await page.locator('#load-bar .progress').getByRole('button', { name: 'Cancel' }).click();
    assert.equal(await answered(page), expected);
    assert.match(await chip(page), /Llamita Stories/);
    assert.equal(await kept(page), before);

    // A context that is too large is refused, and the model goes on with the one that it had.
    await page.evaluate(() => {
      globalThis.watched.fail = (source, { context }) => {
        if (context > 600) throw Object.assign(new Error('too large'), { kind: 'OutOfMemory', needed: 9e9, had: 1e9 });
      };
    });
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.locator('#setting-context').fill('1000');
    await page.getByRole('button', { name: 'Load again' }).click();
    await page.getByRole('button', { name: 'Close', exact: true }).first().click();
    await until('it is told', async () => /Llamita Stories: Not enough GPU memory/.test(await told.innerText().catch(() => '')));
    await ready(page);
    await until('the context is the one before', async () => /of 512/.test(await page.locator('#live').innerText()));
  } finally {
    await server.close();
    await content.close();
  }
});
