// Files that the person has, which the store keeps a copy of.
import assert from 'node:assert/strict';
import { browserTest } from './harness.mjs';
import { workbench } from './workbench.mjs';

const SIZE = (16 << 20) + 4_000_001;

browserTest('files are imported, exported and deleted', async ({ page, origin }) => {
  const bench = await workbench(page, origin);
  const result = await bench(async ({ Store, context, hashOf, openSource, sha256 }, size) => {
    const bytes = new Uint8Array(size).map((_, i) => (i * 2654435761) >>> 16);
    const file = new File([bytes], 'mine.gguf', { lastModified: 1 });
    const store = await Store.open();
    const imported = await store.import([file], context);
    const source = await openSource({ stored: imported.id });
    const loaded = await hashOf(source);
    const busy = await store.delete(imported.id).catch((error) => error.kind);
    source.close();
    const exported = await sha256(new Uint8Array(await (await store.export(imported.id)).arrayBuffer()));
    await store.delete(imported.id);
    const gone = await openSource({ stored: imported.id }).catch((error) => error.kind);
    return { imported, loaded, exported, busy, gone, left: await store.list(), hash: await sha256(bytes) };
  }, SIZE);
  const { loaded, exported, busy, gone, left, hash } = result;
  const { id, name, size, complete, from, sha256 } = result.imported;
  assert.match(id, /^mine-[0-9a-f]{8}$/);
  assert.deepEqual({ name, size, complete, from, sha256 },
    { name: 'mine.gguf', size: SIZE, complete: true, from: null, sha256: hash });
  assert.deepEqual({ loaded, exported, busy, gone, left },
    { loaded: hash, exported: hash, busy: 'Busy', gone: 'BadModel', left: [] });
});

browserTest('a damaged copy of an imported file says what to do', async ({ page, origin }) => {
  const bench = await workbench(page, origin);
  await assert.rejects(bench(async ({ Store, context, openSource, folder, put }) => {
    const store = await Store.open();
    const { id } = await store.import([new File([new Uint8Array(1000)], 'mine.gguf')], context);
    await put(await folder('llamita', 'models', id, '00000'), '000000', new Uint8Array([1]));
    await (await openSource({ stored: id })).read(0, 10);
  }), { kind: 'BadModel', message: /import the file again/ });
});

browserTest('an import that is given up ends soon, and goes on where it stopped', async ({ page, origin }) => {
  const bench = await workbench(page, origin);
  const { kind, stored, complete, size } = await bench(async ({ Store, context }, size) => {
    const file = new File([new Uint8Array(size)], 'mine.gguf', { lastModified: 1 });
    const store = await Store.open();
    const abort = new AbortController();
    const told = (loaded) => { if (loaded >= 9 << 20) abort.abort(); };
    const kind = await store.import([file], { ...context, signal: abort.signal, told }).catch((error) => error.kind);
    const [{ stored }] = await store.list();
    const { complete, size: all } = await store.import([file], context);
    return { kind, stored, complete, size: all };
  }, SIZE);
  assert.equal(kind, 'Aborted');
  assert.deepEqual([stored, complete, size], [8 << 20, true, SIZE]);
});
