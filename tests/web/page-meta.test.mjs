// Meta's checkpoints in the page: dropped or chosen files, a folder, a repository that is gated, and what is missing.
import assert from 'node:assert/strict';
import { faultServer } from './faults.mjs';
import { browserTest } from './harness.mjs';
import { FILES, GREEDY, half, inFolder, overlapping } from './meta.mjs';
import { get, keepModel, open, ready, until } from './page.mjs';

const HUB = 'https://huggingface.co';
const WEIGHTS = 'consolidated.00.pth';
const chip = (page) => page.locator('#model-chip').innerText();
const chosen = (page, name) => until(`${name} is in use`, async () => (await chip(page)).includes(name), 60_000);
const models = (page) => page.evaluate(() => { location.hash = '#models'; });

/** What the model of the page writes. */
const written = (page) => page.evaluate(async ({ prompt, max_tokens: maxTokens }) => {
  const session = await globalThis.model.session();
  return session.reply(prompt, { temperature: 0, maxTokens, ignoreEos: true }).text();
}, GREEDY);

const base64 = (files) => Object.entries(files).map(([name, bytes]) => [name, bytes.toString('base64')]);

/** Drops files on the page, in this order. */
const drop = (page, files) => page.evaluate((files) => {
  const data = new DataTransfer();
  for (const [name, text] of files) data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name));
  document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
}, base64(files));

/** Writes files to a folder of the origin's own, whose handles are kept like those of the disk, and drops the folder. */
const dropFolder = (page, name, inner, files) => page.evaluate(async ([name, inner, files]) => {
  const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(name, { create: true });
  const folder = inner ? await root.getDirectoryHandle(inner, { create: true }) : root;
  for (const [name, text] of files) {
    const writable = await (await folder.getFileHandle(name, { create: true })).createWritable();
    await writable.write(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
    await writable.close();
  }
  const data = new DataTransfer();
  data.items.add(new File([], name));
  DataTransferItem.prototype.getAsFileSystemHandle = async () => root;
  document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
}, [name, inner, base64(files)]);

browserTest('three files that are dropped in any order are one model, and a copy that is kept is there after a reload', async ({ page, origin }) => {
  await keepModel(page);
  await open(page, origin);
  await drop(page, FILES);
  await chosen(page, 'consolidated.00');
  await ready(page);
  assert.equal(await written(page), GREEDY.text);
  await page.evaluate(() => { location.hash = '#device'; });
  assert.match(await page.locator('#view-device').innerText(), /Format\s+PyTorch/);

  await models(page);
  await page.getByRole('button', { name: 'Keep a copy' }).click();
  const row = page.locator('#view-models .card', { hasText: WEIGHTS });
  await row.getByRole('button', { name: 'Delete' }).waitFor();
  assert.match(await row.innerText(), /In use/);
  const saved = [];
  page.on('download', (download) => saved.push(download.suggestedFilename()));
  await row.getByRole('button', { name: 'Save as a file' }).click();
  await until('all files are saved', () => saved.length === 3);
  assert.deepEqual(saved, [WEIGHTS, 'params.json', 'tokenizer.model']);
  await page.reload();
  await ready(page);
  assert.match(await chip(page), /consolidated.00/);
  assert.equal(await written(page), GREEDY.text);
});

browserTest('a folder that is dropped is the model in it, and is opened again after a reload', async ({ page, origin }) => {
  await keepModel(page);
  await open(page, origin);
  const texts = { 'README.md': Buffer.from('Read me.'), 'LICENSE.txt': Buffer.from('Licence.') };
  await dropFolder(page, 'Tiny-Meta', 'original', { ...texts, ...FILES });
  await chosen(page, 'Tiny-Meta');
  await ready(page);
  assert.equal(await written(page), GREEDY.text);
  await models(page);
  await page.locator('#view-models .card', { hasText: 'On your disk' }).waitFor();
  await page.reload();
  await ready(page);
  assert.match(await chip(page), /Tiny-Meta/);
  assert.equal(await written(page), GREEDY.text);

  await dropFolder(page, 'Empty', undefined, texts);
  await page.getByText('There is no model in the folder Empty.').waitFor();
  assert.match(await chip(page), /Tiny-Meta/);
});

browserTest('what is missing, broken or too much is told, and the model in use stays', async ({ page, origin }) => {
  await open(page, origin);
  const without = (name) => Object.fromEntries(Object.entries(FILES).filter(([one]) => one !== name));
  const told = page.locator('#load-bar [role="alert"]');
  const cases = [
    [{ [WEIGHTS]: FILES[WEIGHTS] }, /The file params.json that belongs to it is missing. Choose or drop/],
    [without('params.json'), /The file params.json that belongs to it is missing/],
    [without('tokenizer.model'), /The file tokenizer.model that belongs to it is missing/],
    [without(WEIGHTS), /The weights are missing. Choose or drop consolidated.00.pth together/],
    [{ ...FILES, 'other.safetensors': half }, /These are the weights of two models/],
    [{ ...FILES, [WEIGHTS]: half }, /The file ends too early/],
    [{ ...FILES, [WEIGHTS]: overlapping() }, /The file is damaged/],
  ];
  for (const [files, text] of cases) {
    await models(page);
    const buffers = Object.entries(files).map(([name, buffer]) => ({ name, mimeType: '', buffer }));
    await page.locator('#model-file').setInputFiles(buffers);
    await until(`it is told: ${text}`, async () => text.test(await told.innerText().catch(() => '')), 30_000);
    assert.match(await chip(page), /Llamita Stories/);
    assert.ok(await page.locator('#model-chip .state.ready').isVisible());
    await page.evaluate(() => document.querySelector('#load-bar [role="alert"]').remove());
  }
  await models(page);
  await until('nothing of them is kept', async () => /None yet/.test(await page.locator('#view-models').innerText()));
});

const headers = { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*', 'access-control-expose-headers': '*' };

/** Stands in for Hugging Face, where a repository's files are given with this token alone. */
async function gatedHub(context, repo, entries, files, token) {
  await context.route(`${HUB}/**`, async (route) => {
    const request = route.request();
    const { pathname } = new URL(request.url());
    if (request.method() === 'OPTIONS') return route.fulfill({ status: 204, headers });
    if (pathname === `/api/models/${repo}/tree/main`) {
      const list = entries.map((entry) => ({ type: 'file', oid: '0', ...entry }));
      return route.fulfill({ headers, contentType: 'application/json', body: JSON.stringify(list) });
    }
    if (request.headers().authorization !== `Bearer ${token}`) return route.fulfill({ status: 401, headers });
    const response = await route.fetch({ url: `${files}${pathname}` });
    return route.fulfill({ response, headers: { ...response.headers(), ...headers } });
  });
}

browserTest('Meta’s gated repositories are offered: a token is asked for, and fetches all files', async ({ page, context, origin, allow }) => {
  allow(/401|404/);
  const repo = 'meta-llama/Llama-3.2-1B-Instruct-SpinQuant_INT4_EO8';
  const server = await faultServer(inFolder(`/${repo}`));
  const entries = [...Object.entries(FILES).map(([path, { length: size }]) => ({ path, size })), { path: 'README.md', size: 9 }];
  await gatedHub(context, repo, entries, server.origin, 'hf_mine');
  try {
    await keepModel(page);
    await open(page, origin, { path: '#models' });
    const cards = page.locator('#view-models .card', { hasText: 'Gated: it takes an access token' });
    assert.equal(await cards.count(), 4);
    const card = cards.filter({ hasText: 'Llama 3.2 1B · SpinQuant' });
    assert.match(await card.innerText(), /Built with Llama/);
    await card.getByRole('button').click();
    const field = page.locator('#hf-token');
    assert.ok(await field.evaluate((field) => field === document.activeElement));
    assert.match(await page.locator('#link-form').innerText(), /is gated: accept the licence on its page, and enter a token/);

    // Its files are listed as one model, too.
    await get(page, repo);
    const found = page.locator('#link-found .card');
    assert.match(await found.innerText(), /consolidated.00.pth\s+Best fit\s+SpinQuant · \d+ kB · 3 files/);
    await found.getByRole('button').click();
    const told = page.locator('#load-bar [role="alert"]');
    await until('a token is needed', async () => /gated or private/.test(await told.innerText().catch(() => '')), 30_000);

    await models(page);
    await field.fill('hf_mine');
    await card.getByRole('button').click();
    await chosen(page, 'Llama 3.2 1B · SpinQuant');
    await ready(page);
    assert.equal(await written(page), GREEDY.text);
    await models(page);
    const row = page.locator('#view-models .card', { hasText: `From huggingface.co/${repo}` });
    assert.match(await row.innerText(), /In use/);
    await page.reload();
    await ready(page);
    assert.match(await chip(page), /Llama 3.2 1B · SpinQuant/, 'from the store, without a token');
    assert.equal(await written(page), GREEDY.text);
  } finally {
    await server.close();
  }
});

browserTest('at an address the files beside the weights come along, and what is not there is told', async ({ page, origin, allow }) => {
  allow(/404|Failed to load resource/);
  const server = await faultServer({ ...inFolder('/Tiny-Meta'), ...inFolder('/Bare', [WEIGHTS]) });
  try {
    await keepModel(page);
    await open(page, origin);
    await get(page, `${server.origin}/Bare/${WEIGHTS}`);
    const told = page.locator('#load-bar [role="alert"]');
    await until('params.json is missing', async () => /The file params.json that belongs to it is missing/.test(await told.innerText().catch(() => '')), 30_000);
    assert.match(await chip(page), /Llamita Stories/);
    await get(page, `${server.origin}/Tiny-Meta/${WEIGHTS}`);
    await chosen(page, 'Tiny-Meta');
    await ready(page);
    assert.equal(await written(page), GREEDY.text);
    await server.close();
    await page.reload();
    await ready(page);
    assert.match(await chip(page), /Tiny-Meta/, 'without the server, from the store');
    assert.equal(await written(page), GREEDY.text);
  } finally {
    await server.close();
  }
});
