// Which kernel cases run: those whose name contains a text, all where it is `all`, or the first of each kernel, which is
// its smallest.
const kernel = (name) => name.split(/[^a-z0-9_]/i)[0];

export function choose(names, text) {
  const first = (name, i) => names.findIndex((other) => kernel(other) === kernel(name)) === i;
  return names.filter((name, i) => text === undefined ? first(name, i) : text === 'all' || name.includes(text));
}
