// A static server as the demo's host would be: plain files, no special headers.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { BUILD } from './packages.mjs';

const TYPES = {
  '.css': 'text/css', '.html': 'text/html; charset=utf-8', '.ico': 'image/x-icon', '.js': 'text/javascript',
  '.json': 'application/json', '.mjs': 'text/javascript', '.png': 'image/png', '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm', '.webmanifest': 'application/manifest+json',
};

/** An empty page on every server, for tests that need an origin and no application. */
export const BLANK = '/blank.html';
const BLANK_PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>blank</title>`;

/** The modules that the package's worker is made of, for tests of what is inside it. */
const MODULES = { '/modules/': join(BUILD, 'modules') };

/** The modules that the page is bundled from, each by its own name: what the site lacks is looked for here. */
const INSIDE = join(BUILD, 'inside');

/**
 * Serves folders, each under a prefix: `{ '/': site, '/pkg/': pkg }`; the longest prefix that fits is taken.
 * Only this machine reaches it. `port` 0 takes a free one; give the port of a closed server to bring it back.
 */
export async function serve(given, { port = 0 } = {}) {
  const folders = { ...MODULES, ...given };
  const prefixes = Object.keys(folders).sort((a, b) => b.length - a.length);
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
    if (path === BLANK) return response.writeHead(200, { 'content-type': TYPES['.html'] }).end(BLANK_PAGE);
    const prefix = prefixes.find((prefix) => path.startsWith(prefix));
    const name = prefix && join(folders[prefix], path.slice(prefix.length), path.endsWith('/') ? 'index.html' : '');
    for (const file of [name, join(INSIDE, path)]) {
      const found = file && await stat(file).catch(() => undefined);
      if (found?.isFile()) return sendFile(request, response, file, found);
    }
    return response.writeHead(404, { 'content-type': 'text/plain' }).end(`no ${path}\n`);
  });
  const { origin, close } = await listen(server, port);
  return { origin, port: Number(new URL(origin).port), close };
}

/** Starts a server on this machine; `close` also ends the connections that are open. */
export async function listen(server, port = 0, host = '127.0.0.1') {
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  const close = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { origin: `http://${host}:${server.address().port}`, close };
}

/** A whole file, or the one range that is asked for. */
function sendFile(request, response, name, { size, mtimeMs }) {
  const headers = {
    'content-type': TYPES[extname(name)] ?? 'application/octet-stream',
    'accept-ranges': 'bytes', etag: `"${size.toString(16)}-${mtimeMs.toString(16)}"`,
  };
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const begin = range ? Number(range[1]) : 0;
  const end = range?.[2] ? Math.min(Number(range[2]), size - 1) : size - 1;
  if (range && begin > end) return response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
  if (range) headers['content-range'] = `bytes ${begin}-${end}/${size}`;
  response.writeHead(range ? 206 : 200, { ...headers, 'content-length': size === 0 ? 0 : end - begin + 1 });
  if (request.method === 'HEAD' || size === 0) return response.end();
  return createReadStream(name, { start: begin, end }).pipe(response);
}
