/** Where requests come in, and how each finds its backend. Pure. */
import { ANY_HOST, type BackendModel, type CanaryModel, type Model } from '../model/model.ts';
import type { Routing } from '../model/routing.ts';
import { PATTERN_MARK } from './maps.ts';
import { NOT_FOUND } from './names.ts';
import { portLines, routingLines, splitLines } from './routing-lines.ts';
import type { ProxySettings } from './settings.ts';
import { IS_OWN_REQUEST, type SideRequests } from './side-requests.ts';
import { name, quoted } from './text.ts';

/** How the file of a map or list is named in the configuration. */
type FileAt = (file: string) => string;

/** The controller's own ports. */
export function ingressFrontend(
  model: Model,
  settings: ProxySettings,
  backends: readonly BackendModel[],
  side: SideRequests,
  inner: ReadonlyMap<number, string>,
  at: FileAt,
): string[] {
  const { bindAddresses, httpPort, httpsPort, accessLog } = settings;
  const tls = `ssl crt-list ${at('certificates.list')} alpn h2,http/1.1`;
  const socket = inner.get(httpsPort);
  const binds = bindAddresses.flatMap((address) => {
    const where = address.includes(':') ? `[${address}]` : address;
    const only = address.includes(':') ? ' v6only' : '';
    return [
      `  bind ${where}:${httpPort}${only}`,
      ...(socket === undefined ? [`  bind ${where}:${httpsPort}${only} ${tls}`] : []),
    ];
  });
  if (socket !== undefined) binds.push(`  bind ${socket} accept-proxy mode 600 ${tls}`);
  const { routing } = model;
  const isOwn = ({ port }: { port: number }): boolean => port === httpPort || port === httpsPort;
  const find = (converter: string, from: string, condition: string): string =>
    `  http-request set-var(txn.backend) var(txn.${from}),${converter} ${condition}`;
  const lookup = (key: string): string[] => {
    const unless = 'unless { var(txn.backend) -m found }';
    return [
      `  http-request set-var(txn.exact) var(txn.${key}),concat(,txn.path) ${unless}`,
      `  http-request set-var(txn.prefix) var(txn.exact),concat(/) ${unless}`,
      find(`map_str(${at('exact.map')})`, 'exact', unless),
      find(`map_beg(${at('prefix.map')})`, 'prefix', unless),
      // Only hosts with regular expressions have this mark.
      find(
        `map_reg(${at('pattern.map')})`,
        'exact',
        `if { var(txn.${key}) -m beg ${PATTERN_MARK} } !{ var(txn.backend) -m found }`,
      ),
    ];
  };
  return [
    'frontend ingress',
    ...binds,
    ...side.bindLines(),
    ...(accessLog ? [`  log-format ${quoted(ACCESS_LOG)}`] : []),
    ...PREPARE,
    `  http-request set-var(txn.key) var(txn.host),map_str(${at('hosts.map')})`,
    `  http-request set-var(txn.key) var(txn.host),regsub('^[^.]+\\.','*.'),map_str(${at('hosts.map')}) unless { var(txn.key) -m found }`,
    `  http-request set-var(txn.any) str(${ANY_HOST}),map_str(${at('hosts.map')})`,
    ...lookup('key'),
    ...routingLines(routing.hosts.filter(isOwn), at),
    ...lookup('any'),
    ...(model.defaultBackend === undefined
      ? []
      : [
          `  http-request set-var(txn.backend) str(${name(model.defaultBackend)}) unless { var(txn.backend) -m found }`,
        ]),
    ...backends.flatMap(({ name: main, canary }) => (canary ? [...canaryLines(main, canary)] : [])),
    ...choice(routing, at),
  ];
}

/** Ports that only Gateways have: nothing of Ingresses is served there. */
export function gatewayFrontend(
  { routing }: Model,
  settings: ProxySettings,
  inner: ReadonlyMap<number, string>,
  at: FileAt,
): string[] {
  const { bindAddresses, httpPort, httpsPort, accessLog } = settings;
  const { ports, hosts } = routing;
  if (ports.length === 0) return [];
  return [
    'frontend gateway',
    ...portLines(ports, bindAddresses, inner, at),
    ...(accessLog ? [`  log-format ${quoted(ACCESS_LOG)}`] : []),
    ...PREPARE,
    ...routingLines(
      hosts.filter(({ port }) => port !== httpPort && port !== httpsPort),
      at,
    ),
    ...choice(routing, at),
  ];
}

/** The section of the backend that has been found. */
function choice({ splits }: Routing, at: FileAt): string[] {
  return [
    ...splits.filter(({ isTcp }) => !isTcp).flatMap((split) => [...splitLines(split)]),
    `  http-request set-var(txn.spare) var(txn.backend),map_str(${at('spares.map')})`,
    '  use_backend %[var(txn.spare)] if { var(txn.spare) -m found }',
    '  use_backend %[var(txn.backend)] if { var(txn.backend) -m found }',
    `  default_backend ${NOT_FOUND}`,
  ];
}

/** `"FIELD":VALUE`, with what clients send escaped. */
const field = (fetch: string): string => `"%[${fetch},json(utf8s)]"`;
const ACCESS_LOG = `{${[
  '"time":"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]"',
  `"remoteAddress":"%ci"`,
  `"method":"%HM"`,
  '"scheme":"%[var(txn.scheme)]"',
  `"host":${field('var(txn.host)')}`,
  `"path":${field('var(txn.raw)')}`,
  '"protocol":"%HV"',
  '"status":%ST',
  '"bytes":%B',
  '"namespace":"%[var(txn.backend),field(1,_)]"',
  '"ingress":"%[var(txn.backend),field(2,_)]"',
  '"server":"%si:%sp"',
  '"connectMs":%Tc',
  '"responseMs":%Tr',
  '"totalMs":%Ta',
  '"retries":"%rc"',
  '"termination":"%ts"',
  `"requestId":${field('var(txn.id)')}`,
].join(',')}}`;

/** Of a path with escaped question marks and hashes: three bytes become five, and a buffer of the proxy has 16 KiB. */
const MAX_ESCAPED_BYTES = 9_000;

/**
 * What every request gets. Hosts and paths are compared in one form, whatever escapes, `//` and `..` they are written with, so that no
 * spelling passes by the rules of a path; the backend gets the path as it was sent. An escaped question mark or hash stays escaped.
 */
const PREPARE = [
  '  http-request deny deny_status 400 if { path -m sub -i %00 }',
  `  http-request set-var(txn.host) req.hdr(host),regsub(':[0-9]+$',),regsub('\\.$',),lower`,
  '  http-request set-var(txn.scheme) str(http)',
  '  http-request set-var(txn.scheme) str(https) if { ssl_fc }',
  `  http-request set-var(txn.scheme) req.hdr(x-kedge-scheme) if ${IS_OWN_REQUEST}`,
  '  http-request set-var(txn.bound) dst_port',
  `  http-request set-var(txn.bound) req.hdr(x-kedge-bound) if ${IS_OWN_REQUEST}`,
  `  http-request set-src req.hdr(x-kedge-source) if ${IS_OWN_REQUEST}`,
  '  http-request del-header X-Kedge- -m beg',
  '  http-request set-var(txn.raw) path',
  '  http-request normalize-uri percent-decode-unreserved',
  '  http-request normalize-uri path-merge-slashes',
  '  http-request normalize-uri path-strip-dot',
  '  http-request normalize-uri path-strip-dotdot full',
  '  http-request set-var(txn.clean) path',
  // They get longer before they are decoded, and what does not fit into a buffer is cut off.
  `  http-request deny deny_status 400 if { path,length gt ${MAX_ESCAPED_BYTES} } { path -m sub -i %3f %23 }`,
  '  http-request set-var(txn.decoded) path,regsub(%3[fF],%253F,g),regsub(%23,%2523,g),url_dec',
  // An escape that is none: without a path, the rules of `/` would count, and the backend get what was sent.
  '  http-request deny deny_status 400 if { path -m found } !{ var(txn.decoded) -m found }',
  '  http-request set-path %[var(txn.decoded)]',
  '  http-request normalize-uri path-merge-slashes',
  '  http-request normalize-uri path-strip-dot',
  '  http-request normalize-uri path-strip-dotdot full',
  '  http-request set-var(txn.path) path',
  '  http-request set-path %[var(txn.raw)]',
  '  http-request disable-l7-retry unless { method GET HEAD OPTIONS }',
  '  http-request set-var(txn.id) req.hdr(x-request-id)',
  '  http-request set-var(txn.id) uuid() unless { var(txn.id) -m found }',
  '  http-request set-header X-Request-ID %[var(txn.id)]',
  // What a client says about who it is counts for nothing.
  '  http-request del-header Forwarded',
  '  http-request del-header Proxy',
  '  http-request del-header X-Forwarded- -m beg',
  `  http-request del-header X-Original- -m beg unless ${IS_OWN_REQUEST}`,
  '  http-request del-header ssl-client- -m beg',
  '  http-request set-header X-Real-IP %[src]',
  '  http-request set-header X-Forwarded-For %[src]',
  '  http-request set-header X-Forwarded-Host %[req.hdr(host)]',
  '  http-request set-header X-Forwarded-Port %[var(txn.bound)]',
  '  http-request set-header X-Forwarded-Proto %[var(txn.scheme)]',
  '  http-request set-header X-Forwarded-Scheme %[var(txn.scheme)]',
  '  http-request set-header X-Scheme %[var(txn.scheme)]',
];

/** Header, cookie and weight, in this order, as ingress-nginx has it. */
function* canaryLines(main: string, canary: CanaryModel): Generator<string> {
  const here = `{ var(txn.backend) -m str ${name(main)} }`;
  const undecided = '!{ var(txn.canary) -m found }';
  const set = '  http-request set-var(txn.canary)';
  if (canary.header !== undefined) {
    const header = `req.hdr(${canary.header})`;
    if (canary.headerValue === undefined) yield `${set} ${header} if ${here} { ${header} -m str always never }`;
    else yield `${set} str(always) if ${here} { ${header} -m str -- ${quoted(canary.headerValue)} }`;
  }
  if (canary.cookie !== undefined) {
    const cookie = `req.cook(${name(canary.cookie)})`;
    yield `${set} ${cookie} if ${here} ${undecided} { ${cookie} -m str always never }`;
  }
  if (canary.weight > 0)
    yield `${set} str(always) if ${here} ${undecided} { rand(${canary.total}) lt ${canary.weight} }`;
  yield `  http-request set-var(txn.backend) str(${name(canary.backend)}) if ${here} { var(txn.canary) -m str always }`;
}
