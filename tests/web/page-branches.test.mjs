// Nothing that was said is destroyed: turns keep their alternatives, what is deleted comes back, and what was kept in
// another shape is read as far as it can be.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { insidePage } from './browser.mjs';
import { browserTest } from './harness.mjs';
import { answered, answers, GREEDY, keepRecords, open, ready, records, say, until } from './page.mjs';

const { Conversation } = await insidePage('tree.js');
const STORY = 'Tell me a story about a brave cat';
const users = (page) => page.locator('.said.user .bubble').allInnerTexts();
const versions = (page) => page.locator('.versions .count').allInnerTexts();

/** Begins to change the message of this number, and sends another text instead. */
async function change(page, index, text) {
  const user = page.locator('.said.user').nth(index);
  await user.hover();
  await user.getByRole('button', { name: 'Change this message' }).click();
  await page.getByRole('textbox', { name: 'Change your message' }).fill(text);
  await page.getByRole('button', { name: 'Send again' }).click();
}

browserTest('answering again and changing a message keep what was there, beside it', async ({ page, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 24 } });
  await say(page, STORY);
  const first = await answered(page);
  await say(page, 'And another one');
  const second = await answered(page, 1);

  // In the middle: what follows is on the other branch.
  await page.evaluate(() => localStorage.setItem('llamita.settings', '{"temperature":0,"maxTokens":16}'));
  await page.reload();
  await ready(page);
  await page.getByRole('button', { name: 'Answer again' }).first().click();
  await until('it is another', async () => (await versions(page)).join() === '2 / 2');
  assert.equal(await answers(page).count(), 1);
  assert.notEqual(await answered(page), first);
  const group = page.getByRole('group', { name: 'Version 2 of 2' });
  assert.ok(await group.getByRole('button', { name: 'Next version' }).isDisabled());
  await group.getByRole('button', { name: 'Previous version' }).click();
  await until('the first is back', async () => await answers(page).count() === 2);
  assert.deepEqual([await answered(page), await answered(page, 1)], [first, second]);
  assert.equal(await page.locator('#spoken').innerText(), 'Version 1 of 2');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Next version', 'the focus stays at the switcher');
  await page.keyboard.press('ArrowRight');
  await until('the second is back', async () => await answers(page).count() === 1);
  await page.keyboard.press('ArrowLeft');

  await change(page, 0, 'Cuéntame un cuento de un oso dormilón');
  await until('it is on show', async () => (await versions(page))[0] === '2 / 2');
  assert.match(await answered(page), /oso/i);
  assert.equal(await page.locator('.said').count(), 2);
  // Everything survives a reload, and so does what was on show.
  await page.reload();
  await ready(page);
  assert.deepEqual(await users(page), ['Cuéntame un cuento de un oso dormilón']);
  await page.locator('.said.user').getByRole('button', { name: 'Previous version' }).press('Enter');
  await until('the first message is back', async () => (await users(page))[0] === STORY);
  assert.deepEqual(await users(page), [STORY, 'And another one']);
  assert.deepEqual(await versions(page), ['1 / 2', '1 / 2']);
  assert.equal(await answered(page), first);

  // Markdown is the branch on show, JSON is all.
  const exported = async (item) => {
    await page.locator('#conversations li .icon-button').click();
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('menuitem', { name: item, exact: true }).click()]);
    return readFile(await download.path(), 'utf8');
  };
  const text = await exported('Export as Markdown');
  assert.ok(text.includes(second.split('\n')[0]) && !text.includes('oso'), text);
  const all = JSON.parse(await exported('Export as JSON'));
  assert.equal(all.messages.length, 7);
  assert.deepEqual([...new Set(all.messages.map(({ model }) => model))], [undefined, 'Llamita Stories']);
});

browserTest('an alternative that is deleted comes back, with what followed it', async ({ page, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 16 } });
  await say(page, STORY);
  await answered(page);
  await say(page, 'And another one');
  const second = await answered(page, 1);
  await change(page, 0, 'Tell me a story about a shy dragon');
  await answered(page);
  const user = page.locator('.said.user').first();
  await user.getByRole('button', { name: 'Previous version' }).click();
  await until('the first is on show', async () => await answers(page).count() === 2);
  await user.getByRole('button', { name: 'Delete this version' }).click();
  await until('only the other is there', async () => (await users(page)).join() === 'Tell me a story about a shy dragon');
  assert.deepEqual(await versions(page), []);
  assert.notEqual(await page.evaluate(() => document.activeElement.tagName), 'BODY');
  assert.equal((await records(page))[0].messages.length, 2, 'it is gone from what is kept');
  await page.getByRole('button', { name: 'Undo' }).click();
  await until('it is back', async () => await answers(page).count() === 2);
  assert.equal(await answered(page, 1), second);
  await page.reload();
  await ready(page);
  assert.deepEqual(await versions(page), ['1 / 2']);
  assert.equal(await answered(page, 1), second);
});

browserTest('conversations of an earlier, a damaged and a later shape are read as far as they can be', async ({ page, origin }) => {
  const old = {
    id: 'old', title: 'Old', created: 1, updated: 4, messages: [
      { role: 'user', content: 'First' }, { role: 'assistant', content: 'Answer one', ended: 'stop', seed: 3, model: 'Llamita Stories', measured: { tokens: 2, tokensPerSecond: 3, firstTokenMs: 4 } },
      { role: 'user', content: 'Second' }, { role: 'assistant', content: 'Answer two', ended: 'stop' }],
  };
  const damaged = {
    id: 'damaged', title: 7, created: 'x', updated: 3, messages: [
      null, { role: 'user', content: 'Kept', measured: { tokens: 'x' }, seed: {}, attachments: [7] }, { role: 'tool', content: 'x' }, { role: 'assistant', content: 5 },
      { role: 'assistant', content: 'Kept too', ended: 'stop', measured: { tokens: {} }, model: 7 }],
    own: 'x', chosen: [], model: 'x',
  };
  const later = {
    id: 'later', title: 'Later', created: 1, updated: 2, rev: 4, version: 3, shelf: 'blue', chosen: { '': 'a' }, messages: [
      { id: 'a', role: 'user', content: 'From later', created: 1, mood: 'good' }, { id: 'p', parent: 'a', parts: ['what this does not know'] },
      { id: 'b', parent: 'p', role: 'assistant', content: 'Answered later', ended: 'stop', created: 2 }],
  };
  await page.goto(`${origin}/blank.html`);
  await keepRecords(page, [old, damaged, later, { id: 'odd', messages: 'none' }, { id: 'odder' }]);
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 16 } });
  await page.getByText('Stored records that are no conversations: 2').waitFor();
  const rows = page.locator('#conversations li');
  assert.deepEqual(await rows.locator('.title').allInnerTexts(), ['Old', 'Kept', 'Later']);

  await rows.filter({ hasText: 'Old' }).locator('.conversation').click();
  await until('it is on show', async () => await answers(page).count() === 2);
  assert.deepEqual(await users(page), ['First', 'Second']);
  assert.equal(await page.locator('#after-log').innerText(), '');
  await change(page, 1, 'Third');
  await until('it is answered', async () => (await records(page)).find(({ id }) => id === 'old').messages.at(-1).ended);
  const kept = (await records(page)).find(({ id }) => id === 'old');
  assert.deepEqual(kept.messages.map(({ content }) => content).slice(0, 5), ['First', 'Answer one', 'Second', 'Answer two', 'Third']);
  assert.equal(kept.messages[4].parent, kept.messages[1].id);
  assert.equal(kept.version, 2);

  await rows.filter({ hasText: 'Kept' }).locator('.conversation').click();
  await page.getByText('Could not be read: 4 messages').waitFor();
  assert.deepEqual(await users(page), ['Kept']);
  await until('it is on show', async () => await answers(page).count() === 1);

  await rows.filter({ hasText: 'Later' }).locator('.conversation').click();
  await page.getByText('A newer version of this page wrote it').waitFor();
  await say(page, 'And now?');
  await until('it is answered', async () => (await records(page)).find(({ id }) => id === 'later').messages.some(({ content, ended }) => content && ended && content !== 'Answered later'));
  const after = (await records(page)).find(({ id }) => id === 'later');
  assert.equal(after.version, 3);
  assert.equal(after.shelf, 'blue', 'what is not known is carried along');
  assert.equal(after.messages[0].mood, 'good');
  assert.deepEqual(after.unread, [later.messages[1]]);
  assert.equal((await records(page)).length, 5, 'what is no conversation is left as it is');
});

browserTest('what is said or deleted right before the page goes is there afterwards', async ({ page, origin }) => {
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 16 } });
  await say(page, STORY);
  await answered(page);
  await page.evaluate(() => {
    // Everything that the database is asked for from now on takes too long.
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...args) {
      put.apply(this, args);
      throw new Error('the page has gone');
    };
    addEventListener('pagehide', () => {}, { once: true });
    const field = document.getElementById('prompt');
    field.value = 'Said at the last moment';
    field.dispatchEvent(new Event('input'));
    document.getElementById('send').click();
    location.reload();
  });
  await ready(page);
  await until('it is there', async () => (await users(page)).includes('Said at the last moment'));
  await page.getByText('This message has no answer yet').or(page.getByText('This answer was interrupted')).waitFor();
  await page.locator('#after-log .primary').click();
  await until('it is answered', async () => await answers(page).count() === 2 && (await answers(page).nth(1).locator('.foot button').count()) > 0);
});

browserTest('what is said before the kept conversations are read is kept with them', async ({ page, origin }) => {
  await page.goto(`${origin}/blank.html`);
  await keepRecords(page, [{ id: 'old', title: 'Old', created: 1, updated: 4, messages: [{ role: 'user', content: 'First' }] }]);
  await page.addInitScript(() => {
    const { getAll } = IDBObjectStore.prototype;
    const gate = new Promise((resolve) => { globalThis.read = resolve; });
    IDBObjectStore.prototype.getAll = function (...args) {
      const request = getAll.apply(this, args);
      if (globalThis.gone) return request;
      const later = {};
      request.onsuccess = () => gate.then(() => later.onsuccess(later.result = request.result));
      return later;
    };
  });
  await page.addInitScript((text) => localStorage.setItem('llamita.settings', text), JSON.stringify({ ...GREEDY, maxTokens: 16 }));
  await page.goto(`${origin}/`);
  await say(page, STORY);
  await page.evaluate(() => { globalThis.read(); globalThis.gone = true; });
  await answered(page);
  await until('both are listed', async () => await page.locator('#conversations .conversation').count() === 2);
  await until('both are kept', async () => (await records(page)).flatMap(({ messages }) => messages).filter(({ ended }) => ended).length === 1);
  assert.equal((await records(page)).length, 2);
});

test('a tree shows one path, and merges what others have', () => {
  const said = (id, parent, role = 'user', more = {}) => ({ id, parent, role, content: id, created: 1, ...more });
  const tree = new Conversation('t');
  for (const one of [said('a'), said('b', 'a', 'assistant'), said('c', 'b'), said('d', 'b'), said('e', 'd', 'assistant')]) tree.add(one);
  const path = (of = tree) => of.messages.map(({ id }) => id).join('');
  assert.equal(path(), 'abde');
  tree.choose(tree.find('c'));
  assert.equal(path(), 'abc');
  assert.deepEqual(tree.before(tree.find('e')).map(({ id }) => id), ['a', 'b', 'd']);
  const copy = Conversation.read(JSON.parse(JSON.stringify(tree.record())));
  assert.equal(path(copy), 'abc');
  assert.deepEqual(copy.alternatives(copy.find('c')).map(({ id }) => id), ['c', 'd']);

  // Another tab has said something too; each goes on showing its own.
  copy.add(said('x', 'b'));
  tree.add(said('y', 'b'));
  tree.adopt(Conversation.read({ ...copy.record(), messages: [...copy.all, tree.find('y')], rev: 7 }), () => false);
  assert.equal(path(), 'aby');
  assert.equal(tree.alternatives(tree.find('x')).length, 4);
  // One that is on no path here is not lost by a longer text, and a shorter one is not taken.
  copy.extend(Conversation.read({ id: 't', messages: [said('b', 'a', 'assistant', { content: 'other' })] }));
  assert.equal(copy.find('b').content, 'b');
  copy.merge(Conversation.read({ id: 't', messages: [said('b', 'a', 'assistant', { content: 'bb' }), said('z', 'x', 'assistant')] }));
  assert.equal(copy.find('b').content, 'bb');
  assert.equal(copy.messages.at(-1).id, 'z');

  const taken = tree.cut('d');
  assert.deepEqual(taken.map(({ id }) => id), ['d', 'e']);
  assert.equal(path(), 'aby');
  tree.putBack(taken);
  tree.putBack(taken);
  assert.equal(path(), 'abde');
  assert.equal(tree.all.length, 7);

  // Nonsense: cycles, parents that are not there, and names that are used twice.
  const odd = Conversation.read({ id: 'o', messages: [said('a', 'b'), said('b', 'a'), said('a', 'a'), said('c', 'gone')] });
  assert.equal(odd.messages.length, 4);
  assert.deepEqual(odd.messages.map(({ content }) => content), ['a', 'b', 'a', 'c']);
  for (const nothing of [null, 7, 'x', [], {}, { id: 'x' }, { id: 7, messages: [] }]) assert.equal(Conversation.read(nothing), undefined);
});
