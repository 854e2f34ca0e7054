// The focus never falls to the body: with a keyboard one is always somewhere, and goes on from there.
import assert from 'node:assert/strict';
import { browserTest } from './harness.mjs';
import { answered, answers, GREEDY, open, ready, say, until } from './page.mjs';

const STORY = 'Tell me a story about a brave cat';

/** What has the focus, two frames after what was done. */
const focused = (page) => page.evaluate(() => new Promise((resolve) => {
  const frame = (left) => requestAnimationFrame(() => left ? frame(left - 1) : resolve(
    document.activeElement === document.body ? 'BODY' : document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.textContent,
  ));
  frame(3);
}));

/** Does something with the keyboard, and asserts where the focus is then. */
async function leads(page, what, act, where) {
  await act();
  const at = await focused(page);
  assert.notEqual(at, 'BODY', what);
  if (where) assert.match(at, where, `${what}: ${at}`);
}

/** Gives an element the focus and presses a key, as who has no mouse. */
const press = async (locator, key = 'Enter') => {
  await locator.focus();
  await locator.press(key);
};

browserTest('the focus stays in the page through a conversation', async ({ page, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 30 } });
  await leads(page, 'a suggestion', () => press(page.locator('.suggestion').first()), /^prompt$/);
  await answered(page);
  await leads(page, 'the end of its answer', async () => {}, /^prompt$/);

  const again = page.getByRole('button', { name: 'Answer again' });
  await leads(page, 'answer again', () => press(again));
  await answered(page);
  await leads(page, 'the end of that', async () => {});

  const user = page.locator('.said.user').first();
  const edit = user.getByRole('button', { name: 'Change this message' });
  await leads(page, 'a change that is begun', () => press(edit), /Change your message/);
  await leads(page, 'and given up', () => page.keyboard.press('Escape'), /Change this message/);
  await press(edit);
  await page.keyboard.type(' and a dog');
  await leads(page, 'and sent', () => page.keyboard.press('Control+Enter'));
  await answered(page);
  await leads(page, 'the end of its answer', async () => {});

  await page.evaluate(() => localStorage.setItem('llamita.settings', '{"temperature":1.5,"topP":1,"topK":0,"minP":0,"maxTokens":900}'));
  await page.reload();
  await ready(page);
  await say(page, STORY);
  await until('it writes', async () => (await answers(page).last().locator('.markdown').innerText()).length > 10);
  await leads(page, 'stop', () => press(page.locator('#send')));
  await answered(page, 1);
  await leads(page, 'after it', async () => {}, /^prompt$/);

  // A message that is too long, and its notice.
  await say(page, 'a brave cat and a shy dragon '.repeat(300));
  await page.getByText('This message is longer than the context').waitFor();
  await leads(page, 'a refusal', async () => {});
});

browserTest('the focus stays in the page through lists, dialogs and tools', async ({ page, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 16 } });
  for (const text of [STORY, 'Another story']) {
    await page.getByRole('button', { name: 'New chat' }).click();
    await say(page, text);
    await answered(page);
  }
  const rows = page.locator('#conversations li');
  const more = () => rows.filter({ hasText: 'brave cat' }).locator('.icon-button');
  for (const [key, title] of [['Escape', /brave cat/], ['Enter', /brave cat/]]) {
    await press(more());
    await leads(page, 'renaming', () => press(page.getByRole('menuitem', { name: 'Rename' })), /Rename/);
    await page.keyboard.press('End');
    await page.keyboard.type('!');
    await leads(page, `renaming, ${key}`, () => page.keyboard.press(key), title);
  }
  await press(more());
  await leads(page, 'deleting', () => press(page.getByRole('menuitem', { name: 'Delete' })));
  await leads(page, 'undoing', () => press(page.getByRole('button', { name: 'Undo' })));

  await press(page.locator('#settings-open'));
  await leads(page, 'defaults', () => press(page.getByRole('button', { name: 'Back to the defaults' })), /Back to the defaults/);
  await leads(page, 'closing', () => page.keyboard.press('Escape'), /settings-open/);
  await leads(page, 'a language', async () => {
    await page.locator('#language').focus();
    await page.locator('#language').selectOption('es');
  }, /language/);
  await page.locator('#language').selectOption('en');

  const view = async (name) => {
    await page.evaluate((name) => { location.hash = `#${name}`; }, name);
    await page.locator(`#view-${name}`).waitFor();
  };
  await view('shaders');
  await leads(page, 'a test of shaders', () => press(page.locator('#shaders-all')), /shaders-stop/);
  await page.locator('#shader-table tbody tr').first().waitFor({ timeout: 60_000 });
  await press(page.locator('#shaders-stop'));
  await page.locator('#shaders-save').waitFor({ timeout: 60_000 });
  await leads(page, 'its end', async () => {});
  await view('benchmark');
  await leads(page, 'a benchmark', () => press(page.locator('#benchmark-run')), /benchmark-run/);
  await leads(page, 'its end', async () => {
    await press(page.locator('#benchmark-run'));
    await page.getByRole('button', { name: 'Run the benchmark' }).waitFor({ timeout: 60_000 });
  }, /benchmark-run/);

  await view('models');
  await page.locator('#model-file').setInputFiles({ name: 'notes.gguf', mimeType: '', buffer: Buffer.from('No model.') });
  const notice = page.locator('#load-bar [role="alert"]');
  await notice.waitFor();
  await leads(page, 'a refused file', async () => {});
  await leads(page, 'another model', () => press(notice.getByRole('button', { name: 'Choose a model' })));
});

browserTest('on a touch screen the focus does not go to a field, whose keyboard would come up', { context: { hasTouch: true, isMobile: true, viewport: { width: 390, height: 844 } } }, async ({ page, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 16 } });
  await page.locator('.suggestion').first().tap();
  await leads(page, 'a suggestion', async () => {}, /^(scroll|send)$/);
  await answered(page);
  await leads(page, 'its end', async () => {}, /^(scroll|send)$/);
});
