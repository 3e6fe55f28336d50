/** URLs as Go's `net/url` parses them for requests: absolute, or a path that begins with a slash. */
import { Failure } from '../values.ts';

export interface UrlParts {
  readonly scheme: string;
  /** With the port. */
  readonly host: string;
  readonly hostname: string;
  readonly port: string;
  readonly escapedPath: string;
  readonly query: string;
}

const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):/;
const INVALID_ESCAPE = /%(?![0-9a-fA-F]{2})/;
const HOST_CHARACTER = /[^A-Za-z0-9\-._~!$&'()*+,;=:[\]<>"%\u0080-\uffff]/;
/** What a path may have as it is, by Go's `validEncoded`. */
const ENCODED_PATH = /^[A-Za-z0-9\-._~!$&'()*+,;=:@[\]/%]*$/;
const UNESCAPED_IN_PATH = /[^A-Za-z0-9\-._~$&+,/:;=@]/g;
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\x00-\x1f\x7f]/;

const percent = (text: string): string =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');

function splitHost(host: string): { hostname: string; port: string } | undefined {
  if (host.startsWith('[')) {
    const found = /^\[([^\]]*)\](?::(\d*))?$/.exec(host);
    return found ? { hostname: found[1] ?? '', port: found[2] ?? '' } : undefined;
  }
  const colon = host.lastIndexOf(':');
  if (colon < 0) return { hostname: host, port: '' };
  const port = host.slice(colon + 1);
  return /^\d*$/.test(port) ? { hostname: host.slice(0, colon), port } : undefined;
}

/** Returns why a text is no URL, in the words of Go. */
export function parseUrl(text: string): UrlParts | Failure {
  const fail = (why: string): Failure => new Failure(`parse ${JSON.stringify(text)}: ${why}`);
  if (CONTROL.test(text)) return fail('net/url: invalid control character in URL');
  if (text === '') return fail('empty url');
  if (text.startsWith(':')) return fail('missing protocol scheme');
  const scheme = SCHEME.exec(text)?.[1] ?? '';
  const rest = scheme === '' ? text : text.slice(scheme.length + 1);
  const mark = rest.replace(/#.*$/s, '');
  const question = mark.indexOf('?');
  const beforeQuery = question < 0 ? mark : mark.slice(0, question);
  const query = question < 0 ? '' : mark.slice(question + 1);
  if (!rest.startsWith('/')) {
    if (scheme === '') return fail('invalid URI for request');
    return { scheme: scheme.toLowerCase(), host: '', hostname: '', port: '', escapedPath: '', query };
  }
  const hasAuthority = beforeQuery.startsWith('//') && (scheme !== '' || !beforeQuery.startsWith('///'));
  const slash = hasAuthority ? beforeQuery.indexOf('/', 2) : 0;
  const authority = hasAuthority ? beforeQuery.slice(2, slash < 0 ? undefined : slash) : '';
  const path = hasAuthority ? (slash < 0 ? '' : beforeQuery.slice(slash)) : beforeQuery;
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const badEscape = INVALID_ESCAPE.exec(host) ?? INVALID_ESCAPE.exec(path);
  if (badEscape) {
    const at = badEscape.input.slice(badEscape.index, badEscape.index + 3);
    return fail(`invalid URL escape ${JSON.stringify(at)}`);
  }
  const badCharacter = HOST_CHARACTER.exec(host)?.[0];
  if (badCharacter !== undefined) return fail(`invalid character ${JSON.stringify(badCharacter)} in host name`);
  const parts = splitHost(host);
  if (!parts) return fail(`invalid port ${JSON.stringify(host.slice(host.lastIndexOf(':')))} after host`);
  return { scheme: scheme.toLowerCase(), host, ...parts, escapedPath: escapedPath(path), query };
}

function escapedPath(path: string): string {
  if (ENCODED_PATH.test(path)) return path;
  const decoded = Buffer.concat(
    path
      .split(/(%[0-9a-fA-F]{2})/)
      .map((part) => (/^%[0-9a-fA-F]{2}$/.test(part) ? Buffer.from(part.slice(1), 'hex') : Buffer.from(part))),
  ).toString('utf8');
  return decoded.replace(UNESCAPED_IN_PATH, percent);
}
