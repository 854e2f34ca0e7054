// The button that compares this device with Meta's own runtime.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SITE } from './browser.mjs';
import { browserTest } from './harness.mjs';
import { HOLDABLE, holdAnswer } from './hold.mjs';
import { answered, keepModel, open, say, siteKept, until } from './page.mjs';

const golden = JSON.parse(await readFile(join(SITE, 'proof/golden.json'), 'utf8'));
const NAME = 'Meta’s runtime and ours';
const button = (page) => page.getByRole('button', { name: NAME });
const section = (page) => page.locator('#proof');

/** The page still answers with the model that was in use. */
async function stillAnswers(page) {
  assert.match(await page.locator('#model-chip').innerText(), /Llamita Stories/);
  await page.evaluate(() => { location.hash = '#chat'; });
  await say(page, 'Tell me a story about a brave cat');
  assert.match(await answered(page), /cat/);
}

browserTest('the file is fetched when it is asked for, and every token is that of Meta’s runtime', async ({ page, origin }) => {
  const asked = [];
  page.context().on('request', (request) => asked.push(new URL(request.url()).pathname));
  await open(page, origin, { path: '#benchmark' });
  await siteKept(page);
  assert.deepEqual(asked.filter((path) => path.startsWith('/proof/')), []);
  await button(page).click();
  await page.getByText('200 of 200 tokens are Meta’s.').waitFor();
  const text = await section(page).innerText();
  assert.ok(text.includes(`${golden.prompt}${golden.text}`.slice(0, 60)), text);
  assert.match(text, /SpinQuant, int8 activations[\s\S]*Speed\s+[\d.,]+ tokens\/s/);
  assert.equal(asked.filter((path) => path.startsWith('/proof/')).length, 4);
  assert.ok(await button(page).isEnabled());
  await stillAnswers(page);
});

browserTest('another token is told with its margin, and both texts are shown', async ({ page, origin }) => {
  const other = { ...golden, ids: golden.ids.with(3, 5), text: `${golden.text} And so on.` };
  await page.route('**/proof/golden.json', (route) => route.fulfill({ json: other }));
  await open(page, origin, { path: '#benchmark' });
  await button(page).click();
  const margin = new Intl.NumberFormat('en', { maximumFractionDigits: 3 }).format(golden.margins[3]);
  await page.getByText(`The first 3 tokens are Meta’s. Then Meta’s runtime took token 5, with a logit that was ${margin} above`).waitFor();
  assert.match(await section(page).innerText(), /What this device wrote[\s\S]*What Meta’s runtime wrote[\s\S]* And so on\./);
});

browserTest('the comparison can be cancelled while it fetches and while it writes', { folders: HOLDABLE }, async ({ page, origin }) => {
  let fetching;
  const held = new Promise((resolve) => { fetching = resolve; });
  await page.route('**/proof/spinquant/*.pth', () => fetching());
  await open(page, origin, { path: '#benchmark' });
  const cancel = section(page).getByRole('button', { name: 'Cancel' });
  const nothing = async () => {
    await button(page).waitFor();
    assert.equal(await section(page).locator('.found').innerText(), '');
    assert.ok(await section(page).locator('progress').isHidden());
  };
  await button(page).click();
  await held;
  await section(page).getByText('Fetching the file').waitFor();
  await cancel.click();
  await nothing();

  await page.unroute('**/proof/spinquant/*.pth');
  const answer = await holdAnswer(page, 5);
  await button(page).click();
  await answer.held();
  await until('some tokens are told', async () => / of 200 tokens/.test(await section(page).innerText()));
  await cancel.click();
  await answer.release();
  await nothing();
  await stillAnswers(page);
});

browserTest('a device that is lost meanwhile ends the comparison alone', { folders: HOLDABLE }, async ({ page, origin }) => {
  await keepModel(page);
  await open(page, origin, { path: '#benchmark' });
  const answer = await holdAnswer(page, 5);
  await button(page).click();
  await answer.held();
  await page.evaluate(() => globalThis.model.destroyDevice());
  await answer.release();
  await section(page).getByRole('alert').waitFor();
  assert.match(await section(page).getByRole('alert').innerText(), /GPU|device/i);
  assert.ok(await button(page).isEnabled());
  await stillAnswers(page);
});

browserTest('a file that cannot be fetched is told', async ({ page, origin, allow }) => {
  allow(/503/);
  await page.route('**/proof/spinquant/*.pth', (route) => route.fulfill({ status: 503, body: '' }));
  await open(page, origin, { path: '#benchmark' });
  await button(page).click();
  await section(page).getByRole('alert').waitFor();
  assert.match(await section(page).innerText(), /503/);
});
