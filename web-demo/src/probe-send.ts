/** What can be done with a report: copied, saved, shared, and sent to the table of devices. */
import type { ProbeReport } from '../llamita/index.js';
import { copied } from './copied.js';
import { h } from './dom.js';
import { download, fileName } from './files.js';
import { repository } from './repository.js';

const TYPE = 'application/json';

/** The buttons, and how to send it. */
export function sending(report: ProbeReport): HTMLElement[] {
  const text = JSON.stringify(report, null, 2);
  const { device } = report;
  const name = `${fileName([device.name, device.browser].filter(Boolean).join(' '))}.json`;
  const file = new File([text], name, { type: TYPE });
  const copy = h('button', { type: 'button', class: 'quiet', id: 'probe-copy', t: 'probe.copyJson', on: { click: () => void copied(copy, text) } });
  const save = h('button', { type: 'button', class: 'primary', id: 'probe-save', t: 'probe.save', on: { click: () => download(name, TYPE, text) } });
  const what = shareable(file, text);
  const share =
    what && h('button', { type: 'button', class: 'quiet', id: 'probe-share', t: 'probe.share', on: { click: () => void give(what) } });
  const place = repository(location);
  return [
    h('h2', { t: 'probe.send' }),
    h('div', { class: 'row' }, save, copy, share),
    h('p', { class: 'faint', t: 'probe.sendWhat' }),
    ...(place
      ? [h('p', {}, h('a', { href: `${place}/new/HEAD/docs/devices?filename=${encodeURIComponent(name)}`, rel: 'noopener', target: '_blank', t: 'probe.sendLink' }))]
      : []),
  ];
}

/** What this browser can share of it: the file, or else its text; undefined where it shares nothing. */
function shareable(file: File, text: string): ShareData | undefined {
  const title = file.name;
  if (typeof navigator.share !== 'function') return undefined;
  return [{ title, files: [file] }, { title, text }].find((data) => navigator.canShare?.(data) ?? !('files' in data));
}

async function give(data: ShareData): Promise<void> {
  try {
    await navigator.share(data);
  } catch {
    // The person chose to share it with nobody.
  }
}
