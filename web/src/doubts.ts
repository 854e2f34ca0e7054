/** What speaks against a device: what it lacks, and what is reported of its kind. */
import type { DeviceReport } from './types.js';

const MIB = 1 << 20;

/** Limits that models need: WebGPU's defaults, which everything has that calls itself WebGPU, and little beneath it. */
const NEEDED = {
  maxBufferSize: 256 * MIB,
  maxStorageBufferBindingSize: 128 * MIB,
  maxUniformBufferBindingSize: 64 << 10,
  maxStorageBuffersPerShaderStage: 8,
  maxComputeWorkgroupStorageSize: 16 << 10,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupsPerDimension: 65_535,
};

/** What is missing of what models need, one line each. No feature is needed: `shader-f16` is used where it is there. */
export function lacking(limits: Record<string, number>): string[] {
  return Object.entries(NEEDED).flatMap(([name, needed]) => {
    const had = limits[name];
    return had !== undefined && had < needed ? [`${name} is ${had}, and ${needed} is needed`] : [];
  });
}

interface Entry extends DeviceReport { vendor: string; architecture: RegExp }

/**
 * Kinds of devices that others report wrong results of, in WebGPU. Browsers refuse the drivers that they know to be
 * unsafe; these pass. Here is only what was measured or seen by several and leaves the device to blame. Reports of one
 * program that fails on a device where others work (Adreno 6xx and 7xx have some) are none. An entry is a doubt and no
 * verdict: the kernel cases tell how it is on this very device, with this driver.
 */
const REPORTED: Entry[] = [
  {
    vendor: 'img-tec',
    architecture: /./,
    what: 'On PowerVR GPUs (Pixel 10) shaders are miscompiled: sorting fails, and a language model writes nonsense.',
    links: ['https://github.com/playcanvas/engine/issues/8874', 'https://github.com/cryscan/web-rwkv/issues/59'],
  },
  {
    vendor: 'qualcomm',
    architecture: /^adreno-8/,
    what: 'On Adreno 8xx a model computed rightly once, and wrongly from then on.',
    links: ['https://github.com/google-ai-edge/LiteRT/issues/8065'],
  },
  {
    vendor: 'qualcomm',
    architecture: /^adreno-[2-5]/,
    what: 'On an Adreno 505, where Chrome leaves WebGPU off until it is told otherwise, shaders compute wrongly.',
    links: ['https://github.com/Ludicon/spark.js/issues/37'],
  },
];

/** What is reported of devices of this kind. */
export function reported(vendor: string, architecture: string): DeviceReport | undefined {
  const entry = REPORTED.find((entry) => entry.vendor === vendor && entry.architecture.test(architecture));
  return entry && { what: entry.what, links: entry.links };
}
