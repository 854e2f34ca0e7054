/** The quarantine: the kernels that failed on this device, and the check that finds them, in the worker. */
import { adapterName } from './adapter.js';
import type { Handlers } from './host.js';
import { JournalFile } from './journal.js';
import { doctor, forget_quarantine, quarantine_with_marker, quarantined } from './llamita.js';
import { busy } from './pipelines.js';
import { home, type Folder } from './store/folder.js';
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
    private readonly folder: Folder,
    /** Its text; empty where nothing was kept yet. */
    readonly text: string,
    /** What the browser tells of its adapter, */
    readonly adapter: string,
    /** and of itself: its next version may bring another compiler of shaders. The driver below is told by none. */
    readonly driver: string,
  ) {}

  /** Reads it, with the kernel that took down an earlier worker while it was checked. */
  static async open(): Promise<QuarantineFile> {
    const [{ folder }, { device }] = await Promise.all([home(), adapterName()]);
    await JournalFile.take(JOURNAL, async (left) => {
      const text = quarantine_with_marker(await read(folder), left);
      if (text !== undefined) await write(folder, text);
    });
    return new QuarantineFile(folder, await read(folder), device, navigator.userAgent);
  }

  /** Writes a text in the place of the one before. It has reached the storage when this ends. */
  keep(text: string): Promise<void> {
    return write(this.folder, text);
  }
}

async function read(folder: Folder): Promise<string> {
  const release = await lock(LOCK, { mode: 'shared' });
  try {
    return await (await folder.read(NAME))?.text() ?? '';
  } finally {
    release();
  }
}

async function write(folder: Folder, text: string): Promise<void> {
  const release = await lock(LOCK, { mode: 'exclusive' });
  try {
    await folder.write(NAME, new TextEncoder().encode(text));
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
