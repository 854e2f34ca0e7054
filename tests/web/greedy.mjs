// Greedy text of the bundled model, which is the same natively, in NumPy and in every browser, tier and plan.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { BLANK } from './server.mjs';

const read = async (name) => JSON.parse(await readFile(new URL(name, import.meta.url), 'utf8'));

/**
 * Loads the bundled model in a page, with these options, and compares what it writes, of each text so many tokens at
 * most. What the model says of itself is given back.
 */
export async function checkGreedy({ page, origin }, options = {}, most = Infinity) {
  const native = await read('native-greedy.json');
  const numpy = await read('../fixtures/bundled-golden.json');
  const cases = [
    ...native.runs.map(({ prompt, max_tokens, text }) => ({ prompt, tokens: max_tokens, text })),
    ...numpy.prompts.map(({ text, greedy_ids, greedy_text }) => (
      { prompt: text, tokens: greedy_ids.length, text: greedy_text })),
  ].map(({ tokens, ...rest }) => ({ ...rest, whole: tokens <= most, maxTokens: Math.min(tokens, most) }));
  assert.ok(cases.length >= 4, 'there is something to compare with');
  await page.goto(origin + BLANK);
  const { info, texts } = await page.evaluate(async ([cases, options]) => {
    const { Model } = await import('/llamita/index.js');
    const model = await Model.load('/models/llamita-stories.gguf', { keep: false, ...options });
    const texts = [];
    for (const { prompt, maxTokens } of cases) {
      const session = await model.session();
      texts.push(await session.reply(prompt, { temperature: 0, maxTokens, ignoreEos: true }).text());
      await session.dispose();
    }
    const { info } = model;
    await model.dispose();
    return { info, texts };
  }, [cases, options]);
  const expected = cases.map(({ whole, text }, i) => whole ? text : text.slice(0, texts[i].length));
  assert.deepEqual(texts, expected);
  assert.ok(texts.every((text) => text.length > 20), `it wrote ${texts}`);
  return info;
}
