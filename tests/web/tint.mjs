// Every shader given, through Tint, on Dawn's null backend: no driver is needed. Each entry point becomes a pipeline
// under WebGPU's default limits. Tint refuses what naga lets through: barriers in non-uniform control flow, a ninth
// storage buffer. Usage: node tint.mjs FOLDER, for every .wgsl file in it.
//
// A shader whose overrides have no default value names values in comment lines, one pipeline for each line:
//   // overrides: K=64 ROWS=2
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from './packages.mjs';

const { create, globals } = await load('webgpu');
Object.assign(globalThis, globals);
// Kept reachable: collected, it takes the process with it.
globalThis.dawn = create(['backend=null']);
const adapter = await globalThis.dawn.requestAdapter();
const wanted = ['shader-f16', 'subgroups'].filter((feature) => adapter.features.has(feature));
const device = await adapter.requestDevice({ requiredFeatures: wanted });

/** The first error of a shader, or null. */
async function refusal(code) {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  const invalid = await device.popErrorScope();
  const message = messages.find(({ type }) => type === 'error');
  if (message) return `${message.lineNum}:${message.linePos} ${message.message.split('\n')[0]}`;
  if (invalid) return invalid.message;

  const entries = [...code.matchAll(/@compute[^{]*?\bfn\s+(\w+)/g)].map((match) => match[1]);
  if (entries.length === 0) return 'no compute entry point';
  const lines = [...code.matchAll(/^\/\/ overrides: (.*)$/gm)].map((match) => match[1]);
  for (const constants of lines.length ? lines.map(parse) : [{}]) {
    for (const entryPoint of entries) {
      device.pushErrorScope('validation');
      device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint, constants } });
      const error = await device.popErrorScope();
      if (error) return `${entryPoint} ${JSON.stringify(constants)}: ${error.message.split('\n').slice(0, 2).join(' ')}`;
    }
  }
  return null;
}

function parse(line) {
  return Object.fromEntries(line.trim().split(/\s+/).map((word) => word.split('=')).map(([name, value]) => [name, Number(value)]));
}

/** A check that accepts these would check nothing: each is refused for the one reason named, and its repair is accepted. */
const buffers = (count) => Array.from({ length: count }, (_, i) => `@group(0) @binding(${i}) var<storage, read_write> b${i}: array<u32>;`);
const use = (count) => Array.from({ length: count }, (_, i) => `b${i}[0] = 1u;`).join(' ');
const barrier = (condition) => `@group(0) @binding(0) var<storage, read_write> b: array<u32>;
@compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { if ${condition} { workgroupBarrier(); } b[i] = i; }`;
const many = (count) => `${buffers(count).join('\n')}\n@compute @workgroup_size(1) fn main() { ${use(count)} }`;
const SELF_TEST = [
  ['a barrier in non-uniform control flow', barrier('i > 3u'), barrier('true')],
  ['a ninth storage buffer', many(9), many(8)],
  ['a workgroup of 257', 'override n = 257u; @compute @workgroup_size(n) fn main() {}', '// overrides: n=256\noverride n = 257u; @compute @workgroup_size(n) fn main() {}'],
];

let failed = 0;
for (const [what, fault, repaired] of SELF_TEST) {
  if (await refusal(fault) === null) { failed += 1; console.log(`FAILED: Tint accepted ${what}`); }
  const why = await refusal(repaired);
  if (why !== null) { failed += 1; console.log(`FAILED: without ${what}, Tint still says: ${why}`); }
}
if (failed) process.exit(1);

const folder = process.argv[2];
const files = readdirSync(folder).filter((name) => name.endsWith('.wgsl')).sort();
for (const file of files) {
  const why = await refusal(readFileSync(join(folder, file), 'utf8'));
  if (why !== null) { failed += 1; console.log(`FAILED ${file}: ${why}`); }
}
console.log(`Tint: ${files.length} shaders under WebGPU's default limits, ${wanted.join(' and ')} available`);
console.log(`${files.length - failed} passed, ${failed} failed`);
process.exit(failed || files.length === 0 ? 1 : 0);
