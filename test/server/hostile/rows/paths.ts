/** Paths that are spelled so that one part of a server may read them as another does. */
import { badRequest, forbidden, noPage, noSuchPath, notFound, type HostileRequest } from '../table.ts';

const TEAM = '/api/v1/namespaces/team';
const KEEPS_NAMES_WHOLE =
  'an escaped slash belongs to a name and never separates, where upstream decodes the path first';
const hidden = (verb: string, what: string): string =>
  `${what} is forbidden: User "alice" cannot ${verb} resource "secrets" in API group "" in the namespace "team"`;

export const PATHS = [
  { name: 'an escape that is none', request: `GET ${TEAM}/pods/%zz`, expect: { code: 400 } },
  { name: 'half an escape', request: `GET ${TEAM}/pods/a%2`, expect: { code: 400 } },
  { name: 'an escape that is no UTF-8', request: `GET ${TEAM}/configmaps/%ff%fe`, expect: notFound() },
  { name: 'a lone surrogate, escaped', request: `GET ${TEAM}/configmaps/%ed%a0%80`, expect: notFound() },
  {
    name: 'an overlong encoding of a slash',
    request: `GET ${TEAM}/configmaps/..%c0%af..%c0%af`,
    expect: notFound(),
  },
  { name: 'an escape that is none, of nobody', as: 'anonymous', request: 'GET /api/v1/%zz', expect: { code: 400 } },
  {
    name: 'an escape that is none below the health checks',
    as: 'anonymous',
    request: 'GET /healthz/%zz',
    expect: { code: 400 },
  },
  {
    name: 'an escaped letter is that letter: a secret that alice may read',
    as: 'alice',
    request: `GET ${TEAM}/%73ecrets/own`,
    expect: { code: 200 },
  },
  {
    name: 'an escaped letter is that letter: a secret that alice may not read',
    as: 'alice',
    request: `GET ${TEAM}/%73ecrets/%68idden`,
    expect: forbidden(hidden('get', 'secrets "hidden"')),
  },
  {
    name: 'a namespace behind an escaped slash',
    as: 'alice',
    request: 'GET /api/v1/namespaces/team%2f..%2fother/secrets',
    expect: badRequest('the path segment "team/../other" must not contain a slash'),
    differs: KEEPS_NAMES_WHOLE,
  },
  {
    name: 'a name that climbs into another namespace',
    as: 'alice',
    request: `GET ${TEAM}/configmaps/..%2f..%2fother%2fconfigmaps%2ftheirs`,
    expect: badRequest('the path segment "../../other/configmaps/theirs" must not contain a slash'),
    differs: KEEPS_NAMES_WHOLE,
  },
  {
    name: 'a name of two dots',
    request: `GET ${TEAM}/configmaps/..`,
    expect: badRequest(`Name parameter invalid: "..": may not be '..'`),
  },
  {
    name: 'a name of one dot, escaped',
    request: `GET ${TEAM}/configmaps/%2e`,
    expect: badRequest(`Name parameter invalid: ".": may not be '.'`),
  },
  {
    name: 'a name with a percent sign',
    request: `GET ${TEAM}/configmaps/a%25b`,
    expect: badRequest(`Name parameter invalid: "a%b": may not contain '%'`),
  },
  {
    name: 'a name with a NUL byte',
    request: `GET ${TEAM}/configmaps/a%00b`,
    expect: notFound(),
  },
  { name: 'dots that climb out of a namespace', request: `GET ${TEAM}/../other/secrets`, expect: noSuchPath },
  { name: 'dots that climb out of a pod', request: `GET ${TEAM}/pods/web/../../secrets`, expect: noSuchPath },
  { name: 'a path that begins with two slashes', request: 'GET //api/v1/pods', expect: noPage },
  { name: 'an empty resource', request: 'GET /api/v1//pods', expect: noSuchPath },
  {
    name: 'an empty namespace is all of them',
    as: 'alice',
    request: 'GET /api/v1/namespaces//configmaps',
    expect: forbidden(
      'configmaps is forbidden: User "alice" cannot list resource "configmaps" in API group "" at the cluster scope',
    ),
  },
  {
    name: 'an empty name before a subresource',
    request: `GET ${TEAM}/pods//log`,
    expect: badRequest('name must be provided'),
  },
  { name: 'a slash at the end changes nothing', request: `GET ${TEAM}/configmaps/settings/`, expect: { code: 200 } },
  { name: 'a semicolon is part of a name', request: `GET ${TEAM}/configmaps;x=1`, expect: noSuchPath },
  { name: 'a resource in capitals', request: `GET ${TEAM}/ConfigMaps`, expect: noSuchPath },
  { name: 'a version that there is not', request: 'GET /api/v2/pods', expect: noPage },
  { name: 'a group that is the property of an object', request: 'GET /apis/constructor/v1/pods', expect: noPage },
  {
    name: 'a version that is the property of an object',
    request: 'GET /apis/apps/__proto__/deployments',
    expect: noPage,
  },
  { name: 'a resource constructor', request: `GET ${TEAM}/constructor`, expect: noSuchPath },
  { name: 'a resource __proto__', request: `GET ${TEAM}/__proto__`, expect: noSuchPath },
  { name: 'a resource toString with a name', request: `GET ${TEAM}/toString/valueOf`, expect: noSuchPath },
  { name: 'a subresource constructor', request: `GET ${TEAM}/pods/web/constructor`, expect: noSuchPath },
  { name: 'a subresource __proto__', request: `PUT ${TEAM}/pods/web/__proto__`, body: {}, expect: noSuchPath },
  {
    name: 'a namespace constructor',
    request: 'GET /api/v1/namespaces/constructor',
    expect: notFound('namespaces "constructor" not found'),
  },
  {
    name: 'a name __proto__',
    request: `GET ${TEAM}/configmaps/__proto__`,
    expect: notFound('configmaps "__proto__" not found'),
  },
  {
    name: 'a name hasOwnProperty of a kind of the cluster',
    request: 'GET /api/v1/nodes/hasOwnProperty',
    expect: notFound('nodes "hasOwnProperty" not found'),
  },
  { name: 'a document of OpenAPI called constructor', request: 'GET /openapi/v3/apis/constructor/v1', expect: noPage },
  { name: 'a health check called constructor', request: 'GET /healthz/constructor', expect: noPage },
  {
    name: 'a public document called __proto__',
    as: 'anonymous',
    request: 'GET /__proto__',
    expect: forbidden('forbidden: User "system:anonymous" cannot get path "/__proto__"'),
  },
  { name: 'a resource of the cluster inside of a namespace', request: `GET ${TEAM}/nodes/node-a`, expect: noSuchPath },
  { name: 'an object of a namespace outside of all', request: 'GET /api/v1/pods/web', expect: noSuchPath },
  {
    name: 'markup in a path comes back escaped',
    as: 'alice',
    request: 'GET /%3Cscript%3E',
    expect: forbidden('forbidden: User "alice" cannot get path "/&lt;script&gt;"'),
  },
  {
    name: 'markup in a name comes back escaped',
    as: 'alice',
    request: 'GET /api/v1/nodes/a%3Cb%26c',
    expect: forbidden(
      'nodes "a<b&c" is forbidden: User "alice" cannot get resource "nodes" in API group "" at the cluster scope',
    ),
  },
  { name: 'a path of 100,000 slashes', request: `GET /api/v1${'/'.repeat(100_000)}pods`, expect: { code: 404 } },
  {
    name: 'a name of 100,000 letters',
    request: `GET ${TEAM}/configmaps/${'a'.repeat(100_000)}`,
    expect: { code: 404, reason: 'NotFound' },
  },
] as const satisfies readonly HostileRequest[];
