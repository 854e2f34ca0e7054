/** A device of a kind that others report wrong results of: says so, and offers to test this one. */
import type { DeviceInfo } from '../llamita/index.js';
import { byId } from './dom.js';
import { language, t } from './i18n.js';
import { keep, recall } from './keep.js';
import { notice, toast } from './notice.js';
import type { Missing } from './support.js';

/** What a test told: the names of cases that failed, of how many; undefined where it was stopped. */
export type Verdict = { failed: string[]; cases: number } | undefined;

/** Another driver comes with another browser or system, which the browser's own text tells of. */
function mark({ vendor, architecture, description }: DeviceInfo): string {
  return [vendor, architecture, description, navigator.userAgent].join(' ');
}

/** Shows the doubt, unless this device has passed its test before. */
export function doubt(device: DeviceInfo, test: () => Promise<Verdict>, condemn: (missing: Missing) => void): void {
  const { bad } = device;
  if (!bad || recall('passed') === mark(device)) return;
  const box = byId('missing');
  const close = (): void => {
    stop();
    box.replaceChildren();
  };
  const run = async (): Promise<void> => {
    const verdict = await test();
    if (!verdict) return;
    close();
    const { failed, cases } = verdict;
    if (failed.length > 0) {
      const reason = [bad.what, ...bad.links, ...failed].join('\n');
      condemn({ why: 'knownBad', advice: ['support.knownBad'], reason });
    } else {
      keep('passed', mark(device));
      toast(t('support.passed', { cases }));
    }
  };
  const stop = language.watch(() => {
    const told = notice(
      'warning',
      t('support.doubt.title'),
      [t('support.doubt.what')],
      [
        { t: 'support.doubt.test', primary: true, click: run },
        { t: 'support.doubt.later', click: close },
        { t: 'probe.link', click: () => location.assign('probe.html') },
      ],
      [bad.what, ...bad.links].join('\n'),
    );
    box.replaceChildren(told);
  });
}
