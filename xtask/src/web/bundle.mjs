// What esbuild makes of the web build's modules. Runs in target/web, where the npm packages are installed:
//
//   node bundle.mjs worker FROM TO          one file of the package's worker
//   node bundle.mjs page MODULES STYLES SITE INSIDE
//
// The second makes of MODULES/app, MODULES/llamita and STYLES what a browser needs in SITE: `app/main.js` with chunks that
// it loads when it needs them, `llamita/index.js` and `style/page.css` as one file each, and `licences.txt`, the terms of
// the libraries in them. INSIDE gets every module of the page by its own name, for tests of what is inside it.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';

const { build } = createRequire(join(process.cwd(), 'package.json'))('esbuild');

const COMMON = { bundle: true, format: 'esm', target: 'es2022', minify: true, legalComments: 'none', logLevel: 'warning' };

/** The page imports the package from beside its own folder, where apps find it too: both have the same module. */
const BESIDE = {
  name: 'beside',
  setup: ({ onResolve }) => onResolve({ filter: /^\.\.\/llamita\// }, ({ path }) => ({ path, external: true })),
};

async function worker(from, to) {
  // A server that compresses the engine does not say how long it is.
  const define = { ENGINE_BYTES: String(statSync(join(process.cwd(), 'pkg/llamita_bg.wasm')).size) };
  await build({ ...COMMON, entryPoints: [from], outfile: to, define });
}

async function page(modules, styles, site, inside) {
  const sizeOf = (file) => String(statSync(join(site, file)).size);
  const proof = readdirSync(join(site, 'proof/spinquant')).map((file) => Number(sizeOf(`proof/spinquant/${file}`)));
  const define = {
    BUNDLED_BYTES: sizeOf('models/llamita-stories.gguf'), ENGINE_BYTES: sizeOf('llamita/llamita_bg.wasm'),
    PROOF_BYTES: String(proof.reduce((sum, bytes) => sum + bytes, 0)),
  };
  const app = { ...COMMON, define, splitting: true, plugins: [BESIDE], chunkNames: '[name]-[hash]', metafile: true };
  const main = join(modules, 'app/main.js');
  const { metafile } = await build({ ...app, entryPoints: [main], outdir: join(site, 'app') });
  withoutHelpers(metafile.outputs);
  // A page of its own, in one piece: a chunk that both share would be one request more for the first.
  const probe = join(modules, 'app/probe.js');
  await build({ ...COMMON, plugins: [BESIDE], entryPoints: [probe], outfile: join(site, 'app/probe.js') });
  await build({ ...COMMON, entryPoints: [join(modules, 'llamita/index.js')], outfile: join(site, 'llamita/index.js') });
  await build({ ...COMMON, entryPoints: [join(styles, 'page.css')], outfile: join(site, 'style/page.css') });
  writeFileSync(join(site, 'licences.txt'), licences(Object.keys(metafile.inputs)));
  const all = readdirSync(join(modules, 'app'), { recursive: true }).filter((name) => /(?<!^sw)\.js$/.test(name));
  const entryPoints = all.map((name) => join(modules, 'app', name));
  await build({ ...app, minify: false, entryPoints, outbase: join(modules, 'app'), outdir: join(inside, 'app') });
}

/** Every part imports the chunk of esbuild's own helpers, which the page itself does not use: one request less. */
function withoutHelpers(outputs) {
  const helpers = Object.keys(outputs).filter((name) => Object.keys(outputs[name].inputs).length === 0);
  for (const name of Object.keys(outputs)) {
    let text = readFileSync(name, 'utf8');
    for (const helper of helpers) text = text.replace(`import"./${basename(helper)}";`, '');
    writeFileSync(name, text);
  }
}

/** The terms of the packages that these files belong to. */
function licences(files) {
  const found = new Set(files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file.replaceAll('\\', '/')) ?? []));
  const texts = [...found].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} has no text of its licence`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  const head = 'This page is made with these libraries, whose terms follow.\n';
  return [head, ...texts].join(`\n${'-'.repeat(100)}\n\n`);
}

const [what, ...paths] = process.argv.slice(2);
await { worker, page }[what](...paths);
