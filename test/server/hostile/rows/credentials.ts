/** Headers that say who asks: credentials, and those of whom somebody acts for. */
import { badRequest, forbidden, unauthorized, type HostileRequest } from '../table.ts';

const LIST = 'GET /api/v1/namespaces/team/configmaps';
const GET = `${LIST}/settings`;
const LEGACY_ONLY = 'the impersonation of before v1.36, which one right allows, and not one for each verb';
const webSocketToken = (token: string): string =>
  `base64url.bearer.authorization.k8s.io.${Buffer.from(token).toString('base64url')}`;

/** Credentials of no kind that is known are none. */
const NOBODY = forbidden(
  'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" in API group "" in the namespace "team"',
);

export const CREDENTIALS = [
  { name: 'a token that nobody knows', as: 'stranger', request: LIST, expect: unauthorized },
  {
    name: 'a token that nobody knows, for a public path',
    as: 'stranger',
    request: 'GET /healthz',
    expect: unauthorized,
  },
  {
    name: 'no scheme before the token',
    as: 'anonymous',
    headers: { authorization: 'admin-token' },
    request: LIST,
    expect: NOBODY,
  },
  {
    name: 'an empty bearer token',
    as: 'anonymous',
    headers: { authorization: 'Bearer ' },
    request: LIST,
    expect: NOBODY,
  },
  {
    name: 'a bearer token with words behind it',
    as: 'anonymous',
    headers: { authorization: 'Bearer admin-token more' },
    request: LIST,
    expect: NOBODY,
    differs: 'a token holds no blanks, where upstream reads up to the first',
  },
  {
    name: 'a password',
    as: 'anonymous',
    headers: { authorization: `Basic ${Buffer.from('admin:admin-token').toString('base64')}` },
    request: LIST,
    expect: NOBODY,
  },
  {
    name: 'a token of 100,000 letters',
    as: 'anonymous',
    headers: { authorization: `Bearer ${'a'.repeat(100_000)}` },
    request: LIST,
    expect: unauthorized,
  },
  {
    name: 'a JWT of nothing',
    as: 'anonymous',
    headers: { authorization: 'Bearer ..' },
    request: LIST,
    expect: unauthorized,
  },
  {
    name: 'a JWT that is signed by nobody',
    as: 'anonymous',
    headers: {
      authorization: `Bearer ${[{ alg: 'none' }, { sub: 'system:serviceaccount:kube-system:default', iss: 'https://kubernetes.default.svc.cluster.local' }].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.`,
    },
    request: LIST,
    expect: unauthorized,
  },
  {
    name: 'a JWT whose head is null',
    as: 'anonymous',
    headers: {
      authorization: `Bearer ${Buffer.from('null').toString('base64url')}.${Buffer.from('null').toString('base64url')}.AAAA`,
    },
    request: LIST,
    expect: unauthorized,
  },
  {
    name: 'a JWT of deep JSON',
    as: 'anonymous',
    headers: { authorization: `Bearer ${Buffer.from('['.repeat(30_000)).toString('base64url')}.e30.AAAA` },
    request: LIST,
    expect: unauthorized,
  },
  {
    name: 'a bootstrap token whose secret is not there',
    as: 'anonymous',
    headers: { authorization: 'Bearer abcdef.0123456789abcdef' },
    request: LIST,
    expect: unauthorized,
  },
  {
    name: 'a bootstrap token called constructor',
    as: 'anonymous',
    headers: { authorization: 'Bearer constr.uctor00000000000' },
    request: LIST,
    expect: unauthorized,
  },
  {
    name: 'the token __proto__',
    as: 'anonymous',
    headers: { authorization: 'Bearer __proto__' },
    request: LIST,
    expect: unauthorized,
  },
  {
    name: 'a token of a WebSocket that nobody knows',
    as: 'anonymous',
    headers: { 'sec-websocket-protocol': `v5.channel.k8s.io, ${webSocketToken('nobody')}` },
    request: LIST,
    expect: unauthorized,
  },
  {
    name: 'a token of a WebSocket beside one in the header that is wrong',
    as: 'stranger',
    headers: { 'sec-websocket-protocol': webSocketToken('admin-token') },
    request: LIST,
    expect: unauthorized,
  },
  {
    name: 'a token of a WebSocket that is no base64',
    as: 'anonymous',
    headers: { 'sec-websocket-protocol': 'base64url.bearer.authorization.k8s.io.%%%' },
    request: LIST,
    expect: { code: 403 },
  },
  {
    name: 'the header of a front proxy that nobody set up',
    as: 'anonymous',
    headers: { 'x-remote-user': 'admin', 'x-remote-group': 'system:masters' },
    request: LIST,
    expect: { code: 403, reason: 'Forbidden' },
  },
] as const satisfies readonly HostileRequest[];

export const IMPERSONATION = [
  {
    name: 'somebody whom alice may not act for',
    as: 'alice',
    request: LIST,
    headers: { 'impersonate-user': 'admin' },
    expect: forbidden(
      'users "admin" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope',
    ),
    differs: LEGACY_ONLY,
  },
  {
    name: 'the group of the masters',
    as: 'alice',
    request: LIST,
    headers: { 'impersonate-user': 'alice', 'impersonate-group': 'system:masters' },
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'a service account',
    as: 'alice',
    request: LIST,
    headers: { 'impersonate-user': 'system:serviceaccount:team:default' },
    expect: forbidden(
      'serviceaccounts "default" is forbidden: User "alice" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "team"',
    ),
    differs: LEGACY_ONLY,
  },
  {
    name: 'nobody acts for an admin',
    as: 'anonymous',
    request: LIST,
    headers: { 'impersonate-user': 'admin' },
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'a group without a user',
    request: LIST,
    headers: { 'impersonate-group': 'system:masters' },
    expect: badRequest(/without impersonating a user/),
  },
  {
    name: 'a uid without a user',
    request: LIST,
    headers: { 'impersonate-uid': 'x' },
    expect: badRequest(/without impersonating a user/),
  },
  {
    name: 'an extra without a user',
    request: LIST,
    headers: { 'impersonate-extra-a': 'b' },
    expect: badRequest(/without impersonating a user/),
  },
  {
    name: 'an empty user',
    request: LIST,
    headers: { 'impersonate-user': '', 'impersonate-group': 'developers' },
    expect: badRequest(/without impersonating a user/),
  },
  {
    name: 'an empty user alone',
    request: GET,
    headers: { 'impersonate-user': '' },
    expect: badRequest(/without impersonating a user/),
    differs: 'a proxy that knows no name must not act in its own, as upstream lets it',
  },
  {
    name: 'an extra whose name is no escape',
    request: GET,
    headers: { 'impersonate-user': 'admin2', 'impersonate-group': 'system:masters', 'impersonate-extra-%zz': 'x' },
    expect: { code: 200 },
  },
  {
    name: 'an extra whose name is no UTF-8',
    request: GET,
    headers: { 'impersonate-user': 'admin2', 'impersonate-group': 'system:masters', 'impersonate-extra-%ff': 'x' },
    expect: { code: 200 },
  },
  {
    name: 'an extra called __proto__',
    request: GET,
    headers: {
      'impersonate-user': 'admin2',
      'impersonate-group': 'system:masters',
      'impersonate-extra-__proto__': 'x',
    },
    expect: { code: 200 },
  },
  {
    name: 'an extra called constructor, of the user who is asked for',
    request: 'POST /apis/authentication.k8s.io/v1/selfsubjectreviews',
    body: {},
    headers: { 'impersonate-user': 'joe', 'impersonate-extra-constructor': 'x' },
    expect: { code: 201, text: /"constructor":\["x"\]/ },
  },
  {
    name: 'an extra called __proto__ is told like any other',
    request: 'POST /apis/authentication.k8s.io/v1/selfsubjectreviews',
    body: {},
    headers: { 'impersonate-user': 'joe', 'impersonate-extra-__proto__': 'x' },
    expect: { code: 201, text: /"__proto__":\["x"\]/ },
  },
  {
    name: 'the user constructor has no rights of objects',
    request: LIST,
    headers: { 'impersonate-user': 'constructor' },
    expect: forbidden(
      'configmaps is forbidden: User "constructor" cannot list resource "configmaps" in API group "" in the namespace "team"',
    ),
  },
  {
    name: 'the group __proto__ has none, either',
    request: LIST,
    headers: { 'impersonate-user': 'joe', 'impersonate-group': ['__proto__', 'toString'] },
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'a thousand groups',
    request: LIST,
    headers: {
      'impersonate-user': 'joe',
      'impersonate-group': Array.from({ length: 1000 }, (_, index) => `g${index}`),
    },
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'two hundred groups over HTTP/2, as a proxy sends them',
    over: 'HTTP/2',
    request: LIST,
    headers: { 'impersonate-user': 'joe', 'impersonate-group': Array.from({ length: 200 }, (_, index) => `g${index}`) },
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'who is acted for, behind 5,000 other headers',
    request: LIST,
    headers: { 'x-a': Array.from({ length: 5_000 }, () => 'b'), 'impersonate-user': 'joe' },
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'a user whose name is markup',
    request: LIST,
    headers: { 'impersonate-user': '<b>' },
    expect: forbidden(
      'configmaps is forbidden: User "&lt;b&gt;" cannot list resource "configmaps" in API group "" in the namespace "team"',
    ),
  },
  {
    name: 'the masters are given up for good',
    request: LIST,
    headers: { 'impersonate-user': 'system:anonymous' },
    expect: forbidden(
      'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" in API group "" in the namespace "team"',
    ),
  },
] as const satisfies readonly HostileRequest[];
