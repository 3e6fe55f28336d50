/** One backend of the model as a section of the proxy's configuration. Pure. */
import type { Cidr } from '../../../api/domain/address.ts';
import type { HashKey, Policy } from '../annotations/policy.ts';
import type { BackendModel } from '../model/model.ts';
import { clientCertificateLines } from './client-certificates.ts';
import { externalAuthLines } from './external-auth-section.ts';
import { formatOf } from './formats.ts';
import { routeLines } from './route-section.ts';
import type { SectionContext } from './section-context.ts';
import type { Slots } from './slots.ts';
import { inLines, literal, name, quoted } from './text.ts';

const SECOND = 's';
const DEFAULT_BODY = 1024 ** 2;
const DEFAULT_CONNECT_SECONDS = 5;
const DEFAULT_SILENCE_SECONDS = 60;
/** How long an upgraded connection may be silent. */
const TUNNEL_SECONDS = 3_600;
const DEFAULT_BURST = 5;
const MINUTE_SECONDS = 60;
const DAY_SECONDS = 86_400;

/** A free server leads nowhere: TEST-NET-1, and it is in maintenance. */
const NOWHERE = '192.0.2.1:1';

/** The lines of a backend but those of its servers. */
export function backendLines(backend: BackendModel, context: SectionContext): string[] {
  if (backend.isClosed) return ['http-request deny deny_status 503'];
  if (backend.route) return routeLines(backend.route, backend.uid, context);
  const { policy } = backend;
  return [
    ...redirects(backend, context),
    ...sourceRules(policy),
    ...limits(policy),
    ...cors(policy),
    ...passwords(backend, context),
    ...externalAuthLines(backend, context.side),
    ...clientCertificates(backend, context),
    ...bodySize(policy),
    ...requestHeaders(policy),
    ...rewrite(backend),
    ...balance(policy),
    ...session(backend),
    ...timeouts(policy),
    ...backend.headers.map(([header, value]) => `http-response set-header ${quoted(header)} ${quoted(literal(value))}`),
    `default-server ${serverOptions(backend, context).join(' ')}`.trimEnd(),
  ];
}

/** The servers of a section. */
export const serverLines = ({ addresses }: Slots): string[] =>
  addresses.map((address, index) => {
    const server = `server ${serverName(index)} ${address ?? NOWHERE}`;
    if (address === undefined) return `${server} disabled`;
    return isNamed(address) ? `${server} resolvers cluster init-addr none` : server;
  });

export const serverName = (index: number): string => `s${index + 1}`;

/** Whether an endpoint is a DNS name: that of an ExternalName Service. */
export const isNamed = (endpoint: string): boolean => /[a-z]/i.test(endpoint) && !endpoint.startsWith('[');

function* redirects({ policy, redirectsToHttps }: BackendModel, { httpsPort }: SectionContext): Generator<string> {
  if (redirectsToHttps) {
    const port = httpsPort === 443 ? '' : `:${httpsPort}`;
    const to = `https://%[var(txn.host)]${port}%[pathq]`;
    yield `http-request redirect location ${quoted(to)} code 308 unless { var(txn.scheme) -m str https }`;
  }
  const { permanentRedirect, permanentRedirectCode = 301, temporalRedirect, temporalRedirectCode = 302 } = policy;
  if (temporalRedirect)
    yield `http-request redirect location ${quoted(formatOf(temporalRedirect))} code ${temporalRedirectCode}`;
  else if (permanentRedirect)
    yield `http-request redirect location ${quoted(formatOf(permanentRedirect))} code ${permanentRedirectCode}`;
  if (policy.appRoot !== undefined)
    yield `http-request redirect location ${quoted(literal(policy.appRoot))} code 302 if { var(txn.path) -m str / }`;
}

const texts = (networks: readonly Cidr[]): string[] => networks.map(({ text }) => text);

function* sourceRules({ deniedSources, allowedSources }: Policy): Generator<string> {
  if (deniedSources) {
    yield* inLines('acl denied-source src', texts(deniedSources));
    yield 'http-request deny deny_status 403 if denied-source';
  }
  if (allowedSources) {
    yield* inLines('acl allowed-source src', texts(allowedSources));
    yield 'http-request deny deny_status 403 unless allowed-source';
  }
}

function* limits(policy: Policy): Generator<string> {
  const { limitRps, limitRpm, limitConnections, limitBurst = DEFAULT_BURST, limitExempt } = policy;
  if (limitRps === undefined && limitRpm === undefined && limitConnections === undefined) return;
  const seconds = limitBurst;
  const minutes = Math.min(limitBurst * MINUTE_SECONDS, DAY_SECONDS);
  const counted = [
    ...(limitRps === undefined ? [] : [`gpc0,gpc0_rate(${seconds}${SECOND})`]),
    ...(limitRpm === undefined ? [] : [`gpc1,gpc1_rate(${minutes}${SECOND})`]),
    ...(limitConnections === undefined ? [] : ['conn_cur']),
  ];
  const expire = limitRpm === undefined ? seconds : minutes;
  yield `stick-table type ipv6 size 100k expire ${2 * expire}${SECOND} store ${counted.join()}`;
  if (limitExempt) yield* inLines('acl limit-exempt src', texts(limitExempt));
  yield `http-request track-sc0 src${limitExempt ? ' unless limit-exempt' : ''}`;
  // Of a request that is refused nothing is counted but that it is there.
  if (limitConnections !== undefined)
    yield `http-request deny deny_status 503 if { sc0_conn_cur gt ${limitConnections} }`;
  if (limitRps !== undefined)
    yield `http-request deny deny_status 503 if { sc0_gpc0_rate ge ${limitRps * limitBurst} }`;
  if (limitRpm !== undefined)
    yield `http-request deny deny_status 503 if { sc0_gpc1_rate ge ${limitRpm * limitBurst} }`;
  if (limitRps !== undefined) yield 'http-request sc-inc-gpc0(0)';
  if (limitRpm !== undefined) yield 'http-request sc-inc-gpc1(0)';
}

const CORS_METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS'];
const CORS_HEADERS = [
  'DNT',
  'Keep-Alive',
  'User-Agent',
  'X-Requested-With',
  'If-Modified-Since',
  'Cache-Control',
  'Content-Type',
  'Range',
  'Authorization',
];
const CORS_AGE_SECONDS = 1_728_000;

function* cors(policy: Policy): Generator<string> {
  if (!policy.cors) return;
  const origins = policy.corsOrigins ?? ['*'];
  const isAny = origins.includes('*');
  if (isAny) yield "http-request set-var(txn.origin) str('*')";
  else {
    const [wild, plain] = [true, false].map((isWild) => origins.filter((each) => each.includes('*') === isWild));
    for (const line of inLines('acl cors-origin req.hdr(origin) -m str', (plain ?? []).map(quoted))) yield line;
    for (const each of wild ?? []) yield `acl cors-origin req.hdr(origin) -m reg ${quoted(originPattern(each))}`;
    yield 'http-request set-var(txn.origin) req.hdr(origin) if cors-origin';
  }
  const always = [
    ...(policy.corsCredentials === false ? [] : [['Access-Control-Allow-Credentials', 'true']]),
    ...(policy.corsExposed ? [['Access-Control-Expose-Headers', policy.corsExposed.join(', ')]] : []),
  ];
  const preflight = [
    ['Access-Control-Allow-Methods', (policy.corsMethods ?? CORS_METHODS).join(', ')],
    ['Access-Control-Allow-Headers', (policy.corsHeaders ?? CORS_HEADERS).join(', ')],
    ['Access-Control-Max-Age', String(policy.corsMaxAge ?? CORS_AGE_SECONDS)],
    ...always,
  ];
  const origin = '%[var(txn.origin)]';
  const written = preflight.map(([header, value = '']) => `hdr ${header} ${quoted(literal(value))}`).join(' ');
  const vary = isAny ? '' : ' hdr Vary Origin';
  yield `http-request return status 204 hdr Access-Control-Allow-Origin ${origin} ${written}${vary} if METH_OPTIONS { var(txn.origin) -m found }`;
  if (!isAny) yield 'http-response add-header Vary Origin';
  yield `http-response set-header Access-Control-Allow-Origin ${origin} if { var(txn.origin) -m found }`;
  for (const [header, value = ''] of always)
    yield `http-response set-header ${header} ${quoted(literal(value))} if { var(txn.origin) -m found }`;
}

/** `https://*.a.example`: one label in place of the asterisk. */
const originPattern = (origin: string): string =>
  `^${origin.replace(/[.+/:-]/g, '\\$&').replace('*', '[A-Za-z0-9-]+')}$`;

function* passwords(backend: BackendModel, context: SectionContext): Generator<string> {
  if (backend.policy.authType === undefined) return;
  const realm = quoted(backend.policy.authRealm ?? 'Authentication Required');
  yield `http-request auth realm ${realm} unless { http_auth(${name(context.userListOf(backend))}) }`;
}

function* clientCertificates({ policy, clientCa }: BackendModel, context: SectionContext): Generator<string> {
  const { clientVerify = 'on', clientCertificateHeader } = policy;
  if (clientCa === undefined || clientVerify === 'off') return;
  yield* clientCertificateLines(clientCa, clientVerify === 'on', context);
  yield 'http-request set-header ssl-client-verify SUCCESS if { ssl_c_used } { ssl_c_verify 0 }';
  yield 'http-request set-header ssl-client-verify NONE unless { ssl_c_used }';
  yield 'http-request set-header ssl-client-subject-dn %[ssl_c_s_dn(,0,rfc2253)] if { ssl_c_used }';
  yield 'http-request set-header ssl-client-issuer-dn %[ssl_c_i_dn(,0,rfc2253)] if { ssl_c_used }';
  if (clientCertificateHeader) yield 'http-request set-header ssl-client-cert %[ssl_c_der,base64] if { ssl_c_used }';
}

function* bodySize({ bodySize: limit = DEFAULT_BODY }: Policy): Generator<string> {
  if (limit > 0) yield `http-request deny deny_status 413 if { req.hdr_val(content-length) gt ${limit} }`;
}

function* requestHeaders({ forwardedPrefix, upstreamHost }: Policy): Generator<string> {
  if (forwardedPrefix !== undefined)
    yield `http-request set-header X-Forwarded-Prefix ${quoted(literal(forwardedPrefix))}`;
  if (upstreamHost !== undefined) yield `http-request set-header Host ${quoted(literal(upstreamHost))}`;
}

function* rewrite({ policy: { rewriteTarget }, rewritten }: BackendModel): Generator<string> {
  if (!rewriteTarget || rewritten === undefined) return;
  yield 'http-request set-path %[var(txn.clean)]';
  yield `http-request replace-path ${quoted(`(?i)^${rewritten}`)} ${quoted(formatOf(rewriteTarget))}`;
}

function hashBalance(key: HashKey): string {
  switch (key.of) {
    case 'uri':
      return 'uri whole';
    case 'path':
      return 'uri path-only';
    case 'host':
      return 'hdr(host)';
    case 'source':
      return 'source';
    case 'header':
      return `hdr(${name(key.name)})`;
    case 'cookie':
      return `hash req.cook(${name(key.name)})`;
    case 'parameter':
      return `hash url_param(${name(key.name)})`;
  }
}

function* balance({ hashBy, leastConnections }: Policy): Generator<string> {
  if (hashBy) {
    yield `balance ${hashBalance(hashBy)}`;
    yield 'hash-type consistent';
  } else yield `balance ${leastConnections ? 'leastconn' : 'roundrobin'}`;
}

function* session({ policy, uid }: BackendModel): Generator<string> {
  if (policy.affinity === undefined) return;
  const attributes = [
    ...(policy.cookiePath === undefined ? [] : [`Path=${policy.cookiePath}`]),
    ...(policy.cookieMaxAge === undefined ? [] : [`Max-Age=${policy.cookieMaxAge}`]),
    ...(policy.cookieSameSite === undefined ? [] : [`SameSite=${policy.cookieSameSite}`]),
  ];
  const words = [
    `cookie ${name(policy.cookieName ?? 'INGRESSCOOKIE')} insert indirect nocache httponly dynamic`,
    ...(policy.cookieSecure ? ['secure'] : []),
    ...(policy.cookieDomain === undefined ? [] : [`domain ${quoted(policy.cookieDomain)}`]),
    ...attributes.map((attribute) => `attr ${quoted(attribute)}`),
  ];
  yield words.join(' ');
  yield `dynamic-cookie-key ${quoted(uid || 'kedge')}`;
}

function* timeouts({ connectTimeout, readTimeout, sendTimeout }: Policy): Generator<string> {
  if (connectTimeout !== undefined && connectTimeout !== DEFAULT_CONNECT_SECONDS)
    yield `timeout connect ${connectTimeout}${SECOND}`;
  const silence = Math.max(readTimeout ?? DEFAULT_SILENCE_SECONDS, sendTimeout ?? 0);
  if (silence !== DEFAULT_SILENCE_SECONDS) yield `timeout server ${silence}${SECOND}`;
  if (silence > TUNNEL_SECONDS) yield `timeout tunnel ${silence}${SECOND}`;
}

function serverOptions({ policy, upstreamCa, upstreamCertificate }: BackendModel, context: SectionContext): string[] {
  const protocol = policy.protocol ?? 'HTTP';
  if (protocol === 'GRPC') return ['proto h2'];
  if (protocol === 'HTTP') return [];
  const sni = policy.tlsName === undefined ? 'var(txn.host)' : `str(${quoted(policy.tlsName)})`;
  return [
    protocol === 'GRPCS' ? 'ssl alpn h2' : 'ssl',
    upstreamCa === undefined ? 'verify none' : `verify required ca-file ${quoted(context.fileOf(upstreamCa))}`,
    ...(upstreamCa !== undefined && policy.tlsName !== undefined ? [`verifyhost ${quoted(policy.tlsName)}`] : []),
    ...(upstreamCertificate === undefined ? [] : [`crt ${quoted(context.fileOf(upstreamCertificate))}`]),
    ...(policy.tlsSni || (upstreamCa !== undefined && policy.tlsName !== undefined) ? [`sni ${sni}`] : []),
  ];
}
