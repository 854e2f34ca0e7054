// The model picker at work: fetching with progress, cancelling, refusals, keeping, deleting, and files of one's own.
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUNDLED } from './browser.mjs';
import { faultServer, fileContent } from './faults.mjs';
import { browserTest } from './harness.mjs';
import { answered, get, open, ready, say, until } from './page.mjs';

browserTest('a model is fetched from an address with progress, can be cancelled, is kept, and is there next time', async ({ page, origin }) => {
  const content = await fileContent(BUNDLED);
  // Behind the header, which is read first.
  const rules = { rate: 400_000, pauseAt: 1_700_000 };
  const server = await faultServer({ '/Tiny-Llama-3.2.gguf': content }, rules);
  try {
    await open(page, origin);
    await get(page, `${server.origin}/Tiny-Llama-3.2.gguf`);
    const bar = page.locator('#load-bar .progress');
    await until('it tells bytes, speed and time', async () => /of 1.96 MB · .*\/s · .* left/.test(await bar.innerText()));
    await bar.getByRole('button', { name: 'Cancel' }).click();
    await until('the bar is gone', async () => !(await bar.isVisible()));
    assert.match(await page.locator('#model-chip').innerText(), /Llamita Stories/, 'the model before is still in use');

    Object.assign(rules, { rate: undefined, pauseAt: undefined });
    await get(page, `${server.origin}/Tiny-Llama-3.2.gguf`);
    await until('it is in use', async () => /Tiny-Llama-3.2/.test(await page.locator('#model-chip').innerText()), 60_000);
    await say(page, 'Tell me a story about a brave cat');
    assert.match(await answered(page), /cat/);
    await page.evaluate(() => { location.hash = '#models'; });
    const card = page.locator('#view-models .card', { hasText: 'Tiny-Llama-3.2.gguf' });
    await card.waitFor();

    await server.close();
    await page.reload();
    await ready(page);
    assert.match(await page.locator('#model-chip').innerText(), /Tiny-Llama-3.2/, 'without the server, from the store');
    await page.getByRole('button', { name: 'Use', exact: false }).first().click();
    await until('the bundled model is in use', async () => /Llamita Stories/.test(await page.locator('#model-chip').innerText()), 60_000);
    await page.evaluate(() => { location.hash = '#models'; });
    await card.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await until('it is gone', async () => await card.count() === 0);
  } finally {
    await server.close();
    await content.close();
  }
});

browserTest('a server that refuses is told of with what to do, and the model in use stays', async ({ page, origin, allow }) => {
  allow(/403|404|CORS|Failed to load resource/);
  const content = await fileContent(BUNDLED);
  const rules = { status: 403 };
  const server = await faultServer({ '/gated.gguf': content }, rules);
  try {
    await open(page, origin);
    const told = page.locator('#load-bar [role="alert"]');
    await get(page, `${server.origin}/gated.gguf`);
    await told.waitFor();
    assert.match(await told.innerText(), /does not let this page read the file/);
    rules.status = undefined;
    await get(page, `${server.origin}/missing.gguf`);
    await until('the file is missing', async () => /There is no such file/.test(await told.innerText()));
    assert.match(await page.locator('#model-chip').innerText(), /Llamita Stories/);
  } finally {
    await server.close();
    await content.close();
  }
});

browserTest('a file is used from where it is, and a copy is kept on request', async ({ page, origin }) => {
  const folder = await mkdtemp(join(tmpdir(), 'llamita-page-'));
  try {
    const file = join(folder, 'mine.gguf');
    await copyFile(BUNDLED, file);
    await open(page, origin, { path: '#models' });
    await page.locator('#model-file').setInputFiles(file);
    await until('it is in use', async () => /mine/.test(await page.locator('#model-chip').innerText()), 60_000);
    await page.evaluate(() => { location.hash = '#models'; });
    await page.getByRole('button', { name: 'Keep a copy' }).click();
    const card = page.locator('#view-models .card', { hasText: 'mine.gguf' });
    await card.getByRole('button', { name: 'Delete' }).waitFor();
    const [download] = await Promise.all([page.waitForEvent('download'), card.getByRole('button', { name: 'Save as a file' }).click()]);
    assert.equal(download.suggestedFilename(), 'mine.gguf');
  } finally {
    await rm(folder, { recursive: true });
  }
});
