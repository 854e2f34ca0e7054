// The conversation: answers, stopping, changing, keeping, and that nothing leaves the page meanwhile.
import assert from 'node:assert/strict';
import { browserTest } from './harness.mjs';
import { HOLDABLE, holdAnswer } from './hold.mjs';
import { answered, answers, GREEDY, open, ready, say, siteKept, until } from './page.mjs';

const STORY = 'Tell me a story about a brave cat';

browserTest('a first visit answers, and nothing is requested between the prompt and the last token', async ({ page, context, origin, log }) => {
  const begin = Date.now();
  await open(page, origin);
  log(`from the first request to a model that can answer: ${Date.now() - begin} ms`);
  await siteKept(page); // What fetches the site has nothing to do with a chat.
  const requests = [];
  const note = (request) => requests.push(request.url());
  context.on('request', note);
  await page.evaluate(() => {
    globalThis.lengths = [];
    const log = document.getElementById('log');
    new MutationObserver(() => globalThis.lengths.push(log.textContent.length)).observe(log, { childList: true, subtree: true, characterData: true });
  });
  await say(page, STORY);
  const text = await answered(page);
  assert.ok(text.length > 60, `the answer is “${text}”`);
  assert.match(text, /cat/i);
  const steps = new Set(await page.evaluate(() => globalThis.lengths));
  assert.ok(steps.size > 5, `the answer came in ${steps.size} steps`);
  assert.deepEqual(requests, [], 'requests while chatting');
  await page.evaluate(() => fetch('blank.html?counted'));
  assert.deepEqual(requests, [`${origin}/blank.html?counted`], 'a request is counted');
  context.off('request', note);
  assert.match(await page.locator('#live').innerText(), /tokens\/s/);
  assert.match(await page.locator('#spoken').innerText(), /cat/i, 'a screen reader is told the whole answer');
});

browserTest('an answer can be stopped, and answered again', { folders: HOLDABLE }, async ({ page, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 1000 } });
  await holdAnswer(page, 12);
  await say(page, STORY);
  await until('it writes', async () => (await answers(page).locator('.markdown').innerText()).length > 10);
  await page.locator('#send.stop').click();
  const stopped = await answered(page);
  assert.match(await answers(page).innerText(), /Stopped/);
  assert.ok(stopped.length > 5, 'what was written stays');

  await page.evaluate(() => localStorage.setItem('llamita.settings', '{"temperature":0,"maxTokens":24}'));
  await page.reload();
  await ready(page);
  await page.getByRole('button', { name: 'Answer again' }).click();
  const again = await answered(page);
  assert.equal(await answers(page).count(), 1, 'it stands where the answer was');
  assert.notEqual(again, stopped);
});

browserTest('Escape stops, and Enter sends', { folders: HOLDABLE }, async ({ page, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 1000 } });
  await holdAnswer(page, 12);
  await page.locator('#prompt').fill(STORY);
  await page.keyboard.press('Shift+Enter');
  assert.equal(await page.locator('#prompt').inputValue(), `${STORY}\n`);
  await page.keyboard.press('Enter');
  await until('it writes', async () => (await answers(page).locator('.markdown').innerText()).length > 10);
  await page.keyboard.press('Escape');
  await answered(page);
  assert.match(await answers(page).innerText(), /Stopped/);
});

browserTest('a message can be changed, and is answered beside what was there', async ({ page, origin }) => {
  await open(page, origin);
  await say(page, STORY);
  await answered(page);
  await say(page, 'And another one');
  await answered(page, 1);
  const first = page.locator('.said.user').first();
  await first.hover();
  await first.getByRole('button', { name: 'Change this message' }).click();
  await page.getByRole('textbox', { name: 'Change your message' }).fill('Cuéntame un cuento de un oso dormilón');
  await page.getByRole('button', { name: 'Send again' }).click();
  assert.match(await answered(page), /oso/i);
  assert.equal(await page.locator('.said').count(), 2);
});

browserTest('conversations survive a reload, and can be renamed, exported and deleted', async ({ page, origin }) => {
  await open(page, origin);
  await say(page, STORY);
  const text = await answered(page);
  await page.getByRole('button', { name: 'New chat' }).click();
  await say(page, 'Cuéntame un cuento');
  await answered(page);
  const rows = page.locator('#conversations li');
  await until('both are listed', async () => await rows.count() === 2);

  await page.reload();
  await ready(page);
  assert.equal(await rows.count(), 2);
  await page.getByRole('button', { name: STORY, exact: false }).first().click();
  assert.equal(await answered(page), text);

  const more = rows.filter({ hasText: STORY }).locator('.icon-button');
  await more.click();
  await page.getByRole('menuitem', { name: 'Rename' }).click();
  await page.keyboard.type('The cat');
  await page.keyboard.press('Enter');
  await rows.filter({ hasText: 'The cat' }).waitFor();

  await rows.filter({ hasText: 'The cat' }).locator('.icon-button').click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: 'Export as Markdown' }).click()]);
  assert.equal(download.suggestedFilename(), 'the-cat.md');

  await rows.filter({ hasText: 'The cat' }).locator('.icon-button').click();
  await page.getByRole('menuitem', { name: 'Delete' }).click();
  await until('it is gone', async () => await rows.count() === 1);
  await page.getByRole('button', { name: 'Undo' }).click();
  await until('it is back', async () => await rows.count() === 2);
  await page.reload();
  await ready(page);
  assert.equal(await rows.filter({ hasText: 'The cat' }).count(), 1, 'what came back was written before the page went');
});

browserTest('a page that is closed while it writes says so, and the same seed writes the same answer', { folders: HOLDABLE }, async ({ page, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 160, temperature: 0.8 } });
  await holdAnswer(page, 24);
  await say(page, STORY);
  const part = await until('it writes', async () => {
    const text = await answers(page).locator('.markdown').innerText();
    return text.length > 40 && text;
  });
  await page.reload();
  await ready(page);
  await page.getByText('This answer was interrupted').waitFor();
  await page.getByRole('button', { name: 'Continue' }).click();
  const whole = await answered(page);
  assert.ok(whole.startsWith(part.trim()), `“${whole}” begins with “${part}”`);
});

browserTest('a typed prompt survives a reload, and settings reach the answer', async ({ page, origin }) => {
  await open(page, origin);
  await page.locator('#prompt').fill('Not sent yet');
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('spinbutton', { name: 'Longest answer' }).fill('16');
  await page.getByRole('button', { name: 'Close' }).first().click();
  await page.reload();
  await ready(page);
  assert.equal(await page.locator('#prompt').inputValue(), 'Not sent yet');
  await say(page, STORY);
  await answered(page);
  assert.match(await answers(page).innerText(), /Ended at the length limit/);
  assert.match(await answers(page).innerText(), /\b16 tokens/);
});
