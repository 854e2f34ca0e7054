// The harness itself: what it must catch, it catches.
import assert from 'node:assert/strict';
import { checkAdapter, launch } from './browser.mjs';
import { browserTest } from './harness.mjs';
import { BLANK } from './server.mjs';

browserTest('the adapter is the expected one, and another is refused', async ({ context, origin, adapter, log }) => {
  const { vendor, architecture, description, features } = adapter;
  const kept = features.filter((name) => /^(shader-f16|subgroups|timestamp-query)$/.test(name));
  log(`adapter: ${[vendor, architecture, description].filter(Boolean).join(' · ')} (${kept.join(', ')})`);
  await assert.rejects(checkAdapter(context, origin, 'no-such-architecture'), /not no-such-architecture/);
});

browserTest('a browser without WebGPU is refused', async ({ origin }) => {
  const browser = await launch(['--disable-features=WebGPUService', '--disable-gpu', '--disable-software-rasterizer']);
  try {
    await assert.rejects(checkAdapter(await browser.newContext(), origin), /no WebGPU adapter/);
  } finally {
    await browser.close();
  }
});

browserTest('errors and warnings of pages and workers are complaints', async ({ page, origin, complaints, allow }) => {
  await page.goto(origin + BLANK);
  await page.evaluate(async () => {
    console.warn('a warning');
    setTimeout(() => { throw new Error('thrown by the page'); });
    Promise.reject(new Error('rejected by the page'));
    const text = `console.error('said by the worker');
      setTimeout(() => postMessage('done'), 50);
      throw new Error('thrown by the worker');`;
    const worker = new Worker(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));
    await new Promise((resolve) => { worker.onmessage = resolve; });
  });
  const text = complaints.join('\n');
  const expected = [
    /a warning/, /thrown by the page/, /rejected by the page/, /said by the worker/, /thrown by the worker/,
  ];
  for (const pattern of expected) assert.match(text, pattern);
  expected.forEach(allow);
});

browserTest('a context has its own storage, a persistent one keeps it', { persistent: true }, async (stage) => {
  const { origin, kill, reopen } = stage;
  await stage.page.goto(origin + BLANK);
  await stage.page.evaluate(() => localStorage.setItem('kept', 'yes'));
  const { page } = await reopen();
  await page.goto(origin + BLANK);
  assert.equal(await page.evaluate(() => localStorage.getItem('kept')), 'yes');
  await kill();
  await reopen();
});
