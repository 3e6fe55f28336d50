/** The CORS protocol, answered by the proxy for the backend of a route: https://fetch.spec.whatwg.org/#http-cors-protocol. Pure. */
import type { Cors } from '../model/routing.ts';
import { inLines, literal, quoted } from './text.ts';

const ALLOWED = '{ var(txn.origin) -m found }';
const ORIGIN = '%[var(txn.origin)]';
/** Written by the filter alone: those of the backend would contradict it. */
const WRITTEN = ['Allow-Origin', 'Allow-Credentials', 'Allow-Methods', 'Allow-Headers', 'Expose-Headers', 'Max-Age'];
/** What a browser never sends, so that nothing else gets into a header of an answer. */
const LIST = '^[A-Za-z0-9!#$&+.^_|~, *-]{1,2000}$';

export function* corsLines(cors: Cors | undefined): Generator<string> {
  if (!cors) return;
  yield* originLines(cors);
  const { credentials, exposed } = cors;
  const always: [string, string][] = [
    ...(credentials ? [['Allow-Credentials', 'true'] as [string, string]] : []),
    ...(exposed === 'any' || exposed.length > 0
      ? [['Expose-Headers', exposed === 'any' ? '*' : exposed.join(', ')] as [string, string]]
      : []),
  ];
  yield* preflightLines(cors, always);
  for (const header of WRITTEN) yield `http-response del-header Access-Control-${header}`;
  yield `http-response set-header Access-Control-Allow-Origin ${ORIGIN} if ${ALLOWED}`;
  for (const [header, value] of always)
    yield `http-response set-header Access-Control-${header} ${quoted(literal(value))} if ${ALLOWED}`;
  if (variesBy(cors)) yield 'http-response add-header Vary Origin';
}

/** Whether answers differ with the origin. */
const variesBy = ({ origins, credentials }: Cors): boolean => origins !== 'any' || credentials;

/** `txn.origin` is what is told to an origin that is allowed. The whole header counts: of several in one, each would be looked at, and the last one told. */
function* originLines({ origins, credentials }: Cors): Generator<string> {
  if (origins === 'any') {
    // With credentials, * would be taken for a name.
    if (credentials) yield `http-request set-var(txn.origin) req.fhdr(origin) if { req.fhdr(origin) -m len gt 0 }`;
    else yield "http-request set-var(txn.origin) str('*') if { req.fhdr(origin) -m found }";
    return;
  }
  const isWild = (origin: string): boolean => origin.includes('*');
  const plain = origins.filter((origin) => !isWild(origin));
  if (plain.length > 0) yield* inLines('acl cors-origin req.fhdr(origin) -m str -i --', plain.map(quoted));
  for (const origin of origins.filter(isWild))
    yield `acl cors-origin req.fhdr(origin) -m reg -i -- ${quoted(originPattern(origin))}`;
  if (origins.length > 0) yield 'http-request set-var(txn.origin) req.fhdr(origin) if cors-origin';
}

/** `*.` stands for one label or more, and `*` for any host and port. */
function originPattern(origin: string): string {
  const [, scheme = '', host = ''] = /^(https?:\/\/)(.*)$/.exec(origin) ?? [];
  const escaped = host.replace(/[.-]/g, '\\$&');
  const pattern = host.startsWith('*.') ? escaped.replace('*', '[a-z0-9.-]+') : escaped.replace(/^\*/, '[a-z0-9.-]+');
  return `^${scheme}${pattern}${host === '*' ? '(:[0-9]+)?' : ''}$`;
}

function* preflightLines(cors: Cors, always: readonly [string, string][]): Generator<string> {
  const { methods, headers, credentials, maxAgeSeconds } = cors;
  for (const what of ['method', 'headers'])
    yield `http-request set-var(txn.cors_${what}) req.fhdr(access-control-request-${what}) if { req.fhdr(access-control-request-${what}) -m reg ${quoted(LIST)} }`;
  const valueOf = (allowed: Cors['methods'], asked: string): string => {
    if (allowed !== 'any') return quoted(literal(allowed.join(', ')));
    return credentials ? `%[var(txn.cors_${asked})]` : quoted('*');
  };
  const told: readonly (readonly [string, string])[] = [
    ['Allow-Origin', ORIGIN],
    ...(methods === 'any' || methods.length > 0 ? [['Allow-Methods', valueOf(methods, 'method')] as const] : []),
    ...(headers === 'any' || headers.length > 0 ? [['Allow-Headers', valueOf(headers, 'headers')] as const] : []),
    ['Max-Age', String(maxAgeSeconds)],
    ...always.map(([header, value]) => [header, quoted(literal(value))] as const),
  ];
  const written = told.map(([header, value]) => `hdr Access-Control-${header} ${value}`).join(' ');
  const vary = variesBy(cors) ? ' hdr Vary Origin' : '';
  const isPreflight = 'METH_OPTIONS { req.fhdr(origin) -m found } { req.hdr(access-control-request-method) -m found }';
  yield `http-request return status 204 ${written}${vary} if ${isPreflight} ${ALLOWED}`;
  // The backend is not asked about an origin that is not allowed.
  yield `http-request return status 204${vary} if ${isPreflight}`;
}
