// After the first visit the page works without a network, and it can be installed.
import assert from 'node:assert/strict';
import { browserTest } from './harness.mjs';
import { answered, open, ready, say, siteKept } from './page.mjs';

browserTest('the page opens and answers without a network', async ({ page, context, origin, allow }) => {
  allow(/ERR_INTERNET_DISCONNECTED/); // Of the file that is asked for to see that there is none.
  await open(page, origin);
  await siteKept(page);
  await context.setOffline(true);
  const failed = await page.evaluate(() => fetch('not-kept.txt').then(() => false, () => true));
  assert.ok(failed, 'there is no network');
  await page.reload();
  await ready(page);
  await say(page, 'Tell me a story about a brave cat');
  assert.match(await answered(page), /cat/);
});

browserTest('before a first visit asks for its model, it has asked for three scripts', async ({ page, origin }) => {
  const asked = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await open(page, origin);
  const before = asked.slice(0, asked.indexOf('/models/llamita-stories.gguf'));
  assert.deepEqual(before.filter((path) => path.endsWith('.js')).sort(), ['/app/main.js', '/llamita/index.js', '/llamita/worker.js']);
});

browserTest('only the files of the site are kept', async ({ page, origin }) => {
  await page.goto(`${origin}/`);
  await siteKept(page);
  await page.evaluate(() => fetch('blank.html'));
  const kept = await page.evaluate(async () => {
    const [name, ...more] = (await caches.keys()).filter((key) => key.startsWith('llamita-site-'));
    const requests = await (await caches.open(name)).keys();
    return { more, urls: requests.map(({ url }) => url) };
  });
  assert.deepEqual(kept.more, []);
  assert.ok(kept.urls.every((url) => url.startsWith(`${origin}/`)));
  for (const file of ['index.html', 'app/main.js', 'llamita/worker.js', 'llamita/llamita_bg.wasm', 'models/llamita-stories.gguf']) {
    assert.ok(kept.urls.includes(`${origin}/${file}`), `${file} is kept`);
  }
  assert.ok(!kept.urls.some((url) => /blank|\.d\.ts$|sw\.js$/.test(url)));
});

browserTest('the manifest and its icons are there', async ({ page, origin }) => {
  await page.goto(`${origin}/`);
  const manifest = await page.evaluate(async () => (await fetch(document.querySelector('link[rel=manifest]').href)).json());
  assert.equal(manifest.display, 'standalone');
  for (const { src, sizes } of manifest.icons) {
    const size = await page.evaluate(async (src) => {
      const image = new Image();
      image.src = src;
      await image.decode();
      return `${image.naturalWidth}x${image.naturalHeight}`;
    }, src);
    if (sizes !== 'any') assert.equal(size, sizes, src);
  }
});
