/** Paths, methods and headers. */
import { configMap } from '../server.ts';
import { A, CONFIG_MAPS, MERGE, query, type Row } from './row.ts';

export const ROUTES: readonly Row[] = [
  ['GET', '/api/v1/nothing', {}, 404, 'NotFound', /./],
  ['GET', '/api/v1/configmaps/a/b/c/d/e/f', {}, 404, 'NotFound', /./],
  ['GET', '/api/v1/namespaces/default/configmaps/a/status', {}, 404, 'NotFound', /./],
  ['GET', '/api/v1/namespaces/default/configmaps/constructor', {}, 404, 'NotFound', /"constructor" not found/],
  ['GET', `${CONFIG_MAPS}/${'a'.repeat(3000)}`, {}, 404, 'NotFound', /not found/],
  ['GET', '/api/v1/namespaces/default/configmaps/%2e%2e', {}, 404, 'NotFound', /./],
  ['GET', `${CONFIG_MAPS}/%E0%A4%A`, {}, 400, 'BadRequest', /./],
  ['POST', A, { body: configMap('a') }, 405, 'MethodNotAllowed', /does not allow this method/],
  ['PUT', CONFIG_MAPS, { body: configMap('a') }, 405, 'MethodNotAllowed', /./],
  ['PATCH', CONFIG_MAPS, { body: {}, type: MERGE }, 405, 'MethodNotAllowed', /./],
  ['DELETE', '/api/v1/configmaps', {}, 405, 'MethodNotAllowed', /./],
  ['PUT', '/version', { body: {} }, 405, 'MethodNotAllowed', /./],
  [
    'GET',
    CONFIG_MAPS,
    { headers: { accept: 'text/html' } },
    406,
    'NotAcceptable',
    /only the following media types are accepted/,
  ],
  [
    'GET',
    CONFIG_MAPS,
    { headers: { accept: 'application/json;as=Nothing;v=v1;g=meta.k8s.io' } },
    406,
    'NotAcceptable',
    /./,
  ],
  [
    'GET',
    CONFIG_MAPS,
    { headers: { accept: 'application/json;as=Table;v=v9;g=meta.k8s.io' } },
    406,
    'NotAcceptable',
    /./,
  ],
  [
    'GET',
    CONFIG_MAPS,
    { headers: { 'impersonate-group': 'x' } },
    400,
    'BadRequest',
    /requested .* without impersonating a user/,
  ],
  [
    'GET',
    query(CONFIG_MAPS, { includeObject: 'All' }),
    { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } },
    400,
    'BadRequest',
    /unrecognized includeObject value: "All"/,
  ],
];
