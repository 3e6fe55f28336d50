/** What the rule of a route does with its requests, as lines of a section of the proxy's configuration. Pure. */
import type { HeaderChange, PathChange, Redirect, RouteActions } from '../model/routing.ts';
import { literalPattern } from '../model/pattern.ts';
import { literal, quoted } from './text.ts';

/** gRPC's status UNAVAILABLE: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
const GRPC_UNAVAILABLE = 14;
const DAY_MS = 86_400_000;

/** The lines of a backend but those of its servers. */
export function routeLines(actions: RouteActions): string[] {
  const { isBroken, isGrpc, usesHttp2, redirect, requestHeaders, responseHeaders, timeoutMs } = actions;
  if (isBroken)
    return isGrpc
      ? [
          `http-request return status 200 content-type application/grpc hdr grpc-status ${GRPC_UNAVAILABLE} hdr grpc-message ${quoted('no backend')}`,
        ]
      : ['http-request deny deny_status 500'];
  return [
    ...requestHeaders.map((each) => headerLine('http-request', each)),
    ...(actions.rewriteHost === undefined
      ? []
      : [`http-request set-header Host ${quoted(literal(actions.rewriteHost))}`]),
    ...(redirect ? redirectLines(redirect) : pathLines(actions.rewritePath)),
    ...responseHeaders.map((each) => headerLine('http-response', each)),
    'balance roundrobin',
    ...(timeoutMs === undefined ? [] : [`timeout server ${timeoutMs === 0 ? DAY_MS : timeoutMs}ms`]),
    `default-server ${usesHttp2 ? 'proto h2' : ''}`.trimEnd(),
  ];
}

function headerLine(when: string, { change, name, value }: HeaderChange): string {
  if (change === 'remove') return `${when} del-header ${quoted(name)}`;
  return `${when} ${change}-header ${quoted(name)} ${quoted(literal(value))}`;
}

function redirectLines({ scheme, host, port, path, code }: Redirect): string[] {
  const to = [
    `${scheme}://`,
    host === undefined ? '%[var(txn.host)]' : literal(host),
    port === undefined ? '' : `:${port}`,
    '%[pathq]',
  ].join('');
  return [...pathLines(path), `http-request redirect location ${quoted(to)} code ${code}`];
}

/** The path that is matched and the one that is rewritten may differ in escapes. */
function pathLines(change: PathChange | undefined): string[] {
  if (!change) return [];
  const by = literal(change.by);
  if (change.replaces === 'all') return [`http-request set-path ${quoted(by)}`];
  const normalized = 'http-request set-path %[var(txn.clean)]';
  const replace = (pattern: string, text: string): string =>
    `http-request replace-path ${quoted(pattern)} ${quoted(text)}`;
  if (change.prefix === '') return change.by === '' ? [] : [normalized, replace('^/(.*)$', `${by}/\\1`)];
  const prefix = anySpelling(change.prefix);
  if (change.by === '') return [normalized, replace(`^${prefix}/?$`, '/'), replace(`^${prefix}(/.+)$`, '\\1')];
  return [normalized, replace(`^${prefix}(/.*)?$`, `${by}\\1`)];
}

const HEX = 16;
/** A path as it may be sent: each character that is not unreserved also with an escape. */
const anySpelling = (path: string): string =>
  [...Buffer.from(path)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      if (/[A-Za-z0-9._~-]/.test(character)) return literalPattern(character);
      const [high = '', low = ''] = byte.toString(HEX).padStart(2, '0');
      const escaped = `%${eitherCase(high)}${eitherCase(low)}`;
      if (character === '/') return `(?:/|${escaped})+`;
      return byte < 0x80 ? `(?:${literalPattern(character)}|${escaped})` : `(?:\\x${high}${low}|${escaped})`;
    })
    .join('');
const eitherCase = (digit: string): string => (/[a-f]/.test(digit) ? `[${digit}${digit.toUpperCase()}]` : digit);
