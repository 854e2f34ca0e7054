/** The page: puts its parts together, shows the view that the address names, and loads a first model. */
import './trust.js';
import { BenchmarkView } from './benchmark-view.js';
import { atAddress, BUNDLED, isElsewhere } from './catalogue.js';
import { ChatLog } from './chat-log.js';
import { Chat, type Answering } from './chat.js';
import { Composer } from './composer.js';
import { Conversations } from './conversations.js';
import { DeviceView } from './device-view.js';
import { byId, keepTranslated } from './dom.js';
import { doubt, type Verdict } from './doubt.js';
import { tell } from './errors.js';
import { holdsChats } from './exchange.js';
import { setWriting, want } from './extras.js';
import { adapter, noteSpeed } from './fit.js';
import { keepFocus } from './focus.js';
import { greeting } from './greeting.js';
import { wantedAddress } from './hosts-view.js';
import { language, t } from './i18n.js';
import { icon } from './icons.js';
import { KnownModels } from './known-models.js';
import { LiveLine } from './live.js';
import { header } from './loading.js';
import { ModelsView } from './models-view.js';
import { notice, toast } from './notice.js';
import { offerAgain } from './reopen.js';
import { ProofView } from './proof-view.js';
import { lastModel, Runtime } from './runtime.js';
import { SettingsPanel } from './settings-panel.js';
import { ShadersView } from './shaders-view.js';
import { shortcuts } from './shortcuts.js';
import { Side, VIEWS, type View } from './side.js';
import { check, type Missing } from './support.js';

const runtime = new Runtime();
const early = window.isSecureContext && 'gpu' in navigator;
const ahead = early ? runtime.arrive(lastModel() ?? BUNDLED) : undefined;
const conversations = new Conversations();
const chat = new Chat(runtime, conversations);
const side = new Side(conversations, chat);
const composer = new Composer(chat, conversations, runtime);
const settingsPanel = new SettingsPanel(runtime, conversations);
const known = new KnownModels();
const device = new DeviceView(runtime, known);
const models = new ModelsView(runtime, known, (texts) => void takeTexts(texts));
const shaders = new ShadersView(runtime, () => device.report());
new BenchmarkView(runtime, chat, () => device.report(), new ProofView(runtime, chat).element);
new ChatLog(chat, conversations, runtime, known);
new LiveLine(runtime, chat, conversations);
chat.answering.watch((answering) => setWriting(answering !== undefined));

/** Takes files that are no models: chats that were exported come back, other texts go along with what is said next. */
async function takeTexts(files: File[]): Promise<void> {
  const chats = await Promise.all(files.map(holdsChats));
  await side.list.import(files.filter((_, i) => chats[i]));
  const others = files.filter((_, i) => !chats[i]);
  if (others.length) await composer.attach(others);
}

/** Shows the view that the address names. */
function route(moved: boolean): void {
  const view = VIEWS.find((name) => `#${name}` === location.hash) ?? 'chat';
  for (const name of VIEWS) byId(`view-${name}`).hidden = name !== view;
  side.mark(view);
  if (view === 'models') void models.refresh();
  if (view === 'device') void device.refresh();
  shown = view;
  title();
  if (!moved) return;
  // The focus goes where the reader has gone.
  if (view === 'chat') composer.focus();
  else byId(`view-${view}`).querySelector<HTMLElement>('h1')?.focus();
}

let shown: View = 'chat';
function title(): void {
  document.title = shown === 'chat' ? 'Llamita' : `${t(`nav.${shown}`)} · Llamita`;
}

/** Where the focus is when nothing else has it: not in a field on a touch screen, whose keyboard would come up. */
function rest(): HTMLElement {
  if (shown !== 'chat') return byId(`view-${shown}`).querySelector<HTMLElement>('h1') ?? byId('content');
  const field = byId<HTMLTextAreaElement>('prompt');
  return matchMedia('(pointer: fine)').matches && !field.disabled ? field : byId('scroll');
}

/** Says that no GPU can be used here, and what to do. The tiny model can run on the CPU. */
function tellMissing({ why, advice, reason }: Missing): void {
  runtime.stay();
  composer.enable(false);
  chat.hopeless.set(Object.assign(new Error(reason), { kind: 'NoWebGpu' }));
  document.body.classList.add('no-gpu');
  const box = byId('missing');
  const onCpu = async (): Promise<void> => {
    runtime.device = 'cpu';
    chat.hopeless.set(undefined);
    if (!(await runtime.load(BUNDLED, { unasked: true }))) return;
    stop();
    box.replaceChildren();
    document.body.classList.remove('no-gpu');
    composer.enable(true);
  };
  const stop = language.watch(() => {
    const told = notice(
      'error',
      t(`support.${why}.title`),
      [t(`support.${why}.what`), ...advice.map((key) => t(key))],
      [
        { t: 'support.retry', primary: true, click: () => location.reload() },
        { t: 'support.cpu', click: onCpu },
        ...(why === 'lacking' || why === 'knownBad' ? [{ t: 'probe.link', click: () => location.assign('probe.html') } as const] : []),
      ],
      reason,
    );
    box.replaceChildren(told);
  });
}

/** Tests each kernel once, where the reader can watch; then goes back to the chat. */
async function testDevice(): Promise<Verdict> {
  location.hash = '#shaders';
  const verdict = await shaders.testEach();
  if (verdict) location.hash = '#chat';
  return verdict;
}

/** The model of the last visit where it is on this device, or else the one that comes with the page. */
async function firstModel(): Promise<void> {
  const wanted = wantedAddress();
  if (wanted !== undefined) return void (await runtime.load(atAddress(wanted), { instead: BUNDLED }));
  const last = lastModel();
  const other = last && last.id !== BUNDLED.id ? last : undefined;
  // Given up before it was begun: then another one's place is taken by the bundled model, and that one's by none.
  const gaveUp = ahead?.aborted ?? false;
  if (gaveUp && !other) return;
  const choice = other && !gaveUp ? await known.find(other.id, other.title) : undefined;
  if (choice && !choice.open && !isElsewhere(choice.source)) await runtime.load(choice, { instead: BUNDLED });
  else {
    if (other && !gaveUp) offerAgain(runtime, known, other, choice);
    await runtime.load(BUNDLED, { unasked: true });
  }
}

/** What answers take here tells which other models will do. */
function learnSpeed(): void {
  let last: Answering | undefined;
  chat.answering.watch((now) => {
    const { loaded } = runtime;
    if (!now && last?.said.measured && loaded.value) noteSpeed(loaded.value, last.said.measured);
    last = now;
  });
}

/** After the first visit the page works without a network. */
async function offline(): Promise<void> {
  if (!('serviceWorker' in navigator) || !window.isSecureContext) return;
  try {
    const before = navigator.serviceWorker.controller;
    const registration = await navigator.serviceWorker.register('sw.js');
    registration.addEventListener('updatefound', () => {
      const next = registration.installing;
      next?.addEventListener('statechange', () => {
        if (next.state === 'installed' && before)
          toast(t('offline.updated'), { t: 'offline.reload', click: () => location.reload() });
      });
    });
  } catch {
    // Private windows of some browsers have no service workers: the page works while there is a network.
  }
}

/** On phones the keyboard covers what does not shrink: the page takes the height that is left. */
function fitKeyboard(): void {
  const viewport = window.visualViewport;
  viewport?.addEventListener('resize', () => {
    const covered = viewport.scale === 1 && innerHeight - viewport.height > 80;
    document.documentElement.style.setProperty('--page-height', covered ? `${viewport.height}px` : '100dvh');
  });
}

async function start(): Promise<void> {
  keepTranslated();
  byId('settings-open').append(icon('settings'));
  byId('settings-open').addEventListener('click', () => settingsPanel.open());
  byId('jump').append(icon('down'));
  byId('skip').addEventListener('click', (event) => {
    event.preventDefault();
    byId('content').focus();
  });
  header(runtime);
  learnSpeed();
  greeting(runtime, (text) => composer.say(text));
  settingsPanel.onKeys = shortcuts({ chat, composer, side, settings: () => settingsPanel.open() });
  language.watch(title);
  addEventListener('hashchange', () => route(true));
  route(false);
  fitKeyboard();
  keepFocus(rest);
  const opened = conversations.open().then(() => {
    if (!conversations.lasting) toast(t('chat.notKept'));
    conversations.trouble.watch((error) => error !== undefined && toast(`${t('chat.notSaved')} ${tell(error).detail}`));
  });
  const found = await check();
  await opened;
  if ('missing' in found) tellMissing(found.missing);
  else {
    adapter.set(found.device);
    device.device = found.device;
    shaders.tier = found.device.tier;
    doubt(found.device, testDevice, tellMissing);
    await firstModel();
  }
  want();
  await offline();
}

void start().catch((error: unknown) => {
  runtime.stay();
  // The engine did not start, or there is a fault in the page: a person sees it rather than a page that does nothing.
  const { title, what, detail } = tell(error);
  const reload = { t: 'support.retry', primary: true, click: () => location.reload() } as const;
  byId('missing').replaceChildren(notice('error', title, [what], [reload], detail));
});
