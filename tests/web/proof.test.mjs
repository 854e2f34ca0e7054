// Meta's runtime and ours on one file, in Chromium: a fast part of `cargo xtask proof`. Page-proof has the page's button.
import assert from 'node:assert/strict';
import { insidePage } from './browser.mjs';
import { FIXTURES, GOLDEN, writeIn } from './goldens.mjs';
import { browserTest } from './harness.mjs';

const { firstDifference } = await insidePage('golden.js');

/** SwiftShader writes ten in a second; the command compares all 200. */
const TOKENS = 60;

browserTest('tokens of QLoRA in int8, by the plan of real GPUs, are those of Meta’s runtime', { folders: FIXTURES }, async ({ page, origin }) => {
  const [{ text: prompt, greedy, margins: all, continuation }] = GOLDEN.qlora.prompts;
  const [ids, margins] = [greedy.int8, all.int8].map((list) => list.slice(0, TOKENS));
  const written = await writeIn(page, origin, { kind: 'qlora', prompt, tokens: ids.length, activations: 'int8', plan: 'gpu' });
  assert.equal(ids.length, TOKENS);
  assert.equal(firstDifference({ ids, margins }, written.ids), undefined);
  assert.ok(written.text.length > TOKENS && continuation.int8.startsWith(written.text), written.text);
  assert.deepEqual([written.info.plan, written.info.kind], ['gpu', 'QLoRA']);

  const others = ids.with(41, ids[41] + 1);
  const found = { at: 41, ours: ids[41], theirs: ids[41] + 1, margin: margins[41] };
  assert.deepEqual(firstDifference({ ids: others, margins }, written.ids), found, 'another token is found out');
  const missing = { at: TOKENS - 1, ours: undefined, theirs: ids.at(-1), margin: margins.at(-1) };
  assert.deepEqual(firstDifference({ ids, margins }, written.ids.slice(0, -1)), missing);
});
