// One file under several addresses is stored once, and what is no model is not kept.
import assert from 'node:assert/strict';
import { faultServer, hashOf, noise } from './faults.mjs';
import { browserTest } from './harness.mjs';
import { workbench } from './workbench.mjs';

const SIZE = 9_000_000;
const TAG = '"d41d8cd98f00b204e9800998ecf8427e"';
const list = async ({ Store }) => (await Store.open()).list();
const load = async ({ openSource, hashOf }, spec) => {
  const source = await openSource(spec);
  const hash = await hashOf(source);
  await source.finished;
  source.close?.();
  return hash;
};
const whole = (requests) => requests.filter(({ range }) => range && range !== 'bytes=0-0');

browserTest('a file with the same tag and length from another address is not fetched again', async ({ page, origin }) => {
  const content = noise(SIZE);
  const hash = await hashOf(content);
  const server = await faultServer({ '/a/m.gguf': content, '/b/m.gguf': content, '/c/m.gguf': noise(SIZE, 2) }, { etag: TAG });
  try {
    const bench = await workbench(page, origin);
    assert.equal(await bench(load, { url: `${server.origin}/a/m.gguf` }), hash);
    server.reset();
    assert.equal(await bench(load, { url: `${server.origin}/b/m.gguf?download=true` }), hash);
    assert.deepEqual(whole(server.record.requests), [], 'nothing but a look at the address');
    const models = await bench(list);
    assert.equal(models.length, 1);
    assert.deepEqual([models[0].from, models[0].also], [{ url: `${server.origin}/a/m.gguf` }, [{ url: `${server.origin}/b/m.gguf?download=true` }]]);

    // From then on it is found without a network, also by a new page.
    await server.close();
    const again = await workbench(page, origin);
    assert.equal(await again(load, { url: `${server.origin}/b/m.gguf?download=true` }), hash);
    assert.deepEqual((await again(list))[0].also.length, 1);
  } finally {
    await server.close();
  }
});

browserTest('tags that may be counts tell nothing: what turns out to be the same file is one in the end', async ({ page, origin }) => {
  const content = noise(SIZE);
  const server = await faultServer({ '/a/m.gguf': content, '/b/m.gguf': content, '/c/m.gguf': noise(SIZE, 2) });
  try {
    const bench = await workbench(page, origin);
    for (const path of ['/a/m.gguf', '/c/m.gguf']) await bench(load, { url: `${server.origin}${path}` });
    assert.equal((await bench(list)).length, 2, 'another file of the same length and tag is another');
    const imported = await bench(async ({ Store, context }, url) => {
      const store = await Store.open();
      const bytes = await (await fetch(url)).blob();
      return [await store.import([new File([bytes], 'mine.gguf')], context), await store.list()];
    }, `${server.origin}/b/m.gguf`);
    assert.equal(imported[1].length, 2);
    assert.deepEqual(imported[0].from, { url: `${server.origin}/a/m.gguf` }, 'a copy of what was fetched is what was fetched');
  } finally {
    await server.close();
  }
});

browserTest('a repository that publishes the hash is known under its name, and files that are no parts of one model are refused together', async ({ page, origin }) => {
  const content = noise(SIZE);
  const hash = await hashOf(content);
  const server = await faultServer({ '/a/m.gguf': content, '/owner/name/q/m.gguf': content }, { published: { '/owner/name/q/m.gguf': hash } });
  try {
    const bench = await workbench(page, origin);
    await bench(load, { url: `${server.origin}/a/m.gguf` });
    server.reset();
    assert.equal(await bench(load, { repo: 'owner/name', file: 'q/m.gguf', endpoint: server.origin }), hash);
    assert.deepEqual(whole(server.record.requests), []);
    const models = await bench(list);
    assert.deepEqual(models.map(({ also }) => also.map(({ repo }) => repo)), [['owner/name']]);
    const refused = bench(async ({ Store, context }) => {
      const file = (name) => new File([new Uint8Array(10)], name);
      await (await Store.open()).import([file('mine.gguf'), file('notes.txt')], context);
    });
    await assert.rejects(refused, { kind: 'BadModel', message: /mine.gguf and notes.txt are not parts of one model/ });
    assert.equal((await bench(list)).length, 1);
  } finally {
    await server.close();
  }
});

browserTest('what is secret of one server is not sent to another, where the same file came from', async ({ page, origin }) => {
  const content = noise(SIZE);
  const hash = await hashOf(content);
  const [mirror, own] = await Promise.all([1, 2].map(() => faultServer({ '/m.gguf': content }, { etag: TAG })));
  try {
    const bench = await workbench(page, origin);
    assert.equal(await bench(load, { url: `${mirror.origin}/m.gguf` }), hash);
    const secret = { url: `${own.origin}/m.gguf`, headers: { authorization: 'Bearer secret' } };
    assert.equal(await bench(load, secret), hash);
    assert.equal(own.record.requests.at(-1).authorization, 'Bearer secret');
    await bench(async ({ Store, folder, put }) => {
      const [{ id }] = await (await Store.open()).list();
      await put(await folder('llamita', 'models', id, '00000'), '000000', new Uint8Array([1, 2, 3]), 100);
    });
    mirror.reset();
    assert.equal(await bench(load, secret), hash);
    const asked = whole(mirror.record.requests);
    assert.ok(asked.length > 0, 'the damaged piece is fetched from where it came');
    assert.deepEqual(asked.map(({ authorization }) => authorization), asked.map(() => undefined));
  } finally {
    await mirror.close();
    await own.close();
  }
});
