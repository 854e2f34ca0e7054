// Tests of the npm package in a page.
import { browserTest } from './harness.mjs';
import { HOLDABLE } from './hold.mjs';
import { BLANK } from './server.mjs';

/** The bundled model, as a page asks for it. */
const MODEL = '/models/llamita-stories.gguf';

/**
 * A test with the package's module in a page: `run(async (lib, args) => …, args)`. Beside what the package exports,
 * `lib` has `bundled(options)`, which loads the bundled model, `outcome(promise)`, `spied(code)`, which is the place of
 * a worker that runs this code first, and `hold` of held/in-page.js.
 */
export function packageTest(name, body) {
  browserTest(name, { folders: HOLDABLE }, async (stage) => {
    await stage.page.goto(stage.origin + BLANK);
    await stage.page.evaluate(async (model) => {
      const [llamita, { hold }] = await Promise.all([import('/llamita/index.js'), import('/held/in-page.js')]);
      const script = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
      globalThis.lib = {
        ...llamita,
        hold,
        bundled: (options = {}) => llamita.Model.load(model, { keep: false, ...options }),
        /** What a promise ends with: its value, or the error's fields. */
        outcome: (promise) => promise.then(
          (value) => ({ value }),
          (error) => ({
            ...error, kind: error.kind, message: error.message, ours: error instanceof llamita.LlamitaError,
          }),
        ),
        spied: (code) => ({
          workerUrl: script(`import '${script(code)}'; import '${location.origin}/llamita/worker.js';`),
          wasmUrl: '/llamita/llamita_bg.wasm',
        }),
      };
    }, MODEL);
    const run = (f, args) => stage.page.evaluate(`(${f})(globalThis.lib, ${JSON.stringify(args) ?? 'undefined'})`);
    await body({ ...stage, run });
  });
}
