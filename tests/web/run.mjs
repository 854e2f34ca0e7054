// Runs the browser tests, file after file, and prints a line for each test. Usage: node run.mjs [TEXT …]
// runs the files whose name contains one of the texts; all of them without. A test that is skipped is a failure.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);
const files = readdirSync(here).filter((name) => name.endsWith('.test.mjs')).sort()
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

const stream = run({ files: files.map((name) => join(here, name)), concurrency: 1 });
stream.on('test:pass', (event) => report({ ...event, details: { ...event.details, passed: true } }));
stream.on('test:fail', (event) => report({ ...event, details: { ...event.details, passed: false } }));
stream.on('test:diagnostic', ({ message, nesting }) => {
  const summary = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(message);
  if (nesting > 0 || !summary) console.log(`       ${message}`);
});
stream.on('test:stderr', ({ message }) => process.stderr.write(message));
stream.on('end', () => {
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
});
stream.resume();
