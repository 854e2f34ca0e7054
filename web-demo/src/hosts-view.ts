/** Asks before the page connects to a host that it may not connect to yet, and lists those that were allowed. */
import { h } from './dom.js';
import { allowedHosts, allowHost, forgetHost } from './hosts.js';
import { language, t } from './i18n.js';
import { iconButton } from './icons.js';
import { inTab } from './keep.js';
import { notice } from './notice.js';

/** An address that is wanted as soon as the page has been loaded with its host allowed. */
const WANTED = 'wanted';

/** What was wanted when the page was loaded again for it; asked for once. */
export function wantedAddress(): string | undefined {
  const wanted = inTab.recall(WANTED);
  inTab.keep(WANTED, undefined);
  return wanted;
}

/** A question whether the page may connect to the host of an address, for `go`. `leave` is called where it may not. */
export function askForHost(url: URL, go: () => void, leave: () => void): HTMLElement {
  const allow = async (): Promise<void> => {
    if (!(await allowHost(url))) return go();
    inTab.keep(WANTED, url.href);
    location.reload();
  };
  const values = { host: url.host };
  const actions = [
    { text: t('hosts.allow', values), primary: true, click: allow },
    { t: 'do.cancel', click: leave } as const,
  ];
  return notice('info', t('hosts.title', values), [t('hosts.what', values)], actions);
}

/** The hosts that were allowed, each with a button that takes it back. Empty where there are none. */
export function allowedList(): HTMLElement {
  const list = h('div', { id: 'hosts' });
  const show = async (): Promise<void> => {
    const hosts = await allowedHosts();
    const rows = hosts.map((origin) => {
      const label = t('hosts.forget', { host: origin });
      const forget = iconButton('trash', {
        on: { click: () => void forgetHost(origin).then(show) },
      });
      forget.setAttribute('aria-label', label);
      forget.title = label;
      return h('li', {}, h('bdi', {}, origin), forget);
    });
    list.replaceChildren(
      ...(rows.length ? [h('p', { class: 'faint' }, t('hosts.allowed')), h('ul', { class: 'hosts' }, ...rows)] : []),
    );
  };
  language.watch(() => void show());
  return list;
}
