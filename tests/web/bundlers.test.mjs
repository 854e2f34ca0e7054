// The package in apps of others: built with Vite and esbuild by the recipes of the manual, and run in the browser.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { browserTest } from './harness.mjs';
import { BUILD, load } from './packages.mjs';

const APP = mkdtempSync(join(tmpdir(), 'llamita-bundled-'));
const MANUAL = fileURLToPath(new URL('../../docs/web.md', import.meta.url));
const STORY = 'Once upon a time';
after(() => rmSync(APP, { recursive: true, force: true }));

/** An app that says what the names of errors are, and then a story. */
const MAIN = `import { LlamitaError, Model } from 'llamita';

const { dataset } = document.body;
try {
  const wrong = await Model.load(undefined).catch((error) => error);
  dataset.wrong = [wrong.name, wrong.kind, wrong instanceof LlamitaError, String(wrong).split(':')[0]].join(' ');
  const model = await Model.load('/models/llamita-stories.gguf', { keep: false });
  const session = await model.session();
  const out = document.querySelector('#answer');
  for await (const piece of session.reply('${STORY}', { temperature: 0, maxTokens: 24 })) out.append(piece);
  dataset.ended = 'well';
} catch (error) {
  dataset.ended = String(error);
}
`;
const page = (script) => `<!doctype html>
<html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>app</title>
<body><p id="answer"></p><script type="module" src="${script}"></script></body></html>
`;

let made;
/** The app's folder, with the package and the bundlers in its node_modules. */
function app() {
  return made ??= (async () => {
    const modules = join(APP, 'node_modules');
    await mkdir(modules);
    await cp(join(BUILD, 'npm'), join(modules, 'llamita'), { recursive: true });
    for (const name of ['esbuild', 'openai', 'vite']) symlinkSync(join(BUILD, 'node_modules', name), join(modules, name), 'junction');
    await writeFile(join(APP, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
    await writeFile(join(APP, 'main.js'), MAIN);
    await writeFile(join(APP, 'index.html'), page('./main.js'));
  })();
}

/** A file that the manual gives in full, which begins with its name. */
async function recipe(name) {
  const [, text] = new RegExp(`\`\`\`js\\n// ${name.replace('.', '\\.')}\\n([^]*?)\`\`\``).exec(await readFile(MANUAL, 'utf8')) ?? [];
  assert.ok(text, `the manual has no ${name}`);
  await writeFile(join(APP, name), text);
}

const files = (folder) => readdirSync(join(APP, folder), { recursive: true }).map(String);

/** Opens a built app, and compares what it says with the native command. */
async function runs(stage, path) {
  await stage.page.goto(`${stage.origin}${path}`);
  await stage.page.locator('body[data-ended]').waitFor({ state: 'attached', timeout: 120_000 });
  const { ended, wrong } = await stage.page.evaluate(() => ({ ...document.body.dataset }));
  assert.equal(ended, 'well');
  assert.equal(wrong, 'InvalidSetting InvalidSetting true InvalidSetting', 'names survive a minifier');
  const native = JSON.parse(await readFile(new URL('native-greedy.json', import.meta.url), 'utf8')).runs.find(({ prompt }) => prompt === STORY);
  const said = await stage.page.locator('#answer').textContent();
  assert.ok(said.length > 40 && native.text.startsWith(said), `${said} is not the beginning of ${native.text}`);
}

browserTest('what Vite builds runs, with one worker and one engine', { folders: { '/app/': APP } }, async (stage) => {
  await app();
  const { build } = await load('vite');
  await build({ root: APP, base: './', logLevel: 'warn', build: { outDir: 'vite' } });
  const made = files('vite/assets').sort();
  assert.deepEqual(made.map((name) => name.replace(/-[\w-]{8}\./, '.')), ['index.js', 'llamita_bg.wasm', 'worker.js']);
  for (const name of made.filter((name) => name.endsWith('.js'))) {
    assert.ok(!/data:(text|application)/.test(await readFile(join(APP, 'vite/assets', name), 'utf8')), `${name} holds a file as an address`);
  }
  await runs(stage, '/app/vite/');
});

browserTest('Vite’s server for development runs it, by the recipe of the manual', async (stage) => {
  await app();
  await recipe('vite.config.js');
  const { createServer } = await load('vite');
  const server = await createServer({
    root: APP, logLevel: 'error', server: { port: 0, host: '127.0.0.1', proxy: { '/models': stage.origin }, fs: { strict: false } },
  });
  try {
    await server.listen();
    const { port } = server.httpServer.address();
    await runs({ ...stage, origin: `http://127.0.0.1:${port}` }, '/');
  } finally {
    await server.close();
  }
});

browserTest('what esbuild builds runs, by the recipe of the manual', { folders: { '/app/': APP } }, async (stage) => {
  await app();
  await recipe('build.mjs');
  await promisify(execFile)(process.execPath, ['build.mjs'], { cwd: APP });
  assert.deepEqual(files('out').sort(), ['llamita_bg.wasm', 'main.js', 'worker.js']);
  await writeFile(join(APP, 'out/index.html'), page('./main.js'));
  await runs(stage, '/app/out/');
  // A bundle that is no module does not know where it is; it says what to do, and does it.
  const { build } = await load('esbuild');
  const place = "{ keep: false, workerUrl: 'worker.js', wasmUrl: 'llamita_bg.wasm' }";
  for (const [name, options] of [['lost', '{ keep: false }'], ['placed', place]]) {
    const contents = `(async () => {${MAIN.replace(/^import.*\n/, '').replace('{ keep: false }', options)}})();`;
    await build({
      stdin: { contents: `import { LlamitaError, Model } from 'llamita';\n${contents}`, resolveDir: APP }, logLevel: 'error',
      bundle: true, minify: true, format: 'iife', outfile: join(APP, `out/${name}.js`),
    });
    await writeFile(join(APP, `out/${name}.html`), page(`./${name}.js`));
  }
  await stage.page.goto(`${stage.origin}/app/out/lost.html`);
  await stage.page.locator('body[data-ended]').waitFor({ state: 'attached' });
  assert.match(await stage.page.locator('body').getAttribute('data-ended'), /^InvalidSetting: The worker cannot be started.*workerUrl/);
  await runs(stage, '/app/out/placed.html');
});

test('messages and requests of OpenAI’s types are taken as they are', async () => {
  await app();
  const tsc = async (source) => {
    await writeFile(join(APP, 'types.ts'), source);
    const options = {
      target: 'ES2022', module: 'ES2022', moduleResolution: 'bundler', lib: ['ES2023', 'DOM', 'DOM.AsyncIterable'], types: [],
      strict: true, skipLibCheck: true, noEmit: true, exactOptionalPropertyTypes: true,
    };
    await writeFile(join(APP, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['types.ts'] }));
    const program = join(BUILD, 'node_modules/typescript/bin/tsc');
    await promisify(execFile)(process.execPath, [program, '--project', 'tsconfig.json'], { cwd: APP }).catch(({ stdout }) => { throw new Error(stdout); });
  };
  const source = `import type OpenAI from 'openai';
import type { ChatCompletion, ChatMessage, ChatRequest, Engine } from 'llamita';
type Theirs = OpenAI.Chat.ChatCompletionMessageParam;
export const ours = (messages: Theirs[]): ChatMessage[] => messages;
export const one = (message: OpenAI.Chat.ChatCompletionMessage): ChatMessage => message;
export const request = (request: OpenAI.Chat.ChatCompletionCreateParams): ChatRequest => request;
export const whole = (engine: Engine, request: OpenAI.Chat.ChatCompletionCreateParamsNonStreaming) => engine.chat.completions.create(request);
export const back = (completion: ChatCompletion): Theirs => completion.choices[0]!.message;
`;
  await tsc(source);
  await assert.rejects(tsc(`${source}export const no = (messages: number[]): ChatMessage[] => messages;\n`), /TS2322/);
});
