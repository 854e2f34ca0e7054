// The check of the kernels, and the quarantine: what becomes of a kernel that fails in a browser, and of models that would
// use it. The kernel `flash` is SwiftShader's alone, so the plan of GPUs does without it; `rmsnorm` is in every plan.
import assert from 'node:assert/strict';
import { checkFault, fault, FAULTS, inPackage } from './doctor.mjs';
import { browserTest } from './harness.mjs';
import { violations } from './look.mjs';
import { open, say, answers } from './page.mjs';
import { worker } from './probe.mjs';

const WARNING = /google swiftshader runs plan gpu in tier base, without plan swiftshader in tier base: flash/;

for (const kind of Object.keys(FAULTS)) {
  browserTest(`a kernel with the fault ${kind} is named, kept and not used`, { folders: fault(kind, 'flash') }, async (stage) => {
    stage.allow(WARNING);
    assert.match(await checkFault(stage, kind), /Chrome\/\d+/);
  });
}

browserTest('a kernel that does not compile for a model is avoided, and known at the next visit', { folders: fault('broken', 'flash') }, async ({ page, origin, allow }) => {
  allow(WARNING);
  const load = async ({ Model, quarantined }) => {
    const model = await Model.load('/models/llamita-stories.gguf', { keep: false });
    return { plan: model.info.plan, kept: await quarantined() };
  };
  const first = await inPackage(page, origin, load);
  assert.equal(first.plan, 'gpu');
  assert.ok(first.kept.length > 0 && first.kept.every(({ fault }) => fault === 'does_not_compile'));
  assert.deepEqual(await inPackage(page, origin, load), first, 'nothing is tried again');
});

browserTest('a model that needs a kernel in quarantine everywhere is refused with the reason', { folders: fault('wrong', 'rmsnorm') }, async ({ page, origin, allow }) => {
  const refused = await inPackage(page, origin, async ({ doctor, Model, LlamitaError }) => {
    const { works, plans } = await doctor({ only: 'rmsnorm' });
    const error = await Model.load('/models/llamita-stories.gguf', { keep: false }).catch((error) => error);
    const onCpu = await Model.load('/models/llamita-stories.gguf', { keep: false, device: 'cpu' });
    return { works, plans: plans.map(({ plan }) => plan), ours: error instanceof LlamitaError, kind: error.kind, message: error.message, cpu: onCpu.info.device };
  });
  const { message, ...rest } = refused;
  assert.deepEqual(rest, { works: false, plans: ['swiftshader', 'gpu'], ours: true, kind: 'KernelFault', cpu: 'CPU' });
  assert.match(message, /rmsnorm[^]* gives wrong results[^]*forgetQuarantine\(\)[^]*Update the browser/);
  assert.doesNotMatch(message, /llamita doctor|--/);
  await page.goto(`${origin}/`);
  const told = page.getByRole('alert').filter({ hasText: 'This GPU computes this model wrongly' });
  await told.waitFor();
  assert.match(await told.innerText(), /The view of the device says which/);
  await told.getByRole('button', { name: 'Device' }).click();
  await page.locator('#check-entries').waitFor();
});

browserTest('a kernel whose check takes the tab down is in quarantine at the next start', { folders: fault('held', 'flash') }, async ({ page, context, origin, allow }) => {
  allow(/the page crashed/);
  allow(/a check of flash[^ ]* took the page down/);
  await page.goto(`${origin}/blank.html`);
  const held = page.evaluate(() => new Promise((resolve) => { new BroadcastChannel('fault').onmessage = resolve; }));
  held.catch(() => {});
  page.evaluate(async () => void (await import('/llamita/index.js')).doctor({ only: 'flash' })).catch(() => {});
  await held;
  const next = await context.newPage();
  const busy = await inPackage(next, origin, ({ doctor }) => doctor({ only: 'flash' }).catch(({ kind }) => kind));
  assert.equal(busy, 'Busy', 'one tab checks at a time');
  assert.deepEqual(await inPackage(next, origin, ({ quarantined }) => quarantined()), [], 'a check that is under way accuses nothing');
  const crashed = page.waitForEvent('crash');
  (await context.newCDPSession(page)).send('Page.crash').catch(() => {});
  await crashed;
  const [entry] = await inPackage(next, origin, ({ quarantined }) => quarantined());
  assert.deepEqual([entry.fault, entry.plan], ['lost_the_device', 'swiftshader']);
  assert.match(entry.kernel, /^flash/);
});

browserTest('a check whose page is left accuses nothing', { folders: fault('held', 'flash') }, async ({ page, origin }) => {
  await page.goto(`${origin}/blank.html`);
  const held = page.evaluate(() => new Promise((resolve) => { new BroadcastChannel('fault').onmessage = resolve; }));
  page.evaluate(async () => void (await import('/llamita/index.js')).doctor({ only: 'flash' })).catch(() => {});
  await held;
  const marker = async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('llamita-journal');
    return (await (await folder.getFileHandle('kernels.json')).getFile()).text();
  };
  await page.reload();
  assert.match(await page.evaluate(marker), /flash/, 'its marker stays');
  assert.deepEqual(await inPackage(page, origin, ({ quarantined }) => quarantined()), []);
  assert.equal(await page.evaluate(marker), '');
});

browserTest('a reply whose numbers are none is over, and the next one begins', { folders: fault('nan', 'rmsnorm') }, async ({ page, origin }) => {
  const [failed, suspended, again, state] = await inPackage(page, origin, async ({ Model }) => {
    const session = await (await Model.load('/models/llamita-stories.gguf', { keep: false })).session();
    const ask = () => session.reply('Once upon a time', { temperature: 0, maxTokens: 8 });
    const channel = new BroadcastChannel('fault');
    const spoilt = new Promise((resolve) => { channel.onmessage = resolve; });
    channel.postMessage('spoil');
    await spoilt;
    const reply = ask();
    const failed = await reply.text().catch(({ message }) => message);
    const again = await ask().text().catch(({ message }) => message);
    await session.reset();
    return [failed, reply.suspended, again, session.state.tokens];
  });
  for (const message of [failed, again]) assert.match(message, /^no logit is a number at position \d+/);
  assert.deepEqual([suspended, state], [false, 0]);
});

browserTest('a check that is stopped accuses nothing, and a damaged file is ignored', async ({ page, origin, allow }) => {
  allow(/the quarantine is ignored: it is damaged/);
  const kept = await inPackage(page, origin, async ({ doctor, quarantined, Model }) => {
    const abort = new AbortController();
    const kind = await doctor({ signal: abort.signal, onProgress: () => abort.abort() }).catch(({ kind }) => kind);
    const after = await quarantined();
    const home = await (await navigator.storage.getDirectory()).getDirectoryHandle('llamita', { create: true });
    const file = await (await home.getFileHandle('quarantine.json', { create: true })).createWritable();
    await file.write('{');
    await file.close();
    const { info } = await Model.load('/models/llamita-stories.gguf', { keep: false });
    const wrong = await doctor({ only: 'no such kernel' }).catch(({ kind, message }) => `${kind}: ${message}`);
    return { kind, after, damaged: await quarantined(), plan: info.plan, wrong };
  });
  const { wrong, ...rest } = kept;
  assert.deepEqual(rest, { kind: 'Aborted', after: [], damaged: [], plan: 'swiftshader' });
  assert.match(wrong, /^InvalidSetting: .*"no such kernel".*no kernel has it/);
});

browserTest('a page without https runs models on the CPU, and keeps nothing', { folders: worker('insecure.js') }, async ({ page, origin }) => {
  const told = await inPackage(page, origin, async ({ doctor, quarantined, Model }) => {
    const notes = new Set();
    const load = (options) => Model.load('/models/llamita-stories.gguf', { device: 'cpu', ...options });
    const { info } = await load({ keep: false });
    // Two at once have one in memory.
    const two = await Promise.all([1, 2].map(() => load({ onProgress: ({ note }) => notes.add(note) })));
    const texts = await Promise.all(two.map(async (model) =>
      (await model.session()).reply('Once', { temperature: 0, maxTokens: 4 }).text()));
    const check = await doctor({ only: 'flash' }).catch(({ kind }) => kind);
    return [info.device, await quarantined(), check, texts[0] === texts[1] && texts[0] !== '', notes.has('notKept')];
  });
  assert.deepEqual(told, ['CPU', [], 'NoWebGpu', true, true]);
});

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
browserTest('the view of the device checks the kernels, says what fails, and forgets it', { folders: fault('wrong', 'flash'), context: PHONE }, async ({ page, origin, allow }) => {
  allow(/runs plan gpu in tier base/);
  await open(page, origin, { path: '?only=flash#device' });
  await page.locator('#check-start').tap();
  const verdict = page.locator('#check-verdict');
  await verdict.waitFor();
  assert.match(await verdict.innerText(), /^Models run on plan gpu, tier base, instead/);
  assert.match(await page.locator('#check-entries').innerText(), /flash[^]*Gives wrong results \(plan swiftshader, tier base\)/);
  assert.deepEqual(await violations(page), []);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 390, `${wide} on 390`);

  await page.reload();
  await page.locator('#check-entries').waitFor();
  await page.goto(`${origin}/#chat`);
  await open(page, origin);
  await say(page, 'Tell me a story.');
  await answers(page).first().getByRole('button').first().waitFor();
  await page.evaluate(() => { location.hash = '#device'; });
  assert.match(await page.locator('#view-device').innerText(), /gpu: that of real GPUs/);
  await page.goto(`${origin}/probe.html?small&layers=1&memory=600000000`);
  await page.locator('#probe-start').tap();
  await page.getByRole('heading', { name: 'Nothing was timed' }).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByRole('link', { name: 'Check the kernels in the view' }).tap();
  await page.locator('#check-forget').tap();
  await verdict.waitFor();
  assert.match(await verdict.innerText(), /^Forgotten: \d+\./);
  assert.equal(await page.locator('#check-entries').count(), 0);
});
