// Two tabs of the page: what is said, changed or removed in one is in the other, and neither takes from the other.
import assert from 'node:assert/strict';
import { browserTest } from './harness.mjs';
import { HOLDABLE } from './hold.mjs';
import { holdAnswer } from './hold.mjs';
import { answered, answers, GREEDY, open, ready, records, say, until } from './page.mjs';

const STORY = 'Tell me a story about a brave cat';
const users = (page) => page.locator('.said.user .bubble').allInnerTexts();
const rows = (page) => page.locator('#conversations .title').allInnerTexts();

/** A second tab, with the conversation on show that the first one has. */
async function second(page, context, origin) {
  const other = await context.newPage();
  await open(other, origin, { settings: { ...GREEDY, maxTokens: 16 } });
  if (await other.locator('#conversations .conversation').count()) await other.locator('#conversations .conversation').first().click();
  return other;
}

browserTest('turns of two tabs are all kept, as alternatives', { folders: HOLDABLE }, async ({ page, context, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 16 } });
  await say(page, STORY);
  await answered(page);
  const other = await second(page, context, origin);
  await answered(other);
  // Both say something before either hears of the other.
  for (const tab of [page, other]) await tab.evaluate(() => { BroadcastChannel.prototype.postMessage = () => {}; });
  await say(page, 'Said in the first');
  await say(other, 'Said in the second');
  await answered(page, 1);
  await answered(other, 1);
  assert.deepEqual(await users(page), [STORY, 'Said in the first']);
  assert.deepEqual(await users(other), [STORY, 'Said in the second']);
  await until('both are kept', async () => (await records(page))[0].messages.filter(({ ended }) => ended).length === 3);
  const [{ messages, rev }] = await records(page);
  assert.equal(messages.length, 6);
  assert.ok(rev >= 6, `${rev} versions`);
  for (const tab of [page, other]) {
    await tab.reload();
    await ready(tab);
    assert.deepEqual(await tab.locator('.versions .count').allInnerTexts(), ['2 / 2']);
    await tab.getByRole('button', { name: 'Previous version' }).click();
    await until('the other turn is there', async () => (await users(tab))[1] === 'Said in the first');
    await answered(tab, 1);
    await tab.getByRole('button', { name: 'Next version' }).click();
    await until('and this one', async () => (await users(tab))[1] === 'Said in the second');
  }
});

browserTest('new chats, names, turns and deletions of one tab appear in the other', async ({ page, context, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 16 } });
  const other = await second(page, context, origin);
  await other.locator('#prompt').fill('A draft');
  await say(page, STORY);
  await until('it is listed', async () => (await rows(other)).length === 1);
  await answered(page);
  assert.equal(await other.locator('.said').count(), 0, 'what is on show stays');
  await other.locator('.conversation').click();
  const expected = await answered(page);
  assert.equal(await answered(other), expected);
  await say(page, 'And another one');
  await until('the turn is there', async () => (await users(other)).length === 2);
  await answered(other, 1);

  await other.locator('#conversations li .icon-button').click();
  await other.getByRole('menuitem', { name: 'Rename' }).click();
  await other.keyboard.type('The cat');
  await other.keyboard.press('Enter');
  await until('it is renamed', async () => (await rows(page)).join() === 'The cat');

  await page.locator('#conversations li .icon-button').click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await until('it is gone', async () => (await rows(other)).length === 0);
  await other.getByText('was deleted in another tab').waitFor();
  assert.equal(await other.locator('.said').count(), 0);
  await other.getByRole('button', { name: 'Undo' }).click();
  await until('it is back in both', async () => (await rows(page)).length === 1 && (await rows(other)).length === 1);
  await other.locator('.conversation').click();
  assert.equal(await answered(other), expected);
  assert.equal(await other.locator('#prompt').inputValue(), 'A draft', 'what was typed stays');
});

browserTest('an answer that another tab writes is shown so, and what is said meanwhile waits for it', { folders: HOLDABLE }, async ({ page, context, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 60 } });
  const hold = await holdAnswer(page, 20);
  await say(page, STORY);
  await hold.held();
  await until('it writes', async () => (await answers(page).locator('.markdown').innerText()).length > 20);
  const other = await second(page, context, origin);
  const note = other.locator('.said.answer .foot').getByText('Being written in another tab');
  await note.waitFor();
  assert.equal(await answers(other).first().getAttribute('aria-busy'), 'true');
  assert.equal(await other.locator('#after-log').innerText(), '', 'nothing was interrupted');
  await say(other, 'And another one');
  await until('it waits', async () => await answers(other).nth(1).getAttribute('data-waits') === 'Waits for another answer to end…');
  await until('both tabs have it', async () => (await users(page)).length === 2);
  await hold.release();
  const whole = await answered(page);
  assert.equal(await answered(other), whole);
  assert.ok((await answered(other, 1)).length > 10);
  await note.waitFor({ state: 'detached' });
  await until('and its answer', async () => (await answers(page).nth(1).locator('.foot button').count()) > 0);

  // A tab that goes while it writes leaves what it has, and the other says so.
  await page.getByRole('button', { name: 'New chat' }).click();
  const held = await holdAnswer(page, 12);
  await say(page, STORY);
  await held.held();
  await until('it writes', async () => (await answers(page).locator('.markdown').innerText()).length > 10);
  await until('it is listed', async () => (await rows(other)).length === 2);
  await other.locator('.conversation').first().click();
  await note.waitFor();
  await page.close();
  await other.getByText('This answer was interrupted').waitFor();
});

browserTest('settings of two tabs do not overwrite each other', async ({ page, context, origin }) => {
  await open(page, origin);
  const other = await second(page, context, origin);
  await page.getByRole('button', { name: 'Settings' }).click();
  await other.getByRole('button', { name: 'Settings' }).click();
  await page.locator('#setting-maxTokens').fill('77');
  await until('it is shown in the other', async () => await other.locator('#setting-maxTokens').inputValue() === '77');
  await other.locator('#setting-temperature').fill('0.35');
  await other.locator('#setting-system').fill('Be brief.');
  await until('it is shown in the first', async () => await page.locator('#setting-system').inputValue() === 'Be brief.');
  const kept = JSON.parse(await page.evaluate(() => localStorage.getItem('llamita.settings')));
  assert.deepEqual([kept.maxTokens, kept.temperature, kept.system], [77, 0.35, 'Be brief.']);
  await page.locator('.panel').getByRole('button', { name: 'Close', exact: true }).click();
  await page.locator('#language').selectOption('es');
  await page.locator('#theme').selectOption('dark');
  await until('language and theme too', async () => await other.locator('html').getAttribute('lang') === 'es' && await other.locator('html').getAttribute('data-theme') === 'dark');
});
