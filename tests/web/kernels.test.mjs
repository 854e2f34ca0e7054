// Kernels of the web build against the CPU oracle.
import { CASES_LIMIT_MS, checkCases, ENGINE } from './cases.mjs';
import { browserTest } from './harness.mjs';

browserTest('kernel cases agree with the CPU oracle', { folders: ENGINE, timeout: CASES_LIMIT_MS }, (stage) => checkCases(stage, 'base'));
