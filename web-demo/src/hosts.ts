/**
 * Where the page may connect to: its own site, Hugging Face, this very machine, and hosts that the person has allowed. The
 * Content-Security-Policy of the page says so, and its service worker adds what was allowed when it serves the page.
 */

/** The service worker reads them there. */
const KEPT = 'llamita-hosts';
const key = (): URL => new URL('hosts.json', document.baseURI);

/** The origins that the person has allowed. */
export async function allowedHosts(): Promise<string[]> {
  try {
    const kept = await caches.match(key(), { cacheName: KEPT });
    const hosts = ((await kept?.json()) ?? []) as unknown[];
    return hosts.filter((host): host is string => typeof host === 'string' && URL.parse(host)?.origin === host);
  } catch {
    return []; // None, or this browser keeps nothing for this page.
  }
}

async function write(hosts: string[]): Promise<void> {
  await (await caches.open(KEPT)).put(key(), new Response(JSON.stringify(hosts)));
}

/** What the policy of this page names, as it was served. */
function named(): string[] {
  const policy = document.querySelector<HTMLMetaElement>('meta[http-equiv="Content-Security-Policy"]')?.content ?? '';
  return /connect-src ([^;]*)/.exec(policy)?.[1]?.split(/\s+/) ?? [];
}

/** Whether a source of a policy, such as `https://*.hf.co`, covers an address. */
function covers(source: string, url: URL): boolean {
  if (source === "'self'") return url.origin === location.origin;
  const parts = /^(https?):\/\/(\*\.)?([^:/]+)(?::(\*|\d+))?$/.exec(source);
  if (!parts) return false;
  const [, scheme, below, host = '', port] = parts;
  if (url.protocol !== `${scheme}:` || (port !== '*' && url.port !== (port ?? ''))) return false;
  return below ? url.hostname.endsWith(`.${host}`) : url.hostname === host;
}

/** Whether the page may connect to an address as it is now. */
export function mayConnect(url: URL): boolean {
  return once.has(url.origin) || named().some((source) => covers(source, url));
}

/** Allowed until the page is closed, in browsers where no service worker serves it. */
const once = new Set<string>();

/**
 * Allows the host of an address, from the next load of the page on. True where the page has to be loaded again for that;
 * false where it holds at once, for this visit.
 */
export async function allowHost({ origin }: URL): Promise<boolean> {
  if ('serviceWorker' in navigator && (await navigator.serviceWorker.getRegistration())) {
    await navigator.serviceWorker.ready;
    await write([...new Set([...(await allowedHosts()), origin])]);
    return true;
  }
  once.add(origin);
  return false;
}

/** Takes a host back, from the next load of the page on. */
export async function forgetHost(origin: string): Promise<void> {
  once.delete(origin);
  await write((await allowedHosts()).filter((one) => one !== origin));
}
