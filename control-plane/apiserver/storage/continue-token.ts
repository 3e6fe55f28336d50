/**
 * Where a list that is shown in pages goes on, as a text for the client: upstream's `storage/continue.go`. It names a key below the
 * prefix that is listed, so that whatever a client writes into it, the list goes on inside of what the client may see.
 */
import { badRequest } from '../../../api/machinery/status-error.ts';

export interface ContinueToken {
  /** The revision of the list that is continued; below 0: whatever is there now. */
  readonly revision: number;
  /** The list goes on behind this key, which begins with the prefix that is listed. */
  readonly after: string;
  /** How many objects were left at that revision, where it is known: what has changed since need not be counted over for each page. */
  readonly left?: number;
}

const VERSION = 'meta.k8s.io/v1';
/** What upstream puts behind the last key that was shown: the first key that may come next. */
const NEXT = '\0';

export function writeToken({ revision, after, left }: ContinueToken, prefix: string): string {
  const start = after.slice(prefix.length) + NEXT;
  return Buffer.from(JSON.stringify({ v: VERSION, rv: revision, start, left })).toString('base64url');
}

/** Throws a 400 StatusError for what no server has handed out. `newest` is the revision up to which there are lists. */
export function readToken(text: string, prefix: string, newest: number): ContinueToken {
  const { v, rv, start, left } = decode(text);
  if (v !== VERSION) throw invalid(`server does not recognize this encoded version ${typeof v === 'string' ? v : ''}`);
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv === 0 || rv > newest) {
    throw invalid(`incorrect encoded start resourceVersion (version ${VERSION})`);
  }
  if (typeof start !== 'string' || start === '') throw invalid(`encoded start key empty (version ${VERSION})`);
  if (!isCleanPath(start)) throw invalid(start);
  const relative = start.startsWith('/') ? start.slice(1) : start;
  return {
    revision: rv,
    after: prefix + (relative.endsWith(NEXT) ? relative.slice(0, -NEXT.length) : relative),
    // Only its bearer is shown what it says.
    left: typeof left === 'number' && Number.isSafeInteger(left) && left > 0 ? left : undefined,
  };
}

const ILLEGAL = /[^A-Za-z0-9_-]/;

function decode(text: string): { v?: unknown; rv?: unknown; start?: unknown; left?: unknown } {
  const at = text.search(ILLEGAL);
  if (at >= 0 || text.length % 4 === 1) throw invalid(`illegal base64 data at input byte ${Math.max(at, 0)}`);
  let token: unknown;
  try {
    token = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch (error) {
    throw invalid((error as SyntaxError).message);
  }
  if (typeof token !== 'object' || token === null || Array.isArray(token)) {
    throw invalid('json: cannot unmarshal into Go value of type storage.continueToken');
  }
  return token;
}

/** Nothing in it leads upwards, or is there twice. */
function isCleanPath(path: string): boolean {
  const parts = (path.startsWith('/') ? path.slice(1) : path).split('/');
  return parts.every((part) => part !== '' && part !== '.' && part !== '..');
}

const invalid = (why: string) => badRequest(`invalid continue token: continue key is not valid: ${why}`);
