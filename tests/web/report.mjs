// Runs the whole probe in a browser of this machine, as a person does, and saves its report:
// `node tests/web/report.mjs chromium|firefox FILE`, where the tests have been set up (`cargo xtask web`).
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as chromium from './browser.mjs';
import * as firefox from './firefox-browser.mjs';
import { serve } from './server.mjs';

const BROWSERS = { chromium, firefox };
const [name, file] = process.argv.slice(2);
if (!(name in BROWSERS) || !file) throw new Error('usage: report.mjs chromium|firefox FILE');

const { origin, close } = await serve({ '/': chromium.SITE });
const browser = await BROWSERS[name].launch();
try {
  const page = await browser.newPage();
  await page.goto(`${origin}/probe.html`);
  await (await page.waitForSelector('#probe-start')).click();
  // It takes minutes, longer than a browser's driver waits for one answer.
  while (!(await page.evaluate(() => document.querySelector('#verdict') !== null))) await sleep(1000);
  // The file that the button saves, wherever the browser puts it.
  const saved = await page.evaluate(() => new Promise((resolve) => {
    const { createObjectURL } = URL;
    URL.createObjectURL = (blob) => {
      void blob.text().then(resolve);
      return createObjectURL.call(URL, blob);
    };
    document.querySelector('#probe-save').click();
  }));
  writeFileSync(file, saved);
  console.log(await page.evaluate(() => document.querySelector('#verdict').innerText));
} finally {
  await browser.close();
  await close();
}
