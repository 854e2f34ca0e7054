// What goes wrong, and that nothing is lost by it.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { browserTest } from './harness.mjs';
import { HOLDABLE, holdAnswer } from './hold.mjs';
import { answered, answers, GREEDY, keepModel, keepRecords, open, ready, say, until } from './page.mjs';

const STORY = 'Tell me a story about a brave cat';
const LONG = { ...GREEDY, maxTokens: 64 };

browserTest('a lost device offers to continue, and the answer goes on as if nothing had been', { folders: HOLDABLE }, async ({ page, origin, allow }) => {
  allow(/device|lost|destroy/i);
  await open(page, origin, { settings: LONG });
  await say(page, STORY);
  const expected = await answered(page);

  await keepModel(page);
  await page.reload();
  await ready(page);
  await page.getByRole('button', { name: 'New chat' }).click();
  const answer = await holdAnswer(page, 20);
  await say(page, STORY);
  await answer.held();
  await until('it writes', async () => (await answers(page).locator('.markdown').innerText()).length > 20);
  await page.evaluate(() => globalThis.model.destroyDevice());
  await answer.release();
  await page.getByText('The GPU was taken away').waitFor();
  assert.match(await page.locator('#after-log').innerText(), /Nothing is lost/);
  assert.equal(await page.locator('.said.user .bubble').innerText(), STORY);
  await page.getByRole('button', { name: 'Continue' }).click();
  assert.equal(await answered(page), expected);
  assert.equal(await page.locator('#after-log').innerText(), '');
  await say(page, 'And another one');
  assert.ok((await answered(page, 1)).length > 10, 'the conversation goes on');
});

browserTest('a device that is lost between answers is opened again', async ({ page, origin, allow }) => {
  allow(/device|lost|destroy/i);
  await keepModel(page);
  await open(page, origin);
  await say(page, STORY);
  await answered(page);
  await page.evaluate(() => globalThis.model.destroyDevice());
  await page.getByRole('button', { name: 'Wake the GPU' }).click();
  await until('the message is gone', async () => await page.locator('#after-log').innerText() === '');
  await say(page, 'And another one');
  assert.ok((await answered(page, 1)).length > 10);
});

browserTest('without WebGPU the page says what to do, and can run the tiny model on the CPU', async ({ page, origin }) => {
  await page.goto(`${origin}/blank.html`);
  await keepRecords(page, [{ id: 'old', title: 'Old', created: 1, updated: 1, messages: [{ role: 'user', content: 'Hello?' }] }]);
  await page.addInitScript(() => { delete Navigator.prototype.gpu; });
  await page.addInitScript((text) => localStorage.setItem('llamita.settings', text), JSON.stringify({ ...GREEDY, maxTokens: 16 }));
  await page.goto(`${origin}/`);
  const told = page.locator('#missing [role="alert"]');
  await told.waitFor();
  // What was said on another device's visit cannot be answered here, and does not wait for ever.
  await page.locator('.conversation').click();
  await page.getByRole('button', { name: 'Answer it' }).click();
  await page.locator('#after-log').getByText('No GPU to run on').waitFor();
  await page.getByRole('button', { name: 'New chat' }).click();
  assert.match(await told.innerText(), /no WebGPU/);
  assert.match(await told.innerText(), /version 124/);
  assert.ok(await page.locator('#prompt').isDisabled());
  await page.getByRole('button', { name: 'Run the tiny model on the CPU' }).click();
  await ready(page);
  await say(page, STORY);
  assert.ok((await answered(page)).length > 10);
});

browserTest('a file that is no model is refused with a reason, and the model in use stays', async ({ page, origin }) => {
  const folder = await mkdtemp(join(tmpdir(), 'llamita-page-'));
  try {
    const file = join(folder, 'notes.gguf');
    await writeFile(file, 'These are notes, and no model.\n'.repeat(100));
    await open(page, origin, { path: '#models' });
    await page.locator('#model-file').setInputFiles(file);
    const told = page.locator('#load-bar [role="alert"]');
    await told.waitFor();
    assert.match(await told.innerText(), /notes: This is not a model/);
    await say(page, STORY);
    assert.ok((await answered(page)).length > 10);
  } finally {
    await rm(folder, { recursive: true });
  }
});

browserTest('a message that is longer than the context says so, and stays', async ({ page, origin }) => {
  await open(page, origin);
  const long = 'a brave cat and a shy dragon '.repeat(300);
  await say(page, long);
  await page.getByText('This message is longer than the context').waitFor();
  assert.match(await page.locator('#after-log').innerText(), /It takes [\d,]+ tokens/);
  assert.equal(await page.locator('.said.user .bubble').innerText(), long.trim());
  const message = page.locator('.said.user');
  await message.hover();
  await message.getByRole('button', { name: 'Change this message' }).click();
  await page.getByRole('textbox', { name: 'Change your message' }).fill(STORY);
  await page.getByRole('button', { name: 'Send again' }).click();
  assert.match(await answered(page), /cat/);
});
