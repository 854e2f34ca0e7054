// The Markdown of answers: what it understands, unfinished texts, and that no text becomes anything but text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { insidePage } from './browser.mjs';
import { browserTest } from './harness.mjs';

const { parse, safe } = await insidePage('markdown.js');
const blocks = (text, open) => parse(text, open).filter(({ type }) => type !== 'space');

/** Inline parts in short: **bold** as ['strong', 'bold']. */
const brief = (parts) => parts.flatMap((part) => {
  if (part.type === 'text' || part.type === 'escape') return part.tokens ? brief(part.tokens) : part.text;
  if (part.type === 'br') return '\n';
  return [[part.type, ...(part.tokens ? brief(part.tokens) : [part.text])]];
}).reduce((all, part) => {
  const joins = typeof part === 'string' && typeof all.at(-1) === 'string' && part !== '\n' && all.at(-1) !== '\n';
  return joins ? [...all.slice(0, -1), all.at(-1) + part] : [...all, part];
}, []);
const line = (text, open) => brief(blocks(text, open)[0]?.tokens ?? []);
/** The types of blocks, with what is in quotes and lists. */
const shape = (text, open) => blocks(text, open).map(({ type, items, tokens }) => {
  if (type === 'list') return [type, ...items.map((item) => item.tokens.map((part) => part.type).join('+'))];
  return type === 'blockquote' ? [type, ...tokens.map((part) => part.type)] : type;
});

test('inline Markdown', () => {
  assert.deepEqual(line('a **b** c'), ['a ', ['strong', 'b'], ' c']);
  assert.deepEqual(line('a *b **c** d* e'), ['a ', ['em', 'b ', ['strong', 'c'], ' d'], ' e']);
  assert.deepEqual(line('***both***'), [['em', ['strong', 'both']]]);
  assert.deepEqual(line('~~gone~~ `a*b*` snake_case_name 2 * 3 * 4 ~5 ~6~'), [['del', 'gone'], ' ', ['codespan', 'a*b*'], ' snake_case_name 2 * 3 * 4 ~5 ~6~']);
  assert.deepEqual(line('``a`b``'), [['codespan', 'a`b']]);
  assert.equal(line('\\*no\\*').join(''), '*no*');
  assert.deepEqual(line('one\ntwo<br>three'), ['one', '\n', 'two', '\n', 'three']);
  assert.deepEqual(line('[x](https://a.b/c_(d)) and https://e.f/g.'), [['link', 'x'], ' and ', ['link', 'https://e.f/g'], '.']);
  assert.deepEqual(line('<b>no</b> HTML'), ['<b>no</b> HTML']);
  assert.equal(line('unclosed **bold').join(''), 'unclosed **bold');
});

test('formulas are told from money and variables', () => {
  const math = (text) => line(text).filter((part) => part[0] === 'math').map(([, tex]) => tex);
  assert.deepEqual(math('so $x^2$, \\(y\\) and $n$ or $5$'), ['x^2', 'y', 'n', '5']);
  assert.deepEqual(math('$a_b$ and $c_d$: $$\\frac{1}{2}$$'), ['a_b', 'c_d', '\\frac{1}{2}']);
  for (const none of [
    'a price such as $5 and $6', 'from $5 to 10$ each', 'US$5 and CA$6', '$5-$6', '$HOME and $PATH', '$HOME/bin:$PATH',
    'it costs $100, or 100$', '`$x$`', '\\$x\\$', '$ x $', 'only one $x',
  ]) assert.deepEqual(math(none), [], none);
  for (const text of ['$$\nx = 1\n\ny\n$$', '\\[ x \\]', 'a\n$$\nx\n- y\n$$\nb']) {
    assert.ok(blocks(text).some(({ type, display }) => type === 'math' && display), text);
  }
  assert.deepEqual(shape('- a\n\n  $$\n  x\n  $$\n- b'), [['list', 'paragraph+space+math', 'paragraph']]);
});

test('an unfinished text counts as if it ended there', () => {
  assert.deepEqual(line('unclosed **bo', true), ['unclosed ', ['strong', 'bo']]);
  assert.deepEqual(line('half **bold*', true), ['half ', ['strong', 'bold']]);
  assert.deepEqual(line('`co', true), [['codespan', 'co']]);
  assert.deepEqual(line('see [the page](https://exam', true), ['see the page']);
  assert.deepEqual(line('see ![a picture](https://exam', true), ['see ']);
  assert.deepEqual(line('lonely *', true), ['lonely ']);
  assert.deepEqual(line('a <stro', true), ['a ']);
  assert.equal(line('ends with a space **bold ', true).flat().join(''), 'ends with a space strongbold');
  const [code] = blocks('```js\nlet a', true);
  assert.deepEqual([code.type, code.lang, code.text, code.open], ['code', 'js', 'let a', true]);
  assert.equal(blocks('- x\n- **y', true)[0].items[1].tokens[0].tokens[0].type, 'strong');
  assert.equal(blocks('> *q', true)[0].tokens[0].tokens[0].type, 'em');
});

test('what cannot be told yet is held back, and comes when it can', () => {
  const tell = ({ type, text, tokens, items, header, rows }) => {
    const inner = items ?? tokens ?? (header && [header, ...rows].flat());
    return `<${type ?? 'item'}>${inner ? inner.map(tell).join('') : text ?? ''}`;
  };
  const shown = (text) => parse(text, true).map(tell).join('');
  for (const [text, garbage] of [
    ['| a | b |\n|---|---|\n| 1 | 2 |', /\|/], ['Text\n| a | b |\n| :-- | --: |\n| 1 | 2 |\n\nend', /\|/],
    ['So $\\frac{a}{b}$ is', /\$|text>[^<]*(frac|\\)/], ['Is\n\n$$\n\\frac{a}\n- {b}\n$$\n', /\$|list/],
    ['Is \\(x^2\\) so', /[\\(]/], ['```js\nlet a\n```\nend', /`/], ['~~~~\n``\n~~~~', /~/], ['Text\n---\nend', /heading|-/],
    ['List:\n- a\n- b', /heading|-/], ['# Head\nx', /#/], ['a **b** `c` ~~d~~ _e_', /[*`~_]/],
  ]) {
    for (let end = 1; end <= text.length; end += 1) {
      assert.doesNotMatch(shown(text.slice(0, end)), garbage, JSON.stringify(text.slice(0, end)));
    }
  }
  assert.deepEqual(shape('| a | b |\n|---|---|', true), ['table']);
  assert.equal(line('it costs $5 and', true).join(''), 'it costs $5 and', 'money is shown at once');
});

test('blocks', () => {
  const text = '# T\n\nA\nB\n- x\n- y\n  1. z\n\n> q\n> r\n\n---\n\n| a | b |\n|:--|--:|\n| 1 \\| 0 | 2 |\n\n```\n**no**\n```\nend\n\n- [ ] to do\n- [x] done';
  assert.deepEqual(blocks(text).map(({ type }) => type), ['heading', 'paragraph', 'list', 'blockquote', 'hr', 'table', 'code', 'paragraph', 'list']);
  const [, , list, , , table, code, , tasks] = blocks(text);
  assert.equal(list.items.length, 2);
  assert.equal(list.items[1].tokens[1].ordered, true);
  assert.deepEqual(table.align, ['left', 'right']);
  assert.equal(table.rows[0][0].text, '1 | 0');
  assert.equal(code.text, '**no**');
  assert.equal(blocks('3. three\n4. four')[0].start, 3);
  assert.deepEqual(tasks.items.map(({ task, checked }) => [task, checked]), [[true, false], [true, true]]);
});

/** Texts that take other parsers long. */
const HOSTILE = [
  '*'.repeat(5000), '['.repeat(5000), '`a'.repeat(2500), '> '.repeat(10_000), '- '.repeat(3000), '|'.repeat(5000), '**a '.repeat(1200),
  '$a '.repeat(2000), '\\['.repeat(2000), '\\('.repeat(2000), '$$'.repeat(2501), '![a]('.repeat(1500), '<a '.repeat(2000), '_a*'.repeat(1000),
  '~~a '.repeat(2000), '\n> '.repeat(3000), '1. '.repeat(3000), '&'.repeat(5000), '(www.'.repeat(1500), 'a@'.repeat(2500),
  `|${'a|'.repeat(1000)}\n|${'-|'.repeat(1000)}\n|${'b|'.repeat(1000)}`, `\`\`\`js\n${'let a = 1;\n'.repeat(100_000)}`, 'word '.repeat(20_000),
];

test('every beginning of a text can be shown, and none takes long', () => {
  const text = 'A **b *c* d** [e](https://f.g) `h` ~~i~~ $x_1$\n\n- j\n  - [ ] k\n\n```l\nm\n```\n\n| n | o |\n|---|---|\n| p | q |\n\n> r\n> - s\n\n$$\nt\n$$';
  for (let end = 0; end <= text.length; end += 1) parse(text.slice(0, end), true);
  for (const hostile of HOSTILE) {
    const begin = performance.now();
    parse(hostile, true);
    parse(hostile, false);
    const took = performance.now() - begin;
    assert.ok(took < 5000, `${hostile.slice(0, 20)}… took ${took} ms`);
  }
});

test('only addresses that a click may open become links', () => {
  for (const good of ['https://a.b', 'http://a.b', 'mailto:a@b.c']) assert.ok(safe(good), good);
  for (const bad of ['javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'data:text/html,x', 'blob:x', 'file:///etc', 'vbscript:x', '/relative', '']) {
    assert.equal(safe(bad), undefined, bad);
  }
});

browserTest('what a model says never becomes markup or script, and changing it costs only its end', async ({ page, origin, allow }) => {
  await page.goto(`${origin}/`);
  allow(/TrustedHTML/);
  const seen = await page.evaluate(async () => {
    const { MarkdownView } = await import('./app/markdown-view.js');
    const view = new MarkdownView();
    document.body.append(view.element);
    const evil = '<img src=x onerror="globalThis.hacked=1"><script>globalThis.hacked=1</script>\n\n[click](javascript:globalThis.hacked=1) ![p](https://example.org/p.png)';
    view.show(evil, true);
    view.show(evil, false);
    const first = view.element.firstChild;
    view.show(`${evil}\n\nmore`, true);
    let refused = false;
    try {
      document.createElement('div').innerHTML = '<b>x</b>';
    } catch {
      refused = true;
    }
    const tags = [...view.element.querySelectorAll('*')].map(({ tagName }) => tagName);
    const links = [...view.element.querySelectorAll('a')].map(({ href, rel }) => `${href} ${rel}`);
    return { tags, links, kept: view.element.firstChild === first, refused, hacked: globalThis.hacked };
  });
  assert.equal(seen.hacked, undefined);
  assert.deepEqual([...new Set(seen.tags)].sort(), ['A', 'P']);
  assert.deepEqual(seen.links, ['https://example.org/p.png noopener noreferrer nofollow']);
  assert.ok(seen.kept, 'a block that is unchanged keeps its element');
  assert.ok(seen.refused, 'the policy refuses innerHTML');
});
