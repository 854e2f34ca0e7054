// What the tests of the quarantine share between browsers: a device on which a kernel fails, and what is said of it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SITE } from './browser.mjs';

const HELD = fileURLToPath(new URL('held/', import.meta.url));
const MADE = mkdtempSync(join(tmpdir(), 'llamita-faults-'));
after(() => rmSync(MADE, { recursive: true, force: true }));

/** The folders of a test whose device has a fault of this kind in the kernels whose labels begin with this. */
export function fault(kind, label) {
  const file = join(MADE, `${kind}-${label}.js`);
  writeFileSync(file, `import '/held/fault.js?${kind}=${label}';\nimport '/llamita/own-worker.js';\n`);
  return { '/held/': HELD, '/llamita/worker.js': file, '/llamita/own-worker.js': join(SITE, 'llamita/worker.js') };
}

/** Calls the package in an empty page. */
export async function inPackage(page, origin, body, ...args) {
  await page.goto(`${origin}/blank.html`);
  return page.evaluate(`(async () => (${body})(await import('/llamita/index.js'), ...${JSON.stringify(args)}))()`);
}

/** Checks the kernels of a name, and loads the bundled model afterwards. */
const checkAndLoad = async ({ doctor, quarantined, forgetQuarantine, Model }, only) => {
  const steps = [];
  const found = await doctor({ only, onProgress: (step) => steps.push(step) });
  const kept = await quarantined();
  const model = await Model.load('/models/llamita-stories.gguf', { keep: false });
  const reply = (await model.session()).reply('Once upon a time', { temperature: 0, maxTokens: 8 });
  let text = '';
  for await (const piece of reply) text += piece;
  await model.dispose();
  const forgotten = await forgetQuarantine();
  return { found, steps, kept, plan: model.info.plan, text, forgotten, left: await quarantined() };
};

/** The faults that a check finds by itself: what they are called, and words of their error. */
export const FAULTS = {
  wrong: ['wrong', /NMSE|differ|is not/],
  broken: ['does_not_compile', /no_such_name|Parsing error/],
  lost: ['lost_the_device', /\w/],
};

/**
 * With a fault of this kind in the kernel `flash`, which the plan of GPUs does without: the check finds it, the model runs
 * that plan, and what was kept is forgotten. Returns the driver that the check names.
 */
export async function checkFault({ page, origin }, kind) {
  const [name, words] = FAULTS[kind];
  const { found, steps, kept, plan, text, forgotten, left } = await inPackage(page, origin, checkAndLoad, 'flash');
  assert.equal(found.works, true);
  const failed = found.plans.slice(0, -1);
  const { plan: other, works } = found.plans.at(-1);
  assert.deepEqual([other, works], ['gpu', true]);
  assert.ok(failed.length > 0 && failed.every(({ plan, works }) => plan === 'swiftshader' && !works));
  assert.equal(failed[0].kernels, failed[0].quarantined.length);
  const tiers = failed.map(({ tier }) => tier);
  const entries = failed.flatMap(({ quarantined }) => quarantined);
  for (const entry of entries) {
    assert.deepEqual([entry.fault, entry.plan, tiers.includes(entry.tier)], [name, 'swiftshader', true]);
    assert.match(entry.kernel, /^flash/);
    assert.match(entry.error, words);
  }
  // A text that two tiers share fails once.
  assert.deepEqual(kept, [...new Map(entries.map((entry) => [JSON.stringify(entry), entry])).values()]);
  assert.ok(steps.some(({ plan, done, kernels }) => plan === 'swiftshader' && done === kernels && kernels > 0));
  assert.equal(plan, 'gpu');
  assert.ok(text.length > 0);
  assert.deepEqual([forgotten, left], [kept.length, []]);
  return found.driver;
}
