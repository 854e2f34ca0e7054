// How the page stands on screens, to screen readers, and in two languages.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { insidePage } from './browser.mjs';
import { browserTest } from './harness.mjs';
import { violations } from './look.mjs';
import { answered, open, say } from './page.mjs';

const VIEWS = ['chat', 'models', 'benchmark', 'shaders', 'device'];

async function view(page, name) {
  await page.evaluate((name) => { location.hash = `#${name}`; }, name);
  await page.locator(`#view-${name}`).waitFor();
}

for (const colorScheme of ['light', 'dark']) {
  browserTest(`axe has nothing to say, ${colorScheme}`, { context: { colorScheme, reducedMotion: 'reduce' } }, async ({ page, origin }) => {
    await open(page, origin);
    assert.deepEqual(await violations(page), [], 'the greeting');
    await say(page, 'Tell me a story about a brave cat');
    await answered(page);
    await page.getByRole('button', { name: 'Answer again' }).click();
    await page.getByRole('group', { name: 'Version 2 of 2' }).waitFor();
    for (const name of VIEWS) {
      await view(page, name);
      assert.deepEqual(await violations(page), [], name);
    }
    await page.getByRole('button', { name: 'Settings' }).click();
    assert.deepEqual(await violations(page), [], 'settings');
    await page.getByText('This chat', { exact: true }).click();
    await page.getByRole('combobox', { name: 'Preset' }).selectOption({ label: 'Brief' });
    assert.deepEqual(await violations(page), [], 'settings of one chat');
    await page.keyboard.press('Escape');
    await page.locator('#search').fill('cat');
    assert.deepEqual(await violations(page), [], 'a search');
    const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [red] = paper.match(/\d+/g).map(Number);
    assert.ok(colorScheme === 'dark' ? red < 64 : red > 192, `the page is ${paper}`);
  });
}

browserTest('axe sees a fault', async ({ page, origin }) => {
  await page.goto(`${origin}/`);
  await page.evaluate(() => document.body.append(Object.assign(document.createElement('img'), { src: 'icons/icon.svg' })));
  assert.match((await violations(page)).join(), /image-alt/);
});

for (const [width, height] of [[390, 844], [412, 915], [320, 568]]) {
  const context = { viewport: { width, height }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
  browserTest(`a phone of ${width} × ${height}: no sideways scrolling, everything by touch`, { context }, async ({ page, origin }) => {
    await open(page, origin, { path: '?limits=phone' });
    const fits = async (what) => {
      const wide = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(wide[0] <= wide[1], `${what} is ${wide[0]} wide on ${wide[1]}`);
    };
    await fits('the greeting');
    await page.locator('.suggestion').first().tap();
    await answered(page);
    await fits('a conversation');
    const send = await page.locator('#send').boundingBox();
    assert.ok(send.y + send.height <= height && send.x + send.width <= width, 'the button is on the screen');
    for (const name of VIEWS.slice(1)) {
      await page.locator('#side-open').tap();
      await page.locator(`#views a[href="#${name}"]`).tap();
      await page.locator(`#view-${name}`).waitFor();
      await fits(name);
    }
    await page.locator('#settings-open').tap();
    await page.getByRole('heading', { name: 'Settings' }).waitFor();
    await fits('settings');
    const small = await page.evaluate(() => [...document.querySelectorAll('button, a, select, input')]
      .filter((element) => element.checkVisibility() && !element.closest('.terms, .markdown, .sr') && element.getAttribute('type') !== 'range')
      .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
      .filter(([, { width, height }]) => width > 1 && Math.min(width, height) < 24).map(([text]) => text));
    assert.deepEqual(small, [], 'too small to touch');
  });
}

browserTest('the browser’s language is the page’s, and can be changed', { context: { locale: 'es-AR' } }, async ({ page, origin }) => {
  await page.goto(`${origin}/`);
  assert.equal(await page.locator('html').getAttribute('lang'), 'es');
  await page.getByRole('heading', { name: '¡Hola! Vivo en esta pestaña.' }).waitFor();
  await page.locator('#language').selectOption('en');
  await page.getByRole('heading', { name: 'Hello! I live in this tab.' }).waitFor();
  await page.reload();
  assert.equal(await page.locator('html').getAttribute('lang'), 'en', 'it is remembered');
});

browserTest('a language that the page does not speak becomes English', { context: { locale: 'fi-FI' } }, async ({ page, origin }) => {
  await page.goto(`${origin}/`);
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
});

test('both languages have the same keys, and the same places for values', async () => {
  const [{ en }, { es }] = [await insidePage('strings/en.js'), await insidePage('strings/es.js')];
  assert.deepEqual(Object.keys(es), Object.keys(en));
  const places = (text) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
  for (const key of Object.keys(en)) {
    assert.deepEqual(places(es[key]), places(en[key]), key);
    assert.ok(es[key].trim() && en[key].trim(), key);
  }
  const same = Object.keys(en).filter((key) => en[key] === es[key]);
  assert.ok(same.length < 25, `too many are not translated: ${same}`);
});

browserTest('the dark theme can be chosen', { context: { colorScheme: 'light' } }, async ({ page, origin }) => {
  await page.goto(`${origin}/`);
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await paper();
  await page.locator('#theme').selectOption('dark');
  assert.notEqual(await paper(), light);
});
