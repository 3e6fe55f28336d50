/** Methods that HTTP, or that resource, does not have. */
import { forbidden, methodNotAllowed, noPage, type HostileRequest } from '../table.ts';

const PODS = '/api/v1/namespaces/team/pods';
const anonymousMay = (verb: string, namespace = '"team"'): string =>
  `pods is forbidden: User "system:anonymous" cannot ${verb} resource "pods" in API group "" in the namespace ${namespace}`;

export const METHODS = [
  {
    name: 'a method that every object has as a property, of nobody',
    as: 'anonymous',
    over: 'HTTP/2',
    request: `constructor ${PODS}`,
    expect: forbidden(anonymousMay('')),
  },
  {
    name: 'a method toString, of nobody',
    as: 'anonymous',
    over: 'HTTP/2',
    request: `toString ${PODS}`,
    expect: forbidden(anonymousMay('')),
  },
  {
    name: 'a method __proto__, of nobody',
    as: 'anonymous',
    over: 'HTTP/2',
    request: `__proto__ ${PODS}`,
    expect: forbidden(anonymousMay('')),
  },
  {
    name: 'a method hasOwnProperty on a path that is no resource, of nobody',
    as: 'anonymous',
    over: 'HTTP/2',
    request: 'hasOwnProperty /metrics',
    expect: forbidden('forbidden: User "system:anonymous" cannot hasownproperty path "/metrics"'),
  },
  {
    name: 'a method constructor, of an admin',
    over: 'HTTP/2',
    request: `constructor ${PODS}`,
    expect: methodNotAllowed,
  },
  {
    name: 'a method __proto__, of an admin',
    over: 'HTTP/2',
    request: `__proto__ ${PODS}/web`,
    expect: methodNotAllowed,
  },
  { name: 'a method valueOf, of an admin', over: 'HTTP/2', request: `valueOf ${PODS}`, expect: methodNotAllowed },
  { name: 'a method that nobody knows', over: 'HTTP/2', request: `FOO ${PODS}`, expect: methodNotAllowed },
  {
    name: 'a method that nobody knows is no get for whoever may only get',
    as: 'alice',
    over: 'HTTP/2',
    request: 'FOO /api/v1/namespaces/team/secrets/own',
    expect: forbidden(
      'secrets "own" is forbidden: User "alice" cannot  resource "secrets" in API group "" in the namespace "team"',
    ),
  },
  { name: 'OPTIONS is no list', request: `OPTIONS ${PODS}`, expect: methodNotAllowed },
  { name: 'TRACE is no list', request: `TRACE ${PODS}`, expect: methodNotAllowed },
  { name: 'PROPFIND is no list', request: `PROPFIND ${PODS}`, expect: methodNotAllowed },
  { name: 'LOCK is no get', request: `LOCK ${PODS}/web`, expect: methodNotAllowed },
  {
    name: 'a method in lower case is another method',
    over: 'HTTP/2',
    request: `get ${PODS}`,
    expect: methodNotAllowed,
  },
  { name: 'OPTIONS of an object', request: `OPTIONS ${PODS}/web`, expect: methodNotAllowed },
  { name: 'PUT of a collection', request: `PUT ${PODS}`, body: {}, expect: methodNotAllowed },
  { name: 'PATCH of a collection', request: `PATCH ${PODS}`, body: {}, expect: methodNotAllowed },
  { name: 'POST of an object', request: `POST ${PODS}/web`, body: {}, expect: methodNotAllowed },
  {
    name: "POST of an object in nobody's name is judged as what it is",
    as: 'anonymous',
    request: `POST ${PODS}/web`,
    body: {},
    expect: forbidden(
      'pods "web" is forbidden: User "system:anonymous" cannot create resource "pods" in API group "" in the namespace "team"',
    ),
  },
  {
    name: 'DELETE of all nodes by their status',
    request: 'DELETE /api/v1/nodes/node-a/status',
    expect: methodNotAllowed,
  },
  { name: 'POST of a status', request: `POST ${PODS}/web/status`, body: {}, expect: methodNotAllowed },
  { name: 'PUT of a binding', request: `PUT ${PODS}/web/binding`, body: {}, expect: methodNotAllowed },
  { name: 'GET of an eviction', request: `GET ${PODS}/web/eviction`, expect: methodNotAllowed },
  {
    name: 'DELETE of a scale',
    request: 'DELETE /apis/apps/v1/namespaces/team/deployments/web/scale',
    expect: methodNotAllowed,
  },
  {
    name: 'GET of a review',
    request: 'GET /apis/authorization.k8s.io/v1/subjectaccessreviews',
    expect: methodNotAllowed,
  },
  {
    name: 'DELETE of a token review',
    request: 'DELETE /apis/authentication.k8s.io/v1/tokenreviews',
    expect: methodNotAllowed,
  },
  {
    name: 'PATCH of all Services of all namespaces',
    request: 'PATCH /api/v1/services',
    body: {},
    expect: methodNotAllowed,
  },
  { name: 'PUT on a path that is no API', request: 'PUT /nothing', body: {}, expect: noPage },
  {
    name: 'FETCH, as if a page asked',
    over: 'HTTP/2',
    request: `FETCH ${PODS}`,
    expect: methodNotAllowed,
  },
] as const satisfies readonly HostileRequest[];
