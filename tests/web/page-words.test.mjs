// What is refused is told in one visible sentence that says what it is and what to do, and nothing is offered that cannot help.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { SITE } from './browser.mjs';
import { faultServer, fileContent } from './faults.mjs';
import { llama } from './gguf.mjs';
import { browserTest } from './harness.mjs';
import { otherArchive } from './meta.mjs';
import { get, open, until } from './page.mjs';
import { listen } from './server.mjs';

const MODEL = join(SITE, 'models/llamita-stories.gguf');
const bytesOf = async (content, end = content.size) => content.read(0, end);

/** Bytes with another text in place of one, of the same length. */
function changed(bytes, from, to) {
  const copy = Buffer.from(bytes);
  assert.equal(from.length, to.length);
  assert.ok(copy.includes(from), from);
  copy.write(to, copy.indexOf(from));
  return copy;
}

/** The notice about a choice of this name: its visible sentences, its buttons, and the details. */
async function told(page, name) {
  const notice = page.locator('#load-bar [role="alert"]');
  await until(`${name} is told of`, async () => (await notice.innerText().catch(() => '')).startsWith(`${name}:`), 90_000);
  const text = await notice.locator('> p').allInnerTexts();
  const buttons = await notice.getByRole('button').allInnerTexts();
  return { text: text.join(' '), buttons, detail: await notice.locator('.detail').textContent() };
}

/** Asserts what a notice says, and which way out it offers beside choosing another model. */
function says(name, { text, buttons, detail }, pattern, way) {
  assert.match(text, pattern, `${name}: ${text} (${detail})`);
  assert.deepEqual(buttons, [...(way ? [way] : []), 'Choose a model'], `${name}: ${text}`);
  assert.doesNotMatch(`${text} ${detail}`, /--[a-z]|llamita [a-z]+\b \(|Llama architecture/, `${name} names the command line`);
}

browserTest('a file that is no model says what it is and what to do', async ({ page, origin }) => {
  const content = await fileContent(MODEL);
  const stories = await bytesOf(content);
  await content.close();
  const small = await bytesOf(llama({ layers: 1, dim: 64, ffn: 64, heads: 2, kvHeads: 2, vocabulary: 512, context: 64 }));
  const unknown = Buffer.from(small);
  const type = Buffer.from('token_embd.weight');
  unknown.writeUInt32LE(16, unknown.indexOf(type) + type.length + 4 + 16); // IQ2_XXS
  const cases = [
    ['notes', 'These are notes. '.repeat(40), /another kind of file: it begins with “Thes”.*Choose a GGUF file/],
    ['json', '{"error":"Invalid username or password."}'.repeat(20), /another kind of file: it begins with “\{/],
    ['saved', '<!doctype html><title>Sign in</title>'.repeat(20), /a web page, and no model.*download button/],
    ['pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n'.repeat(4), /pointer to a large file/],
    ['weights', Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(400)]), /ends too early.*Download it again/],
    ['archive', otherArchive(), /This is an archive, and no model/],
    ['mamba', changed(stories, 'llama', 'mamba'), /of the kind “mamba”, and only Llamas/],
    ['split', changed(small, 'llama-bpe', 'other-bpe'), /a Llama whose way of splitting text \(“other-bpe”\)/],
    ['types', unknown, /weights of the type IQ2_XXS.*Q4_0/],
    ['short', stories.subarray(0, 400_000), /ends too early.*Download it again/],
    ['header', stories.subarray(0, 3000), /ends too early.*Download it again/],
    ['empty', Buffer.alloc(0), /ends too early.*Download it again/],
  ];
  await open(page, origin);
  for (const [name, text, pattern] of cases) {
    await page.evaluate(() => { location.hash = '#models'; });
    await page.locator('#model-file').setInputFiles({ name: `${name}.gguf`, mimeType: '', buffer: Buffer.from(text) });
    says(name, await told(page, name), pattern);
  }
});

browserTest('a server that does not send a model is told of as what it does', async ({ page, context, origin, allow }) => {
  allow(/Failed to load resource|CORS|ERR_/);
  const content = await fileContent(MODEL);
  const rules = {};
  const server = await faultServer({ '/m.gguf': content }, rules);
  const pages = await listen(createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'access-control-allow-origin': '*' }).end('<!doctype html>');
  }));
  const closed = await listen(createServer((request, response) => response.writeHead(200).end('mine')));
  await context.route('https://192.168.1.9/**', (route) => route.abort());
  try {
    await open(page, origin);
    await get(page, `${pages.origin}/page.gguf`);
    says('page', await told(page, 'page'), /a web page, and no model/);
    await get(page, `${closed.origin}/closed.gguf`);
    says('closed', await told(page, 'closed'), /no CORS headers/);
    await get(page, `${server.origin}/50%.gguf`);
    says('a percent sign', await told(page, '50%'), /no such file/);
    await get(page, `${server.origin}/none.gguf`);
    says('none', await told(page, 'none'), /no such file/);
    for (const [status, pattern, way] of [[401, /asks who you are.*drop it here/], [403, /does not let this page read/], [410, /no such file/], [500, /fault of its own \(status 500\)/, 'Resume']]) {
      rules.status = status;
      await get(page, `${server.origin}/m.gguf?${status}`);
      await until(`${status} is told of`, async () => pattern.test((await told(page, 'm')).text), 90_000);
      says(String(status), await told(page, 'm'), pattern, way);
    }
    await get(page, 'https://192.168.1.9/home.gguf');
    await page.getByRole('button', { name: 'Allow 192.168.1.9' }).click();
    says('home', await told(page, 'home'), /an address in a local network/, 'Resume');
  } finally {
    await server.close();
    await pages.close();
    await closed.close();
    await content.close();
  }
});

browserTest('a line that is silent says so, and so does one that is asked again', async ({ page, origin, allow }) => {
  allow(/Failed to load resource/);
  const content = await fileContent(MODEL);
  const rules = { status: 503, statusTimes: 5 };
  const server = await faultServer({ '/m.gguf': content }, rules);
  try {
    await open(page, origin);
    const bar = page.locator('#load-bar .progress');
    await get(page, `${server.origin}/m.gguf`);
    await until('it asks again', async () => /asking again/.test(await bar.innerText().catch(() => '')), 30_000);
    await until('it is in use', async () => /^m/.test(await page.locator('#model-chip').innerText()), 60_000);
    rules.silentAfter = 900_000;
    await get(page, `${server.origin}/m.gguf?other`);
    await until('it is silent', async () => /nothing comes at the moment/.test(await bar.innerText().catch(() => '')), 60_000);
    await bar.getByRole('button', { name: 'Cancel' }).click();
  } finally {
    await server.close();
    await content.close();
  }
});

browserTest('what is entered wrongly is told below its field', async ({ page, origin }) => {
  await open(page, origin, { path: '#models' });
  const form = page.locator('#link-form');
  const field = page.locator('#model-link');
  const below = form.getByRole('alert');
  const wrong = [
    ['', /no repository \(owner\/name\)/], ['only-a-name', /no repository/], ['file:///m.gguf', /no web address/], ['a b/c', /no repository/],
    ['http://192.168.1.9/m.gguf', /only fetch over https/], ['https://huggingface.co/datasets/a/b', /no repository of a model/],
    ['hf.co/only-an-owner', /no repository of a model/],
  ];
  for (const [text, pattern] of wrong) {
    await field.fill(text);
    assert.equal(await below.count(), 0, 'what was told is gone when it is changed');
    await form.getByRole('button', { name: 'Look' }).click();
    assert.match(await below.innerText(), pattern, text);
    assert.ok(await field.evaluate((one) => one === document.activeElement && one.getAttribute('aria-invalid') === 'true'));
    await field.fill('x');
  }
  assert.match(await page.locator('#model-chip').innerText(), /Llamita Stories/);
});
