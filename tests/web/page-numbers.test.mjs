// Numbers that the page shows and gives away: whose they are, what they were measured on, and that they are true.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BUNDLED } from './browser.mjs';
import { browserTest } from './harness.mjs';
import { answered, open, say, siteKept, until } from './page.mjs';

const STORY = 'Tell me a story about a brave cat';

browserTest('the context meter is the conversation’s own', async ({ page, origin }) => {
  await open(page, origin);
  const meter = async () => Number((await page.locator('#live .context').innerText()).match(/^[\d,]+/)?.[0].replace(',', ''));
  await say(page, STORY);
  await answered(page);
  // The line is written a few times a second: the time to the first token stands there when the answer has ended.
  const ended = () => page.locator('#live .first').waitFor();
  await ended();
  const first = await until('the meter counts', meter);
  assert.ok(first > 40, `${first} tokens`);
  await page.locator('#new-chat').click();
  await until('a new conversation has none', async () => (await meter()) === 0);
  await say(page, STORY);
  await answered(page);
  await say(page, 'And another one about a dog');
  await answered(page, 1);
  await ended();
  const second = await until('it has grown', async () => ((await meter()) > first + 40 ? meter() : 0));
  await page.locator('.conversation').nth(1).click();
  await until('the first has what it had', async () => (await meter()) === first);
  await page.reload();
  await until('and still after a reload', async () => (await meter()) === first);
  assert.ok(second > first);
});

browserTest('nothing says GPU of a model that runs on the CPU', async ({ page, origin }) => {
  await open(page, origin);
  const said = async () => `${await page.locator('#greeting').innerText()} ${await page.locator('#live').innerText()}`;
  await until('the line is there', async () => /MB on the CPU/.test(await said()));
  assert.doesNotMatch(await said(), /GPU/);
  await page.locator('#language').selectOption('es');
  await until('in Spanish too', async () => /MB en la CPU/.test(await said()));
  assert.doesNotMatch(await said(), /GPU/);
});

browserTest('a report names the build, the file with its hash, the types, the plan and the sampling', async ({ page, context, origin }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(page, origin, { path: '#benchmark' });
  await page.getByRole('button', { name: 'Run the benchmark' }).click();
  await until('a length is measured', async () => (await page.locator('.chart').count()) >= 1, 240_000);
  await page.locator('#benchmark-run').click();
  await page.getByRole('button', { name: 'Run the benchmark' }).waitFor();
  assert.match(await page.locator('.results').innerText(), /random text and the likeliest token/);
  await page.getByRole('button', { name: 'Copy JSON' }).click();
  const report = JSON.parse(await until('it is copied', () => page.evaluate(() => navigator.clipboard.readText())));
  const { version } = JSON.parse(readFileSync(new URL('../../web/package.json', import.meta.url), 'utf8'));
  assert.equal(report.llamita.version, version);
  assert.ok(report.llamita.commit === null || /^[0-9a-f]{12}$/.test(report.llamita.commit), report.llamita.commit);
  assert.equal(report.sampling, 'greedy');
  const { file, sha256, types, plan, title } = report.model;
  const hash = createHash('sha256').update(readFileSync(BUNDLED)).digest('hex');
  assert.deepEqual([file, sha256, title], ['llamita-stories.gguf', hash, 'Llamita Stories']);
  assert.deepEqual([types, plan], [['Q4_0', 'Q8_0'], 'swiftshader']);
});

browserTest('the device panel tells what is kept for use without a network', async ({ page, origin }) => {
  await page.addInitScript(() => {
    // The first visit, before the service worker has anything.
    if (!sessionStorage.getItem('later')) delete Navigator.prototype.serviceWorker;
  });
  await open(page, origin, { path: '#device' });
  const kept = async () => page.locator('.facts div', { hasText: 'Ready for offline use' }).innerText();
  await until('nothing is kept', async () => /No: the browser keeps no copy/.test(await kept()));
  await page.evaluate(() => sessionStorage.setItem('later', 'yes'));
  await page.reload();
  await siteKept(page);
  await page.locator('#views a[href="#chat"]').click();
  await page.locator('#views a[href="#device"]').click();
  await until('all is kept', async () => /Yes: the page and the model in use/.test(await kept()));
  await page.evaluate(async () => {
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) if (request.url.endsWith('.gguf')) await cache.delete(request);
    }
  });
  await page.locator('#views a[href="#chat"]').click();
  await page.locator('#views a[href="#device"]').click();
  await until('the model is not', async () => /the model in use is not/.test(await kept()));
});

browserTest('“each kernel once” runs the kernels of the model in use, 4-bit ones first', async ({ page, origin }) => {
  await open(page, origin, { path: '#shaders' });
  assert.match(await page.locator('#view-shaders').innerText(), /the kernels that Llamita Stories runs/);
  await page.getByRole('button', { name: 'Test each kernel once' }).click();
  await until('they have run', () => page.locator('#shaders-save').isVisible(), 240_000);
  const names = await page.locator('#shader-table .case').allInnerTexts();
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#shaders-save').click()]);
  const { kernels } = JSON.parse(readFileSync(await download.path(), 'utf8')).model;
  const kinds = (labels) => [...new Set(labels.map((label) => label.match(/^\w+(\/(Q\w+))?/)[0]))].sort();
  assert.deepEqual(kinds(names), kinds(kernels), `${names.join('\n')}\nfor\n${kernels.join('\n')}`);
  const others = names.findIndex((name) => !name.includes('Q4_0'));
  assert.ok(others > 3 && names.slice(others).every((name) => !name.includes('Q4_0')), names.join('\n'));
  assert.equal(await page.locator('#shader-table .failed').count(), 0);
});
