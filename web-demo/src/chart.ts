/** Bars for a few numbers, in SVG. */
import { h, svg } from './dom.js';
import { short } from './i18n.js';

export interface Bar {
  label: string;
  value: number;
  /** The best and the worst of several runs. */
  low: number;
  high: number;
}

const WIDTH = 440;
const HEIGHT = 190;
const LEFT = 46;
const BOTTOM = 34;
const TOP = 18;

/** A chart with a title; the same numbers stand in a table beside it, so it is one picture to a screen reader. */
export function chart(title: string, unit: string, bars: Bar[]): HTMLElement {
  const top = nice(Math.max(...bars.map(({ high }) => high), 1e-9));
  const y = (value: number): number => HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP);
  const slot = (WIDTH - LEFT) / Math.max(bars.length, 1);
  const width = Math.min(slot * 0.6, 64);
  const said = `${title}: ${bars.map(({ label, value }) => `${label}: ${short(value)} ${unit}`).join(', ')}`;
  const picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'chart', role: 'img', 'aria-label': said });
  for (let i = 0; i <= 4; i += 1) {
    const value = (top * i) / 4;
    picture.append(svg('line', { x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value), class: i ? 'grid' : 'axis' }));
    picture.append(svg('text', { x: LEFT - 8, y: y(value) + 4, 'text-anchor': 'end' }, short(value)));
  }
  bars.forEach(({ label, value, low, high }, i) => {
    const middle = LEFT + slot * (i + 0.5);
    const height = Math.max(HEIGHT - BOTTOM - y(value), 1);
    picture.append(
      svg('rect', { x: middle - width / 2, y: HEIGHT - BOTTOM - height, width, height, rx: 4, class: 'bar' }),
    );
    if (high > low) picture.append(svg('line', { x1: middle, x2: middle, y1: y(low), y2: y(high), class: 'spread' }));
    picture.append(
      svg(
        'text',
        { x: middle, y: y(Math.max(value, high)) - 5, 'text-anchor': 'middle', class: 'value' },
        short(value),
      ),
    );
    picture.append(svg('text', { x: middle, y: HEIGHT - BOTTOM + 16, 'text-anchor': 'middle' }, label));
  });
  return h('figure', {}, h('figcaption', {}, h('strong', {}, title), h('span', { class: 'faint' }, unit)), picture);
}

/** The next number up that a scale may end at. */
function nice(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].map((step) => step * unit).find((end) => end >= value) ?? value;
}
