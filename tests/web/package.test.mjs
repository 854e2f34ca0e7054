// The npm package in a page: models, sessions, streams, cancelling, OpenAI's shape, errors.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { browserTest } from './harness.mjs';
import { BLANK } from './server.mjs';

const MODEL = '/models/llamita-stories.gguf';
const read = async (name) => JSON.parse(await readFile(new URL(name, import.meta.url), 'utf8'));

/** A test with the package's module and the bundled model in a page: `run(async (lib, args) => …, args)`. */
function packageTest(name, body, options = {}) {
  browserTest(name, options, async (stage) => {
    await stage.page.goto(stage.origin + BLANK);
    await stage.page.evaluate(async (model) => {
      const llamita = await import('/llamita/index.js');
      globalThis.lib = {
        ...llamita,
        bundled: (options = {}) => llamita.Model.load(model, { keep: false, ...options }),
        /** What a promise ends with: its value, or the error's fields. */
        outcome: (promise) => promise.then(
          (value) => ({ value }),
          (error) => ({
            ...error, kind: error.kind, message: error.message, ours: error instanceof llamita.LlamitaError,
          }),
        ),
      };
    }, MODEL);
    const run = (f, args) => stage.page.evaluate(`(${f})(globalThis.lib, ${JSON.stringify(args) ?? 'undefined'})`);
    await body({ ...stage, run });
  });
}

packageTest('greedy text is that of the native command, and of NumPy', async ({ run }) => {
  const native = await read('native-greedy.json');
  const numpy = await read('../fixtures/bundled-golden.json');
  const cases = [
    ...native.runs.map(({ prompt, max_tokens, text }) => ({ prompt, maxTokens: max_tokens, text })),
    ...numpy.prompts.map(({ text, greedy_ids, greedy_text }) => (
      { prompt: text, maxTokens: greedy_ids.length, text: greedy_text })),
  ];
  assert.ok(cases.length >= 4, 'there is something to compare with');
  const texts = await run(async ({ bundled }, cases) => {
    const model = await bundled();
    const texts = [];
    for (const { prompt, maxTokens } of cases) {
      const session = await model.session();
      texts.push(await session.reply(prompt, { temperature: 0, maxTokens, ignoreEos: true }).text());
      await session.dispose();
    }
    await model.dispose();
    return texts;
  }, cases);
  assert.deepEqual(texts, cases.map(({ text }) => text));
});

packageTest('loading tells its progress, what the model is, and what it runs on', async ({ run }) => {
  const { steps, info, adapter, counters, inspected } = await run(async ({ bundled, device, Model }) => {
    const steps = [];
    const model = await bundled({ onProgress: (step) => steps.push(step), context: 600 });
    const inspected = await Model.inspect('/models/llamita-stories.gguf', { context: 600 });
    return { steps, info: model.info, adapter: await device(), counters: await model.counters(), inspected };
  });
  const loads = steps.filter(({ stage }) => stage === 'load');
  assert.ok(loads.length >= 2 && loads.at(-1).loaded === loads.at(-1).total, JSON.stringify(steps));
  assert.ok(loads.every(({ loaded }, i) => i === 0 || loaded >= loads[i - 1].loaded), 'it only grows');
  assert.equal(adapter.architecture, 'swiftshader');
  assert.equal(adapter.tier, 'base');
  assert.ok(adapter.available && adapter.software && adapter.limits.maxStorageBufferBindingSize >= 1 << 27);
  assert.match(info.device, /swiftshader/);
  const { name, parameters, layers, dim, vocabulary, context, tier } = info;
  assert.deepEqual(
    { name, parameters, layers, dim, vocabulary, context, tier },
    { name: 'Llamita Stories', parameters: 2885888, layers: 4, dim: 256, vocabulary: 2048, context: 600, tier: 'base' },
  );
  assert.ok(info.hasChatTemplate);
  // Counted beforehand and allocated: the weights, and no session yet.
  assert.ok(counters.allocated >= info.bytes.weights * 0.99 && counters.allocated < info.bytes.weights * 1.3,
    `${counters.allocated} bytes of ${info.bytes.weights}`);
  assert.deepEqual([inspected.parameters, inspected.context], [2885888, 600]);
  assert.deepEqual([inspected.tier, inspected.device], [null, null]);
  // It is counted for a GPU, whose tiles are larger than those of a driver on the CPU.
  assert.ok(Math.abs(inspected.bytes.weights - info.bytes.weights) < 0.2 * info.bytes.weights);
});

packageTest('pieces stream, and a second turn takes its beginning from the cache', async ({ run }) => {
  const { first, second, changed } = await run(async ({ bundled }) => {
    const session = await (await bundled()).session();
    const ask = async (messages) => {
      const reply = session.reply(messages, { temperature: 0, maxTokens: 30 });
      const pieces = [];
      for await (const piece of reply) pieces.push({ piece, at: performance.now(), tokens: session.state.tokens });
      const [text, stats, dropped] = await Promise.all([reply.text(), reply.stats, reply.dropped]);
      return { pieces, text, stats, dropped, state: session.state };
    };
    const messages = [{ role: 'user', content: 'Tell me a story about a brave cat.' }];
    const first = await ask(messages);
    messages.push({ role: 'assistant', content: first.text }, { role: 'user', content: 'Tell me another one.' });
    const second = await ask(messages);
    const changed = await ask([{ role: 'user', content: 'A story about a dog, please.' }]);
    return { first, second, changed };
  });
  for (const { pieces, text, stats, dropped, state } of [first, second, changed]) {
    assert.equal(pieces.map(({ piece }) => piece).join(''), text);
    assert.ok(pieces.length > 10 && pieces.every(({ piece }) => piece !== ''));
    assert.ok(pieces.at(-1).at - pieces[0].at > 0.5 * stats.decodeMs, 'they come as they are made, not at the end');
    assert.equal(stats.stopReason, 'length');
    assert.equal(stats.generatedTokens, 30);
    assert.ok(stats.decodeTokensPerSecond > 0 && stats.timeToFirstTokenMs > 0 && stats.submits >= 30);
    assert.equal(dropped, 0);
    assert.equal(state.context, 1024);
  }
  assert.equal(first.state.tokens, first.stats.promptTokens + 30);
  // The end of the first turn and the new question, far less than the conversation.
  assert.ok(second.stats.promptTokens < 30, `${second.stats.promptTokens} of ${second.state.tokens} were computed`);
  assert.ok(second.state.tokens > first.state.tokens + 30);
});

packageTest('cancelling ends a prompt and an answer soon, and the session goes on', async ({ run }) => {
  const { prefillMs, prefill, decode, broken, aborted, after, expected } = await run(async ({ bundled }) => {
    const model = await bundled();
    const session = await model.session();
    const cancelled = async (prompt, options, when) => {
      const reply = session.reply(prompt, { temperature: 0, maxTokens: 900, ignoreEos: true, ...options });
      const pieces = [];
      const read = (async () => { for await (const piece of reply) pieces.push(piece); })();
      await when(pieces, reply);
      const at = performance.now();
      if (!options.signal) reply.cancel();
      await read;
      const stats = await reply.stats;
      return { ms: performance.now() - at, pieces: pieces.length, stats };
    };
    const long = 'One day a small cat went to the market. '.repeat(60);
    await session.reply('Warm', { maxTokens: 4, temperature: 0 }).text();
    await session.reset();
    const whole = session.reply(long, { maxTokens: 1, temperature: 0 });
    await whole.text();
    const { prefillMs } = await whole.stats;
    await session.reset();
    const prefill = await cancelled(long, {}, () => new Promise((resolve) => setTimeout(resolve, 30)));
    await session.reset();
    const some = (count) => async (pieces) => {
      while (pieces.length < count) await new Promise((resolve) => setTimeout(resolve, 2));
    };
    const decode = await cancelled('Once', {}, some(5));
    await session.reset();
    const controller = new AbortController();
    const aborted = await cancelled('Once', { signal: controller.signal }, async (pieces) => {
      await some(5)(pieces);
      controller.abort();
    });
    await session.reset();
    const reply = session.reply('Once', { temperature: 0, maxTokens: 900, ignoreEos: true });
    for await (const piece of reply) if (piece) break;
    const broken = await reply.stats;
    // A fresh session and this one say the same.
    await session.reset();
    const ask = (session) => session.reply('Once upon a time', { temperature: 0, maxTokens: 40 }).text();
    const after = await ask(session);
    return { prefillMs, prefill, decode, broken, aborted, after, expected: await ask(await model.session()) };
  });
  assert.equal(prefill.stats.stopReason, 'cancelled');
  assert.equal(prefill.pieces, 0, 'it ended within the prompt');
  assert.ok(prefill.ms < prefillMs / 2, `a prompt of ${prefillMs} ms took ${prefill.ms} ms to cancel`);
  for (const { stats, ms, pieces } of [decode, aborted]) {
    assert.equal(stats.stopReason, 'cancelled');
    assert.ok(pieces >= 5 && stats.generatedTokens < 200 && ms < 5000, `${pieces} pieces, ${ms} ms`);
  }
  assert.equal(broken.stopReason, 'cancelled');
  assert.ok(broken.generatedTokens < 60, 'leaving the loop ends the reply');
  assert.equal(after, expected);
});

packageTest('several sessions at once say what they say alone', async ({ run }) => {
  const { alone, together } = await run(async ({ bundled }) => {
    const model = await bundled();
    const prompts = ['Once upon a time', 'Había una vez', 'The end of the'];
    const ask = async (prompt) => {
      const session = await model.session();
      return session.reply(prompt, { temperature: 0.8, seed: 7, maxTokens: 30 }).text();
    };
    const alone = [];
    for (const prompt of prompts) alone.push(await ask(prompt));
    return { alone, together: await Promise.all(prompts.map(ask)) };
  });
  assert.deepEqual(together, alone);
  assert.equal(new Set(alone).size, 3);
});

packageTest('a lost device: the answer goes on with the same text', async ({ run }) => {
  const { expected, drawn, replies, session, lost, info } = await run(async ({ bundled, DeviceLost }) => {
    const model = await bundled();
    const ask = (session, temperature) =>
      session.reply('Once upon a time', { temperature, seed: 11, maxTokens: 48, ignoreEos: true });
    const expected = await ask(await model.session(), 0).text();
    const drawn = await ask(await model.session(), 1).text();
    const lost = [];
    /** Loses the device after so many pieces, and goes on in one of the two ways. */
    const interrupted = async (temperature, after, way) => {
      const session = await model.session();
      const reply = ask(session, temperature);
      model.lost.then((error) => lost.push([error.kind, error instanceof DeviceLost]));
      let text = '';
      let count = 0;
      let errors = 0;
      const read = async (from) => {
        for await (const piece of from) {
          text += piece;
          count += 1;
          if (count === after) await model.destroyDevice();
        }
      };
      if (after === 0) await model.destroyDevice();
      try {
        await read(reply);
      } catch (error) {
        if (!(error instanceof DeviceLost) || !reply.suspended) throw error;
        errors += 1;
        if (way === 'session') await session.resume();
        await read(reply.resume());
      }
      return { text, errors, whole: await reply.text(), stats: await reply.stats };
    };
    const replies = [
      await interrupted(0, 7, 'reply'), await interrupted(0, 20, 'session'), await interrupted(1, 12, 'reply'),
      await interrupted(0, 0, 'reply'),
    ];
    // A session that was idle when the device went.
    const idle = await model.session();
    const one = await ask(idle, 0).text();
    await model.destroyDevice();
    await model.lost;
    const reply = idle.reply(' and', { temperature: 0, maxTokens: 8 });
    const refused = await reply.text().then(() => 'said', (error) => error.kind);
    await idle.resume();
    const rest = await reply.text();
    const fresh = await model.session();
    await ask(fresh, 0).text();
    const same = await fresh.reply(' and', { temperature: 0, maxTokens: 8 }).text();
    return { expected, drawn, replies, session: { one, refused, rest, same }, lost, info: model.info };
  });
  assert.notEqual(expected, drawn);
  for (const [i, { text, errors, whole, stats }] of replies.entries()) {
    assert.equal(text, i === 2 ? drawn : expected, `reply ${i}`);
    assert.deepEqual([errors, whole, stats.stopReason], [1, text, 'length'], `reply ${i}`);
  }
  assert.deepEqual(lost, replies.map(() => ['DeviceLost', true]));
  assert.equal(session.one, expected);
  assert.equal(session.refused, 'DeviceLost');
  assert.equal(session.rest, session.same);
  assert.equal(info.tier, 'base');
});

packageTest('OpenAI\'s chat completions', async ({ run }) => {
  const {
    again, whole, chunks, stopped, refused, aborted, cached,
  } = await run(async ({ bundled, Engine, outcome }) => {
    const engine = await Engine.create(await bundled());
    const { completions } = engine.chat;
    const messages = [{ role: 'user', content: [{ type: 'text', text: 'Tell me a story about a brave cat.' }] }];
    const request = { messages, temperature: 0, max_tokens: 24, seed: 3 };
    const whole = await completions.create(request);
    const chunks = [];
    const streaming = { ...request, stream: true, stream_options: { include_usage: true } };
    for await (const chunk of await completions.create(streaming)) chunks.push(chunk);
    const cached = chunks.at(-1).usage;
    const word = whole.choices[0].message.content.split(' ')[6];
    const stopped = await completions.create({ ...request, stop: [word] });
    const refused = {};
    for (const [name, value] of Object.entries({
      logprobs: true, tools: [{ type: 'function' }], n: 2, response_format: { type: 'json_object' }, unheard_of: 1,
    })) refused[name] = await outcome(completions.create({ ...request, [name]: value }));
    refused.messages = await outcome(completions.create({ messages: [] }));
    refused.temperature = await outcome(completions.create({ ...request, temperature: -1 }));
    const controller = new AbortController();
    const aborted = await outcome((async () => {
      const { signal } = controller;
      for await (const chunk of await completions.create({ ...streaming, max_tokens: 500 }, { signal })) {
        if (chunk.choices[0]?.delta.content) controller.abort();
      }
    })());
    // What comes after one that was given up is undisturbed.
    const again = await completions.create(request);
    await engine.dispose();
    return { again, whole, chunks, stopped: { word, ...stopped }, refused, aborted, cached };
  });
  const [choice] = whole.choices;
  assert.equal(whole.object, 'chat.completion');
  assert.equal(choice.finish_reason, 'length');
  assert.equal(whole.usage.completion_tokens, 24);
  assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + 24);
  assert.equal(whole.usage.prompt_tokens_details.cached_tokens, 0);
  assert.equal(chunks[0].choices[0].delta.role, 'assistant');
  assert.equal(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join(''), choice.message.content);
  assert.deepEqual(chunks.at(-2).choices[0], { index: 0, delta: {}, finish_reason: 'length', logprobs: null });
  assert.equal(cached.prompt_tokens, whole.usage.prompt_tokens);
  assert.equal(cached.prompt_tokens_details.cached_tokens, cached.prompt_tokens - 1, 'it is in the cache');
  assert.equal(stopped.choices[0].finish_reason, 'stop');
  const { content } = choice.message;
  assert.equal(stopped.choices[0].message.content, content.slice(0, content.indexOf(stopped.word)));
  for (const name of ['logprobs', 'tools', 'n', 'response_format', 'unheard_of']) {
    assert.equal(refused[name].kind, 'Unsupported', name);
    assert.match(refused[name].message, new RegExp(`Leave ${name} out`), name);
  }
  assert.equal(refused.messages.kind, 'InvalidSetting');
  assert.equal(refused.temperature.kind, 'InvalidSetting');
  assert.equal(aborted.kind, 'Aborted');
  assert.equal(again.choices[0].message.content, content);
});

packageTest('bad input is a typed error that says what to do', async ({ run, allow }) => {
  allow(/404/);
  const errors = await run(async ({ bundled, Model, outcome }) => {
    const bytes = await (await fetch('/models/llamita-stories.gguf')).arrayBuffer();
    const load = (source, options) => outcome(Model.load(source, { keep: false, ...options }).then((m) => m.dispose()));
    const spoiled = new Uint8Array(bytes.slice(0));
    spoiled.set([9, 9, 9, 9], 4);
    const errors = {
      bytes: await load(bytes, { maskLimits: 'phone' }),
      noModel: await load(new Blob(['<!doctype html><title>404</title>'.repeat(50)])),
      version: await load(new Blob([spoiled])),
      cut: await load(new File([bytes.slice(0, bytes.byteLength - 1000)], 'cut.gguf')),
      headerCut: await load(new File([bytes.slice(0, 5000)], 'header.gguf')),
      empty: await load(new Blob([])),
      missing: await load('/models/none.gguf'),
      memory: await load(bytes, { memory: 1_000_000 }),
      context: await load(bytes, { context: 5000 }),
      tier: await load(bytes, { tier: 'f17' }),
      f16: await load(bytes, { tier: 'f16' }),
      early: await load(bytes, { signal: AbortSignal.abort() }),
    };
    const controller = new AbortController();
    errors.late = await load(bytes, { signal: controller.signal, onProgress: () => controller.abort() });
    const model = await bundled({ context: 64 });
    const session = await model.session();
    const ask = (prompt, options) => outcome(session.reply(prompt, options).text());
    errors.long = await ask('cat '.repeat(400), {});
    errors.turn = await ask([{ role: 'user', content: 'cat '.repeat(400) }], {});
    errors.topP = await ask('Once', { topP: 2 });
    errors.unknown = await ask('Once', { tmperature: 1 });
    errors.role = await ask([{ role: 'a b', content: '' }], {});
    errors.stats = await outcome(session.reply('Once', { topP: 2 }).stats);
    errors.fine = await ask('Once', { temperature: 0, maxTokens: 3 });
    await session.dispose();
    errors.gone = await ask('Once', {});
    return errors;
  });
  const kinds = Object.fromEntries(Object.entries(errors).map(([name, { kind }]) => [name, kind]));
  assert.deepEqual(kinds, {
    bytes: undefined, noModel: 'BadModel', version: 'Unsupported', cut: 'BadModel', headerCut: 'BadModel',
    empty: 'BadModel', missing: 'Http', memory: 'OutOfMemory', context: 'InvalidSetting', tier: 'InvalidSetting',
    f16: 'NoWebGpu', early: 'Aborted', late: 'Aborted', long: 'ContextFull', turn: 'ContextFull',
    topP: 'InvalidSetting', unknown: 'InvalidSetting', role: 'InvalidSetting', stats: 'InvalidSetting',
    fine: undefined, gone: 'InternalError',
  });
  assert.equal(errors.missing.status, 404);
  assert.equal(errors.memory.had, 1_000_000);
  assert.ok(errors.memory.needed > 1_000_000);
  assert.equal(errors.long.context, 64);
  assert.ok(errors.long.prompt > 64 && errors.turn.prompt > 64);
  for (const [name, { kind, message, ours }] of Object.entries(errors)) {
    if (kind) assert.ok(ours && message.length > 20, `${name}: ${message}`);
  }
  assert.match(errors.cut.message, /cut\.gguf.*Choose a GGUF file/s);
  assert.match(errors.unknown.message, /tmperature/);
});

packageTest('without WebGPU there is an error, and the CPU', async ({ run }) => {
  const { refused, text, expected, info, kernels } = await run(async ({ bundled, outcome, device, runKernelCase }) => {
    const ask = async (model) => {
      const reply = (await model.session()).reply('Once upon a time', { temperature: 0, maxTokens: 12 });
      return reply.text();
    };
    const expected = await ask(await bundled());
    // A worker without navigator.gpu: it is taken away before the package's own module runs.
    const script = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    const take = script(`Object.defineProperty(WorkerNavigator.prototype, 'gpu', { value: undefined });`);
    const workerUrl = script(`import '${take}'; import '${location.origin}/llamita/worker.js';`);
    const place = { workerUrl, wasmUrl: '/llamita/llamita_bg.wasm' };
    const refused = await outcome(bundled(place));
    const model = await bundled({ ...place, device: 'cpu' });
    const kernels = await outcome(runKernelCase('no such case'));
    const info = { ...model.info, adapter: await device(place) };
    return { refused, text: await ask(model), expected, info, kernels };
  });
  assert.equal(refused.kind, 'NoWebGpu');
  assert.match(refused.message, /Use a browser with WebGPU/);
  assert.equal(text, expected);
  assert.equal(info.device, 'CPU');
  assert.equal(info.adapter.available, false);
  assert.equal(kernels.kind, 'InvalidSetting');
});

packageTest('the page is not held up, and nothing is made anew per token', async ({ run, log }) => {
  const { gaps, stalls, tasks, stats, before, after } = await run(async ({ bundled }) => {
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
    const model = await bundled();
    const session = await model.session();
    const prompt = 'One day a small cat went to the market. '.repeat(20);
    await session.reply(prompt, { temperature: 0, maxTokens: 10, ignoreEos: true }).text();
    const before = await model.counters();
    const reply = session.reply(' Then', { temperature: 0, maxTokens: 60, ignoreEos: true });
    await reply.text();
    watching = false;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return { gaps, stalls, tasks, stats: await reply.stats, before, after: await model.counters() };
  });
  const longest = (all) => Math.max(0, ...all).toFixed(0);
  const stalled = ([from, to]) => stalls.some(([begin, end]) => begin < to && end > from);
  const ours = gaps.filter((gap) => !stalled(gap)).map(([from, to]) => to - from);
  log(`the longest of ${ours.length} frames took ${longest(ours)} ms, of the page's tasks ${longest(tasks)} ms; `
    + `in ${gaps.length - ours.length} more the machine did other things`);
  assert.ok(ours.length > 20 && ours.length > gaps.length / 2, `${ours.length} of ${gaps.length} frames say something`);
  const late = ours.filter((ms) => ms > 50).length;
  assert.ok(late <= ours.length / 50, `${late} of ${ours.length} frames took more than 50 ms`);
  assert.equal(stats.generatedTokens, 60);
  assert.equal(after.bindGroups, before.bindGroups);
  // A token under way has a buffer of 16 bytes that it comes back in; up to four are under way, as the pace has it.
  const more = after.buffers - before.buffers;
  assert.ok(more <= 3, `${more} more buffers after 60 tokens`);
  assert.equal(after.allocated - before.allocated, 16 * more);
  const dispatches = (after.dispatches - before.dispatches) / stats.submits;
  assert.ok(dispatches > 20 && dispatches < 40, `${dispatches} dispatches per submit`);
});

packageTest('only what every phone has is asked of the device', async ({ run }) => {
  const asked = await run(async ({ bundled }) => {
    const script = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    const spy = script(`const { requestDevice } = GPUAdapter.prototype;
      GPUAdapter.prototype.requestDevice = function (descriptor) {
        const { requiredLimits = {}, requiredFeatures = [] } = descriptor ?? {};
        new BroadcastChannel('asked').postMessage({ limits: { ...requiredLimits }, features: [...requiredFeatures] });
        return requestDevice.call(this, descriptor);
      };`);
    const workerUrl = script(`import '${spy}'; import '${location.origin}/llamita/worker.js';`);
    const asked = new Promise((resolve) => {
      new BroadcastChannel('asked').onmessage = ({ data }) => resolve(data);
    });
    const model = await bundled({ workerUrl, wasmUrl: '/llamita/llamita_bg.wasm', maskLimits: 'phone' });
    await (await model.session()).reply('Once', { maxTokens: 3 }).text();
    return asked;
  });
  assert.deepEqual(asked.features, []);
  const most = {
    maxStorageBufferBindingSize: 128 << 20, maxBufferSize: 256 << 20, maxStorageBuffersPerShaderStage: 8,
    maxComputeInvocationsPerWorkgroup: 256, maxComputeWorkgroupStorageSize: 16 << 10,
    maxUniformBufferBindingSize: 64 << 10,
  };
  for (const [name, limit] of Object.entries(most)) {
    assert.ok(asked.limits[name] <= limit, `${name}: ${asked.limits[name]}`);
  }
});

packageTest('what draws tokens is compiled once, when an answer draws or nothing is asked for', async ({ run }) => {
  const compiled = await run(async ({ bundled }) => {
    const script = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    const spy = script(`const told = new BroadcastChannel('compiled');
      for (const name of ['createComputePipeline', 'createComputePipelineAsync']) {
        const plain = GPUDevice.prototype[name];
        GPUDevice.prototype[name] = function (descriptor) {
          if (/^sample/.test(descriptor.label)) told.postMessage(name);
          return plain.call(this, descriptor);
        };
      }`);
    const compiled = { loaded: 0 };
    let when = 'loaded';
    let told;
    new BroadcastChannel('compiled').onmessage = ({ data }) => {
      compiled[when] = (compiled[when] ?? 0) + (data === 'createComputePipelineAsync' ? 1 : 100);
      told?.();
    };
    const load = async () => {
      const workerUrl = script(`import '${spy}'; import '${location.origin}/llamita/worker.js';`);
      const model = await bundled({ workerUrl, wasmUrl: '/llamita/llamita_bg.wasm' });
      return model.session();
    };
    const ask = (session, temperature) => session.reply('Once', { maxTokens: 8, temperature, ignoreEos: true }).text();
    const session = await load();
    await ask(session, 0);
    when = 'drawn';
    await ask(session, 1);
    when = 'drawnAgain';
    await ask(session, 1);
    when = 'idle';
    const idle = new Promise((resolve) => { told = resolve; });
    await load();
    await idle;
    return compiled;
  });
  assert.deepEqual(compiled, { loaded: 0, drawn: 1, idle: 1 });
});

packageTest('a model is primed while it loads, by one run and by several', async ({ run }) => {
  const outcomes = await run(async ({ bundled }) => {
    const outcomes = [];
    for (const times of [1, 12]) {
      const content = 'You tell short stories. Every story has a happy end, and nobody is hurt in it. '.repeat(times);
      const system = { role: 'system', content };
      const messages = [system, { role: 'user', content: 'Tell me a story about a cat.' }];
      const ask = async (session) => {
        const reply = session.reply(messages, { temperature: 0, maxTokens: 30 });
        return { text: await reply.text(), stats: await reply.stats };
      };
      const model = await bundled();
      const expected = await ask(await model.session());
      await model.dispose();
      const primed = await bundled({ prime: [system] });
      const session = await primed.session();
      const held = session.state.tokens;
      outcomes.push({ times, held, expected, primed: await ask(session) });
      await primed.dispose();
    }
    return outcomes;
  });
  for (const { times, held, expected, primed } of outcomes) {
    assert.ok(held > 15 * times, `${held} tokens`);
    assert.equal(primed.text, expected.text);
    assert.ok(primed.stats.promptTokens <= expected.stats.promptTokens - held + 8,
      `${primed.stats.promptTokens} of ${expected.stats.promptTokens} tokens were computed, and ${held} were there`);
  }
  assert.ok(outcomes[1].held > 256, 'more than two runs');
});

packageTest('priming can be cancelled, and a device that is lost meanwhile is told of', async ({ run, allow }) => {
  allow(/device|lost|destroy/i);
  const { cancelled, lost, unprimed, after } = await run(async ({ bundled, outcome }) => {
    const system = { role: 'system', content: 'One day a small cat went to the market. '.repeat(40) };
    const prime = [system];
    const controller = new AbortController();
    const onProgress = ({ stage, loaded, total }) => {
      if (stage === 'load' && loaded > total / 4) controller.abort();
    };
    const cancelled = await outcome(bundled({ prime, signal: controller.signal, onProgress }));
    // A worker whose device goes with the eighth submit that has something in it: loading alone has none.
    const script = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    const spy = script(`const { requestDevice } = GPUAdapter.prototype;
      const { submit } = GPUQueue.prototype;
      let device;
      let count = 0;
      GPUAdapter.prototype.requestDevice = async function (...args) {
        return device = await requestDevice.apply(this, args);
      };
      GPUQueue.prototype.submit = function (commands) {
        submit.call(this, commands);
        if (commands.length > 0 && ++count === 8) device.destroy();
      };`);
    const workerUrl = script(`import '${spy}'; import '${location.origin}/llamita/worker.js';`);
    const place = { workerUrl, wasmUrl: '/llamita/llamita_bg.wasm' };
    const unprimed = await outcome(bundled(place).then(() => 'loaded'));
    const lost = await outcome(bundled({ ...place, prime }));
    const session = await (await bundled({ prime })).session();
    const after = session.state.tokens;
    return { cancelled, lost, unprimed, after };
  });
  assert.equal(cancelled.kind, 'Aborted');
  assert.equal(unprimed.value, 'loaded');
  assert.equal(lost.kind, 'DeviceLost');
  assert.ok(lost.ours && lost.message.length > 20);
  assert.ok(after > 256, `${after} tokens`);
});
