/** The store's calls, in the worker. */
import type { Handlers } from '../host.js';
import { downloadTo, storeContext } from '../sources/open.js';
import { Store } from './store.js';

type StoreCall = 'storeList' | 'storeDownload' | 'storeImport' | 'storeExport' | 'storeDelete';

export const storeHandlers: Pick<Handlers, StoreCall> = {
  async storeList() {
    const store = await Store.open();
    return { kind: store.kind, models: await store.list(), estimate: await store.estimate() };
  },

  async storeDownload({ source }, { signal, event }) {
    return downloadTo(await Store.open(), source, { signal, onProgress: event });
  },

  async storeImport({ files }, { signal, event }) {
    const store = await Store.open();
    return store.import(files, storeContext(store, undefined, { signal, onProgress: event }));
  },

  async storeExport({ stored, part }) {
    return (await Store.open()).export(stored, part);
  },

  async storeDelete({ stored }) {
    await (await Store.open()).delete(stored);
    return null;
  },
};
