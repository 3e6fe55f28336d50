/**
 * The request of an httpGet action, as the kubelet reads it: its `path` is a URL reference in Go's sense, of which path and query
 * are sent as they are written where they can be. Pure.
 */
import { isIPv6 } from 'node:net';

export interface HttpTarget {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** The request's target: path and query. */
  readonly target: string;
}

export const bracketed = (host: string): string => (isIPv6(host) ? `[${host}]` : host);

export const urlOf = ({ scheme, host, port, target }: HttpTarget): string =>
  `${scheme}://${bracketed(host)}:${port}${target}`;

/** Throws for a reference without a host (`mailto:x`). */
export function requestTarget(reference: string): string {
  // An invalid reference is taken as a path.
  const { path, query } = parseReference(reference) ?? { path: escapePath(Buffer.from(reference)), query: undefined };
  return `${path.startsWith('/') ? '' : '/'}${path}${query === undefined ? '' : `?${query}`}`;
}

interface PathAndQuery {
  readonly path: string;
  readonly query: string | undefined;
}

// eslint-disable-next-line no-control-regex
const CONTROL = /[\0-\x1f\x7f]/;
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):/;
/** Of an authority; a port is digits. */
const AUTHORITY = /^(?:[^@/]*@)?(?:\[[^\]]*\]|[\w.~!$&'()*+,;=%-]*|[^\0-\x7f]*)(?::\d*)?$/;

/** Undefined for what Go's url.Parse refuses. */
function parseReference(reference: string): PathAndQuery | undefined {
  const [beforeFragment = '', fragment = ''] = splitAt(reference, '#');
  if (CONTROL.test(reference) || unescape(fragment) === undefined) return undefined;
  const scheme = SCHEME.exec(beforeFragment)?.[1];
  if (scheme === undefined && beforeFragment.startsWith(':')) return undefined;
  const [hierarchy = '', query] = splitAt(
    scheme === undefined ? beforeFragment : beforeFragment.slice(scheme.length + 1),
    '?',
  );
  if (!hierarchy.startsWith('/')) {
    if (scheme !== undefined) throw new Error(`Get "http:${hierarchy}": http: no Host in request URL`);
    if (hierarchy.split('/', 1)[0]?.includes(':')) return undefined;
  }
  let path = hierarchy;
  // Another host in the path is ignored: the action's own counts.
  if (hierarchy.startsWith('//') && (scheme !== undefined || !hierarchy.startsWith('///'))) {
    const slash = hierarchy.indexOf('/', 2);
    if (!AUTHORITY.test(slash < 0 ? hierarchy.slice(2) : hierarchy.slice(2, slash))) return undefined;
    path = slash < 0 ? '' : hierarchy.slice(slash);
  }
  const raw = unescape(path);
  return raw === undefined ? undefined : { path: AS_WRITTEN.test(path) ? path : escapePath(raw), query };
}

function splitAt(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** What may stand in a path as it is. */
const AS_WRITTEN = /^[\w.~!$&'()*+,;=:@/[\]%-]*$/;
const NEEDS_NO_ESCAPE = /[\w.~$&+,/:;=@-]/;

/** The bytes that a path stands for; undefined when a `%` is not followed by two hexadecimal digits. */
function unescape(text: string): Buffer | undefined {
  const bytes = Buffer.from(text);
  const plain: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte !== PERCENT) {
      plain.push(byte);
      continue;
    }
    const hex = bytes.toString('latin1', at + 1, at + 3);
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) return undefined;
    plain.push(Number.parseInt(hex, 16));
    at += 2;
  }
  return Buffer.from(plain);
}
const PERCENT = 0x25;

function escapePath(bytes: Buffer): string {
  let escaped = '';
  for (const byte of bytes) {
    const letter = String.fromCharCode(byte);
    escaped += NEEDS_NO_ESCAPE.test(letter) ? letter : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return escaped;
}
