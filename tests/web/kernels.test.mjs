// Kernels of the web build against the CPU oracle, in a worker, as an application would run the model.
// LLAMITA_WEB_CASES=TEXT runs the cases whose name contains it, or `all`; by default the first case of each kernel.
// LLAMITA_WEB_TIER names the tier, `base` by default.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { choose } from './cases.mjs';
import { browserTest } from './harness.mjs';
import { BUILD } from './packages.mjs';
import { BLANK } from './server.mjs';

const { LLAMITA_WEB_CASES: cases, LLAMITA_WEB_TIER: tier = 'base' } = process.env;

/** The worker: answers `{ call, args }` with a function's outcome. */
const WORKER = `
  import init, * as llamita from '/pkg/llamita.js';
  const ready = init();
  self.onmessage = async ({ data: { call, args } }) => {
    try {
      await ready;
      postMessage({ value: await llamita[call](...args) });
    } catch (error) {
      postMessage({ error: String(error?.message ?? error) });
    }
  };`;

browserTest('kernel cases agree with the CPU oracle', { folders: { '/pkg/': join(BUILD, 'pkg') } }, async ({ page, origin, log }) => {
  await page.goto(origin + BLANK);
  await page.evaluate((source) => {
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' });
    globalThis.call = (call, ...args) => new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message || 'the worker did not start'));
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage({ call, args });
    });
  }, WORKER.replaceAll("'/", `'${origin}/`));
  const call = (...args) => page.evaluate((args) => globalThis.call(...args), args);
  const parsed = (value) => typeof value === 'string' ? JSON.parse(value) : value;

  const listed = await call('kernel_case_names', tier);
  assert.equal(listed.error, undefined);
  const names = Array.from(parsed(listed.value));
  const chosen = choose(names, cases);
  assert.ok(chosen.length > 0, `none of the library's ${names.length} cases has ${cases} in its name`);
  assert.match((await call('run_kernel_case', 'no such case', tier)).error, /no such case/, 'an unknown case is refused');

  const failures = [];
  let worst = 0;
  for (const name of chosen) {
    const { value, error } = await call('run_kernel_case', name, tier);
    const { nmse, tolerance, passed, fault } = error ? {} : parsed(value);
    if (passed !== true) failures.push(`${name}: ${error ?? `NMSE ${nmse} of ${tolerance} ${fault ?? ''}`}`);
    else worst = Math.max(worst, Number(tolerance) > 0 ? Number(nmse) / Number(tolerance) : 0);
  }
  log(`${chosen.length} of ${names.length} cases in tier ${tier}; the largest error is ${(100 * worst).toFixed(0)} % of its tolerance`);
  assert.deepEqual(failures, []);
});
