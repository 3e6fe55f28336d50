/** Gateways with TLS, gRPC, HTTP/2 without TLS and timeouts, as the real proxy does them. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import tls from 'node:tls';
import t from 'tap';
import { run } from '../../../agent/host/run.ts';
import {
  http as listener,
  GatewayWorld,
  https,
  prefix,
  routeTold,
  selfSignedSecret,
  to,
} from '../../support/gateway-world.ts';
import { pathTo, rule } from '../../support/ingress-world.ts';
import { enterNamespace } from '../network/pod-namespaces.ts';
import { ask, HTTP_PORT, HTTPS_PORT, makeAddresses, NODE, RunningProxy, seen, startBackend } from './running-proxy.ts';

enterNamespace();
t.setTimeout(60_000);

const [PLAIN, H2C, SLOW, COPIES] = ['10.99.0.2', '10.99.0.3', '10.99.0.4', '10.99.0.5'] as const;
const PORT = 8_080;
const TLS_PORT = 9_443;
await makeAddresses(5);
await startBackend(t, PLAIN);

const grpc = http2.createServer();
grpc.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
  stream.resume();
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'x-path': headers[':path'] ?? '' }));
  stream.end('answer');
});
grpc.listen(PORT, H2C);
await once(grpc, 'listening');
/** Answers after the time that the query says, in milliseconds. */
const slow = http.createServer((request, response) => {
  const timer = setTimeout(
    () => response.end('late'),
    Number(new URL(request.url ?? '', 'http://x').searchParams.get('ms')),
  );
  response.once('close', () => clearTimeout(timer));
});
slow.listen(PORT, SLOW);
await once(slow, 'listening');
/** Copies of requests that have come, which are never answered. */
const copies: string[] = [];
const copied = http.createServer((request) => {
  let body = '';
  request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
  request.once('end', () => {
    copies.push(`${request.method} ${request.url} ${String(request.headers['x-added'])} ${body}`);
    copied.emit('copy');
  });
});
copied.listen(PORT, COPIES);
await once(copied, 'listening');
t.teardown(() => {
  copied.closeAllConnections();
  copied.close();
  grpc.close();
  slow.closeAllConnections();
  slow.close();
});
const proxy = await RunningProxy.start(t);

async function shown(servername: string, port = HTTPS_PORT): Promise<string> {
  const socket = tls.connect({ host: NODE, port, servername, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

function services(): GatewayWorld {
  const world = new GatewayWorld();
  for (const [name, address] of Object.entries({ plain: PLAIN, grpc: H2C, slow: SLOW, copies: COPIES }))
    world.addService(name, [address]);
  return world;
}

/** The headers and trailers of one gRPC call by HTTP/2. */
async function call(authority: string, path: string, headers: Record<string, string> = {}) {
  const session = http2.connect(`http://${NODE}:${HTTP_PORT}`);
  try {
    const stream = session.request({
      ...{
        ':method': 'POST',
        ':path': path,
        ':authority': authority,
        'content-type': 'application/grpc',
        te: 'trailers',
      },
      ...headers,
    });
    let trailers: http2.IncomingHttpHeaders = {};
    stream.on('trailers', (each: http2.IncomingHttpHeaders) => (trailers = each));
    const closed = once(stream, 'close');
    stream.resume().end('ask');
    const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    await closed;
    return { ...answer, ...trailers };
  } finally {
    session.destroy();
  }
}

t.test('certificates are those of the listeners, by their hostnames and ports', async (t) => {
  const world = services();
  const [one, wild, any, other] = await Promise.all([
    selfSignedSecret(),
    selfSignedSecret(),
    selfSignedSecret(),
    selfSignedSecret(),
  ]);
  for (const [name, each] of Object.entries({ one, wild, any, other }))
    world.secrets.set(`default/${name}`, each.secret);
  world.addGateway('gw', [
    https('one', 'one', 'one.example'),
    https('wild', 'wild', '*.example'),
    https('any', 'any'),
    https('other', 'other', 'one.example', { port: TLS_PORT }),
    https('broken', 'nothing', 'broken.example'),
  ]);
  world.addRoute('route', { rules: [{ backendRefs: [to('plain')] }] });
  const compiled = await proxy.applyGateways(world, [TLS_PORT]);
  t.equal(compiled.refused.size, 0);
  t.equal(await shown('one.example'), one.fingerprint);
  t.equal(await shown('two.example'), wild.fingerprint);
  t.equal(await shown('somebody.else'), any.fingerprint);
  t.equal(await shown('one.example', TLS_PORT), other.fingerprint);
  t.strictSame(
    compiled.reports.gateways.get('default/gw')?.listeners.map(({ name, attachedRoutes }) => [name, attachedRoutes]),
    [
      ['one', 1],
      ['wild', 1],
      ['any', 1],
      ['other', 1],
      ['broken', 1],
    ],
  );

  const renewed = await selfSignedSecret();
  world.secrets.set('default/one', renewed.secret);
  t.equal((await proxy.applyGateways(world, [TLS_PORT])).effect, 'told', 'a renewed certificate needs no new worker');
  t.equal(await shown('one.example'), renewed.fingerprint);
});

t.test('GRPCRoute: methods and headers lead to backends by HTTP/2, with trailers', async (t) => {
  const world = services();
  world.addGateway('gw', [listener('http')]);
  world.addGrpcRoute('calls', {
    hostnames: ['grpc.example'],
    rules: [
      { matches: [{ method: { service: 'shop.Cart', method: 'Add' } }], backendRefs: [to('grpc')] },
      { matches: [{ method: { service: 'shop.Gone' } }], backendRefs: [to('nobody')] },
      { matches: [{ headers: [{ name: 'tenant', value: 'blue' }] }], backendRefs: [to('grpc')] },
      { matches: [{ method: { method: 'Anywhere' } }], backendRefs: [to('grpc')] },
    ],
  });
  const compiled = await proxy.applyGateways(world);
  t.match(routeTold(compiled, 'GRPCRoute default/calls'), [
    'Accepted=True Accepted',
    'ResolvedRefs=False BackendNotFound',
  ]);
  const ok = (path: string) => ({ ':status': 200, 'grpc-status': '0', 'x-path': path });
  t.match(await call('grpc.example', '/shop.Cart/Add'), ok('/shop.Cart/Add'));
  t.match(await call('grpc.example', '/shop.Other/Anywhere'), ok('/shop.Other/Anywhere'));
  t.match(await call('grpc.example', '/shop.Cart/Remove', { tenant: 'blue' }), ok('/shop.Cart/Remove'));
  t.match(await call('grpc.example', '/shop.Cart/Remove'), { ':status': 404 });
  t.match(await call('grpc.example', '/shop.Gone/Any'), { ':status': 200, 'grpc-status': '14' });
});

t.test('backend-protocol GRPC: calls through an Ingress, with trailers', async (t) => {
  const world = services();
  world.addIngress('calls', { rules: [rule('grpc.example', pathTo('grpc'))] }, { 'backend-protocol': 'GRPC' });
  world.addIngress('wrong', { rules: [rule('wrong.example', pathTo('grpc'))] });
  await proxy.applyGateways(world);
  t.match(await call('grpc.example', '/shop.Cart/Add'), {
    ...{ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '0', 'x-path': '/shop.Cart/Add' },
  });
  t.match(await call('wrong.example', '/shop.Cart/Add'), { ':status': 502 });
});

t.test('HTTPRouteBackendProtocolH2C: an appProtocol of the Service says HTTP/2', async (t) => {
  const world = services();
  const service = world.services.get('default/grpc')!;
  world.services.set('default/grpc', {
    ...service,
    ports: service.ports.map((port) => ({ ...port, appProtocol: 'kubernetes.io/h2c' })),
  });
  world.addGateway('gw', [listener('http')]);
  world.addRoute('route', { rules: [{ backendRefs: [to('grpc')] }] });
  await proxy.applyGateways(world);
  t.match(await ask('any.example', '/x'), { status: 200, body: 'answer' });
});

t.test('HTTPRouteRequestTimeout: an answer that comes too late is 504', async (t) => {
  const world = services();
  world.addGateway('gw', [listener('http')]);
  world.addRoute('route', {
    rules: [
      { matches: [prefix('/short')], timeouts: { request: '500ms' }, backendRefs: [to('slow')] },
      {
        matches: [prefix('/backend')],
        timeouts: { request: '10s', backendRequest: '500ms' },
        backendRefs: [to('slow')],
      },
      { matches: [prefix('/none')], timeouts: { request: '0s' }, backendRefs: [to('slow')] },
    ],
  });
  await proxy.applyGateways(world);
  const statuses = await Promise.all(
    ['/short?ms=5000', '/backend?ms=5000', '/short?ms=0', '/none?ms=1000'].map(
      async (target) => (await ask('a.example', target)).status,
    ),
  );
  t.strictSame(statuses, [504, 504, 200, 200]);
});

t.test('a Gateway beside Ingresses: exact hosts first, rules without host last', async (t) => {
  const world = services();
  world.addGateway('gw', [listener('http')]);
  world.addRoute('route', {
    hostnames: ['shop.example'],
    rules: [{ matches: [prefix('/route')], backendRefs: [to('plain')] }],
  });
  const ingress = (name: string, host: string | undefined, path: string) =>
    world.addIngress(
      name,
      {
        rules: [
          {
            ...(host !== undefined && { host }),
            http: {
              paths: [{ path, pathType: 'Prefix', backend: { service: { name: 'plain', port: { number: 80 } } } }],
            },
          },
        ],
      },
      { 'upstream-vhost': `${name}.seen` },
    );
  ingress('own', 'shop.example', '/own');
  ingress('wild', '*.example', '/');
  ingress('any', undefined, '/any');
  const { model } = await proxy.applyGateways(world);
  t.strictSame(model.problems, []);
  const host = async (target: string, name = 'shop.example') => (await seen(name, target)).headers.host;
  t.equal(await host('/route'), 'shop.example');
  t.equal(await host('/own'), 'own.seen');
  t.equal(await host('/any'), 'any.seen');
  t.equal(await host('/route', 'b.example'), 'wild.seen');
  t.equal(
    (await ask('shop.example', '/other')).status,
    404,
    'the wildcard of an Ingress does not cover the host of a route',
  );
});

t.test(
  'HTTPRouteRequestMirror, HTTPRouteRequestMultipleMirrors, HTTPRouteRequestPercentageMirror: copies are sent, and not waited for',
  async (t) => {
    const mirror = (name: string, more: object = {}) => ({
      ...{ type: 'RequestMirror', requestMirror: { backendRef: to(name), ...more } },
    });
    const change = {
      type: 'RequestHeaderModifier',
      requestHeaderModifier: { set: [{ name: 'x-added', value: 'yes' }] },
    };
    const world = services();
    world.addGateway('gw', [listener('http')]);
    const ruleOf = (path: string, ...filters: object[]) => ({
      ...{ matches: [prefix(path)], backendRefs: [to('plain')] },
      filters: filters as { type: string }[],
    });
    world.addRoute('route', {
      rules: [
        ruleOf('/one', change, mirror('copies')),
        ruleOf('/two', mirror('copies'), mirror('copies', { percent: 100 })),
        ruleOf('/none', mirror('copies', { percent: 0 }), mirror('copies', { fraction: { numerator: 0 } })),
        ruleOf('/gone', mirror('nobody')),
      ],
    });
    const compiled = await proxy.applyGateways(world);
    t.equal(compiled.refused.size, 0);
    t.match(routeTold(compiled, 'HTTPRoute default/route'), [
      'Accepted=True Accepted',
      'ResolvedRefs=False BackendNotFound',
    ]);
    const post = { method: 'POST', body: 'order', headers: { 'content-length': 5 } };
    for (const target of ['/none', '/gone', '/one/a?b=c', '/two'])
      t.equal((await seen('a.example', target)).server, PLAIN, target);
    t.equal((await seen('a.example', '/one/post', post)).method, 'POST');
    while (copies.length < 4) await once(copied, 'copy', { signal: AbortSignal.timeout(20_000) });
    t.strictSame(copies.toSorted(), [
      'GET /one/a?b=c yes ',
      'GET /two undefined ',
      'GET /two undefined ',
      'POST /one/post yes order',
    ]);
  },
);

t.test('of several certificates of a listener, each is shown for its own names', async (t) => {
  const world = services();
  const fingerprints = new Map<string, string>();
  for (const name of ['first.example', 'second.example', 'other.example']) {
    const { stdout } = await run('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '-'],
      ...['-days', '30', '-subj', '/CN=test', '-addext', `subjectAltName=DNS:${name}`],
    ]);
    const [key = '', certificate = ''] = stdout.split(/(?=-----BEGIN CERTIFICATE-----)/);
    world.secrets.set(`default/${name}`, {
      data: Object.fromEntries(
        Object.entries({ 'tls.crt': certificate, 'tls.key': key }).map(([file, text]) => [
          file,
          Buffer.from(text).toString('base64'),
        ]),
      ),
    });
    fingerprints.set(name, new X509Certificate(certificate).fingerprint256);
  }
  const refs = { tls: { certificateRefs: [{ name: 'first.example' }, { name: 'second.example' }] } };
  world.addGateway('gw', [
    https('any', 'first.example', undefined, refs),
    https('own', 'other.example', 'other.example'),
  ]);
  world.addRoute('route', { rules: [{ backendRefs: [to('plain')] }] });
  t.equal((await proxy.applyGateways(world)).refused.size, 0);
  for (const [name, as] of [
    ...[...fingerprints.keys()].map((each) => [each, each] as const),
    ['somebody.else', 'first.example'] as const,
  ])
    t.equal(await shown(name), fingerprints.get(as), name);
});
