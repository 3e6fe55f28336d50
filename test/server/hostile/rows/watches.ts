/** Watches, by the new paths and the old, that would show more than was authorized. */
import { badRequest, forbidden, methodNotAllowed, noSuchPath, type HostileRequest } from '../table.ts';

const TEAM = '/api/v1/namespaces/team';

const WATCH_HIDDEN =
  'secrets "hidden" is forbidden: User "alice" cannot watch resource "secrets" in API group "" in the namespace "team"';
const ONE_SECOND = 'timeoutSeconds=1';

export const WATCHES = [
  {
    name: 'the old path of a watch of one object shows that object',
    as: 'alice',
    request: `GET /api/v1/watch/namespaces/team/secrets/own?${ONE_SECOND}`,
    expect: { code: 200, text: /^(?![^]*"hidden")[^]*"name":"own"/ },
  },
  {
    name: 'the old path of a watch of a hidden object',
    as: 'alice',
    request: `GET /api/v1/watch/namespaces/team/secrets/hidden?${ONE_SECOND}`,
    expect: forbidden(WATCH_HIDDEN),
  },
  {
    name: 'the old path of a watch of one object, with a selector of another',
    as: 'alice',
    request: `GET /api/v1/watch/namespaces/team/secrets/own?${ONE_SECOND}&fieldSelector=metadata.name%3Dhidden`,
    expect: badRequest("fieldSelector metadata.name doesn't match requested name"),
  },
  {
    name: 'the old path of a watch of all',
    as: 'alice',
    request: `GET /api/v1/watch/namespaces/team/secrets?${ONE_SECOND}`,
    expect: forbidden(
      'secrets is forbidden: User "alice" cannot watch resource "secrets" in API group "" in the namespace "team"',
    ),
  },
  {
    name: 'the old path of a watch of all, as if for one name',
    as: 'alice',
    request: `GET /api/v1/watch/namespaces/team/secrets?${ONE_SECOND}&fieldSelector=metadata.name%3Down`,
    expect: { code: 200, text: /^(?![^]*"hidden")[^]*"name":"own"/ },
    differs: 'a name in the selector counts on the old paths, too: it is what is authorized and what is shown',
  },
  {
    name: 'a watch of one name is a watch of that one',
    as: 'alice',
    request: `GET ${TEAM}/secrets?watch=1&${ONE_SECOND}&fieldSelector=metadata.name%3Down`,
    expect: { code: 200, text: /^(?![^]*"hidden")[^]*"name":"own"/ },
  },
  {
    name: 'a watch in the path of an object is a get of it',
    as: 'alice',
    request: `GET ${TEAM}/secrets/own?watch=1`,
    expect: { code: 200, text: /^\{"kind":"Secret"/ },
  },
  {
    name: 'a watch of an object that may not be got',
    as: 'alice',
    request: `GET ${TEAM}/secrets/hidden?watch=1`,
    expect: { code: 403, reason: 'Forbidden' },
  },
  {
    name: 'a watch by two words at once',
    as: 'alice',
    request: `GET ${TEAM}/secrets?watch=false&watch=true`,
    expect: { code: 403, reason: 'Forbidden' },
  },
  { name: 'a watch by POST of the old path', request: 'POST /api/v1/watch/pods', body: {}, expect: methodNotAllowed },
  {
    name: 'a deletion by the old path of watches',
    request: 'DELETE /api/v1/watch/namespaces/team/configmaps/settings',
    expect: methodNotAllowed,
  },
  { name: 'the old path of a watch without a resource', request: 'GET /api/v1/watch', expect: { code: 404 } },
  { name: 'the old path of a proxy', request: 'GET /api/v1/proxy/namespaces/team/services/web', expect: noSuchPath },
  {
    name: 'a watch of a resource constructor',
    request: `GET /api/v1/watch/constructor?${ONE_SECOND}`,
    expect: noSuchPath,
  },
  {
    name: 'a watch from a version that is no number',
    request: `GET ${TEAM}/configmaps?watch=1&resourceVersion=constructor`,
    expect: badRequest(/resourceVersion/),
  },
  {
    name: 'a watch from before everything',
    request: `GET ${TEAM}/configmaps?watch=1&${ONE_SECOND}&resourceVersion=1`,
    expect: { code: 200 },
  },
  {
    name: 'a watch in a form that is none',
    request: `GET ${TEAM}/configmaps?watch=1&${ONE_SECOND}`,
    headers: { accept: 'text/html' },
    expect: { code: 406, reason: 'NotAcceptable' },
  },
  {
    name: 'a watch with initial events and without their version',
    request: `GET ${TEAM}/configmaps?watch=1&sendInitialEvents=true&allowWatchBookmarks=true`,
    expect: { code: 422, reason: 'Invalid' },
  },
] as const satisfies readonly HostileRequest[];
