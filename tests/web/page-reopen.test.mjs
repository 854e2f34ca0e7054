// Models that come back: files on the person's disk by their handles, and those that do not come back by themselves.
import assert from 'node:assert/strict';
import { BUNDLED } from './browser.mjs';
import { faultServer, fileContent } from './faults.mjs';
import { browserTest } from './harness.mjs';
import { answered, get, open, ready, say, until } from './page.mjs';

const chip = (page) => page.locator('#model-chip').innerText();
const chosen = (page, name) => until(`${name} is in use`, async () => (await chip(page)).includes(name), 60_000);
const notice = (page) => page.locator('#reopen .notice');

/**
 * Lets a picker give a file of the origin's own file system, whose handles are kept like those of the disk: no automated
 * browser shows a picker. `permission` is what the browser says of it, and whether it was asked in a click is noted.
 */
async function withPicker(page, origin) {
  await page.addInitScript(() => {
    const fresh = async () => (await navigator.storage.getDirectory()).getFileHandle('mine.gguf', { create: true });
    window.showOpenFilePicker = async () => [await fresh()];
    const said = () => localStorage.getItem('test.permission') ?? 'granted';
    FileSystemHandle.prototype.queryPermission = async () => said();
    FileSystemHandle.prototype.requestPermission = async () => {
      if (said() === 'prompt') localStorage.setItem('test.asked', String(navigator.userActivation.isActive));
      return said() === 'prompt' ? localStorage.getItem('test.answer') ?? 'granted' : said();
    };
  });
  await open(page, origin);
  await page.evaluate(async () => {
    const file = await (await navigator.storage.getDirectory()).getFileHandle('mine.gguf', { create: true });
    const writable = await file.createWritable();
    await writable.write(await (await fetch('models/llamita-stories.gguf')).blob());
    await writable.close();
  });
}

const tell = (page, items) => page.evaluate((items) => {
  for (const [name, value] of Object.entries(items)) localStorage.setItem(`test.${name}`, value);
}, items);

browserTest('a file that was chosen is opened again after a reload, where the browser still lets the page read it', async ({ page, origin }) => {
  await withPicker(page, origin);
  await page.evaluate(() => { location.hash = '#models'; });
  await page.getByRole('button', { name: 'Choose a file' }).click();
  await chosen(page, 'mine');
  await page.reload();
  await ready(page);
  assert.match(await chip(page), /mine/);
  assert.equal(await notice(page).count(), 0);
  await say(page, 'Tell me a story about a brave cat');
  assert.match(await answered(page), /cat/);

  // It is listed as what it is, and can be forgotten.
  await page.evaluate(() => { location.hash = '#models'; });
  const row = page.locator('#view-models .card', { hasText: 'On your disk' });
  assert.match(await row.innerText(), /mine.gguf\s+In use/);
  await row.getByRole('button', { name: 'Forget this file' }).click();
  await until('it is forgotten', async () => await row.count() === 0);
  await page.reload();
  await ready(page);
  assert.match(await chip(page), /Llamita Stories/);
  assert.match(await notice(page).innerText(), /Go on with mine\?[^]*does not open a file again by itself[^]*Choose a file/);
  await notice(page).getByRole('button', { name: 'Go on with Llamita Stories' }).click();
  assert.equal(await notice(page).count(), 0);
  await page.reload();
  await ready(page);
  assert.equal(await notice(page).count(), 0, 'it is not asked again');
});

browserTest('where the browser asks first, one click opens the file again, keeps a copy, or goes on with another', async ({ page, origin }) => {
  await withPicker(page, origin);
  await page.evaluate(() => { location.hash = '#models'; });
  await page.getByRole('button', { name: 'Choose a file' }).click();
  await chosen(page, 'mine');
  await tell(page, { permission: 'prompt', answer: 'denied' });
  await page.reload();
  await ready(page);
  assert.match(await chip(page), /Llamita Stories/, 'another model answers meanwhile');
  assert.match(await notice(page).innerText(), /Go on with mine\?[^]*the browser asks you/);
  await notice(page).getByRole('button', { name: 'Open mine again' }).click();
  const told = page.locator('#load-bar [role="alert"]');
  await told.waitFor();
  assert.match(await told.innerText(), /mine: Cancelled\s+The browser was not allowed/);
  assert.match(await chip(page), /Llamita Stories/);
  assert.equal(await page.evaluate(() => localStorage.getItem('test.asked')), 'true', 'asked in the click');

  await tell(page, { answer: 'granted' });
  await notice(page).getByRole('button', { name: 'Keep a copy' }).click();
  await chosen(page, 'mine');
  await until('the notice is gone', async () => await notice(page).count() === 0);
  await page.evaluate(() => { location.hash = '#models'; });
  const rows = page.locator('#view-models .card', { hasText: 'mine.gguf' });
  await until('one row, of the copy', async () => await rows.count() === 1 && /In use/.test(await rows.innerText()));
  await tell(page, { permission: 'denied' });
  await page.reload();
  await ready(page);
  assert.match(await chip(page), /mine/, 'the copy needs no permission');
});

browserTest('a file that was dropped is opened again too', async ({ page, origin }) => {
  await withPicker(page, origin);
  await page.evaluate(async () => {
    const file = await (await navigator.storage.getDirectory()).getFileHandle('mine.gguf');
    const data = new DataTransfer();
    data.items.add(new File([await file.getFile()], 'mine.gguf'));
    DataTransferItem.prototype.getAsFileSystemHandle = async () => file;
    document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
  });
  await chosen(page, 'mine');
  await page.evaluate(() => { location.hash = '#models'; });
  await page.locator('#view-models .card', { hasText: 'On your disk' }).waitFor();
  await page.reload();
  await ready(page);
  assert.match(await chip(page), /mine/);
});

browserTest('of several files the model is used, and what is none is not kept beside it', async ({ page, origin }) => {
  await open(page, origin, { path: '#models' });
  const content = await fileContent(BUNDLED);
  const file = (name, buffer) => ({ name, mimeType: '', buffer });
  const model = await content.read(0, content.size);
  await content.close();
  await page.locator('#model-file').setInputFiles([file('a-notes.gguf', Buffer.from('No model.')), file('mine.gguf', model), file('readme.txt', Buffer.from('Read me.'))]);
  await page.getByText('mine.gguf is used. Files left out: 2').waitFor();
  await chosen(page, 'mine');
  await page.evaluate(() => { location.hash = '#models'; });
  await page.getByRole('button', { name: 'Keep a copy' }).click();
  const row = page.locator('#view-models .card', { hasText: 'mine.gguf' });
  await until('it is kept', async () => await row.getByRole('button', { name: 'Delete' }).count() === 1);
  assert.doesNotMatch(await page.locator('#view-models').innerText(), /a-notes|readme/);
});

browserTest('a model in use can be deleted: the bundled one goes on, and a reload does not ask for what was deleted by hand', async ({ page, origin }) => {
  const content = await fileContent(BUNDLED);
  const server = await faultServer({ '/other.gguf': content });
  try {
    await open(page, origin);
    await get(page, `${server.origin}/other.gguf`);
    await chosen(page, 'other');
    await ready(page);
    await page.evaluate(() => { location.hash = '#models'; });
    const row = page.locator('#view-models .card', { hasText: 'other.gguf' });
    assert.match(await row.innerText(), /other.gguf\s+In use/);
    assert.equal(await row.getByRole('button', { name: 'Use' }).count(), 0);
    await row.getByRole('button', { name: 'Delete' }).click();
    const asked = page.getByRole('dialog');
    assert.match(await asked.innerText(), /other.gguf is in use. Delete it \(1.96 MB\) from this browser and go on with Llamita Stories\?/);
    await asked.getByRole('button', { name: 'Delete' }).click();
    await chosen(page, 'Llamita Stories');
    await until('it is gone', async () => await row.count() === 0);
    await page.evaluate(() => { location.hash = '#chat'; });
    await say(page, 'Tell me a story about a brave cat');
    assert.match(await answered(page), /cat/);
    await page.reload();
    await ready(page);
    assert.equal(await notice(page).count(), 0);

    // What the browser has cleared is offered again.
    await get(page, `${server.origin}/other.gguf`);
    await chosen(page, 'other');
    await page.evaluate(() => localStorage.setItem('llamita.model', JSON.stringify({ id: `url:${location.origin}/gone.gguf`, title: 'gone' })));
    await page.reload();
    await ready(page);
    assert.match(await notice(page).innerText(), /Go on with gone\?[^]*fetched again[^]*Get gone again/);
  } finally {
    await server.close();
    await content.close();
  }
});

browserTest('a model that is given up while an answer waits for it ends the wait, and the page goes on when it is asked to', async ({ page, origin }) => {
  await page.route('**/models/llamita-stories.gguf', async (route) => {
    if (!(await page.evaluate(() => localStorage.getItem('test.go')))) return; // It never comes.
    await route.continue();
  });
  await page.goto(origin);
  await page.locator('#prompt').fill('Tell me a story about a brave cat');
  await page.locator('#send').click();
  await page.locator('#load-bar').getByRole('button', { name: 'Cancel' }).click();
  await until('nothing is answered any more', async () => await page.locator('#send:not(.stop)').count() === 1);
  await page.evaluate(() => localStorage.setItem('test.go', '1'));
  await page.locator('#load-bar').getByRole('button', { name: 'Try again' }).click();
  await ready(page);
  await page.locator('#prompt').fill('Tell me a story about a brave dog');
  await page.locator('#send').click();
  await until('it is answered', async () => /dog/.test(await page.locator('.said.answer').last().innerText()));
});

browserTest('two clicks on Use load a model once', async ({ page, origin }) => {
  const content = await fileContent(BUNDLED);
  const server = await faultServer({ '/other.gguf': content });
  try {
    await page.addInitScript(() => {
      globalThis.loads = [];
      import(new URL('llamita/index.js', location.href).href).then(({ Model }) => {
        const { load } = Model;
        Model.load = (...args) => (globalThis.loads.push(1), load.apply(Model, args));
      });
    });
    await open(page, origin);
    await get(page, `${server.origin}/other.gguf`);
    await chosen(page, 'other');
    await page.evaluate(() => { location.hash = '#models'; });
    const before = await page.evaluate(() => globalThis.loads.length);
    await page.getByRole('button', { name: 'Use', exact: true }).first().evaluate((button) => { button.click(); button.click(); });
    await chosen(page, 'Llamita Stories');
    await ready(page);
    assert.equal(await page.evaluate(() => globalThis.loads.length), before + 1);
  } finally {
    await server.close();
    await content.close();
  }
});
