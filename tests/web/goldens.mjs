// Meta's checkpoints as fixtures, what Meta's own runtime wrote from them, and writing with them in a page.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { BLANK } from './server.mjs';

const META = new URL('../../models/meta/', import.meta.url);

/** What ExecuTorch wrote, by kind of checkpoint. */
export const GOLDEN = JSON.parse(await readFile(new URL('golden/golden.json', META), 'utf8'));

/** The folders of a server whose pages can write with the fixtures. */
export const FIXTURES = { '/meta/': fileURLToPath(META) };

/** Writes in a page by the module that the demo page has for it. `options` are those of `Model.load`. */
export async function writeIn(page, origin, { kind, prompt, tokens, ...options }) {
  await page.goto(origin + BLANK);
  return page.evaluate(async ([kind, prompt, tokens, options]) => {
    const { write } = await import('/app/proof.js');
    const folder = new URL(`/meta/${kind}/`, location.href);
    return write({ folder, prompt, tokens, options, signal: new AbortController().signal });
  }, [kind, prompt, tokens, options]);
}
