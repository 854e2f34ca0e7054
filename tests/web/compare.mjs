// This package beside wllama, llama.cpp in WebAssembly, on the same file in the same browser. Usage:
// node compare.mjs '{"prefill":64,"decode":32,"rounds":3,"tokens":2000}'
//
// Prints a Markdown table; each measurement goes to stderr. Speeds are taken without any meter in the page.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkAdapter, launch, SITE } from './browser.mjs';
import { faultServer } from './faults.mjs';
import { llama, MEDIUM } from './gguf.mjs';
import { heapMeter } from './heap.mjs';
import { memories, meter } from './meter.mjs';
import { BUILD } from './packages.mjs';
import { BLANK, serve } from './server.mjs';

const { prefill, decode, rounds, tokens } = JSON.parse(process.argv[2]);
const WLLAMA = join(BUILD, 'node_modules/@wllama/wllama');
const { context: CONTEXT } = MEDIUM;
/** What both load: one for speeds and loading, and a smaller one for the long answer, which says how memory grows. */
const MODELS = {
  '/model.gguf': llama(MEDIUM),
  '/small.gguf': llama({ layers: 4, dim: 256, ffn: 512, heads: 4, kvHeads: 2, vocabulary: 4096, context: CONTEXT }),
};
/** A long answer is looked at after each of so many parts. */
const PARTS = 4;

// Both behind one face; these functions run in the page. `reply` ends with what it took, by its engine's own count.
async function llamita(url, context) {
  const { Model } = await import('/llamita/index.js');
  const model = await Model.load(url, { context });
  const session = await model.session();
  return {
    async reply(prompt, maxTokens, onPiece) {
      await session.reset();
      const reply = session.reply(prompt, { temperature: 0, maxTokens, ignoreEos: true });
      for await (const piece of reply) onPiece(piece);
      const stats = await reply.stats;
      return {
        prompt: stats.promptTokens, generated: stats.generatedTokens,
        prefill: stats.prefillTokensPerSecond, decode: stats.decodeTokensPerSecond,
      };
    },
    said: [`f32 activations, tier ${model.info.tier}`, model.info.device],
    parameters: model.info.parameters,
    counters: () => model.counters(),
  };
}

async function wllama(url, context) {
  const { Wllama } = await import('/wllama/index.js');
  const said = [];
  const hear = (...words) => said.push(words.map(String).join(' '));
  const logger = { debug: hear, log: hear, warn: hear, error: hear };
  const engine = new Wllama({ default: '/wllama/wasm/wllama.wasm' }, { logger });
  await engine.loadModelFromUrl(url, { n_ctx: context });
  said.unshift(`${engine.getNumThreads()} threads`);
  return {
    async reply(prompt, maxTokens, onPiece) {
      const settings = { temperature: 0, max_tokens: maxTokens, ignore_eos: true, cache_prompt: false };
      let timings;
      for await (const chunk of await engine.createCompletion({ prompt, stream: true, ...settings })) {
        onPiece(chunk.choices[0]?.text ?? '');
        timings = chunk.timings ?? timings;
      }
      return {
        prompt: timings.prompt_n, generated: timings.predicted_n,
        prefill: timings.prompt_per_second, decode: timings.predicted_per_second,
      };
    },
    said,
  };
}

/** A prompt of so many tokens, the beginning included: each letter after a space is one. */
const promptOf = (count, seed) => Array.from({ length: Math.max(count - 1, 1) }, (_, i) => (
  ` ${String.fromCharCode(97 + (i * 7 + i * i * 3 + seed * 5) % 26)}`)).join('');

/** A page before the click, with what the functions below call. */
async function open(context) {
  const page = await context.newPage();
  page.on('console', (message) => console.error(`  ${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => console.error(`  ${error}`));
  await page.goto(site.origin + BLANK);
  await page.evaluate(() => {
    const text = document.body.appendChild(document.createElement('p')).appendChild(document.createTextNode(''));
    globalThis.shown = []; // When each piece was on the page.
    globalThis.ask = async (prompt, maxTokens) => {
      text.data = '';
      globalThis.shown = [];
      return globalThis.engine.reply(prompt, maxTokens, (piece) => {
        if (piece === '') return;
        text.appendData(piece);
        globalThis.shown.push(performance.timeOrigin + performance.now());
      });
    };
  });
  return page;
}

/** From the click to a model that can be asked, and to the first token of an answer, in milliseconds. */
const click = (page, engine, file = '/model.gguf') => page.evaluate(async ([engine, url, context, prompt]) => {
  const begin = performance.now();
  globalThis.engine = await eval(`(${engine})`)(url, context);
  const loaded = performance.now() - begin;
  const { prompt: promptTokens } = await globalThis.ask(prompt, 1);
  const first = globalThis.shown[0] - performance.timeOrigin - begin;
  const { said, parameters } = globalThis.engine;
  return { loaded, first, promptTokens, said, parameters };
}, [String(engine), files.origin + file, CONTEXT, promptOf(prefill, 0)]);

const ask = (page, seed, maxTokens) => page.evaluate(
  ([prompt, maxTokens]) => globalThis.ask(prompt, maxTokens), [promptOf(prefill, seed), maxTokens],
);

/** Speeds, in a page without a meter: a first visit, an answer, and a second visit. */
async function speeds(browser, engine) {
  const context = await browser.newContext();
  try {
    const page = await open(context);
    const cold = await click(page, engine);
    const devtools = await context.newCDPSession(page);
    await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
    const busy = async () => {
      const { metrics } = await devtools.send('Performance.getMetrics');
      return metrics.find(({ name }) => name === 'TaskDuration').value * 1e3;
    };
    const before = await busy();
    const stats = await ask(page, 1, decode);
    const mainThread = (await busy() - before) / stats.generated;
    await page.close();
    const warm = await click(await open(context), engine);
    return { cold, warm, stats, mainThread };
  } finally {
    await context.close();
  }
}

/** What one does while it loads and answers, by the meters. */
async function doings(browser, engine) {
  const context = await browser.newContext();
  try {
    await meter(context);
    const page = await open(context);
    const heap = await heapMeter(context, page);
    await click(page, engine);
    await page.waitForTimeout(200); // What workers moved last is on its way.
    const moved = await page.evaluate(() => globalThis.meter.moved);
    const peak = await heap.stop();
    // Workers that only keep files have nothing to do with an answer.
    const look = async () => (await heap.inWorkers('globalThis.meter')).sort((a, b) => calls(b) - calls(a))[0];
    const before = await look();
    const stats = await ask(page, 2, decode);
    const after = await look();
    const shown = await page.evaluate(() => globalThis.shown);
    return {
      moved, peak: peak.sum + peak.wasm, wasm: peak.wasm, perToken: perToken(after.marks),
      delays: delays(after.readbacks.slice(before.readbacks.length), shown, stats.generated),
    };
  } finally {
    await context.close();
  }
}

const calls = ({ calls }) => Object.values(calls).reduce((a, b) => a + b, 0);

/** Calls of WebGPU from one token's readback to the next one's, where an answer has asked for some. */
function perToken(marks) {
  const [first, last] = [marks[0], marks.at(-1)];
  if (first === last) return {};
  const per = (name) => (last[name] - (first[name] ?? 0)) / (marks.length - 1);
  return Object.fromEntries(Object.keys(last).map((name) => [name, per(name)]).filter(([, n]) => n > 0));
}

/** From a token that was read back to its text on the page. Nothing where there was no readback for each text. */
function delays(readbacks, shown, generated) {
  if (readbacks.length !== generated || shown.length !== generated) return [];
  return shown.map((at, i) => at - readbacks[i]);
}

/** What a tab holds after parts of one long answer, in bytes. */
async function longAnswer(browser, engine) {
  const context = await browser.newContext();
  try {
    await memories(context);
    const page = await open(context);
    const heap = await heapMeter(context, page, 1000);
    await click(page, engine, '/small.gguf');
    const held = [];
    const look = async () => {
      const { scripts, wasm } = await heap.live();
      const [count, own] = await page.evaluate(async () => [
        globalThis.shown.length, await globalThis.engine.counters?.(),
      ]);
      held.push({ count, scripts, wasm, device: own?.allocated });
    };
    let ended = false;
    const answer = ask(page, 3, tokens).finally(() => { ended = true; });
    for (let part = 0; part < PARTS; part += 1) {
      const there = () => page.evaluate(() => globalThis.shown.length);
      while (!ended && await there() < Math.max(1, tokens * part / PARTS)) await page.waitForTimeout(200);
      await look();
    }
    const { generated } = await answer;
    await look();
    await heap.stop();
    return { held, generated };
  } finally {
    await context.close();
  }
}

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const sorted = (numbers) => [...numbers].sort((a, b) => a - b);
const median = (numbers) => {
  const all = sorted(numbers);
  return (all[(all.length - 1) >> 1] + all[all.length >> 1]) / 2;
};
const mb = (bytes) => (bytes / 1e6).toFixed(1);
/** The median, the least and the most. */
const spread = (numbers, digits) => {
  const all = sorted(numbers).map((number) => number.toFixed(digits));
  return `${median(numbers).toFixed(digits)} (${all[0]}-${all.at(-1)})`;
};

/** A row for each thing that was measured, a column for each engine. */
function table(engines) {
  const size = MODELS['/model.gguf'].size;
  const rows = [
    ['computes', ({ name, runs }) => numerics(name, runs[0].cold.said)],
    ['from the click to a loaded model, s', ({ runs }) => spread(runs.map(({ cold }) => cold.loaded / 1e3), 1)],
    ['the same from its own store', ({ runs }) => spread(runs.map(({ warm }) => warm.loaded / 1e3), 1)],
    [`from the click to the first token after ${prefill}, s`,
      ({ runs }) => spread(runs.map(({ cold }) => cold.first / 1e3), 1)],
    ['the same from its own store', ({ runs }) => spread(runs.map(({ warm }) => warm.first / 1e3), 1)],
    ['bytes that scripts move while loading, times the file', ({ doing: { moved } }) => [
      `${(sum(Object.values(moved)) / size).toFixed(1)}:`,
      Object.entries(moved).filter(([, bytes]) => bytes > size / 20)
        .map(([how, bytes]) => `${how} ${(bytes / size).toFixed(1)}`).join(', '),
    ].join(' ')],
    ['scripts and WebAssembly while loading, at most, MB',
      ({ doing: { peak, wasm } }) => `${mb(peak)}, of which WebAssembly ${mb(wasm)}`],
    [`prefill ${prefill}, tokens/s`, ({ runs }) => spread(runs.map(({ stats }) => stats.prefill), 2)],
    [`decode ${decode}, tokens/s`, ({ runs }) => spread(runs.map(({ stats }) => stats.decode), 2)],
    ['the page\'s thread, CPU ms per token', ({ runs }) => spread(runs.map(({ mainThread }) => mainThread), 2)],
    ['from a token\'s readback to its text on the page, ms: median, most',
      ({ doing: { delays } }) => delays.length === 0 ? 'no readback'
        : `${median(delays).toFixed(1)}, ${Math.max(...delays).toFixed(1)}`],
    ['WebGPU per token', ({ doing }) => webGpu(doing.perToken)],
    [`a tab with a small model after ${tokensOf(engines[0])} tokens: scripts, WebAssembly, device, MB`,
      ({ long: { held } }) => held.map(({ scripts, wasm, device }) => (
        [mb(scripts), mb(wasm), device === undefined ? '-' : mb(device)].join(' '))).join('; ')],
  ];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [
    line(['', ...engines.map(({ name }) => name)]),
    line(['---', ...engines.map(() => '---')]),
    ...rows.map(([what, cell]) => line([what, ...engines.map(cell)])),
  ].join('\n');
}

const tokensOf = ({ long: { held } }) => held.map(({ count }) => count).join(', ');

function webGpu(perToken) {
  if (Object.keys(perToken).length === 0) return 'none';
  const made = Object.entries(perToken).filter(([name]) => /\.create(?!CommandEncoder)/.test(name));
  const of = (name) => (perToken[name] ?? 0).toFixed(1);
  return [
    `${of('ComputePassEncoder.dispatchWorkgroups')} dispatches in ${of('CommandEncoder.beginComputePass')} passes`,
    `${of('Queue.submit')} submits`, `${of('Queue.writeBuffer')} writes of buffers`,
    made.length === 0 ? 'nothing created' : made.map(([name, n]) => `${name} ${n.toFixed(2)}`).join(', '),
  ].join(', ');
}

/** What computes, and with what numbers, as each says itself. */
function numerics(name, said) {
  if (name === 'llamita') return said.join(', ');
  const where = said.map((line) => /^load_tensors: +(.+) model buffer size/.exec(line)?.[1]).filter(Boolean);
  return `${where.join(' and ')}, ${said[0]}; int8 activations for Q4_0 on a CPU`;
}

const files = await faultServer(MODELS);
const site = await serve({ '/': SITE, '/wllama/': join(WLLAMA, 'esm') });
const browser = await launch();
try {
  const adapter = await checkAdapter(browser, site.origin);
  const { version } = JSON.parse(await readFile(join(WLLAMA, 'package.json'), 'utf8'));
  const engines = [llamita, wllama].map((engine) => ({ engine, name: engine.name, runs: [] }));
  const tell = (name, what) => console.error(`  ${name.padEnd(8)} ${JSON.stringify(what)}`);
  for (let round = 0; round < rounds; round += 1) {
    console.error(`round ${round + 1} of ${rounds}${round === 0 ? ', dropped' : ''}`);
    for (const { engine, name, runs } of engines) {
      const run = await speeds(browser, engine);
      tell(name, { ...run, cold: { ...run.cold, said: undefined }, warm: { ...run.warm, said: undefined } });
      if (round > 0) runs.push(run);
    }
  }
  console.error('what they do');
  for (const each of engines) tell(each.name, each.doing = await doings(browser, each.engine));
  console.error('a long answer');
  for (const each of engines) tell(each.name, each.long = await longAnswer(browser, each.engine));
  engines[1].name = `wllama ${version}`;
  const { parameters, promptTokens } = engines[0].runs[0].cold;
  const { cold: theirs } = engines[1].runs[0];
  console.log(`${(parameters / 1e6).toFixed(1)} M parameters, Q4_0, ${mb(MODELS['/model.gguf'].size)} MB; `
    + `Chromium ${browser.version()}, adapter ${adapter.vendor} ${adapter.architecture}; no cross-origin isolation. `
    + `Prompts of ${promptTokens} (llamita) and ${theirs.promptTokens} (wllama) tokens. `
    + `Median, least and most of ${rounds - 1} rounds.\n`);
  console.log(table(engines));
} finally {
  await browser.close();
  await site.close();
  await files.close();
}
