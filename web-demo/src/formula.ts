/** TeX as MathML, by Temml. A module of its own, loaded when it is needed. */
import temml from 'temml';

/** What Temml makes: nodes with a type, texts, and fragments. */
interface Made {
  type?: string;
  text?: string;
  attributes?: Record<string, string>;
  classes?: string[];
  style?: Record<string, string>;
  children?: Made[];
}

/** Limits for TeX of unknown origin: no links and pictures, no endless macros, nothing that covers the page. */
const LIMITS = {
  trust: false,
  strict: false,
  throwOnError: true,
  maxExpand: 500,
  maxSize: [20, 200] as [number, number],
};
const MATHML = 'http://www.w3.org/1998/Math/MathML';
const STYLES =
  /^(?:color|background-?color|border.*|padding.*|margin.*|width|height|font-?(?:size|weight|style)|text-?align)$/i;

/** The formula as an element; undefined where the TeX is wrong. */
export function formula(tex: string, display: boolean): Element | undefined {
  try {
    const made = temml.__renderToMathMLTree(tex, { ...LIMITS, displayMode: display }) as Made;
    const part = document.createDocumentFragment();
    put(part, made);
    const math = part.querySelector('math');
    math?.setAttribute('dir', 'ltr');
    return math ?? undefined;
  } catch {
    return undefined;
  }
}

/** Adds what was made. Its styles are set one by one, since the page allows no attribute of styles. */
function put(parent: Node, made: Made): void {
  if (made.text !== undefined) parent.appendChild(document.createTextNode(made.text));
  let inner: Node = parent;
  if (made.type && /^m[a-z]+$|^(?:semantics|annotation)$/.test(made.type)) {
    const element = document.createElementNS(MATHML, made.type) as MathMLElement;
    for (const [name, value] of Object.entries(made.attributes ?? {})) {
      if (name === 'style')
        styled(
          element,
          value.split(';').map((one) => one.split(':') as [string, string]),
        );
      else if (!/^on|href|src/i.test(name)) element.setAttribute(name, value);
    }
    if (made.classes?.length) element.setAttribute('class', made.classes.filter(Boolean).join(' '));
    styled(element, Object.entries(made.style ?? {}));
    parent.appendChild(element);
    inner = element;
  }
  for (const child of made.children ?? []) put(inner, child);
}

function styled(element: MathMLElement, styles: [string, string][]): void {
  for (const [given, value] of styles) {
    const name = given.trim().replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (STYLES.test(name)) element.style.setProperty(name, value.trim());
  }
}
