// A file server that misbehaves on demand, and keeps a record of what it was asked and what it sent.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { listen } from './server.mjs';

/** Bytes without a pattern that a chunk would share with another, made when they are asked for. */
export function noise(size, seed = 1) {
  const period = Buffer.alloc(1_048_573);
  let x = seed;
  for (let i = 0; i < period.length; i += 1) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    period[i] = x >>> 24;
  }
  return {
    size,
    async read(begin, end) {
      const bytes = Buffer.alloc(end - begin);
      for (let at = begin; at < end;) {
        const from = at % period.length;
        at += period.copy(bytes, at - begin, from, from + end - at);
      }
      return bytes;
    },
  };
}

/** A file on disk. */
export async function fileContent(path) {
  const file = await open(path);
  const { size } = await file.stat();
  return {
    size,
    async read(begin, end) {
      const { buffer } = await file.read(Buffer.alloc(end - begin), 0, end - begin, begin);
      return buffer;
    },
    close: () => file.close(),
  };
}

/** The SHA-256 of a content. */
export async function hashOf(content, begin = 0, end = content.size) {
  const hash = createHash('sha256');
  for (let at = begin; at < end; at += 1 << 20) hash.update(await content.read(at, Math.min(at + (1 << 20), end)));
  return hash.digest('hex');
}

const EXPOSED = 'Content-Range, ETag, Accept-Ranges';

/**
 * Serves `files`, `{ '/path': content }`, on an origin of its own. Its faults are fields of `rules`, which may change
 * at any time; each holds for all files:
 * - `cors: false`, `expose: false`: no header for other origins at all; none that shows them Content-Range and ETag
 * - `ranges: false`: whole files only; `length: false`: nor their length
 * - `status`: an answer with this status; `statusTimes`: only so many times
 * - `cutAfter`: the line is cut after so many bytes; `cutTimes`: only so many times
 * - `wrongAt`: the byte there is another one; `wrongTimes`: only so many times
 * - `pauseAt`: the bytes of the file from there on come when this is taken back
 * - `rate`: bytes per second; `silentAfter`: nothing comes after so many bytes, and the line stays open
 * - `etag`: the version of all files; `redirect: true`: files are behind an address that is good for one request
 * - `published`: { '/owner/name/file': sha256 }: what the repository says of its files
 *
 * `host` is another address of this machine than 127.0.0.1. `record.lastByte` is when the end of a file was sent, in milliseconds since 1970.
 */
export async function faultServer(files, rules = {}, host = undefined) {
  const record = { requests: [], bytes: 0, lastByte: 0 };
  const tickets = new Map();

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://localhost');
    const path = decodeURI(url.pathname.replace(/%(?![\da-f]{2})/gi, '%25'));
    const cors = rules.cors === false ? {} : {
      'access-control-allow-origin': '*',
      ...(rules.expose === false ? {} : { 'access-control-expose-headers': EXPOSED }),
    };
    const answer = (status, headers = {}, body = '') => response.writeHead(status, { ...cors, ...headers }).end(body);
    if (request.method === 'OPTIONS') {
      const allowed = { 'access-control-allow-headers': 'authorization, range', 'access-control-allow-methods': '*' };
      return answer(204, allowed);
    }
    const { range, authorization } = request.headers;
    record.requests.push({ method: request.method, path, range, authorization });
    const info = /^\/api\/models\/([^/]+\/[^/]+)\/paths-info\//.exec(path);
    if (info) return repository(request, info[1], answer);
    if (rules.status && (rules.statusTimes ?? Infinity) > 0) {
      if (rules.statusTimes) rules.statusTimes -= 1;
      return answer(rules.status, rules.status === 503 ? { 'retry-after': '0' } : {});
    }
    if (rules.redirect && !url.searchParams.has('ticket')) {
      const ticket = String(tickets.size);
      tickets.set(ticket, path);
      return answer(302, { location: `${path}?ticket=${ticket}` });
    }
    if (url.searchParams.has('ticket') && !tickets.delete(url.searchParams.get('ticket'))) return answer(403);
    const content = files[path.replace(/^\/([^/]+\/[^/]+)\/resolve\/[^/]+\//, '/$1/')];
    if (!content) return answer(404);
    await send(request, response, content, cors);
  });

  async function repository(request, repo, answer) {
    let body = '';
    for await (const piece of request) body += piece;
    const file = new URLSearchParams(body).get('paths');
    const oid = rules.published?.[`/${repo}/${file}`];
    if (rules.published === undefined) return answer(404);
    const said = [{ path: file, ...(oid ? { lfs: { oid } } : {}) }];
    return answer(200, { 'content-type': 'application/json' }, JSON.stringify(said));
  }

  async function send(request, response, content, cors) {
    const { size } = content;
    const asked = rules.ranges === false ? undefined : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const begin = asked ? Number(asked[1]) : 0;
    const end = asked?.[2] ? Math.min(Number(asked[2]) + 1, size) : size;
    if (begin >= size) return response.writeHead(416, { ...cors, 'content-range': `bytes */${size}` }).end();
    response.writeHead(asked ? 206 : 200, {
      ...cors, 'content-type': 'application/octet-stream', etag: rules.etag ?? '"1"',
      ...(rules.length === false ? {} : { 'content-length': end - begin }),
      ...(asked ? { 'content-range': `bytes ${begin}-${end - 1}/${size}`, 'accept-ranges': 'bytes' } : {}),
    });
    if (request.method === 'HEAD') return response.end();
    const started = performance.now();
    let sent = 0;
    let gone = false;
    const closed = once(response, 'close').then(() => { gone = true; });
    const step = rules.rate ? Math.min(1 << 18, Math.max(rules.rate / 20, 1024)) : 1 << 18;
    for (let at = begin; at < end && !gone;) {
      const cut = rules.cutAfter !== undefined && (rules.cutTimes ?? Infinity) > 0 ? rules.cutAfter : Infinity;
      const limit = Math.min(cut, rules.silentAfter ?? Infinity) - sent;
      if (limit <= 0) {
        if (rules.silentAfter !== undefined && sent >= rules.silentAfter) return; // The line stays open.
        if (rules.cutTimes) rules.cutTimes -= 1;
        return response.destroy();
      }
      if (at >= rules.pauseAt) {
        await sleep(5);
        continue;
      }
      const next = Math.min(end, at + Math.floor(step), at + limit, rules.pauseAt ?? Infinity);
      const bytes = await content.read(at, next);
      const { wrongAt } = rules;
      if (wrongAt >= at && wrongAt < next && (rules.wrongTimes ?? Infinity) > 0) {
        bytes[wrongAt - at] ^= 0xff;
        if (rules.wrongTimes) rules.wrongTimes -= 1;
      }
      if (!response.write(bytes)) await Promise.race([once(response, 'drain'), closed]);
      sent += bytes.length;
      record.bytes += bytes.length;
      at = next;
      if (rules.rate) await sleep(Math.max(0, sent / rules.rate * 1000 - (performance.now() - started)));
    }
    record.lastByte = Date.now();
    response.end();
  }

  const { origin, close } = await listen(server, 0, host);
  return {
    origin, files, rules, record, close,
    /** Forgets what was recorded. */
    reset() { record.requests.length = 0; record.bytes = 0; },
  };
}
