// Where the web build and the npm packages of the tests are: target/web. `cargo xtask` sets both variables.
import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));

/** The folder of the build: site/ and npm/ are in it. */
export const BUILD = resolve(process.env.LLAMITA_WEB_BUILD ?? join(here, '../../target/web'));

const require = createRequire(join(BUILD, 'package.json'));

/** The path of a file of an npm package, say 'axe-core/axe.min.js'. */
export const packageFile = (name) => require.resolve(name);

/** An npm package of tests/web/package.json: the tests run where they are, their packages are in target/web. */
export async function load(name) {
  const module = await import(pathToFileURL(packageFile(name)).href);
  return { ...module.default, ...module };
}

/** A program: the one that a variable names, or the first of these in PATH. */
function program(what, variable, names) {
  if (process.env[variable]) return process.env[variable];
  const paths = (process.env.PATH ?? '').split(delimiter).flatMap((dir) => names.map((name) => join(dir, name)));
  const found = paths.find(isProgram);
  if (!found) throw new Error(`no ${what} in PATH: install it, or set ${variable}`);
  return found;
}

/** The browser that most tests run. */
export const chromiumPath = () => program('Chromium', 'CHROME_BIN', ['chromium', 'chromium-browser', 'google-chrome', 'chrome']);

/** The second browser. */
export const firefoxPath = () => program('Firefox', 'FIREFOX_BIN', ['firefox', 'firefox-esr']);

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
