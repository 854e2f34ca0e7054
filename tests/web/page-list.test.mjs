// The list of chats: by day, searched, exported and imported.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { insidePage } from './browser.mjs';
import { browserTest } from './harness.mjs';
import { answered, answers, GREEDY, keepRecords, open, records, until } from './page.mjs';

const DAY = 86_400_000;
const titles = (page) => page.locator('#conversations .title').allInnerTexts();
const SHORT = { settings: { ...GREEDY, maxTokens: 16 } };

/** A chat of two turns and a branch that is not on show. */
function chat(id, updated, texts = {}) {
  const said = (name, parent, role, content) => ({ id: name, parent, role, content, created: updated, ...(role === 'assistant' ? { ended: 'stop', model: 'Llamita Stories', modelId: 'bundled' } : {}) });
  const { question = `Question ${id}`, answer = `Answer ${id}`, other = `Hidden ${id}` } = texts;
  return {
    id, title: `Title ${id}`, created: updated, updated, rev: 1, version: 2, chosen: { a: 'b' }, model: { id: 'bundled', title: 'Llamita Stories' },
    messages: [said('a', undefined, 'user', question), said('b', 'a', 'assistant', answer), said('c', 'a', 'assistant', other)],
  };
}

async function openWith(page, origin, kept) {
  await page.goto(`${origin}/blank.html`);
  await keepRecords(page, kept);
  await open(page, origin, SHORT);
}

browserTest('chats stand by day, and say exactly when they were last held', async ({ page, origin }) => {
  const noon = new Date().setHours(12, 0, 0, 0);
  const now = Math.min(Date.now(), noon);
  await openWith(page, origin, [chat('now', now), chat('day', noon - DAY), chat('old', new Date(2024, 4, 3, 15, 30).getTime()), chat('older', new Date(2024, 4, 2).getTime())]);
  const groups = page.locator('#conversations .group');
  assert.deepEqual(await groups.allInnerTexts(), ['Today', 'Yesterday', 'May 2024']);
  assert.deepEqual(await page.getByRole('list', { name: 'May 2024' }).locator('.title').allInnerTexts(), ['Title old', 'Title older']);
  assert.match(await page.locator('[data-id="old"]').getAttribute('title'), /Title old.*Friday, May 3, 2024.*3:30/);
  await page.locator('#language').selectOption('es');
  assert.deepEqual(await groups.allInnerTexts(), ['Hoy', 'Ayer', 'mayo de 2024']);
});

browserTest('a search finds titles and what was said on every branch, and shows it', async ({ page, origin }) => {
  const long = `${'Words before it. '.repeat(40)}Here is the Café of Zürich. ${'Words after it. '.repeat(40)}`;
  await openWith(page, origin, [chat('one', 5), chat('two', 4, { answer: long }), chat('three', 3, { other: `${long} Only on another branch` })]);
  const field = page.getByRole('searchbox', { name: 'Search the chats' });
  await field.fill('title one');
  assert.deepEqual(await titles(page), ['Title one']);
  await field.fill('cafe zurich');
  assert.deepEqual(await titles(page), ['Title two', 'Title three']);
  assert.equal(await page.locator('#conversations mark').first().innerText(), 'Café');
  await field.fill('ANOTHER branch');
  assert.deepEqual(await titles(page), ['Title three']);
  await page.keyboard.press('Enter');
  await until('its branch is on show', async () => /Only on another branch/.test(await answers(page).innerText().catch(() => '')));
  assert.deepEqual(await page.locator('.versions .count').allInnerTexts(), ['2 / 2']);
  await field.fill('nowhere to be found');
  await page.getByText('No chat has these words.').waitFor();
  await field.press('Escape');
  assert.equal((await titles(page)).length, 3);
  assert.equal(await field.inputValue(), '');
});

browserTest('chats go out as JSON and come in again, and nothing that is here is overwritten', async ({ page, origin }) => {
  await openWith(page, origin, [chat('one', 5), chat('two', 4)]);
  const all = async (item) => {
    await page.getByRole('button', { name: 'All chats' }).click();
    return page.getByRole('menuitem', { name: item }).click();
  };
  const [download] = await Promise.all([page.waitForEvent('download'), all('Export all as JSON')]);
  const exported = await readFile(await download.path());
  assert.equal(JSON.parse(exported).length, 2);
  const give = async (...files) => {
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), all('Import JSON')]);
    await chooser.setFiles(files.map(([name, text]) => ({ name, mimeType: 'application/json', buffer: Buffer.from(text) })));
  };
  const toast = (text) => page.locator('.toast').getByText(text).waitFor();

  await all('Delete all chats');
  await until('all are gone', async () => (await titles(page)).length === 0);
  await page.getByRole('button', { name: 'Undo' }).click();
  await until('all are back', async () => (await titles(page)).length === 2);
  await all('Delete all chats');
  await until('all are gone', async () => (await titles(page)).length === 0 && (await records(page)).length === 0);
  await give(['llamita.json', exported]);
  await toast('Imported: 2.');
  await until('they are listed', async () => (await titles(page)).length === 2);
  await answered(page);
  const strip = (list) => list.map(({ rev, ...record }) => record);
  assert.deepEqual(strip(await records(page)), strip(JSON.parse(exported)));

  // The same again, changed: what is here stays, and gets what it has not.
  const [one] = JSON.parse(exported);
  const changed = { ...one, title: 'Other title', messages: [{ ...one.messages[0], content: 'Other text' }, ...one.messages.slice(1), { id: 'z', parent: 'b', role: 'user', content: 'More', created: 9 }] };
  await give(['same.json', exported]);
  await toast('Already here, left as they are: 2.');
  await give(['changed.json', JSON.stringify(changed)]);
  await toast('Already here, and completed: 1.');
  const kept = (await records(page)).find(({ id }) => id === 'one');
  assert.deepEqual([kept.title, kept.messages[0].content, kept.messages.length], ['Title one', 'Question one', 4]);

  // The shape before branches, and one part of a file that is none.
  const flat = { id: 'flat', title: 'Flat', created: 1, updated: 2, messages: [{ role: 'user', content: 'Hello' }, { role: 'assistant', content: 'Good day', ended: 'stop' }] };
  await give(['flat.json', JSON.stringify([flat, { id: 'x' }])]);
  await toast('Imported: 1. No chats of this page: 1.');
  await until('it is on show', async () => await answered(page) === 'Good day');

  const before = JSON.stringify(await records(page));
  await give(['cut.json', exported.subarray(0, 300)]);
  await toast(/cut\.json.* was not imported\. Its JSON is damaged or breaks off/);
  await give(['gpt.json', JSON.stringify([{ title: 'x', mapping: {} }])]);
  await toast(/an export of .*ChatGPT/);
  assert.equal(JSON.stringify(await records(page)), before);
});

test('what is no chat of this page is told by its kind', async () => {
  const { readImport } = await insidePage('exchange.js');
  const why = (text) => readImport(text).why;
  for (const [text, key] of [
    ['', 'import.empty'], ['# Title\n\n## You', 'import.markdown'], ['GGUF\u0003\u0000', 'import.noJson'], ['hello', 'import.noJson'],
    ['{"id":"a","mess', 'import.cut'], ['[]', 'import.none'], ['{"id":"a","messages":[]}', 'import.none'], ['7', 'import.json'], ['null', 'import.json'],
    ['[{"mapping":{}}]', 'import.program'], ['[{"chat_messages":[]}]', 'import.program'], ['{"when":"x","rows":[]}', 'import.benchmark'],
    ['[{"role":"user","content":"x"}]', 'import.messages'], ['{"a":1}', 'import.json'],
  ]) assert.equal(why(text), key, text);
  assert.equal(readImport('\uFEFF{"id":"a","messages":[{"role":"user","content":"x"}]}').conversations.length, 1);
});
