// What the processes of a browser take of the system's memory, which the browser's own counts of scripts do not show.
import { existsSync, readFileSync } from 'node:fs';

/**
 * Looks every `every` milliseconds for the most memory of the browser's processes of a type: `renderer` runs pages and their
 * workers, `GPU` their WebGPU. Counted are anonymous bytes, shared ones by share. Without /proc there is nothing to see,
 * and `stop` gives undefined.
 */
export async function processMeter(context, type = 'renderer', every = 50) {
  const session = await context.browser().newBrowserCDPSession();
  const look = async () => {
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    return processInfo.filter((process) => process.type === type).reduce((sum, { id }) => sum + anonymous(id), 0);
  };
  let [peak, going] = [0, existsSync('/proc/self/smaps_rollup')];
  if (!going) return { stop: async () => undefined };
  const begin = await look();
  const loop = (async () => {
    while (going) {
      peak = Math.max(peak, await look());
      await new Promise((resolve) => setTimeout(resolve, every));
    }
  })();
  return {
    /** Bytes at the beginning, and the most since. */
    async stop() {
      going = false;
      await loop;
      await session.detach();
      return { begin, peak };
    },
  };
}

function anonymous(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const kib = (key) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)[1]);
    return (kib('Pss_Anon') + kib('Pss_Shmem')) * 1024;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(error.code)) return 0; // It has ended.
    throw error;
  }
}
