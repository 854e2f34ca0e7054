// What the tests of the probe share: its page with bounds that make a whole run take seconds, and its report against the
// schema of reports.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SITE } from './browser.mjs';

/** A model of a few megabytes, one layer of it, and two steps of memory. */
export const BOUNDS = 'small&layers=1&memory=600000000';

const HELD = fileURLToPath(new URL('held/', import.meta.url));
const SCHEMA = JSON.parse(readFileSync(new URL('../../docs/devices/report.schema.json', import.meta.url), 'utf8'));

/** The folders of a test whose worker is this file of `held`, which imports the package's own. */
export const worker = (name) => ({
  '/llamita/worker.js': join(HELD, name),
  '/llamita/own-worker.js': join(SITE, 'llamita/worker.js'),
});

/** The fields that a value lacks or has too many, by a schema: names alone, since `cargo xtask reports` checks the rest. */
export function fieldFaults(value, schema = SCHEMA, path = '') {
  if (Array.isArray(value)) return value.flatMap((one, i) => fieldFaults(one, schema.items ?? {}, `${path}[${i}]`));
  if (typeof value !== 'object' || value === null || !schema.properties) return [];
  const missing = schema.required.filter((name) => !(name in value)).map((name) => `${path}.${name} is missing`);
  return Object.entries(value).reduce((faults, [name, inner]) => {
    const known = schema.properties[name];
    return [...faults, ...(known ? fieldFaults(inner, known, `${path}.${name}`) : [`${path}.${name} is unknown`])];
  }, missing);
}
