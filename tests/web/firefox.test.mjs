// The same engine in another browser: its text, its kernels, and the page.
import assert from 'node:assert/strict';
import { CASES_LIMIT_MS, checkCases, ENGINE } from './cases.mjs';
import { checkFault, fault } from './doctor.mjs';
import { firefoxTest } from './firefox.mjs';
import { checkAdapter, launch } from './firefox-browser.mjs';
import { checkGreedy } from './greedy.mjs';
import { BLANK } from './server.mjs';

firefoxTest('a Firefox without WebGPU is refused', async ({ origin, features, log }) => {
  log(`features: ${features.join(', ')}`);
  const other = await launch({ 'dom.webgpu.enabled': false });
  try {
    await assert.rejects(checkAdapter(await other.newPage(), origin), /no WebGPU adapter/);
  } finally {
    await other.close();
  }
});

firefoxTest('Firefox tells of errors and warnings of pages and workers', async ({ page, origin, complaints, allow }) => {
  await page.goto(origin + BLANK);
  await page.evaluate(async () => {
    console.warn('a warning');
    setTimeout(() => { throw new Error('thrown by the page'); });
    const text = `console.error('said by the worker');
      setTimeout(() => postMessage('done'), 50);
      throw new Error('thrown by the worker');`;
    const worker = new Worker(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));
    await new Promise((resolve) => { worker.onmessage = resolve; });
  });
  const text = complaints.join('\n');
  const expected = [/a warning/, /thrown by the page/, /said by the worker/, /thrown by the worker/];
  for (const pattern of expected) assert.match(text, pattern);
  expected.forEach(allow);
});

for (const [tier, plan] of [['f16', 'gpu'], ['base', 'gpu'], ['f16', 'auto'], ['base', 'auto']]) {
  firefoxTest(`greedy text in Firefox is that of the native command, in tier ${tier}, plan ${plan}`, async (stage) => {
    const info = await checkGreedy(stage, { tier, plan });
    // The adapter says that it is software, and no more.
    assert.deepEqual([info.tier, info.plan], [tier, plan === 'auto' ? 'swiftshader' : plan]);
  });
}

firefoxTest('kernel cases in Firefox agree with the CPU oracle', { folders: ENGINE, timeout: CASES_LIMIT_MS }, (stage) => checkCases(stage, 'f16'));

for (const kind of ['wrong', 'broken']) {
  firefoxTest(`a kernel with the fault ${kind} is named in Firefox, kept and not used`, { folders: fault(kind, 'flash') }, async (stage) => {
    stage.allow(/runs plan gpu in tier \S+, without plan swiftshader in tier/);
    // Firefox itself writes what does not compile to the console.
    if (kind === 'broken') stage.allow(/errors while creating shader module "flash|'flash\S*' parsing error: .*no_such_name/);
    assert.match(await checkFault(stage, kind), /Firefox\/\d+/);
  });
}

firefoxTest('the page answers a first message in Firefox', async ({ page, origin, log }) => {
  await page.goto(origin + BLANK);
  await page.evaluate(() => localStorage.setItem('llamita.settings', '{"temperature":0,"maxTokens":40,"seed":1}'));
  const begin = Date.now();
  await page.goto(`${origin}/`);
  await page.waitForSelector('#model-chip .state.ready');
  log(`from the first request to a model that can answer: ${Date.now() - begin} ms`);
  await page.type('#prompt', 'Tell me a story about a brave cat');
  await page.click('#send');
  // The buttons below an answer are there when it is complete.
  await page.waitForSelector('.said.answer .foot button');
  const text = await page.$eval('.said.answer .markdown', (element) => element.innerText);
  assert.ok(text.length > 60, `the answer is “${text}”`);
  assert.match(text, /cat/i);
});
