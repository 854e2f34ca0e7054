// Served as the package's worker where a test needs what a page without https has: no WebGPU, no private files, no locks,
// and half of its cryptography.
for (const name of ['gpu', 'storage', 'locks']) delete WorkerNavigator.prototype[name];
for (const name of ['randomUUID', 'subtle']) delete Crypto.prototype[name];
import '/llamita/own-worker.js';
