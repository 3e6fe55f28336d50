/**
 * The continue token of a paginated list: upstream's `storage/continue.go`. It holds a key relative to the listed prefix,
 * so that a forged token cannot leave the prefix.
 */
import { badRequest } from '../../../api/machinery/status-error.ts';

export interface ContinueToken {
  /** The revision of the list; below 0: the latest. */
  readonly revision: number;
  /** The list continues after this key, which includes the prefix. */
  readonly after: string;
  /** The number of remaining objects, if known, so that they need not be counted again for each page. */
  readonly left?: number;
}

const VERSION = 'meta.k8s.io/v1';
/** Appended by upstream to the last returned key: the first key that may follow it. */
const NEXT = '\0';

export function writeToken({ revision, after, left }: ContinueToken, prefix: string): string {
  const start = after.slice(prefix.length) + NEXT;
  return Buffer.from(JSON.stringify({ v: VERSION, rv: revision, start, left })).toString('base64url');
}

/** Throws a 400 StatusError for an invalid token. `newest` is the latest revision that can be listed. */
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
    // A forged value misleads only the client that forged it.
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

/** Whether the path has no `.`, `..` or empty segments. */
function isCleanPath(path: string): boolean {
  const parts = (path.startsWith('/') ? path.slice(1) : path).split('/');
  return parts.every((part) => part !== '' && part !== '.' && part !== '..');
}

const invalid = (why: string) => badRequest(`invalid continue token: continue key is not valid: ${why}`);
