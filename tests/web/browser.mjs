// The browser of the tests and of the comparison, and the check of what it computes on.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BUILD, chromiumPath, load } from './packages.mjs';
import { BLANK } from './server.mjs';

/** What `cargo xtask web` builds. */
export const SITE = join(BUILD, 'site');

/** A module of the page by its own name, say 'i18n.js', for tests of what is inside the page. */
export const insidePage = (name) => import(pathToFileURL(join(BUILD, 'inside/app', name)).href);

/** The bundled model. */
export const BUNDLED = join(SITE, 'models/llamita-stories.gguf');

/** True where the browser runs on the machine's own GPU, not on its software GPU. */
export const ON_GPU = process.env.LLAMITA_WEB_GPU === '1';

/** What every browser here is started with. */
export const FLAGS = [
  '--enable-unsafe-webgpu', '--disable-quic', '--disable-dev-shm-usage', '--disable-component-update',
  ...(ON_GPU ? [] : ['--use-webgpu-adapter=swiftshader']),
];

/** A browser with an empty profile; `flags` come after the usual ones. */
export async function launch(flags = []) {
  const { chromium } = await load('playwright-core');
  return chromium.launch({ executablePath: chromiumPath(), args: [...FLAGS, ...flags], chromiumSandbox: false });
}

/**
 * The adapter of a page on an origin. Software and wrong adapters pass silently: SwiftShader stands in for a driver
 * that does not load. So the architecture is compared, and anything else is an error.
 */
export async function checkAdapter(context, origin, wanted = ON_GPU ? undefined : 'swiftshader') {
  const page = await context.newPage();
  try {
    await page.goto(origin + BLANK);
    const info = await page.evaluate(async () => {
      const adapter = await navigator.gpu?.requestAdapter();
      if (!adapter) return undefined;
      const { vendor, architecture, device, description } = adapter.info;
      return { vendor, architecture, device, description, features: [...adapter.features].sort() };
    });
    if (!info) throw new Error('the browser has no WebGPU adapter');
    if (wanted !== undefined && info.architecture !== wanted) {
      throw new Error(`the WebGPU adapter is ${info.vendor} ${info.architecture}, not ${wanted}`);
    }
    return info;
  } finally {
    await page.close();
  }
}
