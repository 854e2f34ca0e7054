// What `npm pack` packs: the files, what they refer to, their types, and that a browser runs them as they are.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { browserTest } from './harness.mjs';
import { BUILD } from './packages.mjs';

const NPM = join(BUILD, 'npm');
const TSC = join(BUILD, 'node_modules/typescript/bin/tsc');
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** A folder of an app that has nothing but the package. */
const APP = mkdtempSync(join(tmpdir(), 'llamita-app-'));
const STORY = 'Once upon a time';
after(() => rmSync(APP, { recursive: true, force: true }));

/** Runs a program, and gives what it printed; where it fails, its output is the error. */
async function run(program, args, cwd) {
  try {
    return (await promisify(execFile)(program, args, { cwd, shell: process.platform === 'win32' })).stdout;
  } catch (error) {
    throw new Error(`${program} ${args.join(' ')}: ${error.stdout}${error.stderr}`);
  }
}

/** What npm packs of a folder: names and sizes; with a destination it packs it there. */
async function pack(folder, destination) {
  const how = destination ? ['--pack-destination', destination] : ['--dry-run'];
  const [packed] = JSON.parse(await run('npm', ['pack', '--json', '--ignore-scripts', ...how], folder));
  return packed;
}

/** The modules that a page imports, with those that they import. */
function pageModules() {
  const found = new Set();
  const follow = (name) => {
    if (found.has(name)) return;
    found.add(name);
    const text = readFileSync(join(ROOT, `web/src/${name}.ts`), 'utf8');
    for (const [, next] of text.matchAll(/from '\.\/([\w-]+)\.js'/g)) follow(next);
  };
  follow('index');
  return [...found];
}

/** The files that the package consists of: a page's modules with their types, the worker, the engine, and papers. */
function wantedFiles() {
  return [
    ...pageModules().flatMap((name) => [`dist/${name}.js`, `dist/${name}.d.ts`]), 'dist/worker.js',
    'dist/llamita_bg.wasm', 'package.json', 'README.md', 'LICENSE-MIT', 'LICENSE-APACHE',
  ].sort();
}

/** What is wrong with a package in a folder, one line each. */
async function faults(folder) {
  const { files } = await pack(folder);
  const names = files.map(({ path }) => path).sort();
  const wanted = wantedFiles();
  const found = [
    ...wanted.filter((name) => !names.includes(name)).map((name) => `${name} is missing`),
    ...names.filter((name) => !wanted.includes(name)).map((name) => `${name} is too much`),
    ...files.filter(({ size }) => size === 0).map(({ path }) => `${path} is empty`),
  ];
  const inside = (name, from) => {
    if (!names.includes(name)) found.push(`${from} names ${name}, which is not packed`);
  };
  const { main, types, exports } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const targets = (value) => typeof value === 'string' ? [value] : Object.values(value).flatMap(targets);
  for (const target of [main, types, ...targets(exports)]) inside(normalize(target), 'package.json');
  for (const name of names.filter((name) => /\.(js|ts)$/.test(name))) {
    const text = await readFile(join(folder, name), 'utf8');
    if (/sourceMappingURL/.test(text)) found.push(`${name} names a source map`);
    const imports = text.matchAll(/(?:from|import|import\()\s*(['"])([^'"\n]+)\1|new URL\((['"])([^'"\n]+)\3, import\.meta/g);
    for (const [, , imported, , file] of imports) {
      const target = imported ?? file;
      const here = join(dirname(name), target).replaceAll('\\', '/');
      if (!target.startsWith('.') && imported) found.push(`${name} imports ${target}`);
      // Types are beside the module that is named.
      else inside(name.endsWith('.d.ts') ? here.replace(/\.js$/, '.d.ts') : here, name);
    }
  }
  return found;
}

test('the package has its files and nothing else, and they refer to each other alone', async () => {
  assert.deepEqual(await faults(NPM), []);
  const { unpackedSize, name, version } = await pack(NPM);
  assert.deepEqual([name, /^\d+\.\d+\.\d+$/.test(version)], ['llamita', true]);
  assert.ok(unpackedSize > 1e6, 'the engine is in it');
  const spoiled = join(APP, 'spoiled');
  await cp(NPM, spoiled, { recursive: true });
  try {
    await writeFile(join(spoiled, 'dist/index.test.js'), 'export {};\n');
    await writeFile(join(spoiled, 'dist/index.js.map'), '{}\n');
    await writeFile(join(spoiled, 'dist/keep.js'), "import '../../outside.js';\n//# sourceMappingURL=keep.js.map\n");
    await writeFile(join(spoiled, 'dist/errors.js'), "import 'left-pad';\n");
    await rm(join(spoiled, 'dist/llamita_bg.wasm'));
    const told = (await faults(spoiled)).join('\n');
    for (const fault of [
      'dist/index.test.js is too much', 'dist/index.js.map is too much', 'dist/llamita_bg.wasm is missing',
      'dist/keep.js names ../outside.js, which is not packed', 'dist/keep.js names a source map',
      'dist/errors.js imports left-pad', 'package.json names dist/llamita_bg.wasm, which is not packed',
    ]) assert.ok(told.includes(fault), `${fault}:\n${told}`);
  } finally {
    await rm(spoiled, { recursive: true });
  }
});

/** The app of a person who installed the package: ten lines. */
const SOURCE = `import { Model, LlamitaError, type Progress } from 'llamita';

const out = document.querySelector('#answer')!;
const onProgress = (p: Progress) => { document.title = \`\${p.stage} \${Math.round(p.loaded / p.total * 100)}%\`; };
try {
  const model = await Model.load('/models/llamita-stories.gguf', { onProgress });
  const session = await model.session();
  for await (const piece of session.reply('${STORY}', { temperature: 0, maxTokens: 24 })) out.append(piece);
  document.body.dataset['tokens'] = String(session.state.tokens);
} catch (error) { out.append(error instanceof LlamitaError ? error.kind : String(error)); }
`;
const PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>app</title>
<p id="answer"></p>
<script type="importmap">{ "imports": { "llamita": "./node_modules/llamita/dist/index.js" } }</script>
<script type="module" src="app.js"></script>
</html>
`;
const OPTIONS = {
  target: 'ES2022', module: 'ES2022', moduleResolution: 'bundler', lib: ['ES2023', 'DOM', 'DOM.AsyncIterable'], types: [],
  strict: true, skipLibCheck: false, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true,
};

const tsc = () => run(process.execPath, [TSC, '--project', 'tsconfig.json'], APP);
const project = (options) => writeFile(join(APP, 'tsconfig.json'), JSON.stringify({
  compilerOptions: { ...OPTIONS, ...options }, files: ['app.ts'],
}));

let app;
/** Makes the app: packs the package, installs it, compiles. */
function installed() {
  return app ??= (async () => {
    const { filename } = await pack(NPM, APP);
    await writeFile(join(APP, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
    const quiet = ['--offline', '--no-audit', '--no-fund', '--ignore-scripts', '--no-package-lock'];
    await run('npm', ['install', ...quiet, `./${filename}`], APP);
    await writeFile(join(APP, 'index.html'), PAGE);
    await writeFile(join(APP, 'app.ts'), SOURCE);
    await project({});
    await tsc();
  })();
}

test('an app that installed it finds its types and its exports', async () => {
  await installed();
  const packages = readdirSync(join(APP, 'node_modules')).filter((name) => !name.startsWith('.'));
  assert.deepEqual(packages, ['llamita'], 'it needs no other package');

  const { resolve } = createRequire(join(APP, 'app.js'));
  const at = (name) => join(APP, 'node_modules/llamita', name);
  const found = ['llamita', 'llamita/worker.js', 'llamita/llamita_bg.wasm', 'llamita/package.json'].map((name) => resolve(name));
  assert.deepEqual(found, ['dist/index.js', 'dist/worker.js', 'dist/llamita_bg.wasm', 'package.json'].map(at));
  assert.throws(() => resolve('llamita/dist/errors.js'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });

  await project({ module: 'NodeNext', moduleResolution: 'nodenext', noEmit: true });
  await tsc();
  // What is wrong is seen: types are there, and are not `any`.
  for (const [right, wrong, told] of [
    ['maxTokens: 24', "maxTokens: '24'", /TS2769|TS2322/], ['session.state.tokens', 'session.state.token', /TS2551/],
  ]) {
    await writeFile(join(APP, 'app.ts'), SOURCE.replace(right, wrong));
    await assert.rejects(tsc, told);
  }
});

browserTest('an app runs it from node_modules, and by the example of the manual', { folders: { '/app/': APP } }, async ({ page, origin }) => {
  await installed();
  await page.goto(`${origin}/app/`);
  await page.locator('body[data-tokens]').waitFor({ timeout: 120_000 });
  const { runs } = JSON.parse(await readFile(new URL('native-greedy.json', import.meta.url), 'utf8'));
  const native = runs.find(({ prompt }) => prompt === STORY);
  const said = await page.locator('#answer').textContent();
  assert.ok(said.length > 40 && native.text.startsWith(said), `${said} is not the beginning of ${native.text}`);

  const manual = await readFile(join(ROOT, 'docs/web.md'), 'utf8');
  const [, example] = /```html\n(<!doctype html>[^]*?)```/.exec(manual) ?? [];
  assert.ok(example?.split('\n').length <= 12, 'the manual has an example of ten lines');
  const source = /const source = .*;/;
  assert.match(example, source);
  const local = example.replace(source, "const source = '/models/llamita-stories.gguf';");
  const manualApp = join(APP, 'manual');
  await mkdir(manualApp);
  await cp(join(APP, 'node_modules/llamita/dist'), join(manualApp, 'llamita'), { recursive: true });
  // How long a sampled answer is nobody knows: it has come when the script has ended.
  const ends = local.replace('</script>', "  document.body.dataset.ended = '';\n</script>");
  await writeFile(join(manualApp, 'index.html'), ends.replace('<div', '<link rel="icon" href="data:,"><div'));
  await page.goto(`${origin}/app/manual/`);
  await page.locator('body[data-ended]').waitFor({ state: 'attached' });
  assert.ok((await page.locator('#answer').textContent()).length > 0);
  assert.match(await page.title(), /^(load|prepare) 100%$/);
});
