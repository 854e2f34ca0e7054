// What is given wrongly, and a package whose files are not where they are looked for: always an error of the package,
// which says what to do.
import assert from 'node:assert/strict';
import { browserTest } from './harness.mjs';
import { listen, BLANK } from './server.mjs';
import { createServer } from 'node:http';

const MODEL = '/models/llamita-stories.gguf';

/** Runs a function with the package's module in a page; what a promise ends with comes within 20 s. */
async function inPage({ page, origin }, run, args) {
  await page.goto(origin + BLANK);
  return page.evaluate(async ([run, args]) => {
    const llamita = await import('/llamita/index.js');
    const late = () => new Promise((resolve) => setTimeout(resolve, 20_000, { kind: 'nothing came for 20 s' }));
    const outcome = async (call) => {
      try {
        return await Promise.race([Promise.resolve(call()).then(() => ({ kind: 'none' })), late()]);
      } catch (error) {
        const { kind, name, message, status } = error;
        return { kind, name, message, status, ours: error instanceof llamita.LlamitaError };
      }
    };
    return (0, eval)(`(${run})`)({ ...llamita, outcome }, args);
  }, [String(run), args]);
}

/** Asserts that each outcome is an error of the package, of the kind that is its name's, with a message as wanted. */
function typed(outcomes, wanted) {
  for (const [name, [kind, message]] of Object.entries(wanted)) {
    const outcome = outcomes[name];
    assert.deepEqual([outcome.kind, outcome.name, outcome.ours], [kind, kind, true], `${name}: ${JSON.stringify(outcome)}`);
    assert.match(outcome.message, message, name);
  }
}

browserTest('whatever is given wrongly is an error of the package', async (stage) => {
  const outcomes = await inPage(stage, async ({ Model, ModelStore, Engine, outcome }, model) => {
    const sources = {
      undefined: undefined, null: null, number: 7, empty: '', blank: ' ', object: {}, list: [], address: 'http://[',
      emptyUrl: { url: '' }, numberUrl: { url: 7 }, repoAlone: { repo: 'a/b' }, emptyStored: { stored: '' }, function: () => {},
    };
    const found = {};
    const store = await ModelStore.open();
    for (const [name, source] of Object.entries(sources)) {
      found[`load ${name}`] = await outcome(() => Model.load(source));
      found[`inspect ${name}`] = await outcome(() => Model.inspect(source));
      found[`download ${name}`] = await outcome(() => store.download(source));
    }
    found.engine = await outcome(() => Engine.create(undefined));
    found.headers = await outcome(() => Model.load({ url: model, headers: { a: () => {} } }));
    found.import = await outcome(() => store.import(undefined));
    found.imports = await outcome(() => store.import(['a.gguf']));
    found.signal = await outcome(() => Model.load(model, { signal: 'stop' }));
    found.worker = await outcome(() => Model.load(model, { workerUrl: 'http://[' }));
    found.wasm = await outcome(() => Model.load(model, { wasmUrl: 'http://[' }));
    const loaded = await Model.load(model, { keep: false });
    const session = await loaded.session();
    found.reply = await outcome(() => session.reply(undefined).text());
    found.replyObject = await outcome(() => session.reply({ role: 'user', content: 'Hi' }).text());
    const engine = await Engine.create(loaded);
    const ask = (request) => outcome(() => engine.chat.completions.create(request));
    found.request = await ask(undefined);
    found.messages = await ask({ messages: [null] });
    const user = { role: 'user', content: 'Once' };
    found.tool = await ask({ messages: [user, { role: 'tool', content: 'x', tool_call_id: '1' }] });
    found.calls = await ask({ messages: [user, { role: 'assistant', content: null, tool_calls: [{ id: '1' }] }] });
    found.image = await ask({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] });
    const assistant = { role: 'assistant', content: null, refusal: null, tool_calls: [] };
    found.good = await ask({ messages: [user, assistant, user], max_tokens: 4, temperature: 0 });
    return found;
  }, MODEL);
  const { good, ...rest } = outcomes;
  assert.equal(good.kind, 'none', JSON.stringify(good));
  const tools = ['tool', 'calls', 'image'];
  typed(rest, Object.fromEntries(Object.keys(rest).map((name) => [name, [tools.includes(name) ? 'Unsupported' : 'InvalidSetting', /.{15}/]])));
  assert.match(outcomes['load undefined'].message, /address, a File.*undefined was given/);
});

browserTest('a worker or an engine that is not there, or is another thing, is an error that says so', async (stage) => {
  stage.allow(/.*/); // Browsers say of each of them that it failed.
  const pages = await listen(createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html', 'access-control-allow-origin': '*' }).end('<!doctype html>');
  }));
  const silent = await listen(createServer((request, response) => response.destroy()));
  try {
    const outcomes = await inPage(stage, async ({ Model, device, outcome }, { model, pages, silent }) => {
      const script = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
      const bytes = URL.createObjectURL(new Blob(['no wasm'], { type: 'application/wasm' }));
      // A module that is valid and is not this engine.
      const other = URL.createObjectURL(new Blob([new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])], { type: 'application/wasm' }));
      const load = (place) => outcome(() => Model.load(model, place));
      const found = {
        wasmMissing: await load({ wasmUrl: '/llamita/nowhere.wasm' }),
        wasmPage: await load({ wasmUrl: `${pages}/llamita_bg.wasm` }),
        wasmBytes: await load({ wasmUrl: bytes }),
        wasmSilent: await load({ wasmUrl: `${silent}/llamita_bg.wasm` }),
        workerMissing: await load({ workerUrl: '/llamita/nowhere.js' }),
        workerPage: await load({ workerUrl: `${pages}/worker.js` }),
        workerSyntax: await load({ workerUrl: script('this is no script') }),
        workerThrows: await load({ workerUrl: script('throw new Error("not today")') }),
        workerImports: await load({ workerUrl: script('import "/llamita/nowhere.js";') }),
        workerSilent: await load({ workerUrl: `${silent}/worker.js` }),
        device: await outcome(() => device({ workerUrl: '/llamita/nowhere.js' })),
        other: await load({ wasmUrl: other }),
      };
      found.again = await load({ wasmUrl: '/llamita/nowhere.wasm' });
      found.good = await load({});
      return found;
    }, { model: MODEL, pages: pages.origin, silent: silent.origin });
    const { good, ...rest } = outcomes;
    assert.equal(good.kind, 'none', 'the right place works beside all of them');
    const worker = /workerUrl/;
    const wasm = /wasmUrl/;
    typed(rest, {
      wasmMissing: ['Http', wasm], wasmPage: ['InvalidSetting', wasm], wasmBytes: ['InvalidSetting', wasm], wasmSilent: ['Offline', wasm],
      workerMissing: ['Http', worker], workerPage: ['InvalidSetting', worker], workerSyntax: ['InvalidSetting', worker],
      workerThrows: ['InvalidSetting', /not today.*workerUrl/], workerImports: ['InvalidSetting', worker], workerSilent: ['Offline', worker],
      device: ['Http', worker], other: ['InvalidSetting', wasm], again: ['Http', wasm],
    });
    assert.equal(outcomes.wasmMissing.status, 404);
    assert.match(outcomes.workerPage.message, /text\/html/);
  } finally {
    await pages.close();
    await silent.close();
  }
});
