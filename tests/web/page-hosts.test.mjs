// Where the page may connect to: what its Content-Security-Policy allows, and what the person adds to it.
import assert from 'node:assert/strict';
import { BUNDLED } from './browser.mjs';
import { faultServer, fileContent } from './faults.mjs';
import { browserTest } from './harness.mjs';
import { open, ready, siteKept } from './page.mjs';

const inspect = (page, url) => page.evaluate(async (url) => {
  const { Model } = await import(new URL('llamita/index.js', location.href).href);
  return Model.inspect(url).then(({ name }) => name, ({ kind, message }) => `${kind}: ${message}`);
}, url);

browserTest('the worker connects to Hugging Face and nothing else, until a host is allowed', async ({ page, origin, allow }) => {
  allow(/Content.Security.Policy|ERR_NAME_NOT_RESOLVED|ERR_INTERNET_DISCONNECTED|ERR_CONNECTION/);
  const server = await faultServer({ '/model.gguf': await fileContent(BUNDLED) }, {}, '127.0.0.2');
  try {
    await open(page, origin);
    await siteKept(page);
    await page.reload();
    await ready(page);
    const refused = await inspect(page, `${server.origin}/model.gguf`);
    console.log(refused);
    await page.evaluate(async (origin) => (await caches.open('llamita-hosts')).put('hosts.json', new Response(JSON.stringify([origin, "x; script-src *"]))), server.origin);
    await page.reload();
    await ready(page);
    console.log(await inspect(page, `${server.origin}/model.gguf`), await page.evaluate(() => document.querySelector('meta[http-equiv]').content));
  } finally {
    await server.close();
  }
});
