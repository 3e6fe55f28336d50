import { once } from 'node:events';
import http2 from 'node:http2';
import tls from 'node:tls';
import t from 'tap';
import type { AdmittedConnect } from '../../../control-plane/apiserver/admission/pipeline.ts';
import type { Connector, Stream } from '../../../control-plane/apiserver/verbs/handlers.ts';
import type { Authorizer } from '../../../control-plane/apiserver/access/authorization/authorizer.ts';
import { heldUntilClosed } from '../../support/half-open-client.ts';
import { CONFIG_MAPS, configMap, TestServer, type Json } from './server.ts';

const ADMIN = 'Bearer admin/system:masters';

async function overHttp2(
  server: TestServer,
  headers: http2.OutgoingHttpHeaders,
): Promise<{ code: number; body: Json }> {
  const session = http2.connect(server.url(''), { ca: server.ca });
  try {
    const stream = session.request(headers, { endStream: true });
    const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & { ':status': number }];
    const text = Buffer.concat(await stream.toArray()).toString();
    return { code: answer[':status'], body: text.startsWith('{') ? (JSON.parse(text) as Json) : {} };
  } finally {
    session.destroy();
  }
}

/** Everything received until the server closes the connection. */
async function raw(server: TestServer, text: string): Promise<string> {
  const socket = tls.connect({ port: server.server.port, host: '127.0.0.1', ca: server.ca });
  socket.write(text);
  return Buffer.concat(await socket.toArray()).toString();
}

t.test('unsupported methods get a 405, and the server stays up', async (t) => {
  await using server = await TestServer.start();
  const notAllowed = { code: 405, body: { kind: 'Status', reason: 'MethodNotAllowed' } };
  for (const method of ['constructor', 'toString', '__proto__', 'valueOf', 'FOO', 'OPTIONS', 'TRACE', 'HEAD']) {
    const answer = await overHttp2(server, { ':method': method, ':path': CONFIG_MAPS, authorization: ADMIN });
    t.match(answer, method === 'HEAD' ? { code: 405 } : notAllowed, method);
    t.match(await overHttp2(server, { ':method': method, ':path': CONFIG_MAPS }), { code: 403 }, `anonymous ${method}`);
  }
  for (const path of ['/version', '/api', '/apis/apps', '/apis/apps/v1']) {
    t.match(await server.call('POST', path, { body: {} }), { status: 405, body: { reason: 'MethodNotAllowed' } }, path);
  }
  t.match(await overHttp2(server, { ':method': 'CONNECT', ':authority': 'a:1' }), notAllowed);
  t.match(
    await raw(server, 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'),
    /^HTTP\/1.1 405 [^]*"reason":"MethodNotAllowed"/,
  );
  t.match(await raw(server, 'constructor / HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1.1 400 /);
  t.equal((await server.call('GET', CONFIG_MAPS)).status, 200);
});

t.test('the served resource is the authorized one', async (t) => {
  const asked: string[] = [];
  const authorizer: Authorizer = {
    authorize: ({ groups }, { verb, namespace, resource, subresource, name }) => {
      asked.push(`${verb} ${namespace}/${resource}${subresource && `/${subresource}`}/${name}`);
      return { allowed: groups.includes('system:masters') || (namespace === 'default' && name === 'mine'), reason: '' };
    },
  };
  await using server = await TestServer.start({ authorizer });
  for (const name of ['mine', 'other']) await server.call('POST', CONFIG_MAPS, { body: configMap(name) });
  await server.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'elsewhere' } } });
  const as = (user: string) => (method: string, target: string) => server.call(method, target, { user });
  const [admin, jane] = [as('admin/system:masters'), as('jane')];

  const names = async (target: string): Promise<unknown[]> => {
    const { text } = await jane('GET', `${target}${target.includes('?') ? '&' : '?'}timeoutSeconds=1`);
    const lines = text.trim().split('\n');
    const objects = lines.map((line) => JSON.parse(line) as { object?: Json; items?: Json[] });
    return objects
      .flatMap(({ object, items = [] }) => (object ? [object] : items))
      .map(({ metadata }) => metadata?.name);
  };
  t.strictSame(await names('/api/v1/watch/namespaces/default/configmaps/mine'), ['mine']);
  for (const selector of [
    'metadata.name=mine',
    'metadata.name%3Dmine',
    'metadata.name==mine,metadata.namespace=default',
  ]) {
    t.strictSame(await names(`${CONFIG_MAPS}?fieldSelector=${selector}`), ['mine'], selector);
    t.strictSame(await names(`${CONFIG_MAPS}?watch=1&fieldSelector=${selector}`), ['mine'], selector);
  }
  for (const selector of ['metadata.name=mine,metadata.name!=mine', 'metadata.name=mine,metadata.name=other']) {
    t.strictSame(await names(`${CONFIG_MAPS}?fieldSelector=${selector}`), [], selector);
  }
  t.match(await jane('GET', '/api/v1/watch/namespaces/default/configmaps/mine?fieldSelector=metadata.name=other'), {
    status: 400,
    body: { message: "fieldSelector metadata.name doesn't match requested name" },
  });
  t.equal((await jane('DELETE', `${CONFIG_MAPS}?fieldSelector=metadata.name=mine`)).status, 403);
  t.equal((await jane('GET', '/api/v1/watch/namespaces/default/configmaps')).status, 403);

  // A namespace is not in another one, and cannot be reached by another name.
  t.equal((await admin('GET', '/api/v1/namespaces/default/namespaces/elsewhere')).status, 404);
  t.equal((await admin('DELETE', '/api/v1/namespaces/default/namespaces/elsewhere')).status, 404);
  t.equal((await admin('GET', '/api/v1/namespaces/default/namespaces')).status, 404);
  t.equal((await admin('GET', '/api/v1/namespaces/elsewhere')).status, 200);
});

t.test('paths without a route get a 404', async (t) => {
  await using server = await TestServer.start();
  const served: string[] = [];
  const stream: Stream = {
    methods: new Set(['GET']),
    takesPath: false,
    serve: async ({ response }) => {
      served.push('served');
      response.end();
    },
    upgrade: async (_request, { socket }) => {
      served.push('upgraded');
      socket.destroy();
    },
  };
  await using other = await TestServer.start({
    handlers: { streams: { 'pods/log': stream } },
  });
  await server.call('POST', CONFIG_MAPS, { body: configMap('m') });
  const cases: readonly (readonly [status: number, method: string, target: string])[] = [
    [404, 'GET', '/api/v1/proxy/namespaces/default/configmaps/m'],
    [405, 'POST', '/api/v1/watch/namespaces/default/configmaps'],
    [404, 'GET', `${CONFIG_MAPS}/m/nothing`],
    [404, 'GET', '/api/v1/namespaces/default/status/more'],
    [404, 'GET', '/apis//v1/configmaps'],
    [405, 'POST', `${CONFIG_MAPS}/m`],
    [405, 'DELETE', '/api/v1/configmaps'],
    [404, 'GET', '/api/v1/configmaps/m'],
    [400, 'GET', '/api/v1/configmaps/default%2Fm'],
    [400, 'GET', `${CONFIG_MAPS}/%zz`],
    [200, 'GET', `${CONFIG_MAPS}/%6d`],
    [404, 'GET', `${CONFIG_MAPS}/${'m'.repeat(5000)}`],
    [404, 'GET', `${CONFIG_MAPS}/m%00`],
    [200, 'GET', `/api/v1/namespaces/${'x'.repeat(3000)}/configmaps?resourceVersion=1&resourceVersionMatch=Exact`],
  ];
  for (const [status, method, target] of cases) {
    const body = method === 'POST' ? configMap('m') : undefined;
    t.equal((await server.call(method, target, { body })).status, status, `${method} ${target.slice(0, 80)}`);
  }
  for (const target of [
    '/api/v1/watch/namespaces/default/pods/p/log',
    '/api/v1/namespaces/default/pods/p/log/more',
    '/api/v1/pods/p/log',
  ]) {
    t.equal((await other.call('GET', target)).status, 404, target);
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
    t.equal((await other.call('GET', target, { headers: upgrade })).status, 404, `${target}, upgraded`);
  }
  t.match(await other.call('GET', '/api/v1/namespaces/default/pods//log'), {
    status: 400,
    body: { message: 'name must be provided' },
  });
  t.equal((await other.call('POST', '/api/v1/namespaces/default/pods/p/log', { body: {} })).status, 405);
  t.strictSame(served, []);
});

t.test('invalid headers are ignored or rejected', async (t) => {
  await using server = await TestServer.start();
  const call = (headers: Record<string, string>, target = CONFIG_MAPS) => server.call('GET', target, { headers });
  t.equal((await call({ connection: 'Upgrade', upgrade: 'websocket' })).status, 200);
  t.equal((await call({ connection: 'Upgrade', upgrade: 'h2c' })).status, 200);
  t.equal((await call({ 'impersonate-user': 'admin', 'impersonate-extra-%zz': 'a' })).status, 403);
  t.equal((await call({ 'impersonate-nobody': 'x' })).status, 200);
  t.match(await call({ 'impersonate-extra-%zz': 'a' }), { status: 400, body: { reason: 'BadRequest' } });
  t.equal((await call({ 'audit-id': 'mine' })).headers['audit-id'], 'mine');
  t.not((await call({ 'audit-id': 'm\xfc' })).headers['audit-id'], 'm\xfc');
  t.equal((await call({ accept: 'constructor/__proto__;as=toString' })).status, 406);
  t.equal((await call({}, `${CONFIG_MAPS}?constructor=1&__proto__=2`)).status, 200);
  const expecting = `GET /version HTTP/1.1\r\nHost: x\r\nAuthorization: ${ADMIN}\r\nConnection: close\r\n`;
  t.match(await raw(server, `${expecting}Expect: 100-continue\r\n\r\n`), /^HTTP\/1.1 100 [^]*HTTP\/1.1 200 /);
  t.match(await raw(server, `${expecting}Expect: magic\r\n\r\n`), /^HTTP\/1.1 417 /);
});

t.test('whatever a handler throws gets a response and affects no other request', async (t) => {
  const failing = <R>(serve: Connector<R>['serve']): Connector<R> => ({
    methods: new Set(['GET']),
    takesPath: false,
    serve,
    upgrade: () => {
      throw new TypeError('upgrade');
    },
  });
  const log: Stream = failing(() => {
    throw new TypeError('at once');
  });
  const connectors = {
    'pods/exec': failing<AdmittedConnect>(() => Promise.reject(new TypeError('later'))),
    'pods/proxy': failing<AdmittedConnect>(async ({ request: { response } }) => {
      response.end('all');
      // Emits an error on the response.
      (response as import('node:http').ServerResponse).write('more');
    }),
  };
  await using server = await TestServer.start({ handlers: { connectors, streams: { 'pods/log': log } } });
  const pod = '/api/v1/namespaces/default/pods/p';
  for (const subresource of ['log', 'exec']) {
    const target = `${pod}/${subresource}`;
    t.match(await server.call('GET', target), { status: 500, body: { kind: 'Status', reason: 'InternalError' } });
    t.match(await overHttp2(server, { ':path': target, authorization: ADMIN }), {
      code: 500,
      body: { kind: 'Status' },
    });
    const upgrade = `GET ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: ${ADMIN}\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n`;
    t.match(await raw(server, upgrade), /^HTTP\/1.1 500 [^]*"kind":"Status"/);
  }
  t.equal((await server.call('GET', `${pod}/proxy`)).text, 'all');
  await t.rejects(
    overHttp2(server, { ':path': `${pod}/proxy`, authorization: ADMIN }),
    'the partial response is cut off',
  );
  t.equal((await server.call('GET', CONFIG_MAPS)).status, 200);
});

t.test('a client whose upgrade or CONNECT is rejected cannot keep its connection', async (t) => {
  const never = async (): Promise<never> => {
    throw new Error('not requested');
  };
  const connector: Connector = { methods: new Set(['GET']), takesPath: false, serve: never, upgrade: never };
  await using server = await TestServer.start({ handlers: { connectors: { 'pods/exec': connector } } });
  const to = { port: server.server.port, ca: server.ca };
  const upgrade =
    '/api/v1/namespaces/default/pods/p/exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';
  const [refused, tunnel] = await Promise.all([
    heldUntilClosed(to, `GET ${upgrade}`),
    heldUntilClosed(to, 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'),
  ]);
  t.match(refused, /^HTTP\/1\.1 403 /);
  t.match(tunnel, /^HTTP\/1\.1 405 /);
});

t.test('clients cannot create new metric series', async (t) => {
  await using server = await TestServer.start();
  for (const target of ['/apis/mine/v1/things', '/api/v1/things/x/constructor', `${CONFIG_MAPS}?dryRun=mine`]) {
    await server.call('GET', target);
  }
  await overHttp2(server, { ':method': 'MINE', ':path': CONFIG_MAPS, authorization: ADMIN });
  const { text } = await server.call('GET', '/metrics');
  t.notMatch(text, /mine|things|constructor/i);
  t.match(text, /apiserver_request_total\{verb="other",[^}]*resource="configmaps"[^}]*code="405"\} 1/);
});
