/** Brings the children of an element to what they shall be, and leaves alone what is so already. */

/** From a child on, the children become these. */
export function settle(parent: Node, from: number, fresh: Node[]): void {
  fresh.forEach((next, i) => {
    const old = parent.childNodes[from + i];
    if (!old) parent.appendChild(next);
    else if (!old.isEqualNode(next) && !grown(old, next)) parent.replaceChild(next, old);
  });
  while (parent.childNodes.length > from + fresh.length) parent.lastChild!.remove();
}

/** True where the old node could be made the new one: the same element with other children, or a longer text. */
function grown(old: Node, next: Node): boolean {
  if (old instanceof Text && next instanceof Text) {
    if (next.data.startsWith(old.data)) old.appendData(next.data.slice(old.data.length));
    else old.data = next.data;
    return true;
  }
  if (!(old instanceof HTMLElement && next instanceof HTMLElement)) return false;
  if (!old.cloneNode(false).isEqualNode(next.cloneNode(false))) return false;
  settle(old, 0, [...next.childNodes]);
  return true;
}
