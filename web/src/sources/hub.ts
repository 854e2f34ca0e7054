/** Files of repositories on Hugging Face, or on a mirror of it. */
import { InvalidSetting } from '../errors.js';
import type { Request } from './http.js';

/** A file of a repository. */
export interface HubFile {
  repo: string;
  file: string;
  /** A branch, a tag or a commit; `main` by default. */
  revision?: string;
  /** For gated and private repositories: a token that may read them. */
  token?: string;
  /** Another server with the same addresses; https://huggingface.co by default. */
  endpoint?: string;
}

const ENDPOINT = 'https://huggingface.co';

/** The request for a file, and the SHA-256 that the repository gives for it. */
export async function hubRequest(wanted: HubFile, signal: AbortSignal): Promise<Request> {
  const { repo, file, token } = wanted;
  const headers = token ? { authorization: `Bearer ${token}` } : undefined;
  return {
    url: hubUrl(wanted), headers, name: file.split('/').pop() ?? file, sha256: await publishedHash(wanted, signal),
    explain: (status) => explain(status, repo, file, token !== undefined),
  };
}

/** The address of a file. */
export function hubUrl({ repo, file, revision = 'main', endpoint = ENDPOINT }: HubFile): string {
  if (!/^[\w.-]+\/[\w.-]+$/.test(repo)) {
    throw new InvalidSetting(`A repository is named OWNER/NAME, and this is "${repo}".`);
  }
  const path = file.split('/').map(encodeURIComponent).join('/');
  return `${endpoint}/${repo}/resolve/${encodeURIComponent(revision)}/${path}`;
}

/** A large file's SHA-256; undefined for a small one, and where the server does not tell. */
async function publishedHash(wanted: HubFile, signal: AbortSignal): Promise<string | undefined> {
  const { repo, file, revision = 'main', token, endpoint = ENDPOINT } = wanted;
  try {
    const response = await fetch(`${endpoint}/api/models/${repo}/paths-info/${encodeURIComponent(revision)}`, {
      method: 'POST', body: new URLSearchParams({ paths: file }), signal, referrerPolicy: 'no-referrer',
      headers: token ? { authorization: `Bearer ${token}` } : {},
    });
    if (!response.ok) return undefined;
    const [info] = await response.json() as { lfs?: { oid?: string } }[];
    const hash = info?.lfs?.oid;
    return hash && /^[0-9a-f]{64}$/.test(hash) ? hash : undefined;
  } catch {
    // Without it the file is checked as one of any other server is; that it cannot be had at all shows soon.
    return undefined;
  }
}

function explain(status: number, repo: string, file: string, hasToken: boolean): string | undefined {
  const page = `${ENDPOINT}/${repo}`;
  if (status === 401 || status === 403) {
    return hasToken
      ? `The token may not read ${repo} (${status}). Accept its licence at ${page}, and use a token that may read `
        + 'gated repositories.'
      : `${repo} is gated, private, or does not exist (${status}). Accept its licence at ${page} and give a token, `
        + 'or download the file there and open it.';
  }
  return status === 404 ? `${repo} has no file ${file} (404). Look for its name at ${page}/tree/main.` : undefined;
}
