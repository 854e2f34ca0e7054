/** The repository that a page of GitHub is published from; undefined for pages of other hosts, which do not say. */
export function repository({ hostname, pathname }: { hostname: string; pathname: string }): string | undefined {
  const owner = /^([\w-]+)\.github\.io$/.exec(hostname)?.[1];
  const name = /^\/([\w.-]+)\//.exec(pathname)?.[1];
  return owner && `https://github.com/${owner}/${name ?? hostname}`;
}
