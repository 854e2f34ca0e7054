// Devices that lack something, or whose kind is reported to compute wrongly: what the package and the page say.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SITE } from './browser.mjs';
import { browserTest } from './harness.mjs';
import { answered, GREEDY, ready, say, until } from './page.mjs';
import { BLANK } from './server.mjs';

const MIB = 1 << 20;

/**
 * Code for a worker: the adapter shows other facts than its own; with `idle` nothing that is dispatched runs, and
 * there is one kernel case for each kernel, the smallest: those are enough to fail.
 */
const mask = ({ info = {}, limits = {}, idle = false }) => `
  for (const [name, facts] of Object.entries(${JSON.stringify({ info, limits })})) {
    const { get } = Object.getOwnPropertyDescriptor(GPUAdapter.prototype, name);
    Object.defineProperty(GPUAdapter.prototype, name, { configurable: true, get() {
      const shown = {};
      const own = get.call(this);
      for (const key in own) if (typeof own[key] !== 'function') shown[key] = own[key];
      return Object.assign(shown, facts);
    } });
  }
  if (${idle}) {
    GPUComputePassEncoder.prototype.dispatchWorkgroups = () => {};
    const { postMessage } = self;
    const kernel = (name) => name.split('/')[0];
    const first = (name, i, all) => all.findIndex((other) => kernel(other) === kernel(name)) === i;
    self.postMessage = ({ result, ...message }) => {
      const told = Array.isArray(result) ? result.filter(first) : result;
      postMessage.call(self, { ...message, ...(told === undefined ? {} : { result: told }) });
    };
  }`;

const PHONE = { vendor: 'img-tec', architecture: 'd-series' };

browserTest('an adapter that lacks something, or is reported, is told of with its numbers', async ({ page, origin }) => {
  await page.goto(origin + BLANK);
  const look = (masked) => page.evaluate(async (code) => {
    const { device } = await import('/llamita/index.js');
    const script = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    const workerUrl = script(`import '${script(code)}'; import '${location.origin}/llamita/worker.js';`);
    return device({ workerUrl, wasmUrl: '/llamita/llamita_bg.wasm' });
  }, mask(masked));
  const of = (vendor, architecture) => look({ info: { vendor, architecture } });

  const plain = await look({});
  assert.deepEqual([plain.architecture, plain.software, plain.lacks, plain.bad], ['swiftshader', true, [], undefined]);
  // Exactly what is needed is enough, and one less of each is told.
  const needed = {
    maxBufferSize: 256 * MIB, maxStorageBufferBindingSize: 128 * MIB, maxUniformBufferBindingSize: 65_536,
    maxStorageBuffersPerShaderStage: 8, maxComputeWorkgroupStorageSize: 16_384, maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupSizeX: 256, maxComputeWorkgroupsPerDimension: 65_535,
  };
  assert.deepEqual((await look({ limits: needed })).lacks, []);
  const less = Object.fromEntries(Object.entries(needed).map(([name, limit]) => [name, limit - 1]));
  const { lacks, available } = await look({ limits: less });
  assert.ok(available);
  assert.deepEqual(lacks, Object.entries(needed).map(([name, limit]) => `${name} is ${limit - 1}, and ${limit} is needed`));

  const fallback = await look({ info: { architecture: '', description: '', isFallbackAdapter: true } });
  assert.ok(fallback.software, 'by what it says, whatever it is called');
  assert.ok(!(await look({ info: { architecture: '', description: '', isFallbackAdapter: false } })).software);

  for (const [vendor, architecture, told] of [
    ['img-tec', 'd-series', /PowerVR/], ['qualcomm', 'adreno-8xx', /Adreno 8xx/], ['qualcomm', 'adreno-5xx', /Adreno 505/],
  ]) {
    const { bad, lacks } = await of(vendor, architecture);
    assert.match(bad.what, told);
    assert.ok(bad.links.length > 0 && bad.links.every((link) => link.startsWith('https://')), 'it names its source');
    assert.deepEqual(lacks, []);
  }
  for (const [vendor, architecture] of [
    ['qualcomm', 'adreno-7xx'], ['arm', 'valhall'], ['apple', 'metal-3'], ['intel', 'gen-12lp'], ['', ''],
  ]) assert.equal((await of(vendor, architecture)).bad, undefined, `${vendor} ${architecture}`);
});

/** A test of the page with a masked adapter. */
function pageTest(name, masked, body, context = {}) {
  browserTest(name, { context: { serviceWorkers: 'block', ...context } }, async (stage) => {
    stage.allow(/Service Worker registration blocked/); // It would answer for the worker before the routes do.
    const own = await readFile(join(SITE, 'llamita/worker.js'), 'utf8');
    const script = (body) => (route) => route.fulfill({ contentType: 'text/javascript', body });
    await stage.context.route('**/llamita/worker.js', script("import './mask.js'; import './own-worker.js';"));
    await stage.context.route('**/llamita/own-worker.js', script(own));
    await stage.context.route('**/llamita/mask.js', script(mask(masked)));
    await stage.page.addInitScript((text) => localStorage.setItem('llamita.settings', text),
      JSON.stringify({ ...GREEDY, maxTokens: 12 }));
    await stage.page.goto(`${stage.origin}/`);
    await body({ ...stage, told: stage.page.locator('#missing [role="alert"]') });
  });
}

pageTest('a GPU that can do too little is told of, with what to do', { limits: { maxStorageBuffersPerShaderStage: 4 } }, async ({ page, told }) => {
  await told.waitFor();
  assert.match(await told.innerText(), /can do too little/);
  assert.match(await told.innerText(), /another device/);
  await told.locator('summary').click();
  assert.match(await told.innerText(), /maxStorageBuffersPerShaderStage is 4, and 8 is needed/);
  assert.ok(await page.locator('#prompt').isDisabled());
  await page.getByRole('button', { name: 'Run the tiny model on the CPU' }).click();
  await ready(page);
  await say(page, 'Tell me a story about a brave cat');
  assert.ok((await answered(page)).length > 10);
});

pageTest('a GPU of a doubtful kind can be used, is tested on request, and once is enough', { info: PHONE }, async ({ page, told }) => {
  await told.waitFor();
  assert.match(await told.innerText(), /Does this GPU compute rightly\?/);
  await told.locator('summary').click();
  assert.match(await told.innerText(), /PowerVR[^]*https:\/\//);
  await ready(page);
  assert.ok(await page.locator('#prompt').isEnabled(), 'nothing is held back');
  await page.getByRole('button', { name: 'Test it now' }).click();
  await page.locator('#shader-table .passed').first().waitFor({ timeout: 120_000 });
  await until('it is back in the chat', () => page.locator('#view-chat').isVisible(), 240_000);
  assert.match(await page.locator('#toasts').innerText(), /All \d+ tests passed/);
  assert.equal(await told.count(), 0);
  await page.reload();
  await ready(page);
  assert.equal(await told.count(), 0, 'it has passed');
});

pageTest('a GPU that fails its test is not used', { info: PHONE, idle: true }, async ({ page, told }) => {
  await page.getByRole('button', { name: 'Probarla ahora' }).click();
  await until('it is told', async () => /Esta GPU calcula mal/.test(await told.innerText().catch(() => '')), 240_000);
  await told.locator('summary').click();
  assert.match(await told.innerText(), /matvec/);
  assert.ok(await page.locator('#prompt').isDisabled());
  assert.ok(await page.locator('#shader-table .failed').count() > 5);
}, { locale: 'es-ES' });
