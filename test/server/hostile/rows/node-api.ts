/** Requests to a node's API: `pat` may get `nodes/proxy`, `uma` logs, statistics and metrics, nobody but the admin the rest. */
import type { HostileBytes, HostileRequest } from '../table.ts';

const UPGRADE = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' };
const WEB_SOCKET = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  'sec-websocket-protocol': 'v5.channel.k8s.io',
};
const LOG = '/containerLogs/team/web/main';
const UNAUTHORIZED = { code: 401, text: 'Unauthorized' };
const NO_PAGE = { code: 404, text: '404 page not found' };
const may = (user: string, verb: string, subresources: string) =>
  ({
    code: 403,
    text: `Forbidden (user=${user}, verb=${verb}, resource=nodes, subresource(s)=[${subresources}])\n`,
  }) as const;
/** In the kubelet's words, which has no better code for it. */
const NO_CONTAINER = { code: 500, text: 'container not found ("constructor")' };
const NO_COMMAND = may('pat', 'create', 'proxy');

const get = (name: string, as: HostileRequest['as'], path: string, expect: HostileRequest['expect'], headers = {}) =>
  ({ name, as, request: `GET ${path}`, headers, expect }) as const;

const CALLERS = [
  get('nobody', 'anonymous', '/pods', UNAUTHORIZED),
  get('nobody asks for health', 'anonymous', '/healthz', UNAUTHORIZED),
  get('a token that nobody knows', 'stranger', '/pods', UNAUTHORIZED),
  get('a password', 'anonymous', '/pods', UNAUTHORIZED, { authorization: 'Basic YWRtaW46YWRtaW4tdG9rZW4=' }),
  get("a token that is an object's property", 'anonymous', '/pods', UNAUTHORIZED, {
    authorization: 'Bearer __proto__',
  }),
  get('a token of 100,000 letters', 'anonymous', '/pods', UNAUTHORIZED, {
    authorization: `Bearer ${'a'.repeat(100_000)}`,
  }),
  get('the headers of a front proxy', 'anonymous', '/pods', UNAUTHORIZED, {
    'x-remote-user': 'admin',
    'x-remote-group': 'system:masters',
  }),
  get('impersonation, which a node does not know', 'uma', '/pods', may('uma', 'get', 'pods proxy'), {
    'impersonate-user': 'admin',
  }),
  get('a token in the query', 'anonymous', '/pods?access_token=admin-token', UNAUTHORIZED),
  get('who has no rights', 'alice', '/pods', may('alice', 'get', 'pods proxy')),
  get('logs of a container by who may only read metrics', 'uma', LOG, may('uma', 'get', 'proxy')),
  get('the settings by who may only read logs', 'uma', '/configz', may('uma', 'get', 'configz proxy')),
  { name: 'a post by who may get', as: 'pat', request: `POST ${LOG}`, body: '', expect: may('pat', 'create', 'proxy') },
  { name: 'a deletion by who may get', as: 'pat', request: 'DELETE /pods', expect: may('pat', 'delete', 'pods proxy') },
  {
    name: 'a method that nobody knows by who may get',
    as: 'pat',
    request: 'PROPFIND /pods',
    expect: may('pat', '', 'pods proxy'),
  },
] as const satisfies readonly HostileRequest[];

const COMMANDS = [
  get('a command by a GET', 'pat', '/exec/team/web/main?command=id&output=1', NO_COMMAND),
  get('a command by a GET that upgrades', 'pat', '/exec/team/web/main?command=id&output=1', NO_COMMAND, UPGRADE),
  get('a command by a WebSocket', 'pat', '/exec/team/web/main?command=id&output=1', NO_COMMAND, WEB_SOCKET),
  get('a command behind an escaped letter', 'pat', '/%65xec/team/web/main?command=id&output=1', NO_COMMAND, WEB_SOCKET),
  get(
    'a command behind letters that are all escaped',
    'pat',
    '/%65%78%65%63/team/web/main?command=id&output=1',
    NO_COMMAND,
    WEB_SOCKET,
  ),
  get('an attachment behind an escaped letter', 'pat', '/%61ttach/team/web/main?output=1', NO_COMMAND, WEB_SOCKET),
  get('a port behind an escaped letter', 'pat', '/port%46orward/team/web?port=80', NO_COMMAND, WEB_SOCKET),
  {
    name: 'a run behind an escaped letter',
    as: 'pat',
    request: 'POST /%72un/team/web/main?cmd=id',
    body: '',
    expect: NO_COMMAND,
  },
  get('a command behind an escape of an escape', 'pat', '/%2565xec/team/web/main?command=id&output=1', { code: 404 }),
  {
    name: 'a command behind an escaped slash',
    as: 'pat',
    request: 'GET /exec%2fteam/web/main?command=id&output=1',
    headers: WEB_SOCKET,
    expect: { code: 404 },
    differs: 'an escaped slash separates nothing, where upstream decodes the path first and answers 403',
  },
  get('a command behind two slashes', 'pat', '//exec/team/web/main?command=id&output=1', { code: 404 }, WEB_SOCKET),
  get('a command behind three slashes', 'pat', '///exec/team/web/main?command=id&output=1', { code: 404 }, WEB_SOCKET),
  get('a command behind dots', 'pat', '/pods/../exec/team/web/main?command=id&output=1', { code: 403 }, WEB_SOCKET),
  get(
    'a command behind escaped dots',
    'pat',
    '/pods/%2e%2e/exec/team/web/main?command=id&output=1',
    { code: 403 },
    WEB_SOCKET,
  ),
  get(
    'a command behind a backslash',
    'pat',
    '/pods\\..\\exec/team/web/main?command=id&output=1',
    { code: 403 },
    WEB_SOCKET,
  ),
  get('a command in capitals', 'pat', '/EXEC/team/web/main?command=id&output=1', { code: 404 }),
  get(
    'a command behind a whole URL',
    'pat',
    'https://node/exec/team/web/main?command=id&output=1',
    { code: 403 },
    WEB_SOCKET,
  ),
  get(
    'a command behind the name of another host',
    'pat',
    '//other/exec/team/web/main?command=id&output=1',
    { code: 404 },
    WEB_SOCKET,
  ),
  get('an upgrade of a list is a list', 'admin', '/pods', { code: 200, text: /"PodList"/ }, WEB_SOCKET),
  get('a command without an upgrade', 'admin', '/exec/team/web/main?command=id&output=1', {
    code: 400,
    text: 'Upgrade request required',
  }),
  get(
    'a command of no streams',
    'admin',
    '/exec/team/web/main?command=id',
    { code: 400, text: 'you must specify at least 1 of stdin, stdout, stderr' },
    UPGRADE,
  ),
  get(
    'a command in a pod that is not there',
    'admin',
    '/exec/team/constructor/main?command=id&output=1',
    { code: 404, text: 'pod does not exist' },
    UPGRADE,
  ),
  get(
    'a command in a namespace that is not there',
    'admin',
    '/exec/__proto__/web/main?command=id&output=1',
    { code: 404, text: 'pod does not exist' },
    UPGRADE,
  ),
  get(
    'a command in another incarnation of a pod',
    'admin',
    '/exec/team/web/uid-other/main?command=id&output=1',
    { code: 404, text: 'pod not found' },
    UPGRADE,
  ),
  get(
    'a command in a container that is not there',
    'admin',
    '/exec/team/web/constructor?command=id&output=1',
    NO_CONTAINER,
    UPGRADE,
  ),
  get(
    'a command in a container __proto__',
    'admin',
    '/exec/team/web/__proto__?command=id&output=1',
    { code: 500, text: 'container not found ("__proto__")' },
    UPGRADE,
  ),
  get('a command of five parts', 'admin', '/exec/team/web/uid-web/main/more?command=id', { code: 404 }, UPGRADE),
  get('a port that is none', 'admin', '/portForward/team/web?port=constructor', { code: 400 }, WEB_SOCKET),
  get('a port of minus one', 'admin', '/portForward/team/web?port=-1', { code: 400 }, WEB_SOCKET),
  { name: 'a command by PUT', request: 'PUT /exec/team/web/main?command=id&output=1', body: '', expect: { code: 405 } },
  { name: 'a run by GET', request: 'GET /run/team/web/main?cmd=id', expect: { code: 405 } },
  {
    name: 'a run in a container that is not there',
    request: 'POST /run/team/web/constructor?cmd=id',
    body: '',
    expect: NO_CONTAINER,
  },
] as const satisfies readonly HostileRequest[];

const PATHS = [
  get('an escape that is none', 'admin', '/containerLogs/team/web/%zz', { code: 400 }),
  {
    name: 'an escape that is none, of nobody',
    as: 'anonymous',
    request: 'GET /%zz',
    expect: UNAUTHORIZED,
    differs: 'who calls is asked before what for, where upstream refuses the path first',
  },
  get('an escape that is no UTF-8', 'admin', '/containerLogs/team/web/%ff', { code: 400 }),
  get('a path constructor', 'admin', '/constructor', NO_PAGE),
  get('a path __proto__', 'admin', '/__proto__/toString', NO_PAGE),
  get('statistics called constructor', 'admin', '/stats/constructor', NO_PAGE),
  get('the file system by logs', 'admin', '/logs/../secret', NO_PAGE),
  get('the file system by escaped dots', 'admin', '/logs/%2e%2e/secret', NO_PAGE),
  get('the file system by escaped slashes', 'uma', '/logs/sub%2f..%2f..%2fsecret', NO_PAGE),
  get('the file system by a link', 'uma', '/logs/sub/leak', NO_PAGE),
  get('the file system by a NUL byte', 'uma', '/logs/sub/a.log%00', NO_PAGE),
  get('a file below a file', 'uma', '/logs/sub/a.log/x', NO_PAGE),
  get('a name that is too long for a file', 'uma', `/logs/${'a'.repeat(10_000)}`, NO_PAGE),
  get('a log by its honest name', 'uma', '/logs/sub/a.log', { code: 200, text: 'a line\n' }),
  get('the log of a pod that is not there', 'admin', '/containerLogs/team/constructor/main', {
    code: 404,
    text: 'pod "constructor" does not exist',
  }),
  get('the log of another namespace', 'admin', '/containerLogs/other/web/main', {
    code: 404,
    text: 'pod "web" does not exist',
  }),
  get('the log of a container that is not there', 'admin', '/containerLogs/team/web/__proto__', {
    code: 404,
    text: 'container "__proto__" not found in pod "web"',
  }),
  get('a log without a container', 'admin', '/containerLogs/team/web', NO_PAGE),
  get('a log of too many parts', 'admin', '/containerLogs/team/web/main/more', NO_PAGE),
  get('a log of lines that are no number', 'admin', `${LOG}?tailLines=constructor`, {
    code: 400,
    text: '{"message": "Unable to decode query."}',
  }),
  get('a log of minus one line', 'admin', `${LOG}?tailLines=-1`, {
    code: 422,
    text: '{"message": "Invalid request."}',
  }),
  get('a log since a date that is none', 'admin', `${LOG}?sinceTime=constructor`, {
    code: 400,
    text: '{"message": "Unable to decode query."}',
  }),
  get('a log since two times at once', 'admin', `${LOG}?sinceTime=2026-01-01T00:00:00Z&sinceSeconds=1`, {
    code: 422,
    text: '{"message": "Invalid request."}',
  }),
  get('a log of a stream that is none', 'admin', `${LOG}?stream=constructor`, {
    code: 422,
    text: '{"message": "Invalid request."}',
  }),
  get('a log of so many bytes as no number', 'admin', `${LOG}?limitBytes=1e3`, { code: 400 }),
  get('a log of a billion lines', 'admin', `${LOG}?tailLines=999999999`, { code: 200, text: 'a line\n' }),
  get('a query of 10,000 parameters', 'admin', `${LOG}?${'a=b&'.repeat(10_000)}`, { code: 200, text: 'a line\n' }),
  get('a path of 100,000 slashes', 'admin', `/pods${'/'.repeat(100_000)}`, { code: 404 }),
  { name: 'a log by PUT', request: `PUT ${LOG}`, body: '', expect: { code: 405 } },
  { name: 'OPTIONS', request: 'OPTIONS /pods', expect: { code: 405 } },
] as const satisfies readonly HostileRequest[];

const AUTH = 'Host: x\r\nAuthorization: Bearer admin-token\r\n';
const bytes = (name: string, text: HostileBytes['bytes'], answer: RegExp = /^HTTP\/1\.1 400 /) =>
  ({ name, bytes: text, answer, closes: true }) as const;

const WIRE = [
  bytes('no HTTP at all', 'hello\r\n\r\n'),
  bytes(
    'two lengths that differ',
    `POST /run/team/web/main?cmd=id HTTP/1.1\r\n${AUTH}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
  ),
  bytes(
    'a length and chunks',
    `POST /run/team/web/main?cmd=id HTTP/1.1\r\n${AUTH}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ),
  bytes(
    'a request smuggled behind another',
    `GET /healthz HTTP/1.1\r\n${AUTH}Content-Length: 54\r\nConnection: close\r\n\r\nPOST /run/team/web/main?cmd=id HTTP/1.1\r\nHost: x\r\n\r\n..`,
    /^HTTP\/1\.1 200 (?![^]*HTTP\/1\.1)/,
  ),
  bytes(
    'a head of more than a mebibyte',
    () => `GET /pods HTTP/1.1\r\n${AUTH}X-A: ${'a'.repeat(1_100_000)}\r\n\r\n`,
    /^(HTTP\/1\.1 431 |$)/,
  ),
  bytes('no Host', 'GET /healthz HTTP/1.1\r\nAuthorization: Bearer admin-token\r\n\r\n'),
  bytes('a target that is an asterisk', `OPTIONS * HTTP/1.1\r\n${AUTH}Connection: close\r\n\r\n`, /^HTTP\/1\.1 4\d\d /),
  bytes(
    'CONNECT as if this were a proxy',
    `CONNECT 169.254.169.254:80 HTTP/1.1\r\n${AUTH}\r\n`,
    /^(HTTP\/1\.1 4\d\d |$)/,
  ),
  bytes(
    'an upgrade whose body is a request',
    `GET /exec/team/web/main?command=id HTTP/1.1\r\n${AUTH}Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nPOST /run/team/web/main?cmd=id HTTP/1.1\r\n${AUTH}\r\n`,
    /^HTTP\/1\.1 400 (?![^]*HTTP\/1\.1)/,
  ),
  { name: 'HTTP without TLS', over: 'none', bytes: 'GET /pods HTTP/1.1\r\n\r\n', answer: /^/, closes: true },
  {
    name: 'random bytes',
    over: 'none',
    bytes: Buffer.from('8f3ac1ffee00ffee00ffee', 'hex'),
    answer: /^/,
    closes: true,
  },
] as const satisfies readonly HostileBytes[];

export const NODE_API_ROWS: Readonly<Record<string, readonly (HostileRequest | HostileBytes)[]>> = {
  callers: CALLERS,
  commands: COMMANDS,
  paths: PATHS,
  bytes: WIRE,
};
