/** The probe's calls, in the worker. */
import { adapterName } from './adapter.js';
import { Busy } from './errors.js';
import type { Handlers } from './host.js';
import { JournalFile } from './journal.js';
import { probe, probe_ended } from './llamita.js';
import { busy } from './pipelines.js';
import { QuarantineFile } from './quarantine.js';
import type { ProbePhase, ProbeReport } from './types.js';

const JOURNAL = 'probe';

export const probeHandlers: Pick<Handlers, 'probe' | 'probeEnded'> = {
  async probe({ options }, { cancel, event }) {
    const quarantine = await QuarantineFile.open();
    const journal = await JournalFile.open(JOURNAL);
    try {
      const { device: name, vendor } = await adapterName();
      /** A report that names the device as far as the browser does. */
      const read = (text: string): ProbeReport => {
        const report = JSON.parse(text) as ProbeReport;
        return { ...report, device: { ...report.device, name: report.device.name || name } };
      };
      let report: ProbeReport | undefined;
      const told = (phase: ProbePhase, share: number, grown: string | undefined): void => {
        if (grown !== undefined) report = read(grown);
        event({ phase, share, report });
      };
      const all = JSON.stringify({ vendor: vendor || undefined, ...JSON.parse(options) as object });
      return read(await busy(() => probe(all, told, quarantine, journal, cancel)));
    } finally {
      journal?.close();
    }
  },

  async probeEnded() {
    try {
      const journal = await JournalFile.open(JOURNAL);
      journal?.close();
      return (journal && probe_ended(journal)) ?? null;
    } catch (error) {
      // One that is under way elsewhere has not ended.
      if (error instanceof Busy) return null;
      throw error;
    }
  },
};
