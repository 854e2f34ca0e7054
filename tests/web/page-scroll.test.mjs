// The document never scrolls: its parts do. Whatever moved it would take the page off the screen, with no gesture that
// brings it back.
import assert from 'node:assert/strict';
import { browserTest } from './harness.mjs';
import { answered, open, say } from './page.mjs';

const VIEWS = ['chat', 'models', 'benchmark', 'shaders', 'device'];

/**
 * Gives the focus to everything that takes it, in the topmost dialog or else in the page, and scrolls each into view as
 * browsers do for a search or a label. Says what moved that no gesture brings back, and what cannot be brought on screen.
 */
async function visit() {
  const dialogs = [...document.querySelectorAll('dialog[open]')];
  const root = dialogs.at(-1) ?? document;
  const controls = [...root.querySelectorAll('a[href], button, input, textarea, select, summary, label, [tabindex]')]
    .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('[inert]') && !element.disabled);
  const wider = ({ scrollHeight, clientHeight, scrollWidth, clientWidth }) => scrollHeight > clientHeight || scrollWidth > clientWidth;
  const movable = [...document.querySelectorAll('*')].filter(wider);
  const faults = new Set();
  const name = (element) => element.id || element.textContent.trim().slice(0, 40) || element.outerHTML.slice(0, 60);
  for (const control of controls) {
    const look = (how) => {
      for (const element of movable) {
        const { scrollTop, scrollLeft } = element;
        if (scrollTop === 0 && scrollLeft === 0) continue;
        const gestures = /auto|scroll/.test(`${getComputedStyle(element).overflowX} ${getComputedStyle(element).overflowY}`);
        const field = element.matches('input, textarea');
        if (element === document.scrollingElement || (!gestures && !field)) {
          faults.add(`${how} ${name(control)} moves ${element.tagName}#${element.id} by ${scrollLeft}, ${scrollTop}`);
          element.scrollTop = element.scrollLeft = 0;
        }
      }
    };
    control.focus();
    look('focusing');
    for (const block of ['start', 'end', 'nearest']) {
      control.scrollIntoView({ block, inline: block });
      look('showing');
    }
    const seen = () => {
      const { left, top, right, bottom, width } = control.getBoundingClientRect();
      return width <= 1 || (left < innerWidth && right > 0 && top < innerHeight && bottom > 0);
    };
    // What moves when it has the focus takes a frame for it.
    for (let frame = 0; frame < 3 && !seen(); frame += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
    if (!seen()) faults.add(`${name(control)} is never on the screen`);
  }
  for (const element of [document.documentElement, document.body]) {
    element.scrollTo(9999, 9999);
    if (element.scrollTop !== 0 || element.scrollLeft !== 0) {
      faults.add(`${element.tagName} can be moved by ${element.scrollLeft}, ${element.scrollTop}`);
      element.scrollTo(0, 0);
    }
  }
  return { faults: [...faults], controls: controls.length };
}

/** Fails where a control of what is on show moves what must stay. */
async function stays(page, what, least = 3) {
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  const { faults, controls } = await page.evaluate(visit);
  assert.deepEqual(faults, [], what);
  assert.ok(controls >= least, `${what} has ${controls} controls`);
}

for (const [width, height] of [[1280, 800], [390, 844], [320, 480]]) {
  const narrow = width < 860;
  const context = { viewport: { width, height }, hasTouch: narrow, reducedMotion: 'reduce' };
  browserTest(`no control of ${width} × ${height} moves the document`, { context }, async ({ page, origin }) => {
    // Without the picker that gives handles, which no test can see: the plain field is asked then.
    await page.addInitScript(() => { window.showOpenFilePicker = undefined; });
    await open(page, origin, { settings: { temperature: 0, maxTokens: 24, seed: 1 } });
    const side = async () => narrow && page.locator('#side-open').click();
    const view = async (name) => {
      await page.evaluate((name) => { location.hash = `#${name}`; }, name);
      await page.locator(`#view-${name}`).waitFor();
    };
    await stays(page, 'the greeting');
    for (const name of VIEWS.slice(1)) {
      await view(name);
      await page.evaluate(() => document.querySelectorAll('details').forEach((details) => { details.open = true; }));
      await stays(page, name);
    }

    await view('models');
    // Its own picker is no chooser that a test can wait for; the plain field is what other browsers have.
    await page.evaluate(() => { window.showOpenFilePicker = undefined; });
    await Promise.all([page.waitForEvent('filechooser'), page.getByText('Choose a file').click()]);
    await stays(page, 'models, after a file was asked for');
    const header = await page.locator('header').boundingBox();
    assert.ok(header.y >= 0, `the header is at ${header.y}`);

    await view('chat');
    // Long answers of all kinds, without waiting for a model that writes them.
    const text = `${'A line of prose. '.repeat(60)}\n\n\`\`\`js\n${'const wide = 1; '.repeat(40)}\n\`\`\`\n\n`
      + `|${' a |'.repeat(30)}\n|${'-|'.repeat(30)}\n|${' b |'.repeat(30)}\n\n[a link](https://example.com/)\n`;
    await say(page, 'Tell me a story about a brave cat');
    await answered(page);
    await page.evaluate((text) => new Promise((resolve, reject) => {
      const request = indexedDB.open('llamita', 1);
      request.onsuccess = () => {
        const store = request.result.transaction('conversations', 'readwrite').objectStore('conversations');
        store.getAll().onsuccess = ({ target: { result: [conversation] } }) => {
          const said = conversation.messages.flatMap(({ role, content }) => [content, text].map((content) => ({ role, content, ended: 'stop' })));
          const many = Array.from({ length: 20 }, (_, i) => ({ ...conversation, id: `copy-${i}`, title: `Chat ${i} ${'x'.repeat(60)}` }));
          for (const one of many) store.put(one);
          store.put({ ...conversation, messages: said }).onsuccess = resolve;
        };
      };
      request.onerror = reject;
    }), text);
    await open(page, origin);
    await page.locator('.markdown table').first().waitFor();
    await stays(page, 'a conversation', 10);
    await page.locator('.said.user').first().getByRole('button', { name: 'Change this message' }).click();
    await stays(page, 'a message that is being changed', 10);
    await page.keyboard.press('Escape');

    await side();
    await page.locator('#conversations .icon-button').last().waitFor();
    await stays(page, 'the side', 10);
    await page.locator('#conversations .icon-button').last().click();
    await page.getByRole('menuitem').first().waitFor();
    await stays(page, 'a menu', 10);
    await page.keyboard.press('Escape');
    if (narrow) await page.keyboard.press('Escape');

    await page.locator('#settings-open').click();
    await page.getByText('More sampling settings').click();
    await stays(page, 'settings', 10);
    await page.evaluate(() => document.querySelector('.panel').close());
    await page.locator('#content').focus();
    await page.keyboard.press('?');
    await page.getByRole('heading', { name: 'Keyboard' }).waitFor();
    await stays(page, 'keys', 1);
    await page.keyboard.press('Escape');

    // A notice in the header that is longer than the screen leaves the rest of the page in reach.
    await view('models');
    await page.locator('#model-file').setInputFiles({ name: `${'notes '.repeat(30)}.gguf`, mimeType: '', buffer: Buffer.from('No model.') });
    const told = page.locator('#load-bar [role="alert"]');
    await told.waitFor();
    await told.getByText('Details').click();
    await stays(page, 'a refusal, above the chat');
    const send = await page.locator('#send').boundingBox();
    assert.ok(send.y >= 0 && send.y + send.height <= height, `the button to send is at ${send.y} of ${height}`);
  });
}
