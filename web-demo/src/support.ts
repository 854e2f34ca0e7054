/** Whether this browser can run the page, and what to do where it cannot. */
import { device, type DeviceInfo } from '../llamita/index.js';
import type { Key } from './i18n.js';

export type Browser = 'chrome' | 'edge' | 'safari' | 'firefox' | 'samsung' | 'other';

export interface Platform {
  browser: Browser;
  version: string;
  system: 'android' | 'ios' | 'mac' | 'windows' | 'linux' | 'other';
}

/** Which browser this is, as far as it says so. */
export function platform(agent = navigator.userAgent, touchPoints = navigator.maxTouchPoints): Platform {
  const version = (pattern: RegExp): string => pattern.exec(agent)?.[1] ?? '';
  // iPads say that they are Macs.
  const ios = /iPhone|iPad|iPod/.test(agent) || (/Macintosh/.test(agent) && touchPoints > 1);
  const system = ios
    ? 'ios'
    : /Android/.test(agent)
      ? 'android'
      : /Macintosh/.test(agent)
        ? 'mac'
        : /Windows/.test(agent)
          ? 'windows'
          : /Linux|CrOS/.test(agent)
            ? 'linux'
            : 'other';
  if (/SamsungBrowser\//.test(agent))
    return { browser: 'samsung', version: version(/SamsungBrowser\/([\d.]+)/), system };
  if (/Edg(A|iOS)?\//.test(agent)) return { browser: 'edge', version: version(/Edg(?:A|iOS)?\/([\d.]+)/), system };
  if (/Firefox\/|FxiOS\//.test(agent))
    return { browser: 'firefox', version: version(/(?:Firefox|FxiOS)\/([\d.]+)/), system };
  if (/Chrome\/|CriOS\//.test(agent))
    return { browser: 'chrome', version: version(/(?:Chrome|CriOS)\/([\d.]+)/), system };
  if (/Safari\//.test(agent)) return { browser: 'safari', version: version(/Version\/([\d.]+)/), system };
  return { browser: 'other', version: '', system };
}

/** Why the page cannot run models here. */
export interface Missing {
  why: 'insecure' | 'absent' | 'noAdapter' | 'lacking' | 'knownBad';
  advice: Key[];
  /** In the browser's or the engine's own words. */
  reason?: string | undefined;
}

/** What to do, by browser and system. */
export function advice({ browser, system }: Platform): Key[] {
  if (system === 'ios') return ['support.ios'];
  const keys: Record<Browser, Key[]> = {
    chrome: system === 'android' ? ['support.chromeAndroid'] : ['support.chrome'],
    edge: ['support.chrome'],
    samsung: ['support.samsung'],
    safari: ['support.safari'],
    firefox: ['support.firefox'],
    other: ['support.other'],
  };
  return system === 'linux' && (browser === 'chrome' || browser === 'edge')
    ? [...keys[browser], 'support.linux']
    : keys[browser];
}

/** What is missing here, or what the device is like. */
export async function check(): Promise<{ missing: Missing } | { device: DeviceInfo }> {
  if (!window.isSecureContext) return { missing: { why: 'insecure', advice: ['support.insecure'] } };
  if (!('gpu' in navigator)) return { missing: { why: 'absent', advice: advice(platform()) } };
  const found = await device();
  if (!found.available)
    return { missing: { why: 'noAdapter', advice: [...advice(platform()), 'support.update'], reason: found.reason } };
  if (found.lacks.length > 0)
    return { missing: { why: 'lacking', advice: ['support.lacking'], reason: found.lacks.join('\n') } };
  return { device: found };
}
