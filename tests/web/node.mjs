// The package's engine in Node: kernel cases against the CPU oracle, and speeds, on Dawn, which is Chromium's WebGPU,
// with a native driver, which may have shader-f16. Usage:
// node node.mjs '{"tier":"f16","cases":"argmax","prefill":64,"decode":32,"repeat":3}'
//
// Dawn takes Vulkan drivers of Mesa 25 or newer: VK_DRIVER_FILES names one that is not the system's.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { choose } from './cases.mjs';
import { llama, MEDIUM } from './gguf.mjs';
import { BUILD, load } from './packages.mjs';

const { tier, cases, prefill, decode, repeat } = JSON.parse(process.argv[2]);
const { create, globals } = await load('webgpu');
// The globals of a worker, as far as the engine looks at them. Collected, Dawn's instance takes the process with it.
const gpu = create([]);
Object.assign(globalThis, globals);
Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });
globalThis.WorkerGlobalScope = Object;

const pkg = join(BUILD, 'pkg');
const engine = await import(pathToFileURL(join(pkg, 'llamita.js')).href);
await engine.default({ module_or_path: await readFile(join(pkg, 'llamita_bg.wasm')) });
engine.start(() => new Promise((resolve) => { setImmediate(resolve); }));

const adapter = await gpu.requestAdapter();
if (!adapter) throw new Error('Dawn found no Vulkan driver that it takes: it needs Mesa 25 or newer');
const { vendor, architecture, description } = adapter.info;
const features = ['shader-f16', 'subgroups'].filter((name) => adapter.features.has(name));
console.log(`Dawn on ${[vendor, architecture, description].filter(Boolean).join(', ')} (${features.join(', ')})`);

const failures = [];
let [worst, passed] = [0, 0];
const names = choose(JSON.parse(engine.kernel_case_names(tier)), cases);
const begin = performance.now();
for (const name of names) {
  const { message, ...report } = await engine.run_kernel_case(name, tier).then(JSON.parse, (error) => error);
  if (report.passed !== true) failures.push(`${name}: ${message ?? `NMSE ${report.nmse} of ${report.tolerance}`}`);
  else [worst, passed] = [Math.max(worst, report.tolerance > 0 ? report.nmse / report.tolerance : 0), passed + 1];
}
const seconds = ((performance.now() - begin) / 1000).toFixed(1);
console.log(`${passed} of ${names.length} kernel cases agree with the oracle in tier ${tier}, `
  + `${seconds} s; the largest error is ${(100 * worst).toFixed(0)} % of its tolerance`);
for (const failure of failures) console.log(`FAILED ${failure}`);
if (passed === 0 || failures.length > 0) process.exitCode = 1;

const content = llama(MEDIUM);
const source = {
  name: 'synthetic.gguf', size: content.size,
  read: async (offset, length) => new Uint8Array(await content.read(offset, offset + length)),
};
const cancel = new engine.Cancel();
const median = (all) => all.sort((a, b) => a - b)[all.length >> 1];
const options = JSON.stringify({ tier, date: '2026-01-01T00:00' });
const model = await engine.Model.load(source, options, '[]', () => {}, cancel);
const session = await model.session();
for (const [kind, tokens, field] of [
  ['prefill', prefill, 'prefillTokensPerSecond'], ['decode', decode, 'decodeTokensPerSecond'],
]) {
  const speeds = [];
  for (let run = 0; run <= repeat; run += 1) {
    const stats = JSON.parse(await engine.benchmark_run(session, kind, tokens, cancel));
    if (run > 0) speeds.push(stats[field]);
  }
  const [least, most] = [Math.min(...speeds), Math.max(...speeds)].map((speed) => speed.toFixed(2));
  console.log(`${kind} ${tokens}: ${median(speeds).toFixed(2)} (${least}-${most}) tokens/s in tier ${tier}`);
}
process.exit(); // Dawn's own threads would keep it.
