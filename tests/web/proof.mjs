// Writes with Meta's checkpoints in a browser, by the plan of real GPUs, for `cargo xtask proof`:
//
//   node proof.mjs chromium|firefox CASES
//
// CASES is JSON, `[{ kind, activations, prompt, tokens }]`. Prints a list in JSON: of each the ids, the speed and the device.
import * as chromium from './browser.mjs';
import * as firefox from './firefox.mjs';
import { FIXTURES, writeIn } from './goldens.mjs';
import { serve } from './server.mjs';

const [name, cases] = process.argv.slice(2);
const server = await serve({ '/': chromium.SITE, ...FIXTURES });
const { origin } = server;
const browser = await { chromium, firefox }[name].launch();
try {
  const page = await browser.newPage();
  const reports = [];
  for (const asked of JSON.parse(cases)) {
    const { ids, tokensPerSecond, info } = await writeIn(page, origin, { ...asked, plan: 'gpu' });
    const device = info.device || `an adapter without a name${info.software ? ', software' : ''}`;
    reports.push({ device, token_ids: ids, decode_tokens_per_second: tokensPerSecond });
    console.error(`${reports.length} prompts`);
  }
  if (name === 'chromium') await chromium.checkAdapter(browser.contexts()[0], origin);
  console.log(JSON.stringify(reports));
} finally {
  await browser.close();
  await server.close();
}
