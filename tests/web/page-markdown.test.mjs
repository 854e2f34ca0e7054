// The Markdown of answers: what it understands, unfinished texts, and that no text becomes anything but text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { insidePage } from './browser.mjs';
import { browserTest } from './harness.mjs';

const { parse, safe } = await insidePage('markdown.js');
const blocks = (text, open) => parse(text, open).map(({ block }) => block);

/** Inline parts in short: **bold** as ['strong', 'bold']. */
const brief = (parts) => parts.map((part) => {
  if (part.kind === 'text') return part.text;
  if (part.kind === 'break') return '\n';
  return [part.kind, ...(part.text !== undefined ? [part.text] : brief(part.inner))];
});
const line = (text, open) => brief(blocks(text, open)[0].inner);

test('inline Markdown', () => {
  assert.deepEqual(line('a **b** c'), ['a ', ['strong', 'b'], ' c']);
  assert.deepEqual(line('a *b **c** d* e'), ['a ', ['em', 'b ', ['strong', 'c'], ' d'], ' e']);
  assert.deepEqual(line('***both***'), [['strong', ['em', 'both']]]);
  assert.deepEqual(line('~~gone~~ `a*b*` snake_case_name 2 * 3 * 4'), [['del', 'gone'], ' ', ['code', 'a*b*'], ' snake_case_name 2 * 3 * 4']);
  assert.deepEqual(line('``a`b``'), [['code', 'a`b']]);
  assert.equal(line('\\*no\\*').join(''), '*no*');
  assert.deepEqual(line('one\ntwo'), ['one', '\n', 'two']);
  assert.deepEqual(line('[x](https://a.b/c_(d)) and https://e.f/g.'), [['link', 'x'], ' and ', ['link', 'https://e.f/g'], '.']);
  assert.deepEqual(line('![alt](https://a.b/c.png)'), [['link', 'alt']], 'a picture is a link: nothing is fetched');
  assert.equal(line('unclosed **bold').join(''), 'unclosed **bold');
});

test('an unfinished text counts as if it ended there', () => {
  assert.deepEqual(line('unclosed **bo', true), ['unclosed ', ['strong', 'bo']]);
  assert.deepEqual(line('half **bold*', true), ['half ', ['strong', 'bold']]);
  assert.deepEqual(line('`co', true), [['code', 'co']]);
  assert.deepEqual(line('see [the page](https://exam', true), ['see the page']);
  assert.deepEqual(line('lonely *', true), ['lonely ']);
  assert.deepEqual(blocks('```js\nlet a', true), [{ kind: 'code', language: 'js', text: 'let a' }]);
});

test('blocks', () => {
  const text = '# T\n\nA\nB\n- x\n- y\n  1. z\n\n> q\n> r\n\n---\n\n| a | b |\n|:--|--:|\n| 1 | 2 |\n\n```\n**no**\n```\nend';
  assert.deepEqual(blocks(text).map(({ kind }) => kind), ['heading', 'paragraph', 'list', 'quote', 'rule', 'table', 'code', 'paragraph']);
  const [, , list, , , table, code] = blocks(text);
  assert.equal(list.items.length, 2);
  assert.equal(list.items[1][1].ordered, true);
  assert.deepEqual(table.align, ['left', 'right']);
  assert.equal(code.text, '**no**');
  assert.equal(blocks('3. three\n4. four')[0].start, 3);
});

test('every beginning of a text can be shown, and none takes long', () => {
  const text = 'A **b *c* d** [e](https://f.g) `h` ~~i~~\n\n- j\n  - k\n\n```l\nm\n```\n\n| n | o |\n|---|---|\n| p | q |\n\n> r\n> - s';
  for (let end = 0; end <= text.length; end += 1) parse(text.slice(0, end), true);
  const begin = performance.now();
  for (const hostile of ['*'.repeat(5000), '['.repeat(5000), '`a'.repeat(2500), '> '.repeat(3000), '- '.repeat(3000), '|'.repeat(5000), '**a '.repeat(1200)]) parse(hostile, true);
  assert.ok(performance.now() - begin < 5000, `${performance.now() - begin} ms`);
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
