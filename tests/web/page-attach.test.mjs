// Files that go along with what is said: chosen, dropped, pasted, counted, cut, given to the model, kept and exported.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { insidePage } from './browser.mjs';
import { browserTest } from './harness.mjs';
import { packageFile } from './packages.mjs';
import { answered, GREEDY, open, ready, say, until } from './page.mjs';

const { countTokens, fitted, promptText, read, room } = await insidePage('attachments.js');
const file = (name, content) => new File([content], name);
const outcome = async (name, content) => {
  const { text, refused } = await read(file(name, content));
  return text ?? refused?.replace('attach.refused.', '!');
};
const utf16 = (text, mark) => {
  const bytes = Buffer.from(text, 'utf16le');
  return Buffer.concat([Buffer.from(mark), mark[0] === 0xfe ? bytes.swap16() : bytes]);
};

test('text is read in UTF-8 and UTF-16, and what is no text is refused', async () => {
  assert.equal(await outcome('a.txt', 'Ünïcode\r\nlines'), 'Ünïcode\nlines');
  assert.equal(await outcome('bom.txt', '\ufeffa'), 'a');
  assert.equal(await outcome('le.txt', utf16('héllo', [0xff, 0xfe])), 'héllo');
  assert.equal(await outcome('be.txt', utf16('héllo', [0xfe, 0xff])), 'héllo');
  assert.equal(await outcome('latin1.txt', Buffer.from('mañana es otro día', 'latin1')), '!encoding');
  assert.equal(await outcome('empty.txt', ''), '!empty');
  assert.equal(await outcome('blank.txt', ' \n\t\n'), '!empty');
  assert.equal(await outcome('a.png', Buffer.from('89504e470d0a1a0a0000000d49484452000000', 'hex')), '!binary');
  assert.equal(await outcome('nul.bin', Buffer.from([65, 0, 66, 67])), '!binary');
  assert.equal(await outcome('large.txt', 'a'.repeat(5_000_001)), '!large');
  const gone = file('gone.txt', 'a');
  gone.arrayBuffer = () => Promise.reject(new Error('gone'));
  assert.deepEqual(await read(gone), { refused: 'attach.refused.unreadable' });
});

test('tokens are about what tokenizers count', () => {
  const prose = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').slice(0, 5000);
  const perToken = (vocabulary) => prose.length / countTokens(prose, vocabulary);
  assert.ok(perToken(128_256) > 2.6 && perToken(128_256) < 4, `${perToken(128_256)}`);
  assert.ok(perToken(32_000) < perToken(128_256) && perToken(2048) < perToken(32_000));
  assert.equal(countTokens('', 32_000), 0);
});

test('what does not fit is cut at a line, and says of how much', () => {
  const use = { context: 4096, conversation: 100, answer: 1024, vocabulary: 128_256 };
  const long = 'One line of the text.\n'.repeat(2000);
  const [first, second] = fitted([{ name: 'a', text: 'short' }, { name: 'b', text: long }], use);
  assert.deepEqual([first.text, first.of], ['short', undefined]);
  assert.ok(second.of > 10_000 && second.tokens < room(use) && second.tokens > room(use) * 0.95);
  assert.ok(second.text.length > 1000 && long.startsWith(`${second.text}\n`));
  assert.ok(room({ ...use, conversation: 4000 }) > 1300, 'older turns make room');
  const both = fitted([{ name: 'a', text: long }, { name: 'b', text: 'short' }, { name: 'c', text: long }], use);
  assert.ok(Math.abs(both[0].tokens - both[2].tokens) < 20 && both[1].of === undefined, 'short ones are whole, long ones share');
  assert.equal(fitted([{ name: 'a', text: long }], { ...use, context: 16 })[0].text, '', 'nothing fits');
  const emoji = fitted([{ name: 'a', text: '😀'.repeat(5000) }], use)[0].text;
  assert.doesNotMatch(emoji, /[\ud800-\udbff]$/);
});

test('the model is given files in fences that they cannot close', () => {
  const said = { content: 'What is this?', attachments: [{ name: 'a".md', text: '```js\nx\n```\n' }, { name: 'b.csv', text: '1,2', of: 90 }, { name: 'c', text: '' }] };
  assert.equal(promptText(said), 'File "a\'.md":\n````\n```js\nx\n```\n````\n\nFile "b.csv" (only its beginning):\n```\n1,2\n```\n\nWhat is this?');
  assert.equal(promptText({ content: 'Hi' }), 'Hi');
});

/** Keeps what the model is given, as `globalThis.prompts`. */
async function keepPrompts(page) {
  await page.addInitScript(() => {
    globalThis.prompts = [];
    import(new URL('llamita/index.js', location.href).href).then(({ Session }) => {
      const { reply } = Session.prototype;
      Session.prototype.reply = function (prompt, options) {
        globalThis.prompts.push(prompt);
        return reply.call(this, prompt, options);
      };
    });
  });
}

/** Drops files on the page, or pastes them into the prompt. */
const bring = (page, type, files) => page.evaluate(([type, files]) => {
  const data = new DataTransfer();
  for (const [name, text] of files) data.items.add(new File([text], name));
  const target = type === 'paste' ? document.getElementById('prompt') : document.body;
  const init = { bubbles: true, cancelable: true };
  target.dispatchEvent(type === 'paste' ? new ClipboardEvent('paste', { ...init, clipboardData: data }) : new DragEvent('drop', { ...init, dataTransfer: data }));
}, [type, files]);

const chips = (page) => page.locator('#attached .chip');

browserTest('files that are chosen, dropped or pasted go along, and stay with what was said', async ({ page, origin }) => {
  await keepPrompts(page);
  await open(page, origin);
  await page.evaluate(() => { location.hash = '#models'; });
  await bring(page, 'drop', [['notes.md', '# Notes\n\nThe cat is brave.'], ['data.csv', 'a,b\n1,2\n']]);
  await chips(page).nth(1).waitFor();
  assert.equal(new URL(page.url()).hash, '#chat');
  await page.locator('#attach-files').setInputFiles({ name: 'code.py', mimeType: 'text/x-python', buffer: Buffer.from('print("hi")') });
  await chips(page).nth(2).waitFor();
  await bring(page, 'paste', [['pasted.txt', 'Pasted text.']]);
  await chips(page).nth(3).waitFor();
  await until('the model’s own tokenizer has counted', async () => /notes\.md\s+26 B · \d+ tokens/.test(await chips(page).first().innerText()));

  // A prompt and its files survive a reload.
  await page.locator('#prompt').fill('Tell me about the cat');
  await page.reload();
  await ready(page);
  assert.equal(await chips(page).count(), 4);

  // They can be taken away by the keyboard, and the focus stays there.
  await page.getByRole('button', { name: 'Remove data.csv' }).focus();
  await until('all are counted, and the focus is where it was', async () => (await chips(page).allInnerTexts()).every((text) => /· \d+ tokens/.test(text))
    && await page.evaluate(() => document.activeElement.getAttribute('aria-label')) === 'Remove data.csv');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Remove code.py');
  await page.getByRole('button', { name: 'Remove code.py' }).click();
  await page.getByRole('button', { name: 'Remove pasted.txt' }).press('Space');
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Remove notes.md');

  await page.locator('#send').click();
  await answered(page);
  assert.equal(await chips(page).count(), 0);
  const [[prompt]] = await page.evaluate(() => globalThis.prompts.map((one) => one.filter(({ role }) => role === 'user')));
  assert.equal(prompt.content, 'File "notes.md":\n```\n# Notes\n\nThe cat is brave.\n```\n\nTell me about the cat');
  assert.equal(await page.locator('.said.user .bubble').innerText(), 'Tell me about the cat');

  // It opens, here and after a reload, and the next turn has it still.
  await page.reload();
  await ready(page);
  const said = page.locator('.said.user .attachment');
  await said.locator('summary').click();
  assert.equal(await said.locator('pre').innerText(), '# Notes\n\nThe cat is brave.');
  await say(page, 'And now?');
  await answered(page, 1);
  const last = await page.evaluate(() => globalThis.prompts.at(-1).filter(({ role }) => role === 'user').map(({ content }) => content));
  assert.equal(last.length, 2);
  assert.match(last[0], /^File "notes\.md"/);
  const download = page.waitForEvent('download');
  await page.locator('#conversations .more-button, #conversations [aria-haspopup]').first().click();
  await page.getByRole('menuitem', { name: 'Export as Markdown' }).click();
  assert.match(readFileSync(await (await download).path(), 'utf8'), /## You\n\nFile "notes\.md":\n```\n# Notes/);
});

browserTest('a file alone can be sent, and the title is its name', async ({ page, origin }) => {
  await open(page, origin);
  await bring(page, 'drop', [['a story.txt', 'Once upon a time there was a cat.']]);
  await chips(page).waitFor();
  await page.locator('#send').click();
  await answered(page);
  assert.equal(await page.locator('.said.user .bubble').isVisible(), false);
  assert.match(await page.locator('.conversation .title').innerText(), /a story\.txt/);
});

browserTest('what is no text is refused in one sentence, and the others are taken', async ({ page, origin }) => {
  await open(page, origin);
  await bring(page, 'drop', [['a.png', '\u0000\u0001\u0002PNG'], ['empty.txt', ''], ['good.txt', 'good']]);
  await chips(page).waitFor();
  assert.deepEqual(await page.locator('#attached [role=alert] p').allInnerTexts(), [
    'a.png is not a text. Text, Markdown, code and CSV files can be added.', 'empty.txt is empty.',
  ]);
  await page.locator('#prompt').fill('x');
  assert.equal(await page.locator('#attached [role=alert]').count(), 0, 'it goes with the next word');
  assert.equal(await chips(page).count(), 1);
});

browserTest('chats that were exported come back when they are dropped, and other JSON goes along', async ({ page, origin }) => {
  await open(page, origin);
  const chat = { id: 'dropped', title: 'Dropped', created: 1, updated: 2, messages: [{ role: 'user', content: 'Hello' }, { role: 'assistant', content: 'Good day', ended: 'stop' }] };
  await bring(page, 'drop', [['chat.json', JSON.stringify(chat)], ['data.json', '{"a":1}']]);
  await until('it is on show', async () => (await page.locator('.said.answer .markdown').innerText().catch(() => '')) === 'Good day');
  await page.locator('.chip', { hasText: 'data.json' }).waitFor();
  assert.equal(await page.locator('.chip').count(), 1);
});

browserTest('a model that is dropped is still a model, and what is beside it goes along', async ({ page, origin }) => {
  await open(page, origin);
  await page.evaluate(async () => {
    const model = await (await fetch('models/llamita-stories.gguf')).blob();
    const data = new DataTransfer();
    data.items.add(new File([model], 'own.gguf'));
    data.items.add(new File(['text'], 'beside.txt'));
    document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data }));
  });
  await chips(page).waitFor();
  await until('it is in use', async () => (await page.locator('#model-chip').innerText()).includes('own'));
  await ready(page);
  assert.match(await chips(page).innerText(), /beside\.txt/);
});

browserTest('a long file is cut to what the context has room for, says so, and is answered', async ({ page, origin }) => {
  await keepPrompts(page);
  await open(page, origin, { settings: { ...GREEDY, maxTokens: 20 } });
  const text = Array.from({ length: 600 }, (_, i) => `Line ${i}: the brave cat went to the forest, and saw 12 birds.`).join('\n');
  await bring(page, 'drop', [['long.txt', text]]);
  await chips(page).waitFor();
  assert.match(await chips(page).innerText(), /about [\d,]+ of [\d,]+ tokens fit/);
  await say(page, 'Tell me more');
  await answered(page);
  const sent = await page.evaluate(() => globalThis.prompts[0].at(-1).content);
  assert.match(sent, /^File "long\.txt" \(only its beginning\):\n```\nLine 0: .*\n```\n\nTell me more$/s);
  const state = await page.locator('#live .context').innerText();
  const [used, context] = state.replaceAll(',', '').match(/\d+/g).map(Number);
  assert.ok(used > context / 2 && used <= context, state);
  assert.match(await page.locator('.said.user .chip').innerText(), /about [\d,]+ of [\d,]+ tokens/);
  assert.equal(await page.locator('#after-log .notice').count(), 0);
});

for (const [width, height, colorScheme] of [[1280, 800, 'light'], [320, 480, 'dark']]) {
  browserTest(`chips are in place at ${width} × ${height}, and axe has nothing to say`, { context: { viewport: { width, height }, colorScheme, reducedMotion: 'reduce' } }, async ({ page, origin }) => {
    await open(page, origin);
    const name = `${'a very long name of a file '.repeat(5)}.txt`;
    await bring(page, 'drop', [[name, 'text'], ['b.txt', 'more'], ['c.png', '\u0000'], ['ملف.txt', 'نص']]);
    await chips(page).nth(2).waitFor();
    await page.evaluate(readFileSync(packageFile('axe-core/axe.min.js'), 'utf8'));
    const check = async () => {
      const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`), []);
      const wide = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.scrollTop, innerWidth]);
      assert.deepEqual(wide, [width, 0, width]);
    };
    await check();
    const send = await page.locator('#send').boundingBox();
    assert.ok(send.y + send.height <= height && send.x + send.width <= width, 'the button is on the screen');
    await say(page, 'Hello');
    await answered(page);
    await page.locator('.attachment summary').first().click();
    await check();
  });
}
