// The model store and the downloads into it, against a server that misbehaves.
import assert from 'node:assert/strict';
import { browserTest } from './harness.mjs';
import { faultServer, hashOf, noise } from './faults.mjs';
import { until } from './page.mjs';
import { workbench } from './workbench.mjs';

const CHUNK = 8 << 20;
const FIRST = `bytes=0-${2 * CHUNK - 1}`; // The ranges that make up a whole download.
const SECOND = `bytes=${2 * CHUNK}-`;
const SIZE = 2 * CHUNK + 4_000_001;
const content = noise(SIZE);
const hash = await hashOf(content);
const FAILED_LOAD = /Failed to load resource|CORS policy/;

/** A test with a server of its own for `/model.gguf`, and a worker that has the package's modules. */
function storeTest(name, body, { options = {}, rules = {}, before } = {}) {
  browserTest(name, options, async (stage) => {
    const server = await faultServer({ '/model.gguf': content, '/owner/name/model.gguf': content }, rules);
    stage.allow(FAILED_LOAD); // The browser says so of every answer that the server was told to refuse.
    try {
      const bench = await workbench(stage.page, stage.origin, before);
      await body({ ...stage, server, bench, url: `${server.origin}/model.gguf` });
    } finally {
      await server.close();
    }
  });
}

/** Loads all of a model and gives its hash. */
const loadAll = async ({ openSource, hashOf, held }, spec) => {
  const source = held.source = await openSource(spec);
  const hash = await hashOf(source);
  await source.finished;
  source.close();
  return hash;
};
/** The same without storing it. */
const loadDirect = async ({ openSource, hashOf }, spec) => hashOf(await openSource(spec, { keep: false }));
const list = async ({ Store }) => (await Store.open()).list();
const ranged = ({ record }) => record.requests.filter(({ range }) => range !== 'bytes=0-0');

storeTest('the streamed hash is the hash', async ({ bench }) => {
  const faults = await bench(async ({ Sha256, sha256 }) => {
    const bytes = crypto.getRandomValues(new Uint8Array(10_000));
    const faults = [];
    for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 9999]) {
      const expected = await sha256(bytes.slice(0, length));
      for (const step of [1, 7, 64, 100, 10_000]) {
        const hash = new Sha256();
        for (let at = 0; at < length; at += step) hash.update(bytes.subarray(at, Math.min(at + step, length)));
        if (hash.digest() !== expected) faults.push(`${length} by ${step}`);
      }
    }
    const begun = new Sha256().update(bytes.subarray(0, 6400)).state();
    const whole = Sha256.from(begun, 6400).update(bytes.subarray(6400)).digest();
    if (whole !== await sha256(bytes)) faults.push('gone on with');
    return faults;
  });
  assert.deepEqual(faults, []);
});

storeTest('a download is stored, and loaded again without a request', async ({ bench, server, url }) => {
  assert.equal(await bench(loadAll, { url }), hash);
  const [{ size, stored, complete, sha256, from }, ...others] = await bench(list);
  assert.deepEqual({ size, stored, complete, sha256, from, others },
    { size: SIZE, stored: SIZE, complete: true, sha256: hash, from: { url }, others: [] });
  server.reset();
  assert.equal(await bench(loadAll, { url: `${url}#again` }), hash);
  const [{ id }] = await bench(list);
  assert.equal(await bench(loadAll, { stored: id }), hash);
  assert.deepEqual(server.record.requests, []);
});

storeTest('what has come is read while the rest is on its way', async ({ bench, server, url }) => {
  await bench(async ({ openSource, held }, spec) => { held.source = await openSource(spec); }, { url });
  const read = ([begin, end]) => bench(async ({ held: { source } }, [begin, end]) => {
    for (let at = begin; at < end; at += 1_000_000) await source.read(at, Math.min(1_000_000, end - at));
  }, [begin, end]);
  // What comes later is not sent before all that came is read.
  for (let at = 0; at < SIZE; at = server.rules.pauseAt ?? SIZE) {
    server.rules.pauseAt = at + 3_000_000 < SIZE ? at + 3_000_000 : undefined;
    await read([at, server.rules.pauseAt ?? SIZE]);
  }
  const whole = await bench(async ({ held: { source }, hashOf }) => {
    await source.finished;
    return hashOf(source);
  });
  assert.equal(whole, hash);
});

storeTest('a line that is cut again and again', async ({ bench, server, url }) => {
  server.rules.cutAfter = 3_000_000;
  assert.equal(await bench(loadAll, { url }), hash);
  const begins = ranged(server).map(({ range }) => Number(/\d+/.exec(range)[0]));
  assert.ok(begins.length >= 6, `${begins.length} requests`);
  const rising = begins.every((begin, i) => i === 0 || begin > begins[i - 1]);
  assert.ok(rising, `each goes on where the last stopped: ${begins}`);
});

storeTest('a line that falls silent is taken up again', async ({ bench, server, url }) => {
  server.rules.silentAfter = 9_000_000;
  assert.equal(await bench(async ({ openSource, hashOf }, spec) => {
    const source = await openSource(spec, { retry: { attempts: 4, pause: 20, stall: 1000 } });
    const hash = await hashOf(source);
    await source.finished;
    source.close();
    return hash;
  }, { url }), hash);
  assert.equal(ranged(server).length, 3);
});

storeTest('a server that is busy for a moment', async ({ bench, server, url }) => {
  Object.assign(server.rules, { status: 503, statusTimes: 2 });
  assert.equal(await bench(loadAll, { url }), hash);
});

storeTest('a server that refuses ranges', async ({ bench, server, url }) => {
  server.rules.ranges = false;
  Object.assign(server.rules, { cutAfter: 10_000_000, cutTimes: 2 });
  assert.equal(await bench(loadAll, { url }), hash);
  await assert.rejects(bench(async ({ openSource }, spec) => {
    const source = await openSource(spec, { keep: false });
    await source.read(0, 16 << 20);
    await source.read(100, 100); // Not far from the beginning: the file is asked for again.
    return 'both read';
  }, { url }).then((said) => { assert.equal(said, 'both read'); throw new Error('as expected'); }), /as expected/);
});

storeTest('a server that redirects to an address for one request', async ({ bench, server, url }) => {
  Object.assign(server.rules, { redirect: true, cutAfter: 6_000_000 });
  assert.equal(await bench(loadAll, { url }), hash);
});

storeTest('a server that hides its headers', async ({ bench, server, url }) => {
  server.rules.expose = false;
  assert.equal(await bench(loadAll, { url }), hash);
});

storeTest('a server that does not say the length', async ({ bench, server, url }) => {
  Object.assign(server.rules, { ranges: false, length: false });
  await assert.rejects(bench(loadAll, { url }), { kind: 'NoRange', message: /how long model.gguf is/ });
});

storeTest('refusals are told apart and not repeated', async ({ bench, server, url }) => {
  const cases = [
    [401, /wants to know who asks \(401\)/], [403, /refuses model.gguf \(403\)/], [404, /has no model.gguf \(404\)/],
    [418, /answers with status 418/],
  ];
  for (const [status, message] of cases) {
    server.reset();
    server.rules.status = status;
    await assert.rejects(bench(loadAll, { url }), { kind: 'Http', numbers: { status }, message });
    assert.equal(server.record.requests.length, 1);
  }
  assert.deepEqual(await bench(list), [], 'nothing is stored');
});

storeTest('a gated repository is explained, and a token opens it', async ({ bench, server }) => {
  const spec = { repo: 'owner/name', file: 'model.gguf', endpoint: server.origin };
  server.rules.status = 403;
  await assert.rejects(bench(loadAll, spec), { kind: 'Http', message: /owner\/name is gated.*give a token/ });
  const refused = { kind: 'Http', message: /The token may not read owner\/name/ };
  await assert.rejects(bench(loadAll, { ...spec, token: 'wrong' }), refused);
  server.rules.status = undefined;
  server.reset();
  assert.equal(await bench(loadAll, { ...spec, token: 'secret' }), hash);
  const asked = server.record.requests.filter(({ path }) => path.startsWith('/owner'));
  assert.deepEqual([...new Set(asked.map(({ path, authorization }) => `${path} ${authorization}`))],
    ['/owner/name/resolve/main/model.gguf Bearer secret']);
  const text = await bench(async ({ folder }) => {
    const models = await folder('llamita', 'models');
    for await (const name of models.keys()) {
      const part = await folder('llamita', 'models', name, '00000');
      return (await (await part.getFileHandle('journal')).getFile()).text();
    }
  });
  assert.match(text, /"repo":"owner\/name"/);
  assert.doesNotMatch(text, /secret/, 'the token is not stored');
  await assert.rejects(bench(loadAll, { ...spec, repo: 'name' }), { kind: 'InvalidSetting' });
});

storeTest('a server that other sites may not read', async ({ bench, server, url }) => {
  server.rules.cors = false;
  await assert.rejects(bench(loadAll, { url }), { kind: 'Cors', message: /does not let other sites read model.gguf/ });
});

storeTest('no network', async ({ bench, server, url }) => {
  await server.close();
  await assert.rejects(bench(loadAll, { url }), { kind: 'Offline', message: /4 attempts in a row/ });
});

/** Waits until so many bytes were sent. */
const reach = (server, bytes) => until(`${bytes} bytes are sent`, () => server.record.bytes >= bytes);
/** Waits until so many bytes of the only model are stored. */
const stored = (bytes, bench) =>
  until(`${bytes} bytes are stored`, async () => (await bench(list))[0]?.stored === bytes);
/** Waits until one who waits for another tab has told of so many bytes. */
const waits = (bytes, bench) => until(`another tab has ${bytes} bytes`, async () => {
  const told = await bench(({ progress }) => progress.filter(({ note }) => note === 'otherTab').map(({ loaded }) => loaded));
  return told.at(-1) >= bytes;
});

/** A download whose line and server fail when a chunk is stored and more has come. */
async function interrupt({ bench, server, url }) {
  server.rules.pauseAt = CHUNK + 3_000_000;
  const failing = bench(loadAll, { url });
  const failed = assert.rejects(failing, { kind: 'Http', message: /status 500/ });
  await stored(CHUNK, bench);
  Object.assign(server.rules, { status: 500, cutAfter: 1, pauseAt: undefined });
  await failed;
  const [model] = await bench(list);
  assert.deepEqual([model.stored, model.complete], [CHUNK, false]);
  Object.assign(server.rules, { status: undefined, cutAfter: undefined });
  server.reset();
}

storeTest('the network goes away in the middle, and what came is kept', async (stage) => {
  const { bench, server, url } = stage;
  await interrupt(stage);
  assert.equal(await bench(loadAll, { url }), hash);
  assert.deepEqual(ranged(server).map(({ range }) => range), [`bytes=${CHUNK}-`]);
  assert.equal((await bench(list))[0].sha256, hash, 'the hash of the whole went on too');
});

storeTest('a byte that arrives wrong once is found by the hash and fetched again', async ({ bench, server }) => {
  Object.assign(server.rules, { published: { '/owner/name/model.gguf': hash }, wrongAt: CHUNK + 5, wrongTimes: 1 });
  const spec = { repo: 'owner/name', file: 'model.gguf', endpoint: server.origin };
  await assert.rejects(bench(loadAll, spec), { kind: 'BadModel', message: /1 pieces of model.gguf arrived damaged/ });
  server.reset();
  assert.equal(await bench(loadAll, spec), hash);
  assert.deepEqual(server.record.requests, [], 'it is whole');
});

storeTest('a file that is not the published one is refused', async ({ bench, url }) => {
  const refused = { kind: 'BadModel', message: /is not the file that was published/ };
  await assert.rejects(bench(loadAll, { url, sha256: '0'.repeat(64) }), refused);
  assert.equal((await bench(list))[0].complete, false);
});

storeTest('a damaged and a missing chunk are fetched again', async ({ bench, server, url }) => {
  await bench(loadAll, { url });
  server.reset();
  await bench(async ({ Store, folder, put }) => {
    const [{ id }] = await (await Store.open()).list();
    const part = await folder('llamita', 'models', id, '00000');
    await put(part, '000001', new Uint8Array([1, 2, 3]), 12_345);
    await part.removeEntry('000002');
  });
  assert.equal(await bench(loadAll, { url }), hash);
  const ranges = ranged(server).map(({ range }) => range);
  assert.deepEqual(ranges, [`bytes=${CHUNK}-${2 * CHUNK - 1}`, `bytes=${2 * CHUNK}-`]);
  server.reset();
  assert.equal(await bench(loadAll, { url }), hash);
  assert.deepEqual(server.record.requests, [], 'they are stored again');
});

storeTest('a damaged chunk of a file that is another now', async ({ bench, server, url }) => {
  await bench(loadAll, { url });
  server.rules.wrongAt = 10;
  await bench(async ({ Store, folder, put }) => {
    const [{ id }] = await (await Store.open()).list();
    await put(await folder('llamita', 'models', id, '00000'), '000000', new Uint8Array([1, 2, 3]));
  });
  await assert.rejects(bench(loadAll, { url }), { kind: 'BadModel', message: /its server has others now/ });
});

storeTest('a torn journal loses its last line only', async ({ bench, server, url }) => {
  await bench(loadAll, { url });
  await bench(async ({ Store, folder }) => {
    const [{ id }] = await (await Store.open()).list();
    const handle = await (await folder('llamita', 'models', id, '00000')).getFileHandle('journal');
    const lines = (await (await handle.getFile()).text()).split('\n');
    const file = await handle.createSyncAccessHandle();
    file.truncate(file.getSize() - lines.at(-2).length - 20); // Without the last line, and the end of the one before.
    file.close();
  });
  assert.equal((await bench(list))[0].stored, 2 * CHUNK);
  server.reset();
  assert.equal(await bench(loadAll, { url }), hash);
  assert.deepEqual(ranged(server).map(({ range }) => range), [`bytes=${2 * CHUNK}-`]);
  const [{ complete, sha256 }] = await bench(list);
  assert.deepEqual({ complete, sha256 }, { complete: true, sha256: hash });
});

storeTest('a file that changed on the server is begun anew', async (stage) => {
  const { bench, server, url } = stage;
  await interrupt(stage);
  server.rules.etag = '"2"';
  assert.equal(await bench(loadAll, { url }), hash);
  assert.deepEqual(ranged(server).map(({ range }) => range), [FIRST, SECOND]);
});

storeTest('a file that changes during the download is an error', async ({ bench, server, url }) => {
  server.rules.cutAfter = CHUNK;
  Object.defineProperty(server.rules, 'etag', { get: () => server.record.bytes >= CHUNK ? '"2"' : '"1"' });
  await assert.rejects(bench(loadAll, { url }), { kind: 'BadModel', message: /changed on its server/ });
});

storeTest('a reload in the middle, and a browser that is killed, lose a chunk at most', async (stage) => {
  const { server, url } = stage;
  const begin = ({ openSource, held }, spec) => { held.pending = openSource(spec); };
  server.rules.pauseAt = CHUNK + 3_000_000;
  await stage.bench(begin, { url });
  await stored(CHUNK, stage.bench);
  let bench = await workbench(stage.page, stage.origin); // Loads the page again.
  assert.equal((await bench(list))[0].stored, CHUNK);
  server.reset();
  server.rules.pauseAt = 2 * CHUNK + 2_000_000;
  await bench(begin, { url });
  await stored(2 * CHUNK, bench);
  await stage.kill();
  const { page } = await stage.reopen();
  bench = await workbench(page, stage.origin);
  assert.equal((await bench(list))[0].stored, 2 * CHUNK);
  server.reset();
  server.rules.pauseAt = undefined;
  assert.equal(await bench(loadAll, { url }), hash);
  assert.deepEqual(ranged(server).map(({ range }) => range), [`bytes=${2 * CHUNK}-`]);
}, { options: { persistent: true } });

/** The browser gives an origin so many bytes; without a number as many as it has. */
async function allow(bytes, { page, context, origin }) {
  const devtools = await context.newCDPSession(page);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin, ...(bytes ? { quotaSize: bytes } : {}) });
}

storeTest('no room: refused beforehand, with the bytes needed and free', async (stage) => {
  const { bench, url, server } = stage;
  await allow(16e6, stage);
  await assert.rejects(bench(loadAll, { url }), (error) => {
    assert.equal(error.kind, 'Quota');
    assert.equal(error.numbers.needed, SIZE);
    assert.ok(error.numbers.free > 5e6 && error.numbers.free <= 16e6, `${error.numbers.free} bytes are free`);
    return true;
  });
  assert.ok(server.record.bytes < 100, 'nothing was fetched');
  const direct = await bench(loadDirect, { url });
  assert.equal(direct, hash, 'it loads without being stored');
}, { options: { persistent: true } });

storeTest('the room runs out in the middle', async (stage) => {
  const { bench, url, server } = stage;
  server.rules.pauseAt = 3_000_000;
  const failing = bench(loadAll, { url });
  const failed = assert.rejects(failing, (error) => {
    assert.equal(error.kind, 'Quota', String(error));
    const { needed, free } = error.numbers;
    assert.ok(needed > 0 && free < needed, `${needed} are needed, ${free} free`);
    return true;
  });
  await reach(server, 3_000_000);
  await allow(9e6, stage);
  server.rules.pauseAt = undefined;
  await failed;
  await allow(undefined, stage);
  assert.equal(await bench(loadAll, { url }), hash, 'with room it goes on');
}, { options: { persistent: true } });

storeTest('two tabs: one downloads, the other waits, says so, and reads what is stored', async (stage) => {
  const { server, url, context, origin } = stage;
  const other = await workbench(await context.newPage(), origin);
  server.rules.pauseAt = CHUNK + 1_000_000;
  const one = stage.bench(loadAll, { url });
  await reach(server, 1_000_000);
  const two = other(loadAll, { url });
  await waits(CHUNK, other);
  server.rules.pauseAt = 2 * CHUNK + 1_000_000;
  await waits(2 * CHUNK, other);
  server.rules.pauseAt = undefined;
  assert.deepEqual(await Promise.all([one, two]), [hash, hash]);
  assert.deepEqual(ranged(server).map(({ range }) => range), [FIRST, SECOND], 'one download for both');
});

storeTest('tabs that open the store at the same time all have it', async ({ bench, origin }) => {
  const opened = await bench(async (_, origin) => {
    const { PrivateFolder } = await import(`${origin}/modules/store/folder.js`);
    return (await Promise.all(Array.from({ length: 20 }, () => PrivateFolder.root()))).filter(Boolean).length;
  }, origin);
  assert.equal(opened, 20);
});

storeTest('models are listed while a download sees whether it has room', async ({ bench, url }) => {
  await bench(({ openSource, held }, spec) => { held.pending = openSource(spec); }, { url });
  await bench(() => globalThis.seen);
  assert.deepEqual((await bench(list)).map(({ stored }) => stored), [0]);
  const whole = await bench(async ({ held, hashOf }) => {
    globalThis.goOn();
    const source = await held.pending;
    await source.finished;
    return hashOf(source);
  });
  assert.equal(whole, hash);
}, {
  // What is written to see that is removed when the test says so.
  before: `{
    const { removeEntry } = FileSystemDirectoryHandle.prototype;
    const held = new Promise((resolve) => { globalThis.goOn = resolve; });
    globalThis.seen = new Promise((resolve) => {
      FileSystemDirectoryHandle.prototype.removeEntry = async function (name, ...rest) {
        if (name.startsWith('room')) {
          resolve();
          await held;
        }
        return removeEntry.call(this, name, ...rest);
      };
    });
  }`,
});

storeTest('a tab that is closed leaves the download to the one that waits', async (stage) => {
  const { server, url, context, origin } = stage;
  const page = await context.newPage();
  const other = await workbench(page, origin);
  server.rules.pauseAt = CHUNK + 1_000_000;
  await other(({ openSource, held }, spec) => { held.pending = openSource(spec); }, { url });
  await stored(CHUNK, stage.bench);
  const waiting = stage.bench(loadAll, { url });
  await waits(CHUNK, stage.bench);
  await page.close();
  server.rules.pauseAt = undefined;
  assert.equal(await waiting, hash);
  assert.deepEqual(ranged(server).map(({ range }) => range), [FIRST, `bytes=${CHUNK}-`]);
});

storeTest('given up in the middle, and gone on with', async ({ bench, server, url }) => {
  server.rules.pauseAt = CHUNK + 1_000_000;
  await assert.rejects(bench(async ({ openSource, hashOf }, spec) => {
    const stop = new AbortController();
    const source = await openSource(spec, { signal: stop.signal });
    await source.read(8 << 20, 1000);
    stop.abort();
    await hashOf(source);
  }, { url }), { kind: 'Aborted', message: /goes on from there/ });
  server.rules.pauseAt = undefined;
  assert.equal(await bench(loadAll, { url }), hash);
});

browserTest('a split model is one source, downloaded part after part', async ({ page, origin }) => {
  const parts = [noise(9_000_000, 1), noise(500, 2), noise(8_500_000, 3)];
  const names = parts.map((_, i) => `/big-0000${i + 1}-of-00003.gguf`);
  const server = await faultServer(Object.fromEntries(parts.map((part, i) => [names[i], part])));
  try {
    const bench = await workbench(page, origin);
    const hashes = await Promise.all(parts.map((part) => hashOf(part)));
    const read = async ({ openSource, Sha256 }, spec) => {
      const source = await openSource(spec);
      const hashes = [];
      let begin = 0;
      for (const { size } of source.parts) {
        hashes.push(new Sha256().update(await source.read(begin, size)).digest());
        begin += size;
      }
      const across = await source.read(8_999_990, 520);
      await source.finished;
      source.close();
      return { hashes, across: [...across], size: source.size, names: source.parts.map(({ name }) => name) };
    };
    const url = server.origin + names[1]; // Any part names them all.
    const got = await bench(read, { url });
    assert.deepEqual(got.hashes, hashes);
    assert.deepEqual(got.names, names.map((name) => name.slice(1)));
    const pieces = [parts[0].read(8_999_990, 9_000_000), parts[1].read(0, 500), parts[2].read(0, 10)];
    const joined = Buffer.concat(await Promise.all(pieces));
    assert.deepEqual(got.across, [...joined]);
    server.reset();
    const [model] = await bench(list);
    assert.deepEqual([model.parts, model.complete, model.size], [3, true, 17_500_500]);
    assert.deepEqual((await bench(read, { stored: model.id })).hashes, hashes);
    assert.deepEqual(server.record.requests, []);
  } finally {
    await server.close();
  }
});

storeTest('without private files the store is in memory, and says so', async ({ bench, url, server }) => {
  assert.equal(await bench(loadAll, { url }), hash);
  assert.equal(await bench(async ({ Store }) => (await Store.open()).kind), 'memory');
  assert.ok((await bench(({ progress }) => progress)).every(({ note }) => note === 'notKept'));
  server.reset();
  assert.equal(await bench(loadAll, { url }), hash, 'within the worker it is there');
  assert.deepEqual(server.record.requests, []);
}, { before: 'Object.defineProperty(navigator.storage, "getDirectory", { value: undefined });' });

storeTest('without storing, reads in order are one download', async ({ bench, url, server }) => {
  const direct = await bench(loadDirect, { url });
  assert.equal(direct, hash);
  assert.deepEqual(ranged(server).map(({ range }) => range), [FIRST, SECOND]);
  assert.deepEqual(await bench(list), []);
  server.rules.ranges = false;
  await assert.rejects(bench(async ({ openSource }, spec) => {
    const source = await openSource(spec, { keep: false });
    await source.read(0, 16);
    return new Uint8Array(await source.read(16 << 20, 4));
  }, { url }).then((bytes) => { throw new Error(`read ${Object.values(bytes).length}`); }), /read 4/);
});

storeTest('the package: download, list, load offline, export, busy, delete', async ({ page, origin, server }) => {
  const tiny = await (await fetch(`${origin}/models/llamita-stories.gguf`)).arrayBuffer();
  const bytes = Buffer.from(tiny);
  const read = async (begin, end) => Buffer.from(bytes.subarray(begin, end));
  server.files['/tiny.gguf'] = { size: bytes.length, read };
  const run = (body, args) => page.evaluate(body, args);
  await run(async ([origin, url]) => {
    const { Model, ModelStore } = await import(`${origin}/llamita/index.js`);
    const store = await ModelStore.open();
    const progress = [];
    const stored = await store.download(url, { onProgress: (p) => progress.push(p) });
    Object.assign(globalThis, { Model, store, stored, progress });
  }, [origin, `${server.origin}/tiny.gguf`]);
  const { kind, models, progress, estimate } = await run(async () => ({
    kind: globalThis.store.kind, models: await globalThis.store.list(), progress: globalThis.progress,
    estimate: await globalThis.store.estimate(),
  }));
  assert.equal(kind, 'opfs');
  assert.deepEqual(models.map(({ name, size, complete }) => ({ name, size, complete })),
    [{ name: 'tiny.gguf', size: bytes.length, complete: true }]);
  assert.equal(progress.at(-1).loaded, bytes.length);
  assert.ok(estimate.usage >= bytes.length);
  server.reset();
  const result = await run(async () => {
    const { Model, store, stored } = globalThis;
    const model = await Model.load({ stored: stored.id });
    const session = await model.session();
    const text = await session.reply('Once upon a time', { temperature: 0, maxTokens: 8 }).text();
    const exported = (await store.export(stored.id)).size;
    const busy = await store.delete(stored.id).catch((error) => error.kind);
    await model.dispose();
    await store.delete(stored.id);
    return { text, exported, busy, left: await store.list() };
  });
  assert.ok(result.text.length > 0);
  assert.deepEqual({ ...result, text: '' }, { text: '', exported: bytes.length, busy: 'Busy', left: [] });
  assert.deepEqual(server.record.requests, []);
});

storeTest('a download that is no model leaves nothing behind', async ({ page, origin, server }) => {
  server.files['/page.gguf'] = noise(100_000);
  const result = await page.evaluate(async ([origin, url]) => {
    const { Model, ModelStore } = await import(`${origin}/llamita/index.js`);
    const kind = await Model.load(url).catch((error) => error.kind);
    return { kind, left: await (await ModelStore.open()).list() };
  }, [origin, `${server.origin}/page.gguf`]);
  assert.deepEqual(result, { kind: 'BadModel', left: [] });
});

storeTest('a model with a byte that arrives wrong once loads all the same', async ({ page, origin, server }) => {
  const bytes = Buffer.from(await (await fetch(`${origin}/models/llamita-stories.gguf`)).arrayBuffer());
  const file = { size: bytes.length, read: async (begin, end) => Buffer.from(bytes.subarray(begin, end)) };
  server.files['/owner/name/tiny.gguf'] = file;
  const load = (source, keep = true) => page.evaluate(async ([origin, source, keep]) => {
    const { Model } = await import(`${origin}/llamita/index.js`);
    const model = await Model.load(source, { keep });
    const text = await (await model.session()).reply('Once upon a time', { temperature: 0, maxTokens: 12 }).text();
    await model.dispose();
    return text;
  }, [origin, source, keep]);
  const expected = await load('models/llamita-stories.gguf', false);
  const wrongAt = bytes.length - 1000; // Among the weights: the file parses.
  Object.assign(server.rules, { published: { '/owner/name/tiny.gguf': await hashOf(file) }, wrongAt, wrongTimes: 1 });
  assert.equal(await load({ repo: 'owner/name', file: 'tiny.gguf', endpoint: server.origin }), expected);
  assert.equal(server.rules.wrongTimes, 0, 'the byte was sent wrong');
});
