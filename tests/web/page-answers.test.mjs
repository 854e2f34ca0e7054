// Answers as elements: colours, formulas, tables and tasks, in any direction of writing, while they are being written.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { browserTest } from './harness.mjs';
import { packageFile } from './packages.mjs';
import { open, siteKept } from './page.mjs';

const RICH = [
  '# Title', 'So $x^2$ and\n\n$$\n\\frac{a}{b}\n$$', '```python\n# a comment\ndef f(x: int) -> str:\n    return "text" + str(3.5)\n```',
  '```rust\n#[derive(Debug)]\nstruct Point<T> { x: T } // note\n```', '```diff\n- old\n+ new\n```', '| a | b |\n|:--|--:|\n| `1` | 2 |',
  '- [x] done\n- [ ] to do', '> quote', '```\nplain\n```', 'Text with `code` and [a link](https://example.org/).',
].join('\n\n');

/** A page of the site with a view of Markdown in its column, and the libraries: the page's own modules, by their names. */
async function view(page, origin) {
  await page.goto(`${origin}/`);
  await page.evaluate(async () => {
    const [{ MarkdownView }, { extras, want }] = await Promise.all([import('./app/markdown-view.js'), import('./app/extras.js')]);
    Object.assign(globalThis, { MarkdownView, extras, want, view: new MarkdownView() });
    document.getElementById('log').append(globalThis.view.element);
  });
}

const libraries = (page) => page.evaluate(() => new Promise((resolve) => {
  globalThis.want();
  globalThis.extras.watch(({ colours }) => colours && resolve());
}));

for (const colorScheme of ['light', 'dark']) {
  browserTest(`code has colours that can be read, formulas are MathML, tasks have boxes, ${colorScheme}`, { context: { colorScheme, reducedMotion: 'reduce' } }, async ({ page, origin }) => {
    await view(page, origin);
    await page.evaluate((text) => globalThis.view.show(text, false), RICH);
    // What it needs comes by itself.
    await page.locator('.markdown .hljs-keyword').first().waitFor();
    const seen = await page.evaluate(() => {
      const { element } = globalThis.view;
      const style = (selector) => getComputedStyle(element.querySelector(selector)).color;
      return {
        colours: new Set(['.hljs-keyword', '.hljs-string', '.hljs-comment', '.hljs-number', '.hljs-title', '.hljs-deletion'].map(style)).size,
        code: element.querySelector('pre code').textContent,
        math: [...element.querySelectorAll('math')].map((math) => [math.namespaceURI, !!math.querySelector('mfrac, msup')]),
        boxes: [...element.querySelectorAll('li input')].map(({ checked, disabled, ariaLabel }) => [checked, disabled, ariaLabel]),
        cells: [...element.querySelectorAll('td')].map((cell) => getComputedStyle(cell).textAlign),
        styles: element.querySelectorAll('[style]').length,
      };
    });
    assert.equal(seen.colours, 6);
    assert.match(seen.code, /^# a comment\ndef f\(x: int\) -> str:\n {4}return "text" \+ str\(3\.5\)$/, 'the text is the same');
    assert.deepEqual(seen.math, [['http://www.w3.org/1998/Math/MathML', true], ['http://www.w3.org/1998/Math/MathML', true]]);
    assert.deepEqual(seen.boxes, [[true, true, 'Done'], [false, true, 'To do']]);
    assert.deepEqual(seen.cells, ['left', 'right']);
    await page.evaluate(readFileSync(packageFile('axe-core/axe.min.js'), 'utf8'));
    const { violations } = await page.evaluate(() => globalThis.axe.run('.markdown', { resultTypes: ['violations'] }));
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`), []);
  });
}

browserTest('an answer of 2,000 tokens is written at its end alone, and what is there is not disturbed', async ({ page, origin }) => {
  await view(page, origin);
  await libraries(page);
  const seen = await page.evaluate((rich) => {
    const { view } = globalThis;
    let [changed, most] = [0, 0];
    const count = (records) => records.reduce((sum, { addedNodes, removedNodes }) => sum + addedNodes.length + removedNodes.length, 0);
    const observer = new MutationObserver(() => {});
    observer.observe(view.element, { childList: true, subtree: true });
    const text = Array.from({ length: 16 }, (_, i) => `${i}. ${rich}`).join('\n\n');
    const step = Math.ceil(text.length / 2000);
    let first;
    for (let end = step; end <= text.length; end += step) {
      view.show(text.slice(0, end), true);
      first ??= view.element.firstChild;
      const now = count(observer.takeRecords());
      changed += now;
      most = Math.max(most, now);
    }
    const kept = view.element.firstChild === first;
    const before = [...view.element.children];
    view.show(text, false);
    const same = before.slice(0, -1).every((one, i) => view.element.children[i] === one);
    const other = new globalThis.MarkdownView();
    other.show(text, false);
    return { steps: 2000, changed, most, kept, same, blocks: before.length, whole: other.element.innerHTML === view.element.innerHTML };
  }, RICH);
  assert.ok(seen.kept && seen.same, 'blocks that are complete keep their elements');
  assert.ok(seen.whole, 'what was written bit by bit is what is written at once');
  assert.ok(seen.most < 60 && seen.changed / seen.steps < 6, `${seen.changed} changes, ${seen.most} at once, ${seen.blocks} blocks`);
});

browserTest('code that is being written grows, and has its colours when it is complete', async ({ page, origin }) => {
  await view(page, origin);
  await libraries(page);
  const seen = await page.evaluate(() => {
    const { view } = globalThis;
    const spans = () => view.element.querySelectorAll('.code-block span[class^=hljs]').length;
    view.show('Code:\n\n```js\nlet a = 1;', true);
    const code = view.element.querySelector('pre');
    code.scrollLeft = 0;
    view.show('Code:\n\n```js\nlet a = 1;\nlet b = "x', true);
    const [grown, plain] = [view.element.querySelector('pre') === code, spans()];
    view.show('Code:\n\n```js\nlet a = 1;\nlet b = "x";\n```', true);
    return { grown, plain, coloured: spans() };
  });
  assert.deepEqual([seen.grown, seen.plain], [true, 0]);
  assert.ok(seen.coloured > 3);
});

browserTest('hostile answers do no harm and take no time', async ({ page, origin, log }) => {
  await view(page, origin);
  await libraries(page);
  const times = await page.evaluate(() => {
    const hostile = {
      html: '<img src=x onerror="globalThis.hacked=1"><svg/onload=globalThis.hacked=1> <iframe srcdoc="<script>hacked=1</script>">',
      links: '[a](javascript:globalThis.hacked=1) <javascript:hacked=1> [b](data:text/html,x) ![c](javascript:hacked=1) [d]\n\n[d]: javascript:hacked=1',
      math: '$\\href{javascript:hacked=1}{x}$ $\\includegraphics{https://example.org/a.png}$ $\\htmlStyle{position:fixed}{x}$ $\\def\\a{\\a\\a}\\a$ $\\rule{9999em}{9999em}$',
      style: '$\\sideset{_1^2}{_3^4}\\sum$ $\\bm{x}$ $\\colorbox{red}{x}$ $\\cancel{x}$ $\\boldsymbol{\\alpha}$ $\\textcolor{blue}{y}$',
      quotes: '> '.repeat(10_000), table: `|${'a|'.repeat(1000)}\n|${'-|'.repeat(1000)}\n|${'b|'.repeat(1000)}`,
      fence: `\`\`\`js\n${'let a = "text";\n'.repeat(70_000)}`, nested: '- '.repeat(5000), marks: '**a '.repeat(1500), brackets: '['.repeat(3000),
    };
    const times = {};
    for (const [name, text] of Object.entries(hostile)) {
      const { MarkdownView } = globalThis;
      const view = new MarkdownView();
      document.getElementById('log').append(view.element);
      const begin = performance.now();
      view.show(text.slice(0, -1), true);
      view.show(text, true);
      view.show(text, false);
      times[name] = Math.round(performance.now() - begin);
    }
    return times;
  });
  log(JSON.stringify(times));
  for (const [name, took] of Object.entries(times)) assert.ok(took < 10_000, `${name} took ${took} ms`);
  const after = await page.evaluate(() => ({
    hacked: globalThis.hacked,
    bad: [...document.querySelectorAll('#log :is(img, iframe, script, svg[onload], [onerror], [onload])')].length,
    links: [...document.querySelectorAll('#log [href]')].map((one) => one.getAttribute('href')),
    wide: document.documentElement.scrollWidth <= innerWidth,
  }));
  assert.deepEqual(after, { hacked: undefined, bad: 0, links: [], wide: true });
});

browserTest('pictures are told of and not fetched, and links say where they lead', async ({ page, origin }) => {
  await view(page, origin);
  const requests = [];
  page.on('request', (request) => requests.push(request.url()));
  await page.evaluate(() => globalThis.view.show('![a cat](https://example.org/cat.png) ![](https://example.org/b.png) [site](https://example.org/x)', false));
  const links = await page.locator('.markdown a').evaluateAll((all) => all.map(({ textContent, href, rel, target, title }) => [textContent, href, rel, target, title]));
  const safe = ['noopener noreferrer nofollow', '_blank'];
  assert.deepEqual(links, [
    ['Picture, not fetched: a cat', 'https://example.org/cat.png', ...safe, 'https://example.org/cat.png'],
    ['Picture, not fetched: https://example.org/b.png', 'https://example.org/b.png', ...safe, 'https://example.org/b.png'],
    ['site', 'https://example.org/x', ...safe, 'https://example.org/x'],
  ]);
  assert.deepEqual(requests.filter((url) => url.includes('example.org')), []);
});

browserTest('while an answer is written, what it needs is not fetched; when it has ended, it is', async ({ page, origin }) => {
  await view(page, origin);
  const requests = [];
  page.on('request', (request) => requests.push(new URL(request.url()).pathname));
  const lazy = () => requests.filter((path) => /chunk|colours|formula/i.test(path));
  await page.evaluate(async (text) => {
    const { setWriting } = await import('./app/extras.js');
    setWriting(true);
    globalThis.view.show(text, true);
    globalThis.setWriting = setWriting;
  }, RICH);
  const settled = () => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 50))));
  await settled();
  const own = lazy();
  assert.equal(await page.locator('.markdown math').count(), 0);
  await page.evaluate(() => globalThis.setWriting(false));
  await page.locator('.markdown math').first().waitFor();
  assert.ok(lazy().length > own.length, 'it was fetched then');
});

browserTest('without a network an answer has its colours and formulas, and the site has the terms of what makes them', async ({ page, context, origin }) => {
  await open(page, origin);
  await siteKept(page);
  await context.setOffline(true);
  const known = await page.evaluate(async () => {
    const [cache] = await caches.keys();
    const files = (await (await caches.open(cache)).keys()).map(({ url }) => new URL(url).pathname);
    const lazy = files.filter((file) => /colours|formula/.test(file));
    const modules = await Promise.all(lazy.map((file) => import(file)));
    return modules.map((module) => Object.keys(module).join()).sort();
  });
  assert.deepEqual(known, ['colours', 'formula']);
  const licences = await page.evaluate(async () => (await fetch('licences.txt')).text());
  for (const name of ['highlight.js', 'lowlight', 'marked', 'temml']) assert.match(licences, new RegExp(`^${name} \\d.*\\n\\n.*(licen[cs]e|copyright)`, 'im'));
});

browserTest('Arabic and Hebrew stand on the right, code and formulas run to the right, and mixtures keep their order', async ({ page, origin }) => {
  await view(page, origin);
  await libraries(page);
  const seen = await page.evaluate(() => {
    const { view } = globalThis;
    view.show('مرحبا `code` $x^2$\n\n- عنصر\n- English item.\n\n> اقتباس\n\n| اسم | b |\n|---|---|\n| x | y |\n\n```js\nlet a; // تعليق\n```\n\nשלום\n\nEnglish سلام.', false);
    const direction = (selector) => [...view.element.querySelectorAll(selector)].map((one) => getComputedStyle(one).direction);
    const box = (selector) => view.element.querySelector(selector).getBoundingClientRect();
    const quoted = document.createRange();
    quoted.selectNodeContents(view.element.querySelector('blockquote p'));
    const [quote, table, list] = [quoted.getBoundingClientRect(), box('table'), box('ul')];
    const right = (rect) => Math.abs(rect.right - view.element.getBoundingClientRect().right) < 24;
    return {
      paragraphs: direction('.markdown > p'), code: direction('pre, p code, math'), list: direction('ul, blockquote, table'),
      border: getComputedStyle(view.element.querySelector('blockquote')).borderRightWidth, right: [quote, table, list].map(right),
      items: [...view.element.querySelectorAll('li')].map((one) => getComputedStyle(one).textAlign),
    };
  });
  assert.deepEqual(seen, {
    paragraphs: ['rtl', 'rtl', 'ltr'], code: ['ltr', 'ltr', 'ltr'], list: ['rtl', 'rtl', 'rtl'], border: '3px', right: [true, true, true],
    items: ['right', 'right'],
  });
  await page.locator('#prompt').fill('שלום');
  assert.equal(await page.locator('#prompt').evaluate((field) => getComputedStyle(field).direction), 'rtl');
  await page.locator('#prompt').fill('hello');
  assert.equal(await page.locator('#prompt').evaluate((field) => getComputedStyle(field).direction), 'ltr');
});
