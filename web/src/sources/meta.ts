/**
 * Llama checkpoints as Meta delivers them: weights, with the numbers of the model and its tokenizer in files beside them.
 * They are the parts of one source, the weights first.
 */
import { BadModel, Unsupported } from '../errors.js';
import { partNames } from './parts.js';

/** The file of a model's numbers. */
export const PARAMS = 'params.json';
/** The tokenizers that are looked for, in this order. */
export const TOKENIZERS = ['tokenizer.model', 'tokenizer.json'];

/** Whether a file is such weights, by its name. */
export const isWeights = (name: string): boolean => /\.(pth|safetensors)$/i.test(name);

/** What stands beside weights: of each list, the first that is there. */
export const BESIDE = [[PARAMS], TOKENIZERS];

/** What is wrong where a file beside the weights is missing. The engine says the same of files on a disk. */
export function missingBeside(weights: string, names: string[]): string {
  const [name = ''] = names;
  return `${weights}: its ${name} is missing. Put ${names.join(' or ')} of the same download beside it, or open all of `
    + 'its files together.';
}

/** The folder that weights at this path lie in, and their own name: Meta's files are all called the same. */
export function nameInFolder(path: string): string {
  // In addresses of Hugging Face's, the revision is no folder.
  const names = path.replace(/\/resolve\/[^/]+\//, '/').split('/').filter((name) => name !== '');
  const file = names.pop() ?? path;
  // The folder `original` of Hugging Face's repositories has the name of the one around it.
  const folder = names.findLast((name) => name !== 'original');
  return folder === undefined ? file : `${folder}/${file}`;
}

/**
 * The files of one model in their order, whatever order they were given in: the parts of a split one, or weights with
 * those beside them. Others that are given with weights are left out.
 */
export function arranged<T extends { readonly name: string }>(files: readonly T[]): T[] {
  const weights = files.filter(({ name }) => isWeights(name));
  const [first, second] = weights;
  const shards = weights.filter(({ name }) => /^consolidated\.\d\d\.pth$/.test(name));
  if (first && shards.length > 1) {
    throw new Unsupported(
      `${first.name} is one of ${shards.length} files that share every tensor. Choose a model in one file.`,
    );
  }
  if (first && second) {
    throw new BadModel(`${first.name} and ${second.name} are both weights. Open one of them, with the files beside it.`);
  }
  if (first) return [first, ...BESIDE.map((names) => beside(files, names, first.name))];
  const stray = files.find(({ name }) => BESIDE.flat().includes(name));
  if (stray) {
    throw new BadModel(
      `${stray.name}: its weights are missing. Open it together with the consolidated.00.pth of the same download.`,
    );
  }
  return partsInOrder(files);
}

function beside<T extends { readonly name: string }>(files: readonly T[], names: string[], weights: string): T {
  for (const name of names) {
    const found = files.find((file) => file.name === name);
    if (found) return found;
  }
  throw new BadModel(missingBeside(weights, names));
}

/** One file, or all parts of a split one. */
function partsInOrder<T extends { readonly name: string }>(files: readonly T[]): T[] {
  const parts = [...files].sort((a, b) => a.name < b.name ? -1 : 1);
  const [first] = parts;
  if (!first) throw new BadModel('No file was given. Choose a model file.');
  const expected = partNames(first.name);
  const other = parts.find(({ name }, i) => name !== expected[i]);
  if (parts.length > 1 && other) {
    throw new BadModel(`${first.name} and ${other.name} are not parts of one model. Open one model at a time.`);
  }
  return parts;
}
