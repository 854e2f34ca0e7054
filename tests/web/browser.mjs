// A browser of Chromium's family, driven over its DevTools pipe (file descriptors 3 and 4, JSON ended by a zero byte).
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FLAGS = [
  '--headless=new', '--no-sandbox', '--enable-unsafe-webgpu', '--no-first-run', '--no-default-browser-check',
  '--disable-quic', '--disable-sync', '--disable-extensions', '--disable-background-networking',
  '--disable-component-update', '--disable-dev-shm-usage',
];

export class Browser {
  #process;
  #profile;
  #ended = false;
  #next = 0;
  #waiting = new Map();
  #rest = '';
  #stderr = '';
  /** Called with (method, params, sessionId) for every event. */
  onevent = () => {};

  static async launch(path, flags) {
    const browser = new Browser();
    browser.#profile = await mkdtemp(join(tmpdir(), 'llamita-browser-'));
    const args = [...FLAGS, ...flags, '--remote-debugging-pipe', `--user-data-dir=${browser.#profile}`, 'about:blank'];
    const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] });
    browser.#process = child;
    child.stderr.setEncoding('utf8').on('data', (text) => { browser.#stderr = (browser.#stderr + text).slice(-8000); });
    child.stdio[4].setEncoding('utf8').on('data', (text) => browser.#read(text));
    child.stdio[3].on('error', () => {});
    child.on('error', (error) => browser.#end(`cannot start ${path}: ${error.message}`));
    child.on('exit', (code, signal) => browser.#end(browser.#obituary(signal ?? code)));
    return browser;
  }

  /** One command of the DevTools protocol. */
  call(method, params = {}, sessionId = undefined) {
    if (this.#ended) return Promise.reject(new Error(this.#ended));
    const id = ++this.#next;
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject, method }));
  }

  /** Opens a page and attaches to it, and to its workers as they come. */
  async page(url) {
    const { targetId } = await this.call('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true });
    await this.watch(sessionId);
    await this.call('Page.enable', {}, sessionId);
    const loaded = new Promise((resolve) => {
      const before = this.onevent;
      this.onevent = (method, params, session) => {
        if (method === 'Page.loadEventFired' && session === sessionId) resolve();
        before(method, params, session);
      };
    });
    const { errorText } = await this.call('Page.navigate', { url }, sessionId);
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await loaded;
    return sessionId;
  }

  /** Turns on what is said on the console of a page or worker. */
  async watch(sessionId) {
    await this.call('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: true, flatten: true }, sessionId);
    await this.call('Runtime.enable', {}, sessionId);
    await this.call('Log.enable', {}, sessionId).catch(() => {}); // Workers have none.
    await this.call('Runtime.runIfWaitingForDebugger', {}, sessionId);
  }

  /** The value of an expression, awaited, in a page. */
  async evaluate(expression, sessionId) {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails: thrown } = await this.call('Runtime.evaluate', params, sessionId);
    if (thrown) throw new Error(thrown.exception?.description ?? thrown.text);
    return result.value;
  }

  async close() {
    const gone = new Promise((resolve) => this.#ended ? resolve() : this.#process.once('exit', resolve));
    this.call('Browser.close').catch(() => {});
    const kill = setTimeout(() => this.#process.kill('SIGKILL'), 5000);
    await gone;
    clearTimeout(kill);
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #read(text) {
    const parts = (this.#rest + text).split('\0');
    this.#rest = parts.pop();
    for (const { id, method, params, sessionId, result, error } of parts.map((part) => JSON.parse(part))) {
      if (id === undefined) {
        this.onevent(method, params, sessionId);
        continue;
      }
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error) waiting?.reject(new Error(`${waiting.method}: ${error.message}`));
      else waiting?.resolve(result);
    }
  }

  /** What the browser said last, without its complaints about desktop services that a server does not have. */
  #obituary(how) {
    const lines = this.#stderr.split('\n').filter((line) => line && !line.includes('dbus'));
    return [`the browser ended with ${how}`, ...lines].join('\n');
  }

  #end(why) {
    this.#ended ||= why;
    for (const { reject } of this.#waiting.values()) reject(new Error(why));
    this.#waiting.clear();
  }
}
