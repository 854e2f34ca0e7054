// The npm package in a page: what may happen during a load or an answer, which is held meanwhile.
import assert from 'node:assert/strict';
import { fileContent, faultServer } from './faults.mjs';
import { BUNDLED } from './browser.mjs';
import { packageTest } from './package.mjs';

packageTest('pieces come while the answer is made', async ({ run }) => {
  const { early, text, stats } = await run(async ({ bundled, hold }) => {
    const session = await (await bundled()).session();
    const answer = await hold(9);
    const reply = session.reply('Once upon a time', { temperature: 0, maxTokens: 30, ignoreEos: true });
    await answer.held(reply);
    let early = '';
    for await (const piece of reply) {
      early += piece;
      if (reply.generatedTokens === 9) answer.release();
    }
    return { early, text: await reply.text(), stats: await reply.stats };
  });
  // It ended, and so the ninth token came when no later one could.
  assert.equal(early, text);
  assert.equal(stats.generatedTokens, 30);
});

packageTest('cancelling ends a prompt and an answer soon, and the session goes on', async ({ run }) => {
  const { prefill, decode, broken, aborted, after, expected } = await run(async ({ bundled, hold }) => {
    const model = await bundled();
    const session = await model.session();
    const cancelled = async (tokens, prompt, options, cancel) => {
      const answer = await hold(tokens);
      const reply = session.reply(prompt, { temperature: 0, maxTokens: 900, ignoreEos: true, ...options });
      const pieces = [];
      const read = (async () => {
        for await (const piece of reply) {
          pieces.push(piece);
          if (cancel === undefined && reply.generatedTokens === tokens) break;
        }
      })();
      if (cancel) {
        await answer.held(reply);
        cancel(reply);
      }
      // It is held still: nothing that the device does is waited for.
      await read;
      const stats = await reply.stats;
      answer.release();
      await session.reset();
      return { pieces: pieces.length, stats };
    };
    const prefill = await cancelled(0, 'One day a small cat went to the market. '.repeat(60), {}, (reply) => reply.cancel());
    const decode = await cancelled(5, 'Once', {}, (reply) => reply.cancel());
    const controller = new AbortController();
    const aborted = await cancelled(5, 'Once', { signal: controller.signal }, () => controller.abort());
    const broken = await cancelled(5, 'Once', {});
    // A fresh session and this one say the same.
    const ask = (session) => session.reply('Once upon a time', { temperature: 0, maxTokens: 40 }).text();
    const after = await ask(session);
    return { prefill, decode, broken, aborted, after, expected: await ask(await model.session()) };
  });
  assert.deepEqual([prefill.pieces, prefill.stats.generatedTokens], [0, 0], 'it ended within the prompt');
  for (const { stats, pieces } of [decode, aborted, broken]) {
    assert.ok(pieces > 1 && pieces <= 5, `${pieces} pieces`);
    assert.equal(stats.generatedTokens, 5);
  }
  for (const { stats } of [prefill, decode, aborted, broken]) assert.equal(stats.stopReason, 'cancelled');
  assert.equal(after, expected);
});

packageTest('a lost device: the answer goes on with the same text', async ({ run }) => {
  const { expected, ids, drawn, replies, session, lost, info } = await run(async ({ bundled, hold, DeviceLost }) => {
    const model = await bundled();
    const ask = (session, temperature) =>
      session.reply('Once upon a time', { temperature, seed: 11, maxTokens: 48, ignoreEos: true });
    const whole = ask(await model.session(), 0);
    const expected = await whole.text();
    const ids = whole.tokenIds;
    const drawn = await ask(await model.session(), 1).text();
    const lost = [];
    /** Loses the device after so many tokens, and goes on in one of the two ways. */
    const interrupted = async (temperature, after, way) => {
      const session = await model.session();
      const answer = await hold(after);
      const reply = ask(session, temperature);
      model.lost.then((error) => lost.push([error.kind, error instanceof DeviceLost]));
      let text = '';
      let errors = 0;
      const read = async (from) => { for await (const piece of from) text += piece; };
      const failed = read(reply).then(() => undefined, (error) => error);
      await answer.held(reply);
      await model.destroyDevice();
      answer.release();
      const error = await failed;
      if (!(error instanceof DeviceLost) || !reply.suspended) throw error ?? new Error('it missed nothing');
      errors += 1;
      const generated = reply.generatedTokens;
      if (way === 'session') await session.resume();
      await read(reply.resume());
      return { text, ids: reply.tokenIds, errors, after, generated, whole: await reply.text(), stats: await reply.stats };
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
    return { expected, ids, drawn, replies, session: { one, refused, rest, same }, lost, info: model.info };
  });
  assert.notEqual(expected, drawn);
  assert.equal(ids.length, 48);
  for (const [i, { text, errors, after, generated, whole, stats }] of replies.entries()) {
    assert.equal(text, i === 2 ? drawn : expected, `reply ${i}`);
    assert.deepEqual([errors, generated, whole, stats.stopReason], [1, after, text, 'length'], `reply ${i}`);
    if (i !== 2) assert.deepEqual(replies[i].ids, ids, `reply ${i}`);
  }
  assert.deepEqual(lost, replies.map(() => ['DeviceLost', true]));
  assert.equal(session.one, expected);
  assert.equal(session.refused, 'DeviceLost');
  assert.equal(session.rest, session.same);
  assert.equal(info.tier, 'base');
});

packageTest('after a lost device a session that was asked twice, and an engine, go on', async ({ run }) => {
  const { expected, texts, whole, failed, next } = await run(async ({ bundled, hold, Engine, outcome }) => {
    const model = await bundled();
    const settings = { temperature: 0, maxTokens: 24, ignoreEos: true };
    const alone = await model.session();
    const expected = [await alone.reply('Once upon a time', settings).text(), await alone.reply(' and', settings).text()];
    const session = await model.session();
    const answer = await hold(7);
    const replies = [session.reply('Once upon a time', settings), session.reply(' and', settings)];
    await answer.held(replies[0]);
    await model.destroyDevice();
    answer.release();
    await outcome(replies[0].text());
    await session.resume();
    const texts = await Promise.all(replies.map((reply) => reply.text()));

    const engine = await Engine.create(model);
    const ask = async () => {
      const request = { messages: [{ role: 'user', content: 'Hello' }], temperature: 0, max_tokens: 12 };
      return (await engine.chat.completions.create(request)).choices[0].message.content;
    };
    const whole = await ask();
    await model.destroyDevice();
    await model.lost;
    const failed = (await outcome(ask())).kind;
    return { expected, texts, whole, failed, next: await outcome(ask()) };
  });
  assert.deepEqual(texts, expected);
  assert.deepEqual([failed, next], ['DeviceLost', { value: whole }]);
});

packageTest('a model that is disposed of ends what its sessions do', async ({ run }) => {
  const { ways, pieces, again } = await run(async ({ bundled, hold, DeviceLost, outcome }) => {
    const ask = (session) => session.reply('Once upon a time', { temperature: 0, maxTokens: 48, ignoreEos: true });
    const ended = async (reply) => [await outcome(reply.text()), (await reply.stats).stopReason, reply.suspended];
    const ways = {};

    // An answer that waits to be resumed, and one that waits for it.
    let model = await bundled();
    let session = await model.session();
    let answer = await hold(7);
    let reply = ask(session);
    await answer.held(reply);
    await model.destroyDevice();
    answer.release();
    const lost = await reply.text().then(() => undefined, (error) => error);
    if (!(lost instanceof DeviceLost) || !reply.suspended) throw lost ?? new Error('it missed nothing');
    const pieces = reply.generatedTokens;
    await model.dispose();
    ways.waiting = await ended(reply);
    ways.used = await outcome(session.reply('Once', { maxTokens: 1 }).text());
    ways.twice = await outcome(model.dispose());

    // One that is being computed, behind which another waits.
    model = await bundled();
    session = await model.session();
    answer = await hold(5);
    reply = ask(session);
    await answer.held(reply);
    const behind = outcome(ask(session).text());
    const gone = model.dispose();
    answer.release();
    await gone;
    ways.running = [await outcome(reply.stats.then((stats) => stats.stopReason)), reply.suspended];
    ways.behind = await behind;

    // And while a session resumes.
    model = await bundled();
    session = await model.session();
    await model.destroyDevice();
    await model.lost;
    const both = [outcome(session.resume()), outcome(model.resume())];
    await model.dispose();
    ways.resumed = await Promise.all(both);

    model = await bundled();
    const again = (await ask(await model.session()).text()).length;
    await model.dispose();
    return { ways, pieces, again };
  });
  assert.equal(pieces, 7);
  const [{ value: text }, ...rest] = ways.waiting;
  assert.ok(text.length > 0, 'the text that came stays');
  assert.deepEqual(rest, ['error', false], 'the device was lost, and nobody resumes it');
  assert.match(ways.used.message, /was disposed of/);
  assert.deepEqual(ways.twice, { value: undefined });
  assert.deepEqual(ways.running, [{ value: 'cancelled' }, false]);
  assert.equal(ways.behind.kind, 'Aborted');
  assert.deepEqual(ways.resumed.map(({ kind }) => kind), ['Aborted', 'Aborted']);
  assert.ok(again > 0);
});

packageTest('a load can be given up while its file is on the way', async ({ run }) => {
  const content = await fileContent(BUNDLED);
  // The last byte never comes.
  const server = await faultServer({ '/model.gguf': content }, { pauseAt: content.size - 1 });
  try {
    const { kind, loaded } = await run(async ({ Model, outcome }, url) => {
      const controller = new AbortController();
      let loaded = 0;
      const onProgress = (step) => {
        loaded = step.loaded;
        controller.abort();
      };
      const { kind } = await outcome(Model.load(url, { keep: false, signal: controller.signal, onProgress }));
      return { kind, loaded };
    }, `${server.origin}/model.gguf`);
    assert.equal(kind, 'Aborted');
    assert.ok(loaded < content.size, `${loaded} of ${content.size} bytes`);
  } finally {
    await server.close();
    await content.close();
  }
});

packageTest('priming can be cancelled, and a device that is lost meanwhile is told of', async ({ run, allow }) => {
  allow(/device|lost|destroy/i);
  const { cancelled, loaded, lost, unprimed, after } = await run(async ({ bundled, device, hold, outcome, spied }) => {
    const system = { role: 'system', content: 'One day a small cat went to the market. '.repeat(40) };
    const prime = [system];
    const controller = new AbortController();
    await device(); // The worker has started.
    const load = await hold(0, 'load');
    let loaded;
    const onProgress = (step) => { loaded = step.loaded / step.total; };
    const loading = outcome(bundled({ prime, signal: controller.signal, onProgress }));
    await load.held();
    controller.abort();
    const cancelled = await loading;
    load.release();
    // A worker whose device goes with the eighth submit that has something in it: loading alone has none.
    const place = spied(`const { requestDevice } = GPUAdapter.prototype;
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
    const unprimed = await outcome(bundled(place).then(() => 'loaded'));
    const lost = await outcome(bundled({ ...place, prime }));
    const session = await (await bundled({ prime })).session();
    const after = session.state.tokens;
    return { cancelled, loaded, lost, unprimed, after };
  });
  assert.equal(cancelled.kind, 'Aborted');
  assert.ok(loaded > 0, `${loaded} of the file was loaded`);
  assert.equal(unprimed.value, 'loaded');
  assert.equal(lost.kind, 'DeviceLost');
  assert.ok(lost.ours && lost.message.length > 20);
  assert.ok(after > 256, `${after} tokens`);
});
