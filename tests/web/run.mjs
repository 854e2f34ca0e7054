// Runs kernels of the web build in a headless browser: serves this folder, opens index.html, prints a table.
// Usage: node run.mjs --browser PATH [--tier base] [--cases TEXT] [--gpu]
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Browser } from './browser.mjs';

const LIMIT_MS = 300_000;
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

const { values: options } = parseArgs({
  options: {
    browser: { type: 'string' },
    tier: { type: 'string', default: 'base' },
    cases: { type: 'string' },
    gpu: { type: 'boolean', default: false },
  },
});

/** Files of this folder, on an address that only this machine reaches. */
async function serve() {
  const here = dirname(fileURLToPath(import.meta.url));
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
    const file = createReadStream(join(here, path));
    file.on('open', () => response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' }));
    file.on('error', () => response.writeHead(404).end());
    file.pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function print({ name, nmse, tolerance, passed, fault, error, ms }) {
  const numbers = `NMSE ${Number(nmse).toExponential(1)} of ${Number(tolerance).toExponential(1)}`;
  const note = error ? `error: ${error}` : [numbers, fault].filter(Boolean).join('; ');
  console.log(`${passed === true ? 'ok    ' : 'FAILED'} ${name.padEnd(56)} ${ms.toFixed(0).padStart(6)} ms  ${note}`);
}

/** What a page or worker said that nothing should have to say. */
function complaint(method, params) {
  if (method === 'Runtime.exceptionThrown') {
    const { exception, text } = params.exceptionDetails;
    return exception?.description ?? text;
  }
  if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(params.type)) {
    return params.args.map((arg) => arg.value ?? arg.description ?? arg.type).join(' ');
  }
  if (method === 'Log.entryAdded' && ['error', 'warning'].includes(params.entry.level) && !params.entry.url?.endsWith('/favicon.ico')) {
    return params.entry.text;
  }
  return undefined;
}

async function main() {
  const server = await serve();
  const browser = await Browser.launch(options.browser, options.gpu ? [] : ['--use-webgpu-adapter=swiftshader']);
  const complaints = new Set(); // What a worker says, its page reports too.
  browser.onevent = (method, params) => {
    if (method === 'Target.attachedToTarget') browser.watch(params.sessionId).catch((error) => complaints.add(error.message));
    if (method === 'Runtime.bindingCalled') print(JSON.parse(params.payload));
    const text = complaint(method, params);
    if (text) complaints.add(text);
  };
  const late = setTimeout(() => {
    console.log(`FAILED: not done after ${LIMIT_MS / 1000} s`);
    browser.close(); // What waits for it fails, and so does this program.
  }, LIMIT_MS);
  try {
    const page = await browser.page(`http://127.0.0.1:${server.address().port}/index.html`);
    await browser.call('Runtime.addBinding', { name: 'report' }, page);
    const asked = JSON.stringify({ tier: options.tier, cases: options.cases });
    const done = await browser.evaluate(`runCases(${asked})`, page);
    const { vendor, architecture, device, description, features } = done.adapter;
    const kept = features.filter((feature) => /^(shader-f16|subgroups|timestamp-query)$/.test(feature));
    console.log(`adapter: ${[vendor, architecture, device, description].filter(Boolean).join(' · ')} (${kept.join(', ')})`);
    if (!options.gpu && architecture !== 'swiftshader') complaints.add(`the adapter is ${architecture}, not swiftshader`);
    if (!done.refusesUnknown) complaints.add('run_kernel_case accepted a case that does not exist');
    if (done.ran === 0) complaints.add(`none of the library's ${done.known} cases was chosen`);
    for (const text of complaints) console.log(`FAILED: ${text}`);
    console.log(`${done.ran - done.failed} passed, ${done.failed + complaints.size} failed`);
    return done.failed === 0 && complaints.size === 0;
  } catch (error) {
    for (const text of [error.message, ...complaints]) console.log(`FAILED: ${text}`);
    return false;
  } finally {
    clearTimeout(late);
    await browser.close();
    server.close();
  }
}

process.exitCode = (await main()) ? 0 : 1;
