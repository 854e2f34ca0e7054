/**
 * The service worker: keeps the site's own files of one version, so that the page opens without a network. It answers
 * for those files alone; downloads and everything elsewhere pass by. The build writes `SITE` before this text.
 */
declare const SITE: {
  /** Changes whenever a file of the site does. */
  version: string;
  /** All files of the site, relative to it. */
  files: string[];
};

/** What the types of pages do not know of service workers. */
interface WaitEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends WaitEvent {
  request: Request;
  respondWith(response: Promise<Response>): void;
}
interface Scope {
  registration: { scope: string };
  skipWaiting(): Promise<void>;
  clients: { claim(): Promise<void> };
  addEventListener(type: 'install' | 'activate', listener: (event: WaitEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
}

{
  const scope = self as unknown as Scope;
  const PREFIX = 'llamita-site-';
  const NAME = PREFIX + SITE.version;
  const url = (file: string): string => new URL(file, scope.registration.scope).href;
  const ours = new Set(SITE.files.map(url));

  scope.addEventListener('install', (event) => {
    const fill = async (): Promise<void> => {
      const cache = await caches.open(NAME);
      // Past the browser's own cache, or files of two versions could mix.
      await cache.addAll([...ours].map((file) => new Request(file, { cache: 'no-cache' })));
      await scope.skipWaiting();
    };
    event.waitUntil(fill());
  });

  scope.addEventListener('activate', (event) => {
    const tidy = async (): Promise<void> => {
      const names = await caches.keys();
      await Promise.all(
        names.filter((name) => name.startsWith(PREFIX) && name !== NAME).map((name) => caches.delete(name)),
      );
      await scope.clients.claim();
    };
    event.waitUntil(tidy());
  });

  scope.addEventListener('fetch', (event) => {
    const { request } = event;
    if (request.method !== 'GET') return;
    const address = new URL(request.url);
    address.search = '';
    address.hash = '';
    const asked = address.href === url('.') ? url('index.html') : address.href;
    // A part of a file is asked for by whoever resumes a download: that is no matter of this cache.
    if (!ours.has(asked) || request.headers.has('range')) return;
    const answer = async (): Promise<Response> => {
      const cache = await caches.open(NAME);
      return (await cache.match(asked)) ?? fetch(request);
    };
    event.respondWith(answer());
  });
}
