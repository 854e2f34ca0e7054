// The npm package in a page: an answer leaves the page its time.
import assert from 'node:assert/strict';
import { packageTest } from './package.mjs';

packageTest('the page is not held up, and nothing is made anew per token', async ({ run, log }) => {
  const { gaps, idle, stalls, tasks, stats, before, after } = await run(async ({ bundled }) => {
    const [gaps, tasks] = [[], []];
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)))
      .observe({ type: 'longtask' });
    // A thread that does nothing: when it is late, the machine was doing other things.
    const stalls = [];
    const idler = new Worker(URL.createObjectURL(new Blob([`let last = Date.now();
      setInterval(() => {
        const now = Date.now();
        if (now - last > 40) postMessage([last, now]);
        last = now;
      }, 10);`])));
    idler.onmessage = ({ data }) => stalls.push(data.map((at) => at - performance.timeOrigin));
    let last = performance.now();
    let watching = true;
    const frame = () => {
      const now = performance.now();
      gaps.push([last, now]);
      last = now;
      if (watching) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    // What else the machine does makes frames late where this page does nothing, too.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const idle = gaps.splice(0);
    tasks.length = 0;
    const model = await bundled();
    const session = await model.session();
    const prompt = 'One day a small cat went to the market. '.repeat(20);
    await session.reply(prompt, { temperature: 0, maxTokens: 10, ignoreEos: true }).text();
    const before = await model.counters();
    const reply = session.reply(' Then', { temperature: 0, maxTokens: 60, ignoreEos: true });
    await reply.text();
    watching = false;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return { gaps, idle, stalls, tasks, stats: await reply.stats, before, after: await model.counters() };
  });
  const longest = (all) => Math.max(0, ...all).toFixed(0);
  const stalled = ([from, to]) => stalls.some(([begin, end]) => begin < to && end > from);
  const lengths = (all) => all.filter((gap) => !stalled(gap)).map(([from, to]) => to - from);
  const ours = lengths(gaps);
  const late = (all) => all.filter((ms) => ms > 50).length / Math.max(all.length, 1);
  const usual = late(lengths(idle));
  log(`the longest of ${ours.length} frames took ${longest(ours)} ms, of the page's tasks ${longest(tasks)} ms; `
    + `in ${gaps.length - ours.length} more the machine did other things; `
    + `${(100 * usual).toFixed(1)} % were late before, ${(100 * late(ours)).toFixed(1)} % now`);
  assert.ok(ours.length > 20 && ours.length > gaps.length / 2, `${ours.length} of ${gaps.length} frames say something`);
  assert.ok(late(ours) <= 0.02 + 3 * usual, `${100 * late(ours)} % of ${ours.length} frames took more than 50 ms, ${100 * usual} % without an answer`);
  assert.equal(stats.generatedTokens, 60);
  assert.equal(after.bindGroups, before.bindGroups);
  // A token under way has a buffer of 16 bytes that it comes back in; up to four are under way, as the pace has it.
  const more = after.buffers - before.buffers;
  assert.ok(more <= 3, `${more} more buffers after 60 tokens`);
  assert.equal(after.allocated - before.allocated, 16 * more);
  const dispatches = (after.dispatches - before.dispatches) / stats.submits;
  assert.ok(dispatches > 20 && dispatches < 40, `${dispatches} dispatches per submit`);
});
