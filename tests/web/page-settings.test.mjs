// Settings are always what the engine takes: rounded and bounded as they are typed, and healed where nonsense was kept.
import assert from 'node:assert/strict';
import { browserTest } from './harness.mjs';
import { answered, open, ready, say, until } from './page.mjs';

const kept = (page) => page.evaluate(() => JSON.parse(localStorage.getItem('llamita.settings')));

/** What was kept, and what it is healed to; the rest of the settings are the defaults. */
const NONSENSE = [
  ['a context of 300.7', '{"context":300.7,"maxTokens":20.4,"temperature":0}', { context: 301, maxTokens: 20, temperature: 0 }],
  ['null', 'null', {}],
  ['a list', '[1,2]', {}],
  ['a text', '"hello"', {}],
  ['no JSON', '{"context":', {}],
  ['numbers out of their ranges', '{"context":1e99,"maxTokens":-5,"topK":7.5,"topP":0,"minP":2,"seed":3.5}',
    { context: 131072, maxTokens: 16, topK: 8, topP: 0.05, minP: 0.5, seed: 4 }],
  ['other types', '{"context":"4096","maxTokens":null,"topK":[],"temperature":{},"system":7,"seed":"x","repetitionPenalty":true}', {}],
];

browserTest('nonsense that was kept is healed at the start', async ({ page, origin }) => {
  const bare = { system: '', topP: 0.95, topK: 40, minP: 0.05, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, maxTokens: 1024, context: 4096 };
  await page.goto(`${origin}/blank.html`);
  for (const [what, text, healed] of NONSENSE) {
    await page.evaluate((text) => {
      localStorage.setItem('llamita.settings', text);
      localStorage.setItem('llamita.theme', 'purple');
      localStorage.setItem('llamita.language', 'tlh');
      localStorage.setItem('llamita.model', '7');
    }, text);
    await page.goto(`${origin}/`);
    // The engine is asked for the first two; the others are seen in what is kept.
    if (what === 'null' || healed.context === 301) await ready(page).catch((error) => { throw new Error(`with ${what}: ${error.message}`); });
    await page.locator('#views a').first().waitFor({ state: 'attached' });
    assert.deepEqual(await kept(page), { ...bare, ...healed }, what);
    assert.equal(await page.locator('#theme').inputValue(), 'auto', what);
    assert.equal(await page.locator('#language').inputValue(), 'en', what);
    await page.goto(`${origin}/blank.html`);
  }
  await page.evaluate(() => localStorage.setItem('llamita.settings', '{"context":300.7,"maxTokens":16.2,"temperature":0}'));
  await page.goto(`${origin}/`);
  await ready(page);
  await say(page, 'Tell me a story about a brave cat');
  assert.ok((await answered(page)).length > 10);
  assert.match(await page.locator('#live').innerText(), /of 301/);
});

browserTest('what is typed is rounded and bounded, and an emptied field is the default', async ({ page, origin }) => {
  await open(page, origin);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByText('More sampling settings').click();
  const whole = { maxTokens: [16, 8192, 1024], context: [256, 131072, 4096], topK: [0, 200, 40] };
  const real = { temperature: [0, 2, 0.25], topP: [0.05, 1, 0.95], minP: [0, 0.5, 0.05], repetitionPenalty: [1, 2, 1], presencePenalty: [-2, 2, 0], frequencyPenalty: [-2, 2, 0] };
  for (const [name, [min, max, usual]] of Object.entries({ ...whole, ...real })) {
    const field = page.locator(`#setting-${name}`);
    const middle = (min + max) / 2;
    const odd = name in whole ? [`${Math.floor(middle)}.6`, Math.floor(middle) + 1] : [`${middle}`, middle];
    for (const [typed, value] of [odd, ['-99', min === -2 ? -2 : min], ['999999', max]]) {
      await field.fill(typed);
      assert.equal((await kept(page))[name], value, `${name}: ${typed} is kept as ${value} at once`);
      await field.blur();
      assert.equal(await field.inputValue(), String(value), `${name}: ${typed} becomes ${value}`);
    }
    await field.fill('');
    // A temperature that nobody set is the model's own.
    assert.equal((await kept(page))[name], name === 'temperature' ? undefined : usual, `${name}: empty`);
    await field.blur();
    assert.equal(await field.inputValue(), String(usual), `${name}: an emptied field shows the default`);
    assert.match(await page.locator(`#setting-${name}-what`).innerText(), /\d to [\d,.]+\.$/, `${name} says what it may be`);
  }
  const seed = page.locator('#setting-seed');
  for (const [typed, value] of [['1.5', 2], ['-3', 0], ['7', 7], ['99999999999999999999', Number.MAX_SAFE_INTEGER], ['', undefined]]) {
    await seed.fill(typed);
    await seed.blur();
    assert.equal((await kept(page)).seed, value, `seed ${typed}`);
    assert.equal(await seed.inputValue(), value === undefined ? '' : String(value), `seed ${typed}`);
  }
  // What is no number at all changes nothing.
  const tokens = page.locator('#setting-maxTokens');
  await tokens.fill('100');
  await tokens.press('End');
  await tokens.pressSequentially('e');
  await tokens.blur();
  assert.equal(await tokens.inputValue(), '100');
  assert.equal((await kept(page)).maxTokens, 100);

  // Closed with a field still empty, and loaded again: the default, and a model.
  await page.locator('#setting-context').fill('');
  await page.reload();
  await ready(page);
  await until('the context is the default', async () => (await kept(page)).context === 4096);
});
