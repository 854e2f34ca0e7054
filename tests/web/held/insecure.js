// Served as the package's worker where a test needs what a page without https has: no WebGPU, no private files, no locks.
for (const name of ['gpu', 'storage', 'locks']) delete WorkerNavigator.prototype[name];
import '/llamita/own-worker.js';
