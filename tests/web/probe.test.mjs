// The page of the probe: a whole run, what it fetches, what it says, and what is left of a run that ends early.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { insidePage, SITE } from './browser.mjs';
import { browserTest } from './harness.mjs';
import { HOLDABLE, holdAnswer } from './hold.mjs';
import { violations } from './look.mjs';
import { until } from './page.mjs';
import { BOUNDS, fieldFaults, worker } from './probe.mjs';

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
/** All that the page may take on the way, compressed. */
const MOST_BYTES = 3_000_000;

async function begin(page, origin, bounds = BOUNDS) {
  await page.goto(`${origin}/probe.html?${bounds}`);
  await page.locator('#probe-start').click();
}

/** The report, as the button saves it. */
async function saved(page) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#probe-save').click()]);
  assert.match(download.suggestedFilename(), /^[\w-]+\.json$/);
  return JSON.parse(readFileSync(await download.path(), 'utf8'));
}

browserTest('a whole run ends with a verdict and a report, on a phone’s screen, in both languages', { context: { ...PHONE, reducedMotion: 'reduce' } }, async ({ page, context, origin, log }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  const asked = [];
  context.on('request', (request) => asked.push(request));
  await page.goto(`${origin}/probe.html?${BOUNDS}`);
  const start = page.getByRole('button', { name: 'Start the probe' });
  await start.waitFor();
  assert.match(await page.locator('main').innerText(), /Nothing is uploaded[^]*runs shaders on the CPU/);
  assert.deepEqual(await violations(page), [], 'the beginning');
  assert.equal(await page.locator('#probe-progress').count(), 0, 'it never begins by itself');
  await start.tap();
  await page.locator('#verdict').waitFor();
  const text = await page.locator('#verdict').innerText();
  assert.match(text, /Llama 3\.2 1B runs here at about [\d.,]+ tokens\/s/);
  assert.match(text, /3B[^]*no more than 537 MB was to be tried/);
  log(text.replace(/\n+/g, ' '));
  const results = await page.locator('main').innerText();
  assert.match(results, /All \d+ right, and the same in 20 runs/);
  assert.match(results, /swiftshader/i);

  const report = await saved(page);
  assert.deepEqual(fieldFaults(report), []);
  assert.ok(fieldFaults({ ...report, verdict: undefined, more: 1 }).length > 0, 'faults are seen');
  const { kernels, speed, memory, verdict, device, engine } = report;
  assert.deepEqual([engine.platform, device.backend, device.software, verdict.works], ['web', 'webgpu', true, true]);
  assert.ok(device.name.length > 0 && /^chrome \d/.test(device.browser) && device.system.length > 0);
  assert.ok(kernels.length > 5 && kernels.every(({ passed, identical, runs }) => passed && identical && runs === 20));
  assert.deepEqual(speed.runs.map(({ depth }) => depth), [0, 1024, 4096]);
  assert.deepEqual([memory.end, memory.most_bytes, memory.steps.length], ['cap', 2 ** 29, 2]);
  await page.getByRole('button', { name: 'Copy JSON' }).tap();
  assert.deepEqual(JSON.parse(await until('it is copied', () => page.evaluate(() => navigator.clipboard.readText()))), report);

  await page.locator('details.probe-each summary').tap();
  assert.deepEqual(await violations(page), [], 'the report');
  const wide = await page.evaluate(() => [document.documentElement, document.querySelector('main')].map((one) => one.scrollWidth));
  assert.ok(wide.every((width) => width <= 390), `${wide} on 390`);
  await page.locator('#language').selectOption('es');
  assert.match(await page.locator('#verdict').innerText(), /Llama 3\.2 1B funciona aquí a unos [\d.,]+ tokens\/s/);
  assert.match(await page.locator('main').innerText(), /No se envía nada[^]*iguales en 20 ejecuciones/);

  assert.ok(asked.every((request) => request.method() === 'GET' && request.url().startsWith(`${origin}/`)), 'nothing is uploaded');
  const files = [...new Set(asked.map((request) => new URL(request.url()).pathname))];
  assert.ok(files.includes('/llamita/llamita_bg.wasm') && files.includes('/llamita/worker.js'), `${files}`);
  assert.ok(!files.some((file) => /models|proof/.test(file)), `${files}`);
  const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(join(SITE, file))).length, 0);
  log(`${files.length} files, ${(bytes / 1e6).toFixed(2)} MB compressed`);
  assert.ok(bytes < MOST_BYTES, `${bytes} bytes`);
});

browserTest('a run that is stopped keeps what it saw', { folders: HOLDABLE }, async ({ page, origin }) => {
  await page.goto(`${origin}/probe.html?${BOUNDS}`);
  await page.locator('#probe-start').waitFor();
  const run = await holdAnswer(page, 200, 'probe');
  await page.locator('#probe-start').click();
  await run.held();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('heading', { name: 'The probe did not finish' }).waitFor();
  await run.release();
  const report = await saved(page);
  assert.deepEqual(fieldFaults(report), []);
  assert.ok(report.latency.submit_us > 0 && report.verdict === null);
  await page.getByRole('button', { name: 'Probe again' }).waitFor();
});

browserTest('the speed over minutes is added to the report, as far as it came, and the report can be shared', { context: PHONE }, async ({ page, origin }) => {
  await page.addInitScript(() => {
    navigator.canShare = ({ files }) => files?.length === 1;
    navigator.share = async ({ files: [file] }) => { window.shared = { name: file.name, type: file.type, text: await file.text() }; };
  });
  await begin(page, origin, `${BOUNDS}&skip=memory`);
  await page.locator('#verdict').waitFor();
  const before = await saved(page);
  assert.equal(before.sustained, null);
  await page.locator('#probe-sustain').tap();
  await page.getByText('Writing tokens for five minutes').waitFor();
  // It moves with each speed that is known, of ten seconds each.
  await until('a speed is known', () => page.locator('#probe-progress progress').evaluate(({ value }) => value > 0));
  await page.getByRole('button', { name: 'Stop' }).tap();
  await page.locator('#probe-share').waitFor();
  assert.match(await page.locator('main').innerText(), /Sustained\s+[\d.,]+ → [\d.,]+ tokens\/s over \d/);
  const after = await saved(page);
  assert.deepEqual(fieldFaults(after), []);
  const { seconds, tokens_per_second: speeds } = after.sustained;
  assert.ok(seconds >= 10 && speeds.length > 0 && speeds.every((speed) => speed > 0), JSON.stringify(after.sustained));
  assert.deepEqual({ ...after, sustained: null }, before, 'what was known stays');
  await page.locator('#probe-share').tap();
  const shared = await until('it is shared', () => page.evaluate(() => window.shared));
  assert.deepEqual([shared.type, JSON.parse(shared.text)], ['application/json', after]);
  assert.match(shared.name, /^[\w-]+\.json$/);
});

browserTest('a device that computes wrongly is told of, with the kernels', { folders: worker('wrong.js') }, async ({ page, origin }) => {
  await begin(page, origin, `${BOUNDS}&skip=speed,memory`);
  await page.getByRole('heading', { name: 'This GPU computes wrongly' }).waitFor();
  assert.match(await page.locator('#verdict').innerText(), /Wrong or changing results: \d+ of \d+ kernels/);
  const faults = (await page.locator('.facts .why').allInnerTexts()).join('\n');
  assert.match(faults, /^rmsnorm/m);
  assert.doesNotMatch(faults, /^matvec/m);
  const { kernels } = await saved(page);
  assert.ok(kernels.some(({ kernel, passed, fault }) => kernel.startsWith('rmsnorm') && !passed && fault));
});

browserTest('a tab that is ended by its memory is known at the next start, and counts', { folders: worker('marker.js') }, async ({ page, context, origin, allow }) => {
  allow(/the page crashed/);
  const address = `${origin}/probe.html?${BOUNDS}&skip=kernels,speed`;
  await page.goto(address);
  const held = page.evaluate(() => new Promise((resolve) => { new BroadcastChannel('marker').onmessage = resolve; }));
  held.catch(() => {});
  await page.locator('#probe-start').click();
  await page.getByText('Asking for memory, step by step').waitFor();
  await held;
  const crashed = page.waitForEvent('crash');
  (await context.newCDPSession(page)).send('Page.crash').catch(() => {});
  await crashed;

  const next = await context.newPage();
  await next.goto(address);
  const told = next.getByRole('alert');
  await told.waitFor();
  assert.match(await told.innerText(), /An earlier probe was ended at 537 MB/);
  const before = await saved(next);
  assert.deepEqual(fieldFaults(before), []);
  assert.ok(before.latency.submit_us > 0, 'what it had measured is there');
  assert.deepEqual([before.memory.end, before.memory.most_bytes], ['killed', 2 ** 28]);

  await next.getByRole('button', { name: 'Go on without the memory part' }).click();
  await next.locator('#verdict').waitFor();
  assert.match(await next.locator('.facts').innerText(), /268 MB granted; at the next step the page was ended/);
  const { memory } = await saved(next);
  assert.deepEqual([memory.end, memory.most_bytes, memory.steps.at(-1).bytes], ['killed', 2 ** 28, 2 ** 29]);
});

browserTest('a step of memory that is stopped, or whose page is left, accuses nothing', { folders: worker('marker.js') }, async ({ page, origin }) => {
  const address = `${origin}/probe.html?${BOUNDS}&skip=kernels,speed`;
  const held = async () => {
    const told = page.evaluate(() => new Promise((resolve) => { new BroadcastChannel('marker').onmessage = resolve; }));
    await page.locator('#probe-start').click();
    await told;
  };
  const start = async () => {
    await page.locator('#probe-start').waitFor();
    assert.equal(await page.getByRole('alert').count(), 0);
  };
  await page.goto(address);
  await held();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('heading', { name: 'The probe did not finish' }).waitFor();
  await page.goto(address);
  await start();
  await held();
  await page.reload();
  await start();
});

browserTest('without WebGPU the page says what to do, and offers no start', { context: { locale: 'es-ES' } }, async ({ page, origin }) => {
  await page.addInitScript(() => { delete Navigator.prototype.gpu; });
  await page.goto(`${origin}/probe.html`);
  const told = page.getByRole('alert');
  await told.waitFor();
  assert.match(await told.innerText(), /Este navegador no tiene WebGPU/);
  assert.equal(await page.locator('#probe-start').count(), 0);
});

browserTest('the view of the device leads to the probe, and the probe back', async ({ page, origin }) => {
  await page.goto(`${origin}/#device`);
  await page.getByRole('link', { name: 'Probe this device' }).click();
  await page.getByRole('heading', { name: 'What can this GPU do?' }).waitFor();
  await page.getByRole('link', { name: 'To the chat' }).click();
  await page.locator('#composer').waitFor();
});

test('a page on GitHub knows its repository, and others do not', async () => {
  const { repository } = await insidePage('repository.js');
  const of = (url) => repository(new URL(url));
  assert.equal(of('https://somebody.github.io/llamita/probe.html'), 'https://github.com/somebody/llamita');
  assert.equal(of('https://somebody.github.io/probe.html'), 'https://github.com/somebody/somebody.github.io');
  assert.equal(of('https://example.com/llamita/probe.html'), undefined);
});
