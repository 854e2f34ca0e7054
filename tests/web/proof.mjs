// Writes with Meta's checkpoints in a browser, by the plan of real GPUs, for `cargo xtask proof`: node proof.mjs BROWSER, which
// is chromium or firefox. LLAMITA_WEB_PROOF is JSON, `[{ kind, activations, prompt, tokens }]`. Prints a list in JSON: of each
// the ids, the speed and the device.
import * as chromium from './browser.mjs';
import * as firefox from './firefox-browser.mjs';
import { FIXTURES, writeIn } from './goldens.mjs';
import { serve } from './server.mjs';

const asked = JSON.parse(process.env.LLAMITA_WEB_PROOF);
const inFirefox = process.argv[2] === 'firefox';
const { origin, close } = await serve({ '/': chromium.SITE, ...FIXTURES });
const browser = await (inFirefox ? firefox : chromium).launch();
try {
  const context = inFirefox ? browser : await browser.newContext();
  const page = await context.newPage();
  let adapter = '';
  if (inFirefox) await firefox.checkAdapter(page, origin);
  else {
    const { vendor, architecture } = await chromium.checkAdapter(context, origin);
    adapter = `${vendor} ${architecture}`;
  }
  const reports = [];
  for (const one of asked) {
    const { ids, tokensPerSecond, info } = await writeIn(page, origin, { ...one, plan: 'gpu' });
    // Firefox names no adapter, but says whether it is software.
    const device = adapter || (info.software ? 'the software adapter' : 'the adapter');
    reports.push({ device, token_ids: ids, decode_tokens_per_second: tokensPerSecond });
    console.error(`${reports.length} of ${asked.length}`);
  }
  console.log(JSON.stringify(reports));
} finally {
  await browser.close();
  await close();
}
