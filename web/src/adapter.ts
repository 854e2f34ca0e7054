/** The adapter that this browser shows, in the worker. */
import { lacking, reported } from './doubts.js';
import { device_report } from './llamita.js';
import type { DeviceInfo } from './types.js';

/** The numbers of an object whose fields are getters. */
function numbers(limits: object): Record<string, number> {
  const found: Record<string, number> = {};
  for (const name in limits) {
    const value: unknown = Reflect.get(limits, name);
    if (typeof value === 'number') found[name] = value;
  }
  return found;
}

async function requestAdapter(): Promise<GPUAdapter | null> {
  return await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' }) ?? null;
}

/** Whether shaders of an adapter run on the CPU. */
function isSoftware({ isFallbackAdapter, architecture, description }: GPUAdapterInfo): boolean {
  return isFallbackAdapter || /swiftshader|llvmpipe/i.test(`${architecture} ${description}`);
}

/** What the adapter is called, as far as the browser tells, and whether it runs on the CPU. */
export async function adapterName(): Promise<{ device: string; vendor: string; software: boolean }> {
  const info = (await requestAdapter())?.info;
  const device = info?.description || [info?.vendor, info?.architecture].filter(Boolean).join(' ') || 'WebGPU';
  return { device, vendor: info?.vendor ?? '', software: info !== undefined && isSoftware(info) };
}

const NOTHING: DeviceInfo = {
  available: false, reason: undefined, vendor: '', architecture: '', description: '', software: false, tier: 'base',
  limits: {}, features: [], lacks: [], bad: undefined,
};

export async function deviceInfo(): Promise<DeviceInfo> {
  if (!self.isSecureContext) return { ...NOTHING, reason: 'WebGPU needs https, or a page on this very machine.' };
  if (!navigator.gpu) return { ...NOTHING, reason: 'This browser has no WebGPU.' };
  const adapter = await requestAdapter();
  if (!adapter) return { ...NOTHING, reason: 'This browser has WebGPU, and no adapter for it.' };
  const { info } = adapter;
  const [report] = JSON.parse(await device_report()) as { tier: 'base' | 'f16' }[];
  const limits = numbers(adapter.limits);
  return {
    available: true,
    reason: undefined,
    vendor: info.vendor,
    architecture: info.architecture,
    description: info.description,
    software: isSoftware(info),
    tier: report?.tier ?? 'base',
    limits,
    features: [...adapter.features].sort(),
    lacks: lacking(limits),
    bad: reported(info.vendor, info.architecture),
  };
}
