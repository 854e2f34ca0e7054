// Kernel cases: which of them run, and their comparison with the CPU oracle in a page.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { BUILD } from './packages.mjs';
import { BLANK } from './server.mjs';

const kernel = (name) => name.split(/[^a-z0-9_]/i)[0];

/** Those whose name contains a text, all where it is `all`, or the first of each kernel, which is its smallest. */
export function choose(names, text) {
  const first = (name, i) => names.findIndex((other) => kernel(other) === kernel(name)) === i;
  return names.filter((name, i) => text === undefined ? first(name, i) : text === 'all' || name.includes(text));
}

/** Folders that a page needs for them. */
export const ENGINE = { '/pkg/': join(BUILD, 'pkg') };

/** So long they may take: a second each, and more where all of them run. */
export const CASES_LIMIT_MS = process.env.LLAMITA_WEB_CASES === undefined ? 300_000 : 3_600_000;

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

/**
 * Runs kernel cases in a worker, as an application would run the model: those that LLAMITA_WEB_CASES names, by default
 * the first of each kernel, in the tier of LLAMITA_WEB_TIER, or else the one given.
 */
export async function checkCases({ page, origin, log }, otherwise) {
  const { LLAMITA_WEB_CASES: cases, LLAMITA_WEB_TIER: tier = otherwise } = process.env;
  await page.goto(origin + BLANK);
  await page.evaluate((source) => {
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })), { type: 'module' });
    globalThis.call = ([call, ...args]) => new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message || 'the worker did not start'));
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage({ call, args });
    });
  }, WORKER.replaceAll("'/", `'${origin}/`));
  const call = (...args) => page.evaluate((args) => globalThis.call(args), args);
  const parsed = (value) => typeof value === 'string' ? JSON.parse(value) : value;

  const listed = await call('kernel_case_names', tier);
  assert.equal(listed.error, undefined);
  const names = Array.from(parsed(listed.value));
  const chosen = choose(names, cases);
  assert.ok(chosen.length > 0, `none of the library's ${names.length} cases has ${cases} in its name`);
  const unknown = await call('run_kernel_case', 'no such case', tier);
  assert.match(unknown.error, /no such case/, 'an unknown case is refused');

  const failures = [];
  let worst = 0;
  for (const name of chosen) {
    const { value, error } = await call('run_kernel_case', name, tier);
    const { nmse, tolerance, passed, fault } = error ? {} : parsed(value);
    if (passed !== true) failures.push(`${name}: ${error ?? `NMSE ${nmse} of ${tolerance} ${fault ?? ''}`}`);
    else worst = Math.max(worst, Number(tolerance) > 0 ? Number(nmse) / Number(tolerance) : 0);
  }
  const largest = (100 * worst).toFixed(0);
  log(`${chosen.length} of ${names.length} cases in tier ${tier}; the largest error is ${largest} % of its tolerance`);
  assert.deepEqual(failures, []);
}
