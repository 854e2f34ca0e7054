// Runs the browser tests and prints a line for each as it ends. Usage: node run.mjs [--firefox] [TEXT …] runs the files
// whose name contains one of the texts; all of them without: in Chromium, or with --firefox those that are for Firefox. A
// test that is skipped is a failure. Two files run side by side, since one thread compiles shaders and the page waits for
// it; those that measure run alone.
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const inFirefox = process.argv.includes('--firefox');
const wanted = process.argv.slice(2).filter((argument) => argument !== '--firefox');
/** Files whose tests measure memory, times or pace. */
const MEASURE = ['flat', 'load', 'pace'].map((topic) => `${topic}.test.mjs`);
const files = readdirSync(here).filter((name) => name.endsWith('.test.mjs')).sort()
  .filter((name) => name.startsWith('firefox') === inFirefox)
  .filter((name) => wanted.length === 0 || wanted.some((text) => name.includes(text)));

let passed = 0;
let failed = 0;

/** What is worth reading of an error: an assertion's own text, and where it was thrown. */
function reason({ details, skip, todo }) {
  if (skip !== undefined || todo !== undefined) return 'it was skipped';
  const cause = details.error?.cause ?? details.error;
  return String(cause?.stack ?? cause?.message ?? cause).split('\n').map((line) => `       ${line}`).join('\n').trim();
}

function report(event) {
  const { name, file, nesting, details, skip, todo } = event;
  if (details.type === 'suite' || (nesting === 0 && file === name)) return; // The files, where Node lists them.
  const good = details.passed && skip === undefined && todo === undefined;
  if (good) passed += 1; else failed += 1;
  console.log(`${good ? 'ok    ' : 'FAILED'} ${name}  ${(details.duration_ms / 1000).toFixed(1)} s`);
  if (!good) console.log(`       ${reason(event)}`);
}

/** Runs one file, and reports its tests as they end. */
async function runFile(file) {
  const stream = run({ files: [join(here, file)] });
  stream.on('test:pass', (event) => report({ ...event, details: { ...event.details, passed: true } }));
  stream.on('test:fail', (event) => report({ ...event, details: { ...event.details, passed: false } }));
  stream.on('test:diagnostic', ({ message, nesting }) => {
    const summary = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(message);
    if (nesting > 0 || !summary) console.log(`       ${message}`);
  });
  stream.on('test:stderr', ({ message }) => process.stderr.write(message));
  const ended = once(stream, 'end');
  stream.resume();
  await ended;
}

/** Runs files, so many at a time. Each has a stream of its own: in a common one, a file waits for those before it. */
async function runFiles(names, concurrency) {
  const waiting = [...names];
  const work = async () => { while (waiting.length > 0) await runFile(waiting.shift()); };
  await Promise.all(Array.from({ length: concurrency }, work));
}

await runFiles(files.filter((name) => !MEASURE.includes(name)), 2);
await runFiles(files.filter((name) => MEASURE.includes(name)), 1);
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0 || passed === 0) process.exitCode = 1;
