/** Files that a person gives, chosen or dropped, and which of them are one model. */
import { isWeights } from './catalogue.js';
import type { Handle } from './kept-files.js';

/** A file, with its handle where the browser has them, and the folder that was dropped with it. */
export interface Given {
  file: File;
  handle?: Handle | undefined;
  folder?: string | undefined;
}

/** What the types of pages do not know yet. */
interface DroppedItem extends DataTransferItem {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}

/** The files beside Meta's weights: of each list, the first that was given. */
const BESIDE = [['params.json'], ['tokenizer.model', 'tokenizer.json']];
/** A folder of Hugging Face's repositories that holds Meta's own files. */
const ORIGINAL = 'original';

const isGguf = ({ file }: Given): boolean => /\.gguf$/i.test(file.name);
const areWeights = ({ file }: Given): boolean => isWeights(file.name);

/**
 * Meta's files among others, those that are weights first. They are none without weights, unless two of them stand
 * beside each other: a text may be called params.json.
 */
function metas(given: Given[]): Given[] {
  const beside = BESIDE.flatMap((names) => {
    const found = names.map((name) => given.find(({ file }) => file.name === name));
    return found.find((one) => one !== undefined) ?? [];
  });
  const weights = given.filter(areWeights);
  return weights.length > 0 || beside.length === BESIDE.length ? [...weights, ...beside] : [];
}

/** What is given of one model each, models first: all parts of a split one, Meta's files, any other file alone. */
export async function models(given: Given[]): Promise<Given[][]> {
  const meta = metas(given);
  const groups = new Map<string, Given[]>();
  const others = given.filter((one) => !meta.includes(one));
  for (const one of others.sort((a, b) => (a.file.name < b.file.name ? -1 : 1))) {
    const stem = one.file.name.replace(/-\d{5}(-of-\d{5}\.gguf)$/i, '$1');
    groups.set(stem, [...(groups.get(stem) ?? []), one]);
  }
  const rest = [...groups.values()];
  const marks = await Promise.all(rest.map(([one]) => beginsAsModel(one!.file)));
  return [...(meta.length ? [meta] : []), ...rest.filter((_, at) => marks[at]), ...rest.filter((_, at) => !marks[at])];
}

/** The files that belong to a model, by their names or by what they begin with. */
export async function ofModels(given: Given[]): Promise<Given[]> {
  const meta = metas(given);
  const marks = await Promise.all(given.map((one) => isGguf(one) || meta.includes(one) || beginsAsModel(one.file)));
  return given.filter((_, at) => marks[at]);
}

async function beginsAsModel(file: File): Promise<boolean> {
  return (await file.slice(0, 4).text().catch(() => '')) === 'GGUF';
}

/** What a drop brings. */
export interface Drop {
  given: Given[];
  /** A folder that holds nothing that could be a model. */
  empty?: string;
}

/** The files of a drop. Its items are gone after the event, so that all are asked for before any is waited for. */
export async function dropped({ dataTransfer }: DragEvent): Promise<Drop> {
  const items = [...(dataTransfer?.items ?? [])].filter(({ kind }) => kind === 'file') as DroppedItem[];
  const asked = items.map((item) => {
    const [file, entry] = [item.getAsFile(), item.webkitGetAsEntry()];
    return { file, entry, handle: item.getAsFileSystemHandle?.().catch(() => null) };
  });
  const drops = asked.map(async ({ file, entry, handle }): Promise<Drop> => {
    const node = (await handle) ?? entry;
    if (node && isFolder(node)) {
      const given = await inFolder(node);
      return given.length ? { given } : { given, empty: node.name };
    }
    if (!file) return { given: [] };
    return { given: [{ file, handle: node && 'kind' in node ? (node as Handle) : undefined }] };
  });
  const all = await Promise.all(drops);
  const empty = all.find((drop) => drop.empty !== undefined)?.empty;
  return { given: all.flatMap(({ given }) => given), ...(empty === undefined ? {} : { empty }) };
}

/** A file or a folder: by its handle, or as browsers without them have it. */
type Node = FileSystemHandle | FileSystemEntry;

const isFolder = (node: Node): boolean => ('kind' in node ? node.kind === 'directory' : node.isDirectory);

/** What is in a folder. */
async function nodesIn(folder: Node): Promise<Node[]> {
  const nodes: Node[] = [];
  if ('kind' in folder) {
    for await (const node of (folder as FileSystemDirectoryHandle).values()) nodes.push(node);
    return nodes;
  }
  const reader = (folder as FileSystemDirectoryEntry).createReader();
  // It tells some at a time.
  const next = (): Promise<Node[]> => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  for (let some = await next(); some.length > 0; some = await next()) nodes.push(...some);
  return nodes;
}

/** The files in a folder that could belong to a model, or those in the folder `original` in it. */
async function inFolder(folder: Node, name = folder.name): Promise<Given[]> {
  const nodes = await nodesIn(folder);
  const wanted = (node: Node): boolean =>
    !isFolder(node) && (/\.gguf$/i.test(node.name) || isWeights(node.name) || BESIDE.flat().includes(node.name));
  const given = await Promise.all(nodes.filter(wanted).map((node) => givenAt(node, name)));
  const inner = nodes.find((node) => isFolder(node) && node.name === ORIGINAL);
  // Weights by Hugging Face's names have no params.json beside them.
  const whole = given.some(isGguf) || (given.some(areWeights) && given.some(({ file }) => file.name === BESIDE[0]![0]));
  return inner && !whole ? inFolder(inner, name) : given;
}

async function givenAt(node: Node, folder: string): Promise<Given> {
  if ('kind' in node) return { file: await (node as Handle).getFile(), handle: node as Handle, folder };
  const file = new Promise<File>((resolve, reject) => (node as FileSystemFileEntry).file(resolve, reject));
  return { file: await file, folder };
}
