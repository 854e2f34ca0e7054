// The fixture in Meta's layout, as tests of the web build use it, and what it writes.
import { readFile } from 'node:fs/promises';

const FOLDER = new URL('../fixtures/meta-bf16/', import.meta.url);

/** The greedy text of the same weights in a GGUF file, natively. */
export const GREEDY = JSON.parse(await readFile(new URL('meta-greedy.json', import.meta.url), 'utf8'));

/** Its files by name, in no order that means anything. */
export const FILES = {
  'tokenizer.model': await readFile(new URL('tokenizer.model', FOLDER)),
  'consolidated.00.pth': await readFile(new URL('consolidated.00.pth', FOLDER)),
  'params.json': await readFile(new URL('params.json', FOLDER)),
};

/** Bytes as a server has them. */
export const content = (bytes) => ({ size: bytes.length, read: async (begin, end) => Buffer.from(bytes.subarray(begin, end)) });

/** Some of the files, in a folder of a server. */
export const inFolder = (folder, names = Object.keys(FILES)) => (
  Object.fromEntries(names.map((name) => [`${folder}/${name}`, content(FILES[name])])));

/** The file cut off in the middle, as a download that was given up leaves it. */
export const half = FILES['consolidated.00.pth'].subarray(0, FILES['consolidated.00.pth'].length / 2);

/** An archive that PyTorch has not written. */
export const otherArchive = () => Buffer.from(FILES['consolidated.00.pth'].toString('latin1').replaceAll('data.pkl', 'date.pkl'), 'latin1');

/** The archive with a list that says of its second entry that it lies where the first does. */
export function overlapping() {
  const bytes = Buffer.from(FILES['consolidated.00.pth']);
  const mark = 'PK\x01\x02';
  bytes.writeUInt32LE(0, bytes.indexOf(mark, bytes.indexOf(mark) + 4) + 42);
  return bytes;
}
