// Served as the package's worker where a test ends the tab in the middle of the probe's ladder of memory: the device does
// not answer any more once the second step's marker is written.
const channel = new BroadcastChannel('marker');
let markers = 0;

const { write } = FileSystemSyncAccessHandle.prototype;
FileSystemSyncAccessHandle.prototype.write = function (bytes, ...rest) {
  if (new TextDecoder().decode(bytes).includes('llamita-journal')) markers += 1;
  return write.call(this, bytes, ...rest);
};

for (const [type, name] of [[GPUBuffer, 'mapAsync'], [GPUQueue, 'onSubmittedWorkDone']]) {
  const plain = type.prototype[name];
  type.prototype[name] = function (...args) {
    const result = plain.apply(this, args);
    if (markers < 2) return result;
    channel.postMessage('held');
    return new Promise(() => {});
  };
}
import '/llamita/own-worker.js';
