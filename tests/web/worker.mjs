// A dedicated worker: loads the library and runs kernel cases, as an application would run the model.
import init, * as llamita from './pkg/llamita.js';

const say = (error) => String(error?.message ?? error);

/** One case; its outcome as a row of the table, with the time it took. */
async function run(name, tier) {
  const begin = performance.now();
  try {
    const outcome = await llamita.run_kernel_case(name, tier);
    const row = typeof outcome === 'string' ? JSON.parse(outcome) : outcome;
    return { ...row, name, ms: performance.now() - begin };
  } catch (error) {
    return { name, passed: false, error: say(error), ms: performance.now() - begin };
  }
}

async function main({ tier, cases }) {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error('no WebGPU adapter in a worker');
  const { vendor, architecture, device, description } = adapter.info;
  await init();

  const listed = llamita.kernel_case_names();
  const names = typeof listed === 'string' ? JSON.parse(listed) : Array.from(listed);
  // By default the first case of each kernel, which is its smallest; a software GPU takes minutes for all.
  const kernel = (name) => name.split(/[^a-z0-9_]/i)[0];
  const first = (name, i) => names.findIndex((other) => kernel(other) === kernel(name)) === i;
  const chosen = names.filter((name, i) => cases === undefined ? first(name, i) : cases === 'all' || name.includes(cases));
  // The check itself is checked: a case that does not exist must be refused.
  const unknown = await run('no such case', tier);
  let failed = 0;
  for (const name of chosen) {
    const row = await run(name, tier);
    if (row.passed !== true) failed += 1;
    postMessage({ row });
  }
  return {
    adapter: { vendor, architecture, device, description, features: [...adapter.features].sort() },
    known: names.length, ran: chosen.length, failed, refusesUnknown: 'error' in unknown,
  };
}

self.onmessage = ({ data }) => main(data).then((done) => postMessage({ done }), (error) => postMessage({ error: say(error) }));
self.onunhandledrejection = (event) => postMessage({ error: `unhandled: ${say(event.reason)}` });
