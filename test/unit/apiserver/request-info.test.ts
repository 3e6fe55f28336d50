import t from 'tap';
import { parseRequestInfo } from '../../../control-plane/apiserver/http/request-info.ts';
import type { RequestInfo } from '../../../control-plane/apiserver/http/request-info.ts';

const NS = '/api/v1/namespaces/x';

t.test('resource and verb are parsed from the path', async (t) => {
  const cases: readonly (readonly [method: string, target: string, is: Partial<RequestInfo>])[] = [
    ['GET', `${NS}/pods`, { verb: 'list', resource: 'pods', namespace: 'x', name: '' }],
    ['GET', `${NS}/pods/`, { verb: 'list', resource: 'pods', name: '' }],
    ['GET', `${NS}/pods/p`, { verb: 'get', name: 'p', subresource: '' }],
    ['GET', `${NS}/pods/p?watch=1`, { verb: 'get', name: 'p' }],
    ['GET', `${NS}/pods?watch=1`, { verb: 'watch' }],
    ['GET', `${NS}/pods?watch=0&watch=1`, { verb: 'list' }],
    ['GET', `${NS}/pods?watch=False`, { verb: 'list' }],
    ['GET', `${NS}/pods?watch`, { verb: 'watch' }],
    ['GET', `${NS}/pod%73/%70`, { verb: 'get', resource: 'pods', name: 'p' }],
    ['DELETE', `${NS}/pods`, { verb: 'deletecollection' }],
    ['GET', NS, { verb: 'get', resource: 'namespaces', namespace: 'x', name: 'x' }],
    ['PUT', `${NS}/finalize`, { verb: 'update', resource: 'namespaces', name: 'x', subresource: 'finalize' }],
    ['GET', '/apis/apps/v1/deployments', { verb: 'list', group: 'apps', version: 'v1', resource: 'deployments' }],
    ['GET', '/apis/apps/v1', { isResource: false, verb: 'get', path: '/apis/apps/v1' }],
    ['GET', '/apis//v1/pods', { isResource: false }],
    ['GET', '/%68ealthz', { isResource: false, path: '/healthz' }],
    ['GET', 'https://kubernetes.default/api/v1/nodes/n', { resource: 'nodes', name: 'n' }],
    ['OPTIONS', '*', { isResource: false, verb: 'options', path: '*' }],
    ['FOO', `${NS}/pods`, { verb: '', resource: 'pods', namespace: 'x' }],
    ['constructor', `${NS}/pods`, { verb: '' }],
    ['__proto__', '/healthz', { verb: '__proto__', isResource: false }],
  ];
  for (const [method, target, is] of cases) t.match(parseRequestInfo(method, target), is, `${method} ${target}`);
});

t.test('the deprecated watch/ paths refer to the same objects', async (t) => {
  t.match(parseRequestInfo('GET', '/api/v1/watch/namespaces/x/secrets/s'), {
    ...{ verb: 'watch', verbInPath: true, namespace: 'x', resource: 'secrets', name: 's', subresource: '' },
  });
  t.match(parseRequestInfo('GET', '/api/v1/watch/pods'), { verb: 'watch', namespace: '', resource: 'pods', name: '' });
  t.match(parseRequestInfo('GET', '/api/v1/proxy/nodes/n'), { verb: 'proxy', resource: 'nodes', name: 'n' });
});

t.test('a field selector for metadata.name sets the name', async (t) => {
  const named = (selector: string, verb = 'GET') =>
    parseRequestInfo(verb, `${NS}/secrets?fieldSelector=${encodeURIComponent(selector)}`).name;
  t.equal(named('metadata.name=s'), 's');
  t.equal(named('metadata.name==s,type=Opaque'), 's');
  t.equal(named('metadata.name!=s'), '');
  t.equal(named('xmetadata.name=s'), '');
  t.equal(named('type=Opaque\\,metadata.name=s'), '', 'an escaped comma is part of the value');
  t.equal(named('metadata.name=a\\,b'), 'a,b');
  t.equal(named('metadata.name=a/b'), '', 'invalid as a path segment');
  t.equal(named('metadata.name=..'), '');
  t.equal(named('metadata.name=s', 'DELETE'), '', 'deletecollection has no name, as upstream');
});

t.test('the rest after a subresource is kept as sent', async (t) => {
  const proxied = parseRequestInfo('GET', `${NS}/services/s/proxy/a%2Fb/%FF/?q`);
  t.match(proxied, { subresource: 'proxy', name: 's', written: `${NS}/services/s/proxy`, rest: '/a%2Fb/%FF/' });
  t.equal(parseRequestInfo('GET', `${NS}/services/s/proxy`).rest, '');
  t.equal(parseRequestInfo('GET', `${NS}/services/s/proxy/`).rest, '/');
});

t.test('invalid escapes and slashes within names are rejected', async (t) => {
  for (const target of [`${NS}/pods/%zz`, '/%', '/api/v1/pods/x%2Fp/exec', '/api/v1/namespaces/x%2fpods']) {
    t.throws(() => parseRequestInfo('GET', target), { code: 400, reason: 'BadRequest' }, target);
  }
});

t.test('too many query parameters are rejected before parsing', async (t) => {
  const command = Array.from({ length: 9_000 }, (_, index) => `command=${index}`).join('&');
  const { query } = parseRequestInfo('GET', `${NS}/pods/p/exec?${command}`);
  t.equal(query.getAll('command').length, 9_000, 'a long command is accepted');
  t.throws(() => parseRequestInfo('GET', `/api?${'a&'.repeat(10_000)}`), {
    message: /^more than 10000 query parameters$/,
  });
});
