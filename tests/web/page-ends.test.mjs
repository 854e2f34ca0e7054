// No dead ends: every message that is sent ends in an answer, or in a state that says what it is and how to go on.
import assert from 'node:assert/strict';
import { browserTest } from './harness.mjs';
import { HOLDABLE, holdAnswer } from './hold.mjs';
import { answered, answers, GREEDY, keepRecords, open, ready, records, say, until } from './page.mjs';

const STORY = 'Tell me a story about a brave cat';
const after = (page) => page.locator('#after-log');

browserTest('two clicks on Send are one turn, which is answered', { folders: HOLDABLE }, async ({ page, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 16 } });
  await page.locator('#prompt').fill(STORY);
  await page.locator('#send').dblclick();
  await answered(page);
  assert.equal(await page.locator('.said').count(), 2);
  assert.doesNotMatch(await answers(page).innerText(), /Stopped/);
  assert.equal((await records(page))[0].messages.length, 2);
});

browserTest('a new chat can be begun while another answers, and waits for its turn', { folders: HOLDABLE }, async ({ page, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 24 } });
  const hold = await holdAnswer(page, 8);
  await say(page, STORY);
  await hold.held();
  await page.getByRole('button', { name: 'New chat' }).click();
  assert.equal(await page.locator('#send').getAttribute('aria-label'), 'Send', 'nothing is answered here');
  await say(page, 'A story about a shy dragon');
  await until('it waits', async () => await answers(page).getAttribute('data-waits') === 'Waits for another answer to end…');
  await until('both are being answered', async () => await page.locator('#conversations .dot').count() === 2);
  // One that waits can be stopped, and goes on when it is asked to.
  await page.locator('#send.stop').click();
  await until('it has stopped', async () => /Stopped/.test(await answers(page).innerText()));
  await page.getByRole('button', { name: 'Answer again' }).click();
  await until('it waits again', async () => await answers(page).getAttribute('data-waits') === 'Waits for another answer to end…');
  await hold.release();
  assert.match(await answered(page), /dragon/i);
  await page.locator('.conversation', { hasText: 'cat' }).click();
  assert.match(await answered(page), /cat/i);
  await until('all is over', async () => await page.locator('#conversations .dot').count() === 0);
});

browserTest('a message that was sent while a model was loading ends clearly when the load is cancelled', async ({ page, origin }) => {
  let go = () => {};
  const gate = new Promise((resolve) => { go = resolve; });
  await page.route('**/llamita-stories.gguf', async (route) => {
    await gate;
    await route.continue().catch(() => {});
  });
  await page.addInitScript((text) => localStorage.setItem('llamita.settings', text), JSON.stringify({ ...GREEDY, maxTokens: 16 }));
  await page.goto(`${origin}/`);
  await say(page, STORY);
  await until('it waits', async () => await answers(page).getAttribute('data-waits') === 'The model is on its way…');
  await page.locator('#load-bar .progress').getByRole('button', { name: 'Cancel' }).click();
  await after(page).getByText('This message has no answer yet').waitFor();
  assert.equal(await answers(page).count(), 0);
  assert.equal(await page.locator('#send').getAttribute('aria-label'), 'Send');
  assert.match(await page.locator('#load-bar').innerText(), /Cancelled/);
  // Another message does not wait for ever either.
  await say(page, 'Hello?');
  await until('it has ended too', async () => await after(page).getByText('This message has no answer yet').count() === 1 && await answers(page).count() === 0);
  go();
  await after(page).getByRole('button', { name: 'Load it and answer' }).click();
  await answered(page);
  await ready(page);
  assert.equal(await after(page).innerText(), '');
});

browserTest('every answer says which model wrote it, and another model does not go on silently', async ({ page, origin }) => {
  const message = (id, parent, role, more) => ({ id, parent, role, content: `${role} ${id}`, created: 1, ...more });
  const held = (id, model) => ({
    id, title: id, created: 1, updated: id === 'gone' ? 1 : 2, rev: 1, version: 2, chosen: {}, model, messages: [
      message('a', undefined, 'user'), message('b', 'a', 'assistant', { ended: 'stop', model: model.title, modelId: model.id })],
  });
  await page.goto(`${origin}/blank.html`);
  await keepRecords(page, [
    held('offered', { id: 'llama-3.2-1b-q4_0', title: 'Llama 3.2 1B · Q4_0' }), held('gone', { id: 'file:mine.gguf:77', title: 'mine' })]);
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 16 } });
  await page.locator('.conversation', { hasText: 'gone' }).click();
  await after(page).getByText('This chat was held with').waitFor();
  assert.match(await answers(page).locator('.by').innerText(), /^mine$/);
  await after(page).getByRole('button', { name: 'Use mine again' }).click();
  await after(page).getByText('is not in this browser any more').waitFor();
  await after(page).getByRole('button', { name: 'Go on with Llamita Stories' }).click();
  await until('it is settled', async () => await after(page).innerText() === '');
  await until('and kept', async () => (await records(page)).find(({ id }) => id === 'gone').model.id === 'bundled');
  await say(page, STORY);
  await answered(page, 1);
  assert.deepEqual(await answers(page).locator('.by').allInnerTexts(), ['mine', 'Llamita Stories']);

  // One that the page knows is loaded again.
  await page.route('https://**', (route) => route.abort());
  await page.locator('.conversation', { hasText: 'offered' }).click();
  await after(page).getByRole('button', { name: 'Use Llama 3.2 1B · Q4_0 again' }).click();
  await page.locator('#load-bar').getByText('Llama 3.2 1B').first().waitFor();
});
