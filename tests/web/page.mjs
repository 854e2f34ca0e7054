// What the tests of the page share: opening it with settings that make answers short and repeatable, and talking.

/** Settings that take the likeliest token, so that the same question has the same answer. */
export const GREEDY = { temperature: 0, maxTokens: 40, seed: 1 };

/** Opens the page and waits until its model can answer. */
export async function open(page, origin, { settings = GREEDY, path = '' } = {}) {
  await page.addInitScript((text) => {
    if (!localStorage.getItem('llamita.settings')) localStorage.setItem('llamita.settings', text);
  }, JSON.stringify(settings));
  await page.goto(`${origin}/${path}`);
  await ready(page);
}

/** Waits until the model can answer. */
export async function ready(page) {
  await page.locator('#model-chip .state.ready').waitFor({ timeout: 120_000 });
}

/** Waits until the service worker has the files of the site, all of which it fetches after the first visit, and answers for them. */
export async function siteKept(page) {
  await until('the site is kept', () => page.evaluate(() => navigator.serviceWorker.controller !== null), 120_000);
}

/** Keeps the model of the page as `globalThis.model`, so that a test can take its device away. To be called before `open`. */
export async function keepModel(page) {
  await page.addInitScript(() => {
    import(new URL('llamita/index.js', location.href).href).then(({ Model }) => {
      const load = Model.load;
      Model.load = async (...args) => (globalThis.model = await load.apply(Model, args));
    });
  });
}

/** Types a message and sends it, as a person would. */
export async function say(page, text) {
  await page.locator('#prompt').fill(text);
  await page.locator('#send').click();
}

/** Enters an address, a link or a repository in the picker, and looks. */
export async function get(page, link) {
  await page.evaluate(() => { location.hash = '#models'; });
  await page.locator('#model-link').fill(link);
  await page.locator('#link-form').getByRole('button', { name: 'Look' }).click();
}

/** The elements of answers. */
export const answers = (page) => page.locator('.said.answer');

/** Waits until the answer of this number is complete, at most so many milliseconds; its text. */
export async function answered(page, index = 0, timeout = 120_000) {
  // What a click has changed is shown in the next frame: until then an answer that it replaces stands there, complete.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  const answer = answers(page).nth(index);
  await answer.locator('.foot button').first().waitFor({ timeout });
  return answer.locator('.markdown').innerText();
}

/** What is kept of conversations. */
export function records(page) {
  return page.evaluate(() => new Promise((resolve, reject) => {
    const request = indexedDB.open('llamita');
    request.onerror = reject;
    request.onsuccess = () => {
      request.result.transaction('conversations').objectStore('conversations').getAll().onsuccess = ({ target }) => {
        request.result.close();
        resolve(target.result);
      };
    };
  }));
}

/** Keeps conversations as an earlier visit, or another version of the page, has left them. */
export function keepRecords(page, records) {
  return page.evaluate((records) => new Promise((resolve, reject) => {
    const request = indexedDB.open('llamita');
    request.onupgradeneeded = () => request.result.createObjectStore('conversations', { keyPath: 'id' });
    request.onerror = reject;
    request.onsuccess = () => {
      const transaction = request.result.transaction('conversations', 'readwrite');
      for (const record of records) transaction.objectStore('conversations').put(record);
      transaction.oncomplete = () => {
        request.result.close();
        resolve();
      };
    };
  }), records);
}

/** Waits until something is so, or fails with what it was. */
export async function until(what, condition, limit = 120_000) {
  const end = Date.now() + limit;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${limit / 1000} s until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
