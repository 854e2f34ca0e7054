// Long talks: what nothing holds any more is given back, and nothing is made anew per token.
import assert from 'node:assert/strict';
import { faultServer } from './faults.mjs';
import { llama } from './gguf.mjs';
import { browserTest } from './harness.mjs';
import { heapMeter } from './heap.mjs';
import { meter } from './meter.mjs';
import { BLANK } from './server.mjs';

const KB = 1e3;
const small = llama({ layers: 2, dim: 128, ffn: 256, heads: 4, kvHeads: 2, vocabulary: 2048, context: 256 });
/** The rest of the context is for the prompt. */
const PER_REPLY = 250;

/** Tokens of so many replies in a page, and what is held and counted before and after them. */
async function talk(stage, replies, origin, fault = '') {
  const { context, page } = stage;
  await meter(context);
  await page.goto(stage.origin + BLANK);
  await page.evaluate(async ([url, fault]) => {
    // A fault of the page's or of the worker's, which a negative control is to find.
    globalThis.kept = [];
    const { Model } = await import('/llamita/index.js');
    const text = `const { submit } = GPUQueue.prototype;
      const { requestDevice } = GPUAdapter.prototype;
      GPUAdapter.prototype.requestDevice = async function (wanted) {
        self.device = await requestDevice.call(this, wanted);
        return self.device;
      };
      GPUQueue.prototype.submit = function (buffers) {
        self.device.createBuffer({ size: 256, usage: GPUBufferUsage.COPY_DST });
        return submit.call(this, buffers);
      };`;
    const script = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    const spoiled = () => script(`import '${script(text)}'; import '${location.origin}/llamita/worker.js';`);
    const place = fault === 'worker' ? { workerUrl: spoiled(), wasmUrl: '/llamita/llamita_bg.wasm' } : {};
    const model = await Model.load(url, { keep: false, ...place });
    const session = await model.session();
    globalThis.talk = async (replies, maxTokens) => {
      let generated = 0;
      for (let i = 0; i < replies; i += 1) {
        await session.reset();
        const reply = session.reply(`Hi ${i}`, { temperature: 0, maxTokens, ignoreEos: true });
        for await (const piece of reply) {
          document.body.lastChild.data = piece;
          if (fault === 'page') globalThis.kept.push(new Uint8Array(2048));
        }
        generated += (await reply.stats).generatedTokens;
      }
      return { generated, counters: await model.counters() };
    };
    document.body.append('');
  }, [`${origin}/small.gguf`, fault]);
  const heap = await heapMeter(context, page, 500);
  const look = async (replies) => {
    const { generated, counters } = await page.evaluate((n) => globalThis.talk(...n), [replies, PER_REPLY]);
    const [calls] = await heap.inWorkers('meter.calls');
    return { generated, counters, calls, held: await heap.live() };
  };
  // The first reply grows the cache to its end, and compiles.
  const [before, after] = [await look(1), await look(replies)];
  await heap.stop();
  return { before, after };
}

/** What grew that must not. */
function growth({ before, after }) {
  const per = (name) => ((after.calls[name] ?? 0) - (before.calls[name] ?? 0)) / after.generated;
  // What is recorded for a submit is used once, by WebGPU's own rules.
  const once = 'Device.createCommandEncoder';
  const made = Object.keys(after.calls).filter((name) => /\.create/.test(name) && name !== once);
  return [
    ...['scripts', 'wasm'].filter((what) => after.held[what] - before.held[what] > 300 * KB),
    ...['allocated', 'buffers', 'bindGroups'].filter((what) => after.counters[what] !== before.counters[what]),
    ...made.filter((name) => per(name) > 0),
    ...['Queue.submit', 'Queue.writeBuffer'].filter((name) => per(name) > 1.1),
  ];
}

browserTest('2,000 tokens leave nothing behind', async (stage) => {
  const server = await faultServer({ '/small.gguf': small });
  try {
    const { before, after } = await talk(stage, 8, server.origin);
    const mb = (bytes) => (bytes / 1e6).toFixed(2);
    const per = (name) => (((after.calls[name] ?? 0) - (before.calls[name] ?? 0)) / after.generated).toFixed(2);
    stage.log(`scripts hold ${mb(before.held.scripts)} MB before and ${mb(after.held.scripts)} MB after `
      + `${after.generated} tokens, WebAssembly ${mb(before.held.wasm)} and ${mb(after.held.wasm)} MB`);
    stage.log(`per token: ${Object.keys(after.calls).filter((name) => per(name) > 0)
      .map((name) => `${name} ${per(name)}`).join(', ')}`);
    assert.equal(after.generated, 2000);
    assert.ok(after.calls['Device.createBindGroup'] > 20 && before.held.wasm > 1e6, 'there is something to count');
    assert.deepEqual(growth({ before, after }), []);
  } finally {
    await server.close();
  }
});

for (const [fault, found] of [['page', ['scripts']], ['worker', ['Device.createBuffer']]]) {
  browserTest(`a ${fault} that keeps something for each token is found out`, async (stage) => {
    const server = await faultServer({ '/small.gguf': small });
    try {
      assert.deepEqual(growth(await talk(stage, 1, server.origin, fault)), found);
    } finally {
      await server.close();
    }
  });
}
