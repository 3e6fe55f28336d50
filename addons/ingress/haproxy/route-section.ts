/** What the rule of a route does with its requests, as lines of a section of the proxy's configuration. Pure. */
import type { HeaderChange, Limits, PathChange, Redirect, RouteActions } from '../model/routing.ts';
import { literalPattern } from '../model/pattern.ts';
import { clientCertificateLines } from './client-certificates.ts';
import { corsLines } from './route-cors.ts';
import type { SectionContext } from './section-context.ts';
import type { SideRequests } from './side-requests.ts';
import { literal, name, quoted } from './text.ts';

/** gRPC's status UNAVAILABLE: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
const GRPC_UNAVAILABLE = 14;
const DAY_MS = 86_400_000;
/** How long a connection may take where nothing else is said: `timeout connect` of the prelude. */
const CONNECT_MS = 5_000;
const GATEWAY_TIMEOUT = 504;

/** The lines of a backend but those of its servers. */
export function routeLines(actions: RouteActions, uid: string, context: SectionContext): string[] {
  const { isBroken, isGrpc, isTcp, isMirror, redirect, requestHeaders, responseHeaders, clientCa } = actions;
  const server = serverOptions(actions, context).join(' ');
  if (isTcp)
    return isBroken
      ? ['mode tcp', 'tcp-request content reject']
      : ['mode tcp', 'balance roundrobin', `default-server ${server}`.trimEnd()];
  if (isMirror) return mirrorLines(server);
  if (isBroken)
    return isGrpc
      ? [
          `http-request return status 200 content-type application/grpc hdr grpc-status ${GRPC_UNAVAILABLE} hdr grpc-message ${quoted('no backend')}`,
        ]
      : ['http-request deny deny_status 500'];
  return [
    ...(clientCa === undefined ? [] : clientCertificateLines(clientCa, true, context)),
    ...corsLines(actions.cors),
    ...requestHeaders.map((each) => headerLine('http-request', each)),
    ...(actions.rewriteHost === undefined
      ? []
      : [`http-request set-header Host ${quoted(literal(actions.rewriteHost))}`]),
    ...(redirect ? redirectLines(redirect) : pathLines(actions.rewritePath)),
    ...copyLines(actions, context.side),
    ...responseHeaders.map((each) => headerLine('http-response', each)),
    'balance roundrobin',
    ...sessionLines(actions, uid),
    ...limitLines(actions.limits),
    `default-server ${server}`.trimEnd(),
  ];
}

const BODY_LIMIT_MS = 1_000;
const MIRROR_SECONDS = 15;
/** Copies to one backend at the same time: one that hangs holds no more. */
const MAX_COPIES = 64;

/** A copy is what the backend gets: as filters have changed it. */
function* copyLines({ mirrors }: RouteActions, side: SideRequests): Generator<string> {
  if (mirrors.length === 0) return;
  side.expectCopies();
  yield `http-request wait-for-body time ${BODY_LIMIT_MS}ms if { req.hdr(content-length),add(0) gt 0 }`;
  for (const { backend, numerator, denominator } of mirrors)
    yield `http-request lua.kedge_copy ${name(backend)}${numerator < denominator ? ` if { rand(${denominator}) lt ${numerator} }` : ''}`;
}

/** Nobody reads the answer. */
const mirrorLines = (server: string): string[] => [
  'http-request set-method %[var(txn.method)]',
  'http-response return status 200',
  'balance roundrobin',
  ...[`timeout server ${MIRROR_SECONDS}s`, 'timeout queue 1s', 'retries 0'],
  `default-server maxconn ${MAX_COPIES} ${server}`.trimEnd(),
];

function serverOptions({ usesHttp2, isTcp, upstreamTls }: RouteActions, context: SectionContext): string[] {
  if (!upstreamTls) return usesHttp2 ? ['proto h2'] : [];
  const { ca, serverName, certificate } = upstreamTls;
  return [
    isTcp ? 'ssl' : usesHttp2 ? 'ssl alpn h2' : 'ssl alpn http/1.1',
    `verify required ca-file ${quoted(context.fileOf(ca))} verifyhost ${quoted(serverName)} sni str(${quoted(serverName)})`,
    ...(certificate === undefined ? [] : [`crt ${quoted(context.fileOf(certificate))}`]),
  ];
}

/** A day, for no limit. */
function* limitLines({ answerMs, attempts, codes }: Limits): Generator<string> {
  if (answerMs !== undefined) yield `timeout server ${answerMs === 0 ? DAY_MS : answerMs}ms`;
  if (answerMs !== undefined && answerMs > 0 && answerMs < CONNECT_MS) yield `timeout connect ${answerMs}ms`;
  if (attempts === undefined) return;
  yield `retries ${attempts}`;
  const after = ['conn-failure', 'empty-response', ...(codes ?? []).map(String)];
  // An answer that does not come in time is one of the proxy's own: 504.
  if (codes?.includes(GATEWAY_TIMEOUT)) after.push('response-timeout');
  yield `retry-on ${after.join(' ')}`;
}

function* sessionLines({ session }: RouteActions, uid: string): Generator<string> {
  if (!session) return;
  const { cookie, lifeSeconds, idleSeconds, isPermanent } = session;
  yield [
    `cookie ${name(cookie)} insert indirect nocache httponly dynamic`,
    ...(lifeSeconds === undefined ? [] : [`maxlife ${lifeSeconds}s`]),
    ...(idleSeconds === undefined ? [] : [`maxidle ${idleSeconds}s`]),
    ...(isPermanent && lifeSeconds !== undefined ? [`attr ${quoted(`Max-Age=${lifeSeconds}`)}`] : []),
  ].join(' ');
  yield `dynamic-cookie-key ${quoted(uid || 'kedge')}`;
}

function headerLine(when: string, { change, name: header, value }: HeaderChange): string {
  if (change === 'remove') return `${when} del-header ${quoted(header)}`;
  return `${when} ${change}-header ${quoted(header)} ${quoted(literal(value))}`;
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
