/**
 * The service worker: keeps the site's own files of one version, so that the page opens without a network. It answers
 * for those files alone; downloads and everything elsewhere pass by. The page and its worker get a Content-Security-Policy
 * with the hosts that the person has allowed (`hosts.ts`). The build writes `SITE` before this text.
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
  const [PAGE, WORKER] = [url('index.html'), url('llamita/worker.js')];
  /** Where the page keeps the hosts that the person has allowed, and how its policy says where it may connect to. */
  const HOSTS = 'llamita-hosts';
  const CONNECT = /connect-src ([^;"]*)/;
  const POLICY = 'content-security-policy';

  /** The origins that the person has allowed: origins and nothing else, or they could say more in a policy. */
  async function allowed(): Promise<string[]> {
    const list = await caches.match(url('hosts.json'), { cacheName: HOSTS });
    const hosts = ((await list?.json().catch(() => [])) ?? []) as unknown[];
    return hosts.filter((host): host is string => typeof host === 'string' && URL.parse(host)?.origin === host);
  }

  /** A file of the site as it is kept, or from the server where the browser has dropped it. */
  async function file(asked: string, request: RequestInfo = asked): Promise<Response> {
    return (await (await caches.open(NAME)).match(asked)) ?? fetch(request);
  }

  /** The page, which may connect to what its own text says, or its host, and to what the person has allowed. */
  async function page(request: Request): Promise<Response> {
    const response = await file(PAGE, request);
    if (!response.ok) return response;
    const more = await allowed();
    const wider = (policy: string): string => policy.replace(CONNECT, (all) => [all.trimEnd(), ...more].join(' '));
    const headers = kept(response);
    const own = headers.get(POLICY);
    if (own) headers.set(POLICY, wider(own));
    return new Response(wider(await response.text()), { headers });
  }

  /** The headers that the host sent, but those of a body that is another now. */
  function kept({ headers }: Response): Headers {
    const all = new Headers(headers);
    for (const name of ['content-length', 'content-encoding', 'etag']) all.delete(name);
    return all;
  }

  /** The worker, which makes the requests, has no policy by the text of the page. It gets the same by a header. */
  async function worker(request: Request): Promise<Response> {
    const [response, html] = await Promise.all([file(WORKER, request), file(PAGE).then((own) => own.text())]);
    if (!response.ok) return response;
    const connect = [CONNECT.exec(html)?.[1] ?? "'self'", ...(await allowed())].join(' ');
    const policy = `connect-src ${connect}; script-src 'self' 'wasm-unsafe-eval'`;
    const headers = kept(response);
    headers.set(POLICY, policy);
    return new Response(response.body, { headers });
  }

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
    event.respondWith(asked === PAGE ? page(request) : asked === WORKER ? worker(request) : file(asked, request));
  });
}
