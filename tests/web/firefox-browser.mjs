// Firefox as the tests and the proof start it, and the check of what it computes on.
import { firefoxPath, load } from './packages.mjs';
import { BLANK } from './server.mjs';

/** Without the second there is no adapter on drivers that run on the CPU; the third is about the page's own pixels. */
const PREFERENCES = { 'dom.webgpu.enabled': true, 'gfx.webgpu.ignore-blocklist': true, 'gfx.webrender.software': true };

/** A browser with an empty profile; `preferences` come after the usual ones. */
export async function launch(preferences = {}) {
  const { launch } = await load('puppeteer-core');
  const extraPrefsFirefox = { ...PREFERENCES, ...preferences };
  return launch({ browser: 'firefox', executablePath: firefoxPath(), headless: true, extraPrefsFirefox });
}

/** What the adapter of a page can do. Firefox hides its name, so it is known by halves in shaders, which Mesa's has. */
export async function checkAdapter(page, origin) {
  await page.goto(origin + BLANK);
  const features = await page.evaluate(async () => {
    const adapter = await navigator.gpu?.requestAdapter();
    return adapter && [...adapter.features].sort();
  });
  if (!features) throw new Error('the browser has no WebGPU adapter');
  if (!features.includes('shader-f16')) throw new Error(`the WebGPU adapter has no shader-f16, but ${features}`);
  return features;
}
