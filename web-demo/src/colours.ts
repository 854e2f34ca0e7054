/** Code in colours, by highlight.js. A module of its own, loaded when it is needed. */
import { common, createLowlight } from 'lowlight';

const lowlight = createLowlight(common);
/** Longer code stays as it is. */
const LONGEST = 50_000;
/** Names that models give, and that highlight.js has others for. */
const NAMES: Record<string, string> = {
  'c++': 'cpp',
  'c#': 'csharp',
  'f#': 'fsharp',
  golang: 'go',
  jsonc: 'json',
  vue: 'xml',
};

type Tree = ReturnType<typeof lowlight.highlight>['children'][number];

/** The code as text and spans; undefined where the language is not known. */
export function colours(language: string, code: string): DocumentFragment | undefined {
  const name = NAMES[language.toLowerCase()] ?? language.toLowerCase();
  if (code.length > LONGEST || !lowlight.registered(name)) return undefined;
  const part = document.createDocumentFragment();
  try {
    for (const node of lowlight.highlight(name, code).children) put(part, node);
  } catch {
    return undefined; // A grammar of the library has a fault.
  }
  return part;
}

function put(parent: Node, node: Tree): void {
  if (node.type === 'text') parent.appendChild(document.createTextNode(node.value));
  if (node.type !== 'element') return;
  const span = document.createElement('span');
  const names = node.properties['className'];
  if (Array.isArray(names)) span.className = names.join(' ');
  for (const child of node.children) put(span, child);
  parent.appendChild(span);
}
