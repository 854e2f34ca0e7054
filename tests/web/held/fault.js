// Runs in the package's worker, before its own module, where a test needs a device on which a kernel fails. The address of
// this module says how and which, by the beginning of the kernel's label: `fault.js?wrong=rmsnorm`.
const [[kind, label]] = new URL(import.meta.url).searchParams;
const channel = new BroadcastChannel('fault');

const SPOIL = {
  /** It writes nothing. */
  wrong(code) {
    const body = code.indexOf(' {\n', code.lastIndexOf('fn main(')) + 3;
    return `${code.slice(0, body)}if (run.rows < 0x7fffffffu) { return; }\n${code.slice(body)}`;
  },
  broken: (code) => `${code}\nconst broken: u32 = no_such_name;\n`,
};
const DISPATCHED = {
  /** The device is lost when it is dispatched. */
  lost: (device) => device.destroy(),
  /** The device does not answer any more, so that the test can end the tab there. */
  held: () => {
    channel.postMessage('held');
    GPUBuffer.prototype.mapAsync = () => new Promise(() => {});
  },
};

/** What computes no numbers, from when the test says so: in the place of a shader module, and of a pipeline. */
const noNumbers = new WeakMap();
let spoilt = false;
channel.onmessage = ({ data }) => {
  if (data !== 'spoil') return;
  spoilt = true;
  channel.postMessage('spoilt');
};

/** The devices of the pipelines of that kernel. */
const devices = new WeakMap();
const { createShaderModule, createComputePipeline } = GPUDevice.prototype;
const { setPipeline } = GPUComputePassEncoder.prototype;
const hit = (descriptor) => descriptor.label?.startsWith(label);

GPUDevice.prototype.createShaderModule = function (descriptor) {
  const code = hit(descriptor) && kind in SPOIL ? SPOIL[kind](descriptor.code) : descriptor.code;
  const module = createShaderModule.call(this, { ...descriptor, code });
  if (hit(descriptor) && kind === 'nan') {
    const nan = descriptor.code.replaceAll('inverseSqrt(', 'sqrt(-1.0 - ');
    noNumbers.set(module, createShaderModule.call(this, { ...descriptor, code: nan }));
  }
  return module;
};
GPUDevice.prototype.createComputePipeline = function (descriptor) {
  const pipeline = createComputePipeline.call(this, descriptor);
  if (hit(descriptor)) devices.set(pipeline, this);
  const { compute } = descriptor;
  const module = noNumbers.get(compute.module);
  if (module) noNumbers.set(pipeline, createComputePipeline.call(this, { ...descriptor, compute: { ...compute, module } }));
  return pipeline;
};
GPUComputePassEncoder.prototype.setPipeline = function (pipeline) {
  const device = devices.get(pipeline);
  if (device) DISPATCHED[kind]?.(device);
  return setPipeline.call(this, (spoilt && noNumbers.get(pipeline)) || pipeline);
};
