// The npm package in a page: models, sessions, OpenAI's shape, errors.
import assert from 'node:assert/strict';
import { checkGreedy } from './greedy.mjs';
import { browserTest } from './harness.mjs';
import { packageTest } from './package.mjs';

// What is made for GPUs takes SwiftShader many times as long; Firefox writes the whole texts by it.
for (const [plan, most] of [['auto'], ['gpu', 48]]) {
  browserTest(`greedy text in the plan ${plan} is that of the native command, and of NumPy`, async (stage) => {
    const info = await checkGreedy(stage, { plan }, most);
    assert.deepEqual([info.plan, info.tier], [plan === 'auto' ? 'swiftshader' : plan, 'base']);
  });
}

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
  // Counted beforehand and allocated: the weights, and a first session, which has not grown to its context.
  const { weights, kv, scratch } = info.bytes;
  assert.ok(counters.allocated >= weights * 0.99 && counters.allocated < (weights + kv + scratch) * 1.05,
    `${counters.allocated} bytes of ${weights} + ${kv} + ${scratch}`);
  assert.equal(info.software, true);
  assert.deepEqual(info.types, ['Q4_0', 'Q8_0']);
  assert.deepEqual([inspected.tier, inspected.device, inspected.software], [null, null, null]);
});

for (const plan of ['auto', 'gpu']) {
  packageTest(`what is counted of a file in the plan ${plan} is what the loaded model has`, async ({ run }) => {
    const [counted, loaded] = await run(async ({ bundled, Model }, options) => {
      const counted = await Model.inspect('/models/llamita-stories.gguf', options);
      return [counted, (await bundled(options)).info];
    }, { context: 600, plan });
    const rest = ({ tier, device, software, ...rest }) => rest;
    assert.deepEqual(rest(counted), rest(loaded));
    assert.ok(loaded.kernels.some((name) => name.includes('Q4_0') || name.includes('q4_0')), loaded.kernels.join());
  });
}

packageTest('the first answer finds every kernel compiled', async ({ run }) => {
  const made = await run(async ({ bundled, spied }) => {
    const count = new BroadcastChannel('pipelines');
    const asked = (word) => new Promise((resolve) => {
      count.onmessage = ({ data }) => resolve(data);
      count.postMessage(word);
    });
    const place = spied(`
      const { createComputePipeline } = GPUDevice.prototype;
      const channel = new BroadcastChannel('pipelines');
      let made = 0;
      GPUDevice.prototype.createComputePipeline = function (descriptor) {
        if (!descriptor.label.startsWith('sample')) made += 1;
        return createComputePipeline.call(this, descriptor);
      };
      channel.onmessage = () => channel.postMessage(made);`);
    const model = await bundled(place);
    const session = await model.session();
    const loaded = await asked('loaded');
    const messages = [{ role: 'user', content: 'Tell me a long story about a brave cat and a dog.' }];
    await session.reply(messages, { temperature: 0, maxTokens: 20 }).text();
    return { loaded, answered: await asked('answered'), tokens: session.state.tokens };
  });
  assert.ok(made.loaded > 5, `${made.loaded} pipelines`);
  assert.ok(made.tokens > 20, `${made.tokens} tokens`);
  assert.equal(made.answered, made.loaded, 'the answer asks for none');
});

packageTest('tokens are counted as a reply takes them', async ({ run }) => {
  const texts = ['Once upon a time there was a brave cat.', 'años, 日本, 😀 and <|eot_id|>', 'x'];
  const found = await run(async ({ bundled }, texts) => {
    const model = await bundled();
    const session = await model.session();
    const all = [];
    for (const text of texts) {
      await session.reset();
      const reply = session.reply(text, { temperature: 0, maxTokens: 1 });
      await reply.text();
      all.push([await model.countTokens(text), (await reply.stats).promptTokens]);
    }
    return { all, none: await model.countTokens('') };
  }, texts);
  assert.equal(found.none, 0);
  // A prompt begins with one token more, the beginning of the text; what a user spells is no control token there either.
  for (const [i, [counted, taken]] of found.all.entries()) assert.equal(counted, taken - 1, `${texts[i]}: ${found.all[i]}`);
});

packageTest('a second turn takes its beginning from the cache', async ({ run }) => {
  const { first, second, changed } = await run(async ({ bundled }) => {
    const session = await (await bundled()).session();
    const ask = async (messages) => {
      const reply = session.reply(messages, { temperature: 0, maxTokens: 30 });
      const pieces = [];
      for await (const piece of reply) pieces.push(piece);
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
    assert.equal(pieces.join(''), text);
    assert.ok(pieces.length > 10 && pieces.every((piece) => piece !== ''));
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

packageTest('OpenAI\'s chat completions', async ({ run }) => {
  const {
    again, whole, chunks, stopped, refused, aborted, cached,
  } = await run(async ({ bundled, Engine, outcome, hold }) => {
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
    const { release } = await hold(8);
    const aborted = await outcome((async () => {
      const { signal } = controller;
      for await (const chunk of await completions.create({ ...streaming, max_tokens: 500 }, { signal })) {
        if (chunk.choices[0]?.delta.content) controller.abort();
      }
    })());
    release();
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
    f16: 'NoWebGpu', early: 'Aborted', long: 'ContextFull', turn: 'ContextFull',
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
  assert.match(errors.cut.message, /cut\.gguf.*Choose another file/s);
  assert.match(errors.unknown.message, /tmperature/);
});

packageTest('without WebGPU there is an error, and the CPU', async ({ run }) => {
  const { refused, text, expected, info, kernels } = await run(async ({ bundled, outcome, device, runKernelCase, spied }) => {
    const ask = async (model) => {
      const reply = (await model.session()).reply('Once upon a time', { temperature: 0, maxTokens: 12 });
      return reply.text();
    };
    const expected = await ask(await bundled());
    // A worker without navigator.gpu: it is taken away before the package's own module runs.
    const place = spied(`Object.defineProperty(WorkerNavigator.prototype, 'gpu', { value: undefined });`);
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

packageTest('only what every phone has is asked of the device', async ({ run }) => {
  const asked = await run(async ({ bundled, spied }) => {
    const place = spied(`const { requestDevice } = GPUAdapter.prototype;
      GPUAdapter.prototype.requestDevice = function (descriptor) {
        const { requiredLimits = {}, requiredFeatures = [] } = descriptor ?? {};
        new BroadcastChannel('asked').postMessage({ limits: { ...requiredLimits }, features: [...requiredFeatures] });
        return requestDevice.call(this, descriptor);
      };`);
    const asked = new Promise((resolve) => {
      new BroadcastChannel('asked').onmessage = ({ data }) => resolve(data);
    });
    const model = await bundled({ ...place, maskLimits: 'phone' });
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
  const compiled = await run(async ({ bundled, spied }) => {
    // A worker that tells of it, and for which a second has passed when the test says so.
    const spy = `const told = new BroadcastChannel('compiled');
      for (const name of ['createComputePipeline', 'createComputePipelineAsync']) {
        const plain = GPUDevice.prototype[name];
        GPUDevice.prototype[name] = function (descriptor) {
          if (/^sample/.test(descriptor.label)) told.postMessage(name);
          return plain.call(this, descriptor);
        };
      }
      const { setTimeout, clearTimeout } = self;
      let idle;
      self.setTimeout = (work, ms, ...args) => ms === 1000 ? (idle = work, -1) : setTimeout(work, ms, ...args);
      self.clearTimeout = (timer) => timer === -1 ? idle = undefined : clearTimeout(timer);
      told.onmessage = () => idle();`;
    const compiled = { loaded: 0 };
    let when = 'loaded';
    let told;
    const channel = new BroadcastChannel('compiled');
    channel.onmessage = ({ data }) => {
      compiled[when] = (compiled[when] ?? 0) + (data === 'createComputePipelineAsync' ? 1 : 100);
      told?.();
    };
    const load = async () => (await bundled(spied(spy))).session();
    const ask = (session, temperature) => session.reply('Once', { maxTokens: 8, temperature, ignoreEos: true }).text();
    const session = await load();
    await ask(session, 0);
    when = 'drawn';
    await ask(session, 1);
    when = 'drawnAgain';
    await ask(session, 1);
    when = 'loadedAgain';
    await load();
    when = 'idle';
    const idle = new Promise((resolve) => { told = resolve; });
    channel.postMessage('a second has passed');
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

