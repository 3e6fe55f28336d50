import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http2 from 'node:http2';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import t from 'tap';
import type { Connector } from '../../../control-plane/apiserver/verbs/handlers.ts';
import type { AdmissionPlugin } from '../../../control-plane/apiserver/admission/plugin.ts';
import { openPki } from '../../../control-plane/pki/cluster-pki.ts';
import { CONFIG_MAPS, configMap, pod, PODS, TestServer } from './server.ts';

t.test("403 and 401 responses have upstream's messages", async (t) => {
  await using server = await TestServer.start({
    authorizer: {
      authorize: ({ name, groups }, { verb, resource, path }) => ({
        allowed: groups.includes('system:masters') || (name === 'jane' && verb === 'get') || path === '/version',
        reason: resource === 'secrets' ? 'because' : '',
      }),
    },
  });
  const as = async (user: string, method: string, path: string, headers?: Record<string, string>) =>
    (await server.call(method, path, { user, headers })).body;
  t.match(await as('jane', 'GET', '/api/v1/namespaces/y/pods'), {
    code: 403,
    reason: 'Forbidden',
    message: 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "y"',
    details: { kind: 'pods' },
  });
  t.match(await as('jane', 'DELETE', '/apis/apps/v1/namespaces/y/deployments/d/scale'), {
    message:
      'deployments.apps "d" is forbidden: User "jane" cannot delete resource "deployments/scale" in API group "apps" in the namespace "y"',
  });
  t.match(await as('jane', 'POST', '/api/v1/namespaces/y/secrets'), { message: /in the namespace "y": because$/ });
  t.match(await as('joe', 'GET', '/metrics'), { message: 'forbidden: User "joe" cannot get path "/metrics"' });
  t.equal((await server.call('GET', '/version', { headers: { authorization: '' } })).status, 200);
  t.match(await as('admin/system:masters', 'GET', '/api/v1/nodes/n', { 'impersonate-user': 'jane' }), { code: 404 });
  t.match(await as('admin/system:masters', 'GET', '/api/v1/nodes', { 'impersonate-user': 'jane' }), {
    code: 403,
    message: /User "jane" cannot list resource "nodes" in API group "" at the cluster scope/,
  });
  t.match(await as('jane', 'GET', '/api/v1/nodes/n', { 'impersonate-user': 'joe' }), {
    code: 403,
    message: /^users "joe" is forbidden: User "jane" cannot impersonate resource "users"/,
  });
});

t.test('impersonation of users and groups; group names may contain commas', async (t) => {
  await using server = await TestServer.start({
    authorizer: { authorize: (_, { resource }) => ({ allowed: resource !== 'groups', reason: '' }) },
  });
  const as = async (headers: Record<string, string>) => (await server.call('GET', '/api/v1/nodes', { headers })).body;
  t.match(await as({ 'Impersonate-User': 'jane', 'Impersonate-Group': 'CN=dev,OU=web' }), {
    code: 403,
    message: /^groups "CN=dev,OU=web" is forbidden: User "admin" cannot impersonate resource "groups"/,
  });
  t.match(await as({ 'Impersonate-Extra-Scope': 'a' }), { code: 400, message: /without impersonating a user$/ });
  t.match(await as({ 'Impersonate-User': 'jane', 'Impersonate-Extra-Scope': 'a' }), { kind: 'NodeList' });
});

t.test('several impersonated groups have one header each, over HTTP/1.1 and HTTP/2', async (t) => {
  const acted: (readonly string[])[] = [];
  await using server = await TestServer.start({
    authorizer: {
      authorize: ({ name, groups }) => {
        if (name === 'jane') acted.push(groups);
        return { allowed: true, reason: '' };
      },
    },
  });
  const headers = { 'impersonate-user': 'jane', 'impersonate-group': ['one', ',,,two, three'] };
  await server.call('GET', PODS, { headers });
  const session = server.http2();
  const stream = session.request({ ':path': PODS, authorization: 'Bearer admin/system:masters', ...headers });
  await once(stream, 'response');
  const groups = ['one', ',,,two, three', 'system:authenticated'];
  t.strictSame(acted, [groups, groups]);
});

t.test('client certificates of other CAs are rejected', async (t) => {
  await using server = await TestServer.start();
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-other-ca-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const stranger = await openPki({ directory, serverNames: ['localhost'] });
  const status = (cert: string, key: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      https
        .get(server.url('/version'), { ca: server.ca, cert, key, agent: false }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
        .on('error', reject);
    });
  t.equal(await status(stranger.admin.certificate, stranger.admin.key), 401);
  const own = await openPki({ directory: path.join(server.directory, 'pki'), serverNames: ['127.0.0.1', 'localhost'] });
  t.equal(await status(own.admin.certificate, own.admin.key), 403, 'authenticated, but not authorized');
});

t.test('the timeout parameter of a request', async (t) => {
  const never: AdmissionPlugin = { name: 'never', mutate: () => new Promise(() => undefined) };
  await using server = await TestServer.start({ admission: [never] });
  const late = await server.call('POST', `${CONFIG_MAPS}?timeout=20ms`, { body: configMap('m') });
  t.match(late.body, { code: 504, message: 'Timeout: request did not complete within the allotted timeout' });
  for (const timeout of ['0s', '3m']) t.equal((await server.call('GET', `/version?timeout=${timeout}`)).status, 200);
  t.match((await server.call('GET', '/version?timeout=invalid')).body, {
    code: 400,
    message: 'invalid timeout specified in the request URL - time: invalid duration "invalid"',
  });
});

t.test('HTTP/2 serves many requests over one connection', async (t) => {
  await using server = await TestServer.start();
  const session = server.http2();
  const call = async (method: string, path: string, body?: object): Promise<[number, string]> => {
    const headers = { ':method': method, ':path': path, authorization: 'Bearer admin/system:masters' };
    const stream = session.request(body ? { ...headers, 'content-type': 'application/json' } : headers);
    stream.end(body ? JSON.stringify(body) : undefined);
    const [response] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & { ':status': number }];
    let text = '';
    for await (const chunk of stream.setEncoding('utf8')) text += String(chunk);
    return [response[':status'], text];
  };
  const created = await Promise.all(
    Array.from({ length: 30 }, (_, index) => call('POST', CONFIG_MAPS, configMap(`m${index}`))),
  );
  t.ok(created.every(([status]) => status === 201));
  const [, list] = await call('GET', CONFIG_MAPS);
  t.equal((JSON.parse(list) as { items: unknown[] }).items.length, 30);
});

t.test('an upgrade reaches its connector after authentication and authorization', async (t) => {
  const connector: Connector = {
    methods: new Set(['POST']),
    takesPath: false,
    serve: async () => undefined,
    upgrade: async ({ request: { info, user } }, upgrade) => {
      const { socket } = upgrade;
      upgrade.take();
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n');
      socket.end(`${user.name} ${info.verb} ${info.resource}/${info.subresource} ${info.name}`);
    },
  };
  await using server = await TestServer.start({ handlers: { connectors: { 'pods/exec': connector } } });
  const upgrade = async (user: string, path: string) => {
    const socket = tls.connect({ port: server.server.port, host: '127.0.0.1', ca: server.ca });
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user}\r\nConnection: Upgrade, close\r\nUpgrade: SPDY/3.1\r\n\r\n`,
    );
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return text;
  };
  t.match(
    await upgrade('admin/system:masters', `${PODS}/p/exec?command=ls`),
    /101 Switching[^]*admin create pods\/exec p/,
  );
  t.match(await upgrade('jane', `${PODS}/p/exec`), /^HTTP\/1.1 403 [^]*cannot create resource \\"pods\/exec\\"/);
  t.match(await upgrade('admin/system:masters', `${PODS}/p/nope`), /^HTTP\/1.1 404 /);
});

t.test('graceful shutdown: not ready, watches end, requests in flight complete', async (t) => {
  const entered = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await using server = await TestServer.start({
    admission: [
      {
        name: 'Slow',
        validate: async () => {
          entered.resolve();
          await release.promise;
        },
      },
    ],
  });
  t.equal((await server.call('GET', '/readyz')).status, 500, 'not ready before the cluster is bootstrapped');
  server.server.setReady();
  t.equal((await server.call('GET', '/readyz')).text, 'ok');
  t.match(
    (await server.call('GET', '/readyz?verbose')).text,
    /\[\+\]etcd ok\n[^]*\[\+\]etcd-readiness ok\n[^]*readyz check passed/,
  );
  const watch = server.watch('/api/v1/pods?watch=1');
  const ended = watch.next();
  const creating = server.call('POST', PODS, { body: pod('p') });
  await entered.promise;
  const closing = server.server.close();
  t.ok((await ended).done, 'the watch ends');
  release.resolve();
  t.equal((await creating).status, 201);
  await closing;
});

t.test('request metrics', async (t) => {
  await using server = await TestServer.start();
  await server.call('POST', CONFIG_MAPS, { body: configMap('a') });
  await server.call('GET', `${CONFIG_MAPS}/b`);
  await server.call('GET', `${CONFIG_MAPS}?watch=1&resourceVersion=0&timeoutSeconds=1`);
  const { text } = await server.call('GET', '/metrics');
  t.match(text, /apiserver_request_total\{verb="POST",[^}]*resource="configmaps"[^}]*code="201"\} 1/);
  t.match(text, /apiserver_request_total\{verb="GET",[^}]*resource="configmaps"[^}]*code="404"\} 1/);
  t.match(text, /apiserver_storage_objects\{resource="configmaps"\} 1/);
  t.match(text, /apiserver_current_inflight_requests\{request_kind="readOnly"\} [01]\n/);
  t.match(text, /apiserver_watch_events_total\{group="",version="v1",resource="configmaps"\} 1\n/);
  t.match(text, /process_resident_memory_bytes \d+/);
});
