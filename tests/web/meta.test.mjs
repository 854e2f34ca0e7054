// Meta's checkpoints by the npm package: weights, params.json and the tokenizer, from files, addresses and repositories.
import assert from 'node:assert/strict';
import { faultServer, hashOf, noise } from './faults.mjs';
import { browserTest } from './harness.mjs';
import { content, FILES, GREEDY, half, inFolder, overlapping } from './meta.mjs';
import { packageTest } from './package.mjs';
import { until } from './page.mjs';
import { workbench } from './workbench.mjs';

const CHUNK = 8 << 20;
const WEIGHTS = 'consolidated.00.pth';
const NAMES = [WEIGHTS, 'params.json', 'tokenizer.model'];
const { prompt, max_tokens: maxTokens } = GREEDY;

/** Loads a source and writes on; what is known of the model comes with it. */
const write = async ({ Model }, { source, options, prompt, maxTokens }) => {
  const model = await Model.load(source, options);
  const session = await model.session();
  const text = await session.reply(prompt, { temperature: 0, maxTokens, ignoreEos: true }).text();
  const { info } = model;
  await model.dispose();
  return { text, info };
};

/** The same with files that are made of these bytes. */
const writeFiles = async (lib, { files, ...rest }) => {
  const made = files.map(([name, text]) => new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name));
  const { Model } = lib;
  const model = await Model.load(made.length === 1 ? made[0] : made, {});
  const session = await model.session();
  const text = await session.reply(rest.prompt, { temperature: 0, maxTokens: rest.maxTokens, ignoreEos: true }).text();
  await model.dispose();
  return text;
};
const given = (files) => Object.entries(files).map(([name, bytes]) => [name, bytes.toString('base64')]);

packageTest('the files in any order write what the same weights in GGUF write natively', async ({ run }) => {
  const files = given(FILES);
  for (const order of [files, [...files].reverse()]) {
    assert.equal(await run(writeFiles, { files: order, prompt, maxTokens }), GREEDY.text);
  }
  const renamed = files.map(([name, bytes]) => [name.replace('consolidated.00', 'mine'), bytes]);
  assert.equal(await run(writeFiles, { files: renamed, prompt, maxTokens }), GREEDY.text);
});

packageTest('files that are not all of one model are refused with what to do', async ({ run }) => {
  const all = Object.entries(FILES);
  const without = (name) => Object.fromEntries(all.filter(([one]) => one !== name));
  const refused = async (files, message) => {
    const outcome = run(async (lib, args) => lib.outcome(lib.load(lib, args)), { files: given(files), prompt, maxTokens });
    const { kind, message: said } = await outcome;
    assert.match(said, message);
    return kind;
  };
  await run(`(lib) => { lib.load = ${writeFiles}; }`);
  assert.equal(await refused({ [WEIGHTS]: FILES[WEIGHTS] }, /consolidated.00.pth: its params.json is missing. Put params.json of the same download beside it/), 'BadModel');
  await refused(without('params.json'), /its params.json is missing/);
  await refused(without('tokenizer.model'), /its tokenizer.model is missing. Put tokenizer.model or tokenizer.json/);
  await refused(without(WEIGHTS), /its weights are missing. Open it together with the consolidated.00.pth/);
  await refused({ ...FILES, 'model.safetensors': half }, /consolidated.00.pth and model.safetensors are both weights/);
  assert.equal(await refused({ ...FILES, 'consolidated.01.pth': half }, /is one of 2 files that share every tensor/), 'Unsupported');
  await refused({ ...FILES, [WEIGHTS]: half }, /its end is missing; was the file downloaded or copied to the end/);
  assert.equal(await refused({ ...FILES, [WEIGHTS]: overlapping() }, /consolidated.00.pth is not a valid PyTorch file: the entry .* passes byte 0, where what follows begins/), 'BadModel');
  await refused({ ...FILES, 'params.json': Buffer.from('{"dim": 64') }, /params.json/);
});

packageTest('at an address the files beside the weights are found, read by ranges, and kept together', async ({ run }) => {
  const server = await faultServer(inFolder('/Tiny-Meta/original'));
  try {
    const source = `${server.origin}/Tiny-Meta/original/${WEIGHTS}`;
    const { text, info } = await run(write, { source, options: { keep: false }, prompt, maxTokens });
    assert.equal(text, GREEDY.text);
    assert.deepEqual([info.name, info.format], ['Tiny-Meta', 'PyTorch']);
    assert.ok(server.record.requests.every(({ range }) => range), 'each asks for a range');
    const list = async ({ ModelStore }) => (await ModelStore.open()).list();
    assert.deepEqual(await run(list), []);

    assert.equal((await run(write, { source, prompt, maxTokens })).text, GREEDY.text);
    const [{ id, name, parts, files, complete, sha256, from, size }, ...others] = await run(list);
    const total = Object.values(FILES).reduce((sum, { length }) => sum + length, 0);
    assert.deepEqual({ name, parts, files, complete, sha256, from, size, others }, {
      name: `Tiny-Meta/${WEIGHTS}`, parts: 3, files: NAMES.map((name) => `Tiny-Meta/${name}`), complete: true, sha256: null,
      from: { url: source }, size: total, others: [],
    });
    await server.close();
    for (const kept of [source, { stored: id }]) {
      assert.equal((await run(write, { source: kept, prompt, maxTokens })).text, GREEDY.text);
    }
  } finally {
    await server.close();
  }
});

browserTest('a token goes with every request of a repository, and a tokenizer.json is taken where there is nothing else', async ({ page, origin, allow }) => {
  allow(/404/);
  const names = [WEIGHTS, 'params.json', 'tokenizer.json'];
  const files = Object.fromEntries(names.map((name, i) => [`/owner/Tiny/original/${name}`, noise(100_000 + i, i)]));
  const server = await faultServer(files);
  try {
    const bench = await workbench(page, origin);
    const spec = { repo: 'owner/Tiny', file: `original/${WEIGHTS}`, endpoint: server.origin, token: 'hf_mine' };
    for (const keep of [false, true]) {
      server.reset();
      const parts = await bench(async ({ openSource, hashOf }, [spec, keep]) => {
        const source = await openSource(spec, { keep });
        await hashOf(source);
        await source.finished;
        source.close();
        return source.parts.map(({ name }) => name);
      }, [spec, keep]);
      assert.deepEqual(parts, names.map((name) => `Tiny/${name}`));
      const { requests } = server.record;
      assert.ok(requests.length >= 7, `${requests.length} requests`);
      assert.deepEqual(requests.filter(({ authorization }) => authorization !== 'Bearer hf_mine'), []);
    }
    const [{ files: stored, from }] = await bench(async ({ Store }) => (await Store.open()).list());
    assert.equal(stored.length, 3);
    assert.deepEqual(from, { repo: spec.repo, file: spec.file, endpoint: spec.endpoint }, 'nothing secret is kept');
  } finally {
    await server.close();
  }
});

browserTest('what is missing beside the weights is told, and nothing is stored', async ({ page, origin, allow }) => {
  allow(/404/);
  const server = await faultServer({ '/a/w.pth': noise(1000), '/b/w.safetensors': noise(1000), '/b/params.json': noise(100) });
  try {
    const bench = await workbench(page, origin);
    for (const [path, message] of [['a/w.pth', /a\/w.pth: its params.json is missing/], ['b/w.safetensors', /its tokenizer.model is missing. Put tokenizer.model or tokenizer.json/]]) {
      for (const keep of [true, false]) {
        const opened = bench(async ({ openSource }, [url, keep]) => { await openSource({ url }, { keep }); }, [`${server.origin}/${path}`, keep]);
        await assert.rejects(opened, { kind: 'Http', message });
      }
    }
    assert.deepEqual(await bench(async ({ Store }) => (await Store.open()).list()), []);
  } finally {
    await server.close();
  }
});

browserTest('a download that was cut goes on where it stopped, with every file', async ({ page, origin }) => {
  const files = { [WEIGHTS]: noise(5 * CHUNK), 'params.json': noise(300, 2), 'tokenizer.model': noise(5000, 3) };
  const rules = { pauseAt: CHUNK + 2_000_000 };
  const server = await faultServer(Object.fromEntries(NAMES.map((name) => [`/Tiny/${name}`, files[name]])), rules);
  const whole = async (name) => files[name].read(0, files[name].size);
  const all = content(Buffer.concat(await Promise.all(NAMES.map(whole))));
  const url = `${server.origin}/Tiny/${WEIGHTS}`;
  const stored = async ({ Store }) => (await Store.open()).list();
  try {
    const first = await workbench(page, origin);
    await first(async ({ openSource, held }, url) => { held.source = await openSource({ url }); }, url);
    // The small ones come first: they say what is in the large one.
    await until('a chunk is stored, and the others are', async () => (await first(stored))[0]?.stored === CHUNK + 5300);
    await page.close();
    const again = await page.context().newPage();
    server.reset();
    rules.pauseAt = undefined;
    const bench = await workbench(again, origin);
    const hash = await bench(async ({ openSource, hashOf }, url) => {
      const source = await openSource({ url });
      const hash = await hashOf(source);
      await source.finished;
      source.close();
      return hash;
    }, url);
    assert.equal(hash, await hashOf(all));
    const asked = server.record.requests.filter(({ range }) => range && range !== 'bytes=0-0');
    const ranges = [[CHUNK, 3 * CHUNK], [3 * CHUNK, 5 * CHUNK]].map(([begin, end]) => `bytes=${begin}-${end < 5 * CHUNK ? end - 1 : ''}`);
    assert.deepEqual(asked.map(({ path, range }) => `${path} ${range}`), ranges.map((range) => `/Tiny/${WEIGHTS} ${range}`));
    assert.equal((await bench(stored))[0].complete, true);
  } finally {
    await server.close();
  }
});

browserTest('small reads run side by side, and do not wait for a download that is far behind them', async ({ page, origin }) => {
  const weights = noise(6 * CHUNK);
  const rules = {};
  const server = await faultServer({ '/Tiny/w.pth': weights, '/Tiny/params.json': noise(300, 2), '/Tiny/tokenizer.model': noise(5000, 3) }, rules);
  const places = Array.from({ length: 20 }, (_, i) => (i * 2_333_333 + 1_500_000) % (weights.size - 1000));
  const expected = await Promise.all(places.map(async (at) => (await weights.read(at, at + 100)).toString('hex')));
  try {
    const bench = await workbench(page, origin);
    const read = async ({ openSource }, [url, places, keep]) => {
      const source = await openSource({ url }, { keep });
      const all = await Promise.all(places.map((at) => source.read(at, 100)));
      await source.read(0, 1_000_000);
      await source.finished;
      source.close?.();
      return all.map((bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(''));
    };
    const url = `${server.origin}/Tiny/w.pth`;
    assert.deepEqual(await bench(read, [url, places, false]), expected, 'from a server');
    const asked = server.record.requests.map(({ range }) => range);
    assert.ok(places.every((at) => asked.includes(`bytes=${at}-${at + 99}`)), 'each is a request of its own');

    rules.pauseAt = 1_000_000;
    server.reset();
    const last = Math.max(...places);
    const reading = bench(read, [url, [last], true]);
    await until('it is asked for', () => server.record.requests.some(({ range }) => range === `bytes=${last}-${last + 99}`));
    rules.pauseAt = undefined;
    assert.deepEqual(await reading, [expected[places.indexOf(last)]], 'while it is stored');
    assert.deepEqual(await bench(read, [url, places, true]), expected, 'from the store');
  } finally {
    await server.close();
  }
});
