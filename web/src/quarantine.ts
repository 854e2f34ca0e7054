/** The quarantine: the kernels that failed on this device, and the check that finds them, in the worker. */
import { adapterName } from './adapter.js';
import type { Handlers } from './host.js';
import { JournalFile } from './journal.js';
import { doctor, forget_quarantine, merged_quarantine, quarantine_with_marker, quarantined } from './llamita.js';
import { busy } from './pipelines.js';
import { home, type Home } from './store/folder.js';
import { lock } from './store/locks.js';
import type { Diagnosis, DoctorProgress, QuarantinedKernel } from './types.js';

const NAME = 'quarantine.json';
/** Held while the file is read or written. */
const LOCK = 'llamita/quarantine';
/** The journal of the check: it names the kernel that is run. */
const JOURNAL = 'kernels';

/** The engine's quarantine, a text, in the origin's private files; in memory where there are none. */
export class QuarantineFile {
  private constructor(
    private readonly home: Home,
    /** Its text; empty where nothing was kept yet. */
    readonly text: string,
    /** What the browser tells of its adapter, */
    readonly adapter: string,
    /** and of itself: its next version may bring another compiler of shaders. The driver below is told by none. */
    readonly driver: string,
  ) {}

  /** Reads it, with the kernel that took down an earlier worker while it was checked. One that cannot be read is empty. */
  static async open(): Promise<QuarantineFile> {
    const [place, { device }] = await Promise.all([home(), adapterName()]);
    let text = '';
    try {
      await JournalFile.take(JOURNAL, (left) => change(place, (text) => quarantine_with_marker(text, left)));
      text = await read(place);
    } catch (error) {
      console.warn(`llamita: the quarantine is ignored: ${String(error)}`);
    }
    return new QuarantineFile(place, text, device, navigator.userAgent);
  }

  /**
   * Keeps what became of one text in another, beside what was kept by others meanwhile. It has reached the storage when
   * this ends.
   */
  keep(before: string, after: string): Promise<void> {
    return change(this.home, (text) => merged_quarantine(text, before, after));
  }
}

const textIn = async ({ folder }: Home) => await (await folder.read(NAME))?.text() ?? '';

function read(place: Home): Promise<string> {
  return alone(place, 'shared', () => textIn(place));
}

/** Writes what becomes of the text; undefined leaves it as it is. */
function change(place: Home, to: (text: string) => string | undefined): Promise<void> {
  return alone(place, 'exclusive', async () => {
    const text = to(await textIn(place));
    if (text !== undefined) await place.folder.write(NAME, new TextEncoder().encode(text));
  });
}

/** Does what no other tab may disturb; a folder in memory is this worker's own. */
async function alone<T>({ kind }: Home, mode: 'exclusive' | 'shared', work: () => Promise<T>): Promise<T> {
  if (kind === 'memory') return work();
  const release = await lock(LOCK, { mode });
  try {
    return await work();
  } finally {
    release();
  }
}

export const quarantineHandlers: Pick<Handlers, 'doctor' | 'quarantined' | 'forgetQuarantine'> = {
  async doctor({ options }, { cancel, event }) {
    const file = await QuarantineFile.open();
    const journal = await JournalFile.open(JOURNAL);
    try {
      const tell = (step: string) => event(JSON.parse(step) as DoctorProgress);
      return JSON.parse(await busy(() => doctor(options, tell, file, journal, cancel))) as Diagnosis;
    } finally {
      journal?.close();
    }
  },

  async quarantined() {
    return JSON.parse(quarantined(await QuarantineFile.open())) as QuarantinedKernel[];
  },

  async forgetQuarantine() {
    return forget_quarantine(await QuarantineFile.open());
  },
};
