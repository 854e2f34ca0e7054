// Runs in the package's worker, before its own module. After a call that a test has named, so many tokens come back from
// the device; what comes later waits, and whoever waits for it does too, until the test lets go.
const channel = new BroadcastChannel('hold');
/** The call that is waited for: its name, some of its arguments, and how many tokens get through from there on. */
let wanted;
let left = Infinity;
let open = () => {};
let opened = Promise.resolve();

channel.onmessage = ({ data }) => {
  if (data.call) {
    wanted = data;
    channel.postMessage('armed');
  } else if (data === 'release') {
    [wanted, left] = [undefined, Infinity];
    open();
  }
};

// It listens first, and so it knows of a call before that begins.
addEventListener('message', ({ data: { call, args } }) => {
  if (!wanted || call !== wanted.call) return;
  if (!Object.entries(wanted.args).every(([name, value]) => args[name] === value)) return;
  [left, wanted] = [wanted.tokens, undefined];
  opened = new Promise((resolve) => { open = resolve; });
});

/** What a method of the device promises, held when no more tokens get through; each promise is `worth` so many of them. */
function holdBack(type, name, worth) {
  const plain = type?.prototype[name];
  if (!plain) return;
  type.prototype[name] = function (...args) {
    const result = plain.apply(this, args);
    if (left > 0) {
      left -= worth;
      return result;
    }
    const until = opened;
    return result.then(async (value) => {
      channel.postMessage('held');
      await until;
      return value;
    });
  };
}
// A token is read from a buffer. The runs of a prompt, and copies of the cache, are only waited for.
holdBack(globalThis.GPUBuffer, 'mapAsync', 1);
holdBack(globalThis.GPUQueue, 'onSubmittedWorkDone', 0);
