/** Headers that say how to answer: negotiation, audit ids, upgrades of what cannot be upgraded. */
import { badRequest, forbidden, status, type HostileRequest } from '../table.ts';

const LIST = 'GET /api/v1/namespaces/team/configmaps';
const GET = `${LIST}/settings`;
const accept = (value: string) => ({ request: LIST, headers: { accept: value } });
const NOT_ACCEPTABLE = status(
  406,
  'NotAcceptable',
  /^only the following media types are accepted: application\/json, application\/yaml/,
);

export const NEGOTIATION = [
  { name: 'a type that nobody sends', ...accept('text/html'), expect: NOT_ACCEPTABLE },
  { name: 'a type called constructor', ...accept('constructor'), expect: NOT_ACCEPTABLE },
  {
    name: 'a table of a group that is none',
    ...accept('application/json;as=Table;g=constructor;v=v1'),
    expect: { code: 406, reason: 'NotAcceptable' },
  },
  {
    name: 'a table of a version that is none',
    ...accept('application/json;as=Table;g=meta.k8s.io;v=__proto__'),
    expect: { code: 406, reason: 'NotAcceptable' },
  },
  {
    name: 'a form that is none',
    ...accept('application/json;as=toString;g=meta.k8s.io;v=v1'),
    expect: { code: 406, reason: 'NotAcceptable' },
  },
  { name: 'ten thousand clauses', ...accept('a/b,'.repeat(10_000)), expect: NOT_ACCEPTABLE },
  {
    name: 'a clause of ten thousand parameters',
    ...accept(`application/json${';q=1'.repeat(10_000)}`),
    expect: { code: 200 },
  },
  {
    name: 'a table of what is no object',
    request: 'POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: { spec: { resourceAttributes: { verb: 'get' } } },
    headers: { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' },
    expect: { code: 406, reason: 'NotAcceptable' },
  },
  {
    name: 'a wild audit id is given back as it came',
    request: GET,
    headers: { 'audit-id': '"><script>' },
    expect: { code: 200, headers: { 'audit-id': '"><script>' } },
  },
  {
    name: 'an audit id of 10,000 letters',
    request: GET,
    headers: { 'audit-id': 'a'.repeat(10_000) },
    expect: { code: 200 },
  },
  {
    name: 'an Origin that no CORS rule lets in',
    request: GET,
    headers: { origin: 'https://evil.example' },
    expect: { code: 200, headers: { 'access-control-allow-origin': '' } },
  },
  {
    name: 'a method in a header is none',
    request: 'GET /api/v1/namespaces/team/configmaps/settings',
    as: 'alice',
    headers: { 'x-http-method-override': 'DELETE' },
    expect: { code: 200 },
  },
  {
    name: 'an upgrade of a list is a list',
    request: LIST,
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      'sec-websocket-version': '13',
    },
    expect: { code: 200, text: /"ConfigMapList"/ },
  },
  {
    name: 'an upgrade to SPDY of a list is a list',
    request: LIST,
    headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1' },
    expect: { code: 200, text: /"ConfigMapList"/ },
  },
  {
    name: 'an upgrade to HTTP/2 of a get is a get',
    request: GET,
    headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' },
    expect: { code: 200 },
  },
  {
    name: 'an upgrade to something called constructor',
    request: GET,
    headers: { connection: 'Upgrade', upgrade: 'constructor' },
    expect: { code: 200 },
  },
  {
    name: 'an upgrade of a path that is none',
    request: 'GET /nothing',
    headers: { connection: 'Upgrade', upgrade: 'websocket' },
    expect: { code: 404 },
  },
  {
    name: 'an upgrade of a create creates',
    request: 'POST /api/v1/namespaces/team/configmaps?dryRun=All',
    body: { metadata: { name: 'upgraded' } },
    headers: { connection: 'Upgrade', upgrade: 'websocket' },
    expect: { code: 201 },
  },
  {
    name: 'an upgrade without rights',
    as: 'anonymous',
    request: LIST,
    headers: { connection: 'Upgrade', upgrade: 'websocket' },
    expect: forbidden(
      'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" in API group "" in the namespace "team"',
    ),
  },
  {
    name: 'an exec that is no upgrade',
    request: 'POST /api/v1/namespaces/team/pods/web/exec?command=id',
    expect: { code: 400, reason: 'BadRequest' },
  },
  {
    name: 'an exec without the right to create',
    as: 'uma',
    request: 'GET /api/v1/namespaces/team/pods/web/exec?command=id',
    headers: { connection: 'Upgrade', upgrade: 'websocket' },
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'an exec of a pod that is not there',
    request: 'POST /api/v1/namespaces/team/pods/constructor/exec?command=id',
    headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1' },
    expect: status(404, 'NotFound', 'pods "constructor" not found'),
  },
  {
    name: 'an exec in a container that is not there',
    request: 'POST /api/v1/namespaces/team/pods/web/exec?command=id&container=constructor',
    headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1' },
    expect: badRequest('container constructor is not valid for pod web'),
  },
  {
    name: 'an exec in a pod without a node',
    request: 'POST /api/v1/namespaces/team/pods/unscheduled/exec?command=id',
    headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1' },
    expect: badRequest('pod unscheduled does not have a host assigned'),
  },
] as const satisfies readonly HostileRequest[];
