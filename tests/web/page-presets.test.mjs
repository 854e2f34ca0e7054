// Settings of one chat, and presets.
import assert from 'node:assert/strict';
import { browserTest } from './harness.mjs';
import { answered, answers, GREEDY, open, ready, records, say, until } from './page.mjs';

const STORY = 'Tell me a story about a brave cat';
const all = (page) => page.evaluate(() => JSON.parse(localStorage.getItem('llamita.settings')));
const settings = (page) => page.getByRole('button', { name: 'Settings' }).click();
const close = (page) => page.locator('.panel').getByRole('button', { name: 'Close', exact: true }).click();

browserTest('a chat can have settings of its own, which no other has', async ({ page, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 32 } });
  await settings(page);
  await page.getByText('This chat', { exact: true }).click();
  assert.equal(await page.locator('#setting-context').count(), 0, 'the context is of the model');
  await page.locator('#setting-maxTokens').fill('16');
  await page.locator('#setting-system').fill('Be kind.');
  await close(page);
  assert.equal((await all(page)).maxTokens, 32);
  await say(page, STORY);
  await answered(page);
  assert.match(await answers(page).innerText(), /\b16 tokens/);
  const own = async () => (await records(page)).find(({ own }) => own)?.own;
  assert.deepEqual(await own(), { maxTokens: 16, system: 'Be kind.' });
  await page.getByRole('button', { name: 'New chat' }).click();
  await settings(page);
  assert.ok(await page.getByRole('radio', { name: 'All chats' }).isChecked());
  assert.equal(await page.locator('#setting-maxTokens').inputValue(), '32');
  await close(page);
  await say(page, STORY);
  await answered(page);
  assert.match(await answers(page).innerText(), /\b32 tokens/);

  await page.reload();
  await ready(page);
  await page.locator('.conversation').last().click();
  await settings(page);
  assert.ok(await page.getByRole('radio', { name: 'This chat' }).isChecked(), 'it has some of its own');
  assert.equal(await page.locator('#setting-system').inputValue(), 'Be kind.');
  // An emptied number is that of all chats; everything can be, and comes back.
  await page.locator('#setting-maxTokens').fill('');
  await page.locator('#setting-maxTokens').blur();
  assert.equal(await page.locator('#setting-maxTokens').inputValue(), '32');
  await page.getByRole('button', { name: 'As in all chats' }).click();
  assert.equal(await page.locator('#setting-system').inputValue(), '');
  await until('it is kept', async () => await own() === undefined);
  await page.getByRole('button', { name: 'Undo' }).click();
  assert.equal(await page.locator('#setting-system').inputValue(), 'Be kind.');
  await until('it is kept', async () => (await own())?.system === 'Be kind.');
});

browserTest('presets are applied, saved and deleted, and each can be undone', async ({ page, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, system: 'My own words' } });
  await settings(page);
  const select = page.getByRole('combobox', { name: 'Preset' });
  const chosen = () => select.evaluate((field) => field.selectedOptions[0].textContent);
  assert.equal(await chosen(), 'None: as set below');
  await select.selectOption({ label: 'Brief' });
  assert.match(await page.locator('#setting-system').inputValue(), /three short sentences/);
  assert.equal((await all(page)).temperature, 0.5);
  assert.equal(await chosen(), 'Brief');
  assert.equal((await all(page)).maxTokens, 40, 'what a preset does not have stays');
  await page.getByRole('button', { name: 'Undo' }).click();
  assert.equal(await page.locator('#setting-system').inputValue(), 'My own words');
  assert.equal((await all(page)).temperature, 0);

  const save = async (name) => {
    await page.getByRole('textbox', { name: 'Name for a preset' }).fill(name);
    await page.getByRole('button', { name: 'Save as preset' }).click();
  };
  await save('Mine');
  assert.equal(await chosen(), 'Mine');
  await page.locator('#setting-system').fill('Other words');
  await until('it is no preset', async () => await chosen() === 'None: as set below');
  await save('Mine');
  await page.getByText('was replaced').waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await select.selectOption({ label: 'Mine' });
  assert.equal(await page.locator('#setting-system').inputValue(), 'My own words', 'the one that was replaced came back');
  await page.getByRole('button', { name: 'Delete this preset' }).click();
  assert.equal(await select.locator('option', { hasText: 'Mine' }).count(), 0);
  assert.notEqual(await page.evaluate(() => document.activeElement.tagName), 'BODY');
  assert.ok(await page.evaluate(() => document.querySelector('dialog').contains(document.activeElement)));
  await page.getByRole('button', { name: 'Undo' }).click();
  assert.equal(await chosen(), 'Mine');
  await page.reload();
  await ready(page);
  await settings(page);
  assert.equal(await chosen(), 'Mine');
  // For one chat alone.
  await page.getByText('This chat', { exact: true }).click();
  await select.selectOption({ label: 'Creative' });
  assert.equal(await page.locator('#setting-temperature').inputValue(), '1.1');
  assert.equal((await all(page)).temperature, 0);
});
