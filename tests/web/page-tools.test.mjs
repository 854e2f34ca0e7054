// The tools: benchmark, shader tests, device, and the model picker.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { browserTest } from './harness.mjs';
import { HOLDABLE, holdAnswer } from './hold.mjs';
import { open, until } from './page.mjs';

browserTest('the shader tests run here and are green, with a report to take along', async ({ page, origin }) => {
  await open(page, origin, { path: '#shaders' });
  await page.locator('#shader-filter').fill('argmax');
  await page.getByRole('button', { name: 'Test every case' }).click();
  await until('they have run', () => page.locator('#shaders-save').isVisible(), 120_000);
  const rows = page.locator('#shader-table tbody tr');
  const count = await rows.count();
  assert.ok(count > 1, `${count} cases`);
  assert.equal(await page.locator('#shader-table .failed').count(), 0);
  assert.match(await page.locator('#view-shaders [role="status"]').innerText(), new RegExp(`^${count} passed, 0 failed`));
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#shaders-save').click()]);
  const report = JSON.parse(readFileSync(await download.path(), 'utf8'));
  assert.equal(report.cases.length, count);
  assert.ok(report.cases.every(({ passed, nmse, tolerance }) => passed && nmse <= tolerance));
  assert.equal(report.device.architecture, 'swiftshader');
});

browserTest('the shader tests can be stopped', async ({ page, origin }) => {
  await open(page, origin, { path: '#shaders' });
  await page.getByRole('button', { name: 'Test every case' }).click();
  await page.locator('#shader-table tbody tr').first().waitFor({ timeout: 60_000 });
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.locator('#shaders-save').waitFor({ timeout: 60_000 });
  assert.match(await page.locator('#view-shaders [role="status"]').innerText(), /not run/);
});

browserTest('the benchmark gives numbers, charts and JSON, and can be stopped', { folders: HOLDABLE }, async ({ page, context, origin }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(page, origin, { path: '#benchmark' });
  await holdAnswer(page, 5, 'benchmark', { kind: 'decode', tokens: 64 });
  await page.getByRole('button', { name: 'Run the benchmark' }).click();
  await until('a length of each is measured', async () => await page.locator('.chart').count() === 2, 240_000);
  const [prefill, decode] = await page.locator('.chart').evaluateAll((charts) => charts.map((chart) => chart.getAttribute('aria-label')));
  assert.match(prefill, /16: [\d.,]+ tokens\/s/);
  assert.match(decode, /16: [\d.,]+ tokens\/s/);
  await page.locator('#benchmark-run').click();
  await page.getByRole('button', { name: 'Run the benchmark' }).waitFor({ timeout: 60_000 });
  await page.getByRole('button', { name: 'Copy JSON' }).click();
  const copied = JSON.parse(await until('it is copied', () => page.evaluate(() => navigator.clipboard.readText())));
  assert.ok(copied.rows.length >= 2);
  assert.ok(copied.rows.every(({ tokensPerSecond }) => tokensPerSecond > 0));
  assert.equal(copied.model.vocabulary, 2048);
});

browserTest('the device panel tells adapter, limits, tier and browser', async ({ page, origin }) => {
  await open(page, origin, { path: '#device' });
  const text = await page.locator('#view-device').innerText();
  assert.match(text, /swiftshader/);
  assert.match(text, /maxStorageBufferBindingSize/);
  assert.match(text, /Shader tier\s+base/);
  assert.match(text, /Plan\s+swiftshader/);
  assert.match(text, /chrome \d+/);
  assert.match(text, /2,048 tokens in the vocabulary/);
});

browserTest('the picker names sizes, memory and terms', async ({ page, origin }) => {
  await page.goto(`${origin}/#models`);
  const card = page.locator('.card', { hasText: 'Llama 3.2 1B · Q4_0' });
  assert.match(await card.innerText(), /773 MB to fetch · about [\d.,]+ (MB|GB) of memory/);
  assert.match(await card.innerText(), /Built with Llama/);
  const links = await card.locator('a').evaluateAll((all) => all.map(({ href }) => href));
  assert.deepEqual(links, ['https://www.llama.com/llama3_2/license/', 'https://www.llama.com/llama3_2/use-policy/']);
});
