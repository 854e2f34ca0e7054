// Served as the package's worker where a test needs a device that computes one kernel wrongly.
const { createShaderModule } = GPUDevice.prototype;
GPUDevice.prototype.createShaderModule = function ({ code, ...rest }) {
  return createShaderModule.call(this, { ...rest, code: code.replaceAll('inverseSqrt(', 'sqrt(') });
};
import '/llamita/own-worker.js';
