/** External authentication: the section that asks a service, and the lines of those that have it asked. Pure. */
import type { AuthService, AuthTarget, Policy } from '../annotations/policy.ts';
import type { BackendModel } from '../model/model.ts';
import { formatOf } from './formats.ts';
import { IS_OWN_REQUEST, type SideRequests } from './side-requests.ts';
import { literal, quoted } from './text.ts';

/** Requests of one service at the same time, and how long others wait for their turn: one that hangs holds no more than these. */
const MAX_REQUESTS = 256;
const QUEUE_SECONDS = 5;
const DEFAULT_CONNECT_SECONDS = 5;
const DEFAULT_ANSWER_SECONDS = 60;
const MAX_SECONDS = 60;
/** Cookies of an answer that are passed on. */
const MAX_COOKIES = 3;

/** Where no service of a cluster is, and what only programs of the node itself are to reach. */
const FORBIDDEN = ['127.0.0.0/8', '0.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '::1', '::', 'fe80::/10', 'ff00::/8'];

/** The lines of a backend whose policy has an `authUrl`: a request goes on when the service answers 2xx. */
export function* externalAuthLines({ policy, authHeaders }: BackendModel, side: SideRequests): Generator<string> {
  const { authTarget, authSignin, authResponseHeaders = [] } = policy;
  if (!authTarget) return;
  const section = side.add([...askingLines(policy, authTarget, authHeaders, side)]);
  const first = authResponseHeaders.length;
  // A service that is asked is not asked about that.
  yield `http-request deny deny_status 500 if ${IS_OWN_REQUEST}`;
  yield `http-request lua.kedge_ask ${section} ${first + MAX_COOKIES}`;
  const isStatus = (status: number): string => `{ var(txn.asked) -m int ${status} }`;
  if (authSignin) yield `http-request redirect location ${quoted(formatOf(authSignin))} code 302 if ${isStatus(401)}`;
  yield `http-request return status 401 content-type text/plain string "401 Unauthorized\\n" hdr WWW-Authenticate %[var(txn.challenge)] if ${isStatus(401)} { var(txn.challenge) -m found }`;
  for (const status of [401, 403]) yield `http-request deny deny_status ${status} if ${isStatus(status)}`;
  yield `http-request deny deny_status 500 unless ${isStatus(200)}`;
  for (const [index, header] of authResponseHeaders.entries()) {
    // What the client says about itself under these names counts for nothing.
    yield `http-request del-header ${quoted(header)}`;
    yield `http-request set-header ${quoted(header)} %[var(txn.told${index})] if { var(txn.told${index}) -m found }`;
  }
  for (let index = first; index < first + MAX_COOKIES; index++)
    yield `http-response add-header Set-Cookie %[var(txn.told${index})] if { var(txn.told${index}) -m found }`;
}

function* askingLines(
  policy: Policy,
  target: AuthTarget,
  headers: BackendModel['authHeaders'],
  side: SideRequests,
): Generator<string> {
  const { authMethod, authRequestRedirect, connectTimeout, readTimeout } = policy;
  const set = (header: string, value: string): string => `http-request set-header ${header} ${quoted(value)}`;
  const seconds = (asked: number | undefined, usual: number): number => Math.min(asked ?? usual, MAX_SECONDS);
  yield `timeout connect ${seconds(connectTimeout, DEFAULT_CONNECT_SECONDS)}s`;
  yield `timeout server ${seconds(readTimeout, DEFAULT_ANSWER_SECONDS)}s`;
  yield `timeout queue ${QUEUE_SECONDS}s`;
  yield 'retries 1';
  yield set('X-Original-URL', '%[var(txn.scheme)]://%[var(txn.host)]%[pathq]');
  yield set('X-Original-Method', '%[var(txn.method)]');
  yield set('X-Sent-From', 'nginx-ingress-controller');
  yield set('X-Auth-Request-Redirect', authRequestRedirect ? formatOf(authRequestRedirect) : '%[pathq]');
  for (const [header, value] of headers) yield set(quoted(header), literal(value));
  if (authMethod !== undefined) yield `http-request set-method ${quoted(authMethod)}`;
  yield `http-request set-uri ${quoted(formatOf(target.uri))}`;
  yield* target.service ? serviceServer(target.service, side) : ownServer(side);
  yield* answers(policy.authResponseHeaders ?? []);
}

function* ownServer(side: SideRequests): Generator<string> {
  yield 'http-request set-header Host %[var(txn.host)]';
  for (const each of ['source', 'scheme', 'bound']) yield `http-request set-header X-Kedge-${each} %[var(txn.${each})]`;
  yield `${side.ownServer()} maxconn ${MAX_REQUESTS}`;
}

function* serviceServer({ scheme, host, port, address }: AuthService, side: SideRequests): Generator<string> {
  const usual = scheme === 'https' ? 443 : 80;
  yield `http-request set-header Host ${quoted(port === usual ? host : `${host}:${port}`)}`;
  // As there, the certificate of the service is not verified.
  const tls = scheme === 'https' ? ` ssl verify none${address === undefined ? ` sni str(${quoted(host)})` : ''}` : '';
  if (address === undefined) {
    side.usesResolvers = true;
    yield `http-request do-resolve(txn.to,cluster,ipv4) str(${quoted(host)})`;
    yield 'http-request deny deny_status 500 unless { var(txn.to) -m found }';
    yield `http-request deny deny_status 500 if { var(txn.to) -m ip ${FORBIDDEN.join(' ')} }`;
    yield 'http-request set-dst var(txn.to)';
  }
  const where = address === undefined ? '0.0.0.0' : address.includes(':') ? `[${address}]` : address;
  yield `server service ${where}:${port}${tls} maxconn ${MAX_REQUESTS}`;
}

/** Nothing of an answer is passed on but a status and the values of a few headers: a body is not even read. */
function* answers(headers: readonly string[]): Generator<string> {
  const told: string[] = [];
  const tell = (fetch: string): string => {
    const index = told.length;
    told.push(`hdr x-kedge-told-${index} %[var(txn.told${index})]`);
    return `http-response set-var(txn.told${index}) ${fetch}`;
  };
  for (const header of headers) yield tell(`res.fhdr(${quoted(header)})`);
  for (let index = 1; index <= MAX_COOKIES; index++) yield tell(`res.fhdr(set-cookie,${index})`);
  yield 'http-response set-var(txn.challenge) res.fhdr(www-authenticate)';
  yield `http-response return status 200 ${told.join(' ')} if { status 200:299 }`;
  yield 'http-response return status 401 hdr x-kedge-challenge %[var(txn.challenge)] if { status 401 }';
  yield 'http-response return status 403 if { status 403 }';
  yield 'http-response return status 500';
}
