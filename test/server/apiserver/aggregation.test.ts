/** Aggregated APIs: a real HTTPS server of the test behind a real api-server. */
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import path from 'node:path';
import tls, { type TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { createAggregation } from '../../../control-plane/apiserver/aggregation/main.ts';
import { keepLocalApiServices } from '../../../control-plane/apiserver/aggregation/auto-registration.ts';
import { eventually } from '../../support/wait.ts';
import { sendJson, startHttpsServer, type HttpsServer } from './https-peer.ts';
import { silent, TestServer } from './server.ts';

const API_SERVICES = '/apis/apiregistration.k8s.io/v1/apiservices';
const FLOWERS = '/apis/garden.example.com/v1/namespaces/default/flowers';

const DISCOVERY = {
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: 'garden.example.com/v1',
  resources: [
    {
      name: 'flowers',
      singularName: 'flower',
      namespaced: true,
      kind: 'Flower',
      verbs: ['get', 'list', 'watch'],
      shortNames: ['fl'],
    },
    { name: 'flowers/status', singularName: '', namespaced: true, kind: 'Flower', verbs: ['get'] },
  ],
};
const FLOWER = {
  apiVersion: 'garden.example.com/v1',
  kind: 'Flower',
  metadata: { name: 'rose', namespace: 'default' },
};

const ELSEWHERE = 'https://evil.example.com/';

interface Garden {
  readonly server: TestServer;
  readonly peer: HttpsServer;
  readonly asked: IncomingMessage[];
  /** The subject of the client certificate of the last request. */
  readonly client: { subject: string };
  /** What the other server answers to discovery. */
  discovery: { code: number };
}

async function planted(t: Test): Promise<Garden> {
  const asked: IncomingMessage[] = [];
  const discovery = { code: 200 };
  const client = { subject: '' };
  const peer = await startHttpsServer(
    (request, response) => {
      const target = new URL(request.url ?? '/', 'https://x');
      if (target.pathname === '/apis/garden.example.com/v1') {
        response.statusCode = discovery.code;
        return sendJson(response, DISCOVERY);
      }
      if (target.pathname.startsWith('/openapi/')) {
        response.statusCode = 404;
        return sendJson(response, {});
      }
      asked.push(request);
      client.subject = new X509Certificate((request.socket as TLSSocket).getPeerCertificate().raw).subject;
      if (target.searchParams.get('watch')) {
        response.setHeader('content-type', 'application/json');
        response.write(`${JSON.stringify({ type: 'ADDED', object: FLOWER })}\n`);
        return;
      }
      const elsewhere = target.searchParams.get('elsewhere');
      if (elsewhere) {
        response.writeHead(Number(elsewhere), { location: ELSEWHERE }).end();
        return;
      }
      if (request.method === 'POST') {
        response.setHeader('content-type', 'application/json');
        request.pipe(response);
        return;
      }
      sendJson(response, {
        apiVersion: FLOWER.apiVersion,
        kind: 'FlowerList',
        metadata: { resourceVersion: '1' },
        items: [FLOWER],
      });
    },
    { names: ['garden.default.svc'], requestCert: true },
  );
  peer.server.on('upgrade', (request: IncomingMessage, socket) => {
    asked.push(request);
    if (request.headers.upgrade === 'elsewhere') {
      socket.end(`HTTP/1.1 302 Found\r\nLocation: ${ELSEWHERE}\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.pipe(socket);
  });
  const server = await TestServer.start({
    aggregated: ({ api, registry }, pki, signal) =>
      createAggregation({
        api,
        kinds: registry.kinds,
        resolve: () => ({ host: '127.0.0.1', port: peer.port }),
        identity: () => pki.frontProxyClient,
        logger: silent,
        signal,
      }),
  });
  t.teardown(async () => {
    await server[Symbol.asyncDispose]();
    await peer[Symbol.asyncDispose]();
  });
  return { server, peer, asked, client, discovery };
}

async function registered({ server, peer }: Garden, more: object = {}): Promise<void> {
  const body = {
    metadata: { name: 'v1.garden.example.com' },
    spec: {
      group: 'garden.example.com',
      version: 'v1',
      service: { namespace: 'default', name: 'garden' },
      caBundle: peer.caBundle,
      groupPriorityMinimum: 100,
      versionPriority: 10,
      ...more,
    },
  };
  const answer = await server.call('POST', API_SERVICES, { body });
  if (answer.status !== 201) throw new Error(answer.text);
}

async function serviceFor({ server }: Garden): Promise<void> {
  const ports = [{ name: 'https', port: 443, targetPort: 8443 }];
  await server.call('POST', '/api/v1/namespaces/default/services', {
    body: { metadata: { name: 'garden' }, spec: { ports } },
  });
  const labels = { 'kubernetes.io/service-name': 'garden' };
  await server.call('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    body: {
      metadata: { name: 'garden-1', labels },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.7'], conditions: { ready: true } }],
      ports: [{ name: 'https', port: 8443 }],
    },
  });
}

const conditionOf = async ({ server }: Garden): Promise<Record<string, unknown> | undefined> => {
  const { body } = await server.call('GET', `${API_SERVICES}/v1.garden.example.com`);
  return (body.status as { conditions?: Record<string, unknown>[] } | undefined)?.conditions?.[0];
};
const available = (garden: Garden, reason: string) =>
  eventually(`the reason ${reason}`, async () => {
    const condition = await conditionOf(garden);
    return condition?.reason === reason ? condition : undefined;
  });

/** Sends a path as it is written. */
function rawGet(server: TestServer, target: string, more: object = {}): Promise<{ status: number }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer admin/system:masters', ...more };
    const { port } = server.server;
    const options = { host: '127.0.0.1', port, path: target, headers, ca: server.ca, agent: false as const };
    https
      .get(options, (response) => {
        response.resume();
        resolve({ status: response.statusCode ?? 0 });
      })
      .on('error', reject);
  });
}

t.test('an API of another server is served once it can be reached', async (t) => {
  const garden = await planted(t);
  const { server, asked, client, peer } = garden;
  t.equal((await server.call('GET', FLOWERS)).status, 404);
  await registered(garden);
  t.match(await available(garden, 'ServiceNotFound'), {
    type: 'Available',
    status: 'False',
    message: 'service/garden in "default" is not present',
  });
  t.match((await server.call('GET', FLOWERS)).body, { code: 503, reason: 'ServiceUnavailable' });
  await serviceFor(garden);
  t.match(await available(garden, 'Passed'), { status: 'True', message: 'all checks passed' });

  const headers = {
    'x-remote-user': 'root',
    'X-Remote-Group': 'system:masters',
    'x-remote-extra-scopes': 'all',
    'x-remote-uid': '0',
    'impersonate-user': 'alice',
    'impersonate-group': 'system:masters',
    'x-other': 'kept',
  };
  const listed = await server.call('GET', `${FLOWERS}?limit=5`, { headers });
  t.equal(listed.status, 200, listed.text);
  t.equal(listed.body.kind, 'FlowerList');
  const [request] = asked;
  t.equal(request?.url, `${FLOWERS}?limit=5`);
  t.match(request?.headers, { 'x-remote-user': 'alice', 'x-other': 'kept' });
  t.notOk(String(request?.headers['x-remote-group']).includes('root'));
  for (const name of ['authorization', 'impersonate-user', 'x-remote-extra-scopes', 'x-remote-uid'])
    t.notOk(name in (request?.headers ?? {}), name);
  t.match(client.subject, /CN=front-proxy-client/);

  t.equal((await server.call('GET', FLOWERS, { user: 'bob/nobody' })).status, 403, 'the caller must be allowed to');
  const path = '/apis/garden.example.com/v1';
  for (const hostile of [
    `${path}/../../../secret`,
    `${path}/flowers/%2e%2e/%2E%2e`,
    `${path}/x\\..\\..`,
    `${path}/.`,
  ]) {
    const count = asked.length;
    t.equal((await rawGet(server, hostile)).status, 400, hostile);
    t.equal(asked.length, count, 'not carried');
  }
  const echoed = await server.call('POST', FLOWERS, { body: FLOWER });
  t.strictSame(echoed.body, FLOWER);
  for await (const event of server.watch(`${FLOWERS}?watch=true`)) {
    t.equal(event.type, 'ADDED');
    break;
  }
  await peer[Symbol.asyncDispose]();
  t.match((await server.call('GET', FLOWERS)).body, { code: 503, message: /error trying to reach service/ });
});

/** The head of what comes back from a request of these lines. */
function exchanged(server: TestServer, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port: server.server.port, ca: server.ca }, () => {
      const [first = '', ...more] = lines;
      const head = [first, 'Host: x', 'Authorization: Bearer admin/system:masters', ...more];
      socket.write(`${head.join('\r\n')}\r\n\r\n`);
    });
    socket.on('error', reject);
    socket.once('data', (chunk: Buffer) => {
      socket.destroy();
      resolve(chunk.toString().split('\r\n', 1)[0] ?? '');
    });
  });
}

t.test('no header of a client says who it is to another server, nor drops what does', async (t) => {
  const garden = await planted(t);
  await serviceFor(garden);
  await registered(garden);
  await available(garden, 'Passed');
  const { server, asked } = garden;
  const forged = {
    X_Remote_User: 'root',
    'X-Remote_Group': 'system:masters',
    Impersonate_User: 'root',
    'X-Dropped': 'yes',
    Connection: 'close, X-Remote-User, X-Dropped, Content-Length',
  };
  t.equal((await rawGet(server, FLOWERS, forged)).status, 200);
  const plain = asked.at(-1)?.headers ?? {};
  t.equal(plain['x-remote-user'], 'admin');
  for (const name of ['x_remote_user', 'x-remote_group', 'impersonate_user', 'x-dropped']) t.notOk(name in plain, name);

  const upgrade = (connection: string, ...more: string[]) =>
    exchanged(server, [
      `GET ${FLOWERS}/rose/proxy HTTP/1.1`,
      `Connection: ${connection}`,
      'X_Remote_User: root',
      ...more,
    ]);
  t.match(await upgrade('Upgrade, X-Remote-User, X-Remote-Group', 'Upgrade: echo'), /^HTTP\/1.1 101 /);
  const upgraded = asked.at(-1)?.headers ?? {};
  t.match(upgraded, { connection: 'Upgrade', upgrade: 'echo', 'x-remote-user': 'admin' });
  t.notOk('x_remote_user' in upgraded);

  for (const protocol of ['h2c', 'HTTP/2.0', 'echo, h2c', 'TLS/1.3']) {
    t.match(
      await upgrade('Upgrade, HTTP2-Settings', `Upgrade: ${protocol}`, 'HTTP2-Settings: AAMA'),
      /^HTTP\/1.1 200 /,
    );
    t.notOk('upgrade' in (asked.at(-1)?.headers ?? {}), `${protocol} would carry requests of its own`);
    t.notOk('http2-settings' in (asked.at(-1)?.headers ?? {}));
  }
  t.match(await upgrade('Upgrade', 'Upgrade: echo', 'Content-Length: 2', '', '{}'), /^HTTP\/1.1 200 /);
  t.notOk('upgrade' in (asked.at(-1)?.headers ?? {}), 'a body is not the beginning of another protocol');

  const count = asked.length;
  t.match(await exchanged(server, [`GET ${FLOWERS}/x/.\t./.\t./secret HTTP/1.1`]), /^HTTP\/1.1 400 /);
  t.match(await exchanged(server, [`GET ${FLOWERS}/x/proxy/%2e%2e%2fsecret HTTP/1.1`]), /^HTTP\/1.1 400 /);
  t.equal(asked.length, count, 'not carried');
});

t.test('an upgrade is carried to the other server', async (t) => {
  const garden = await planted(t);
  await serviceFor(garden);
  await registered(garden);
  await available(garden, 'Passed');
  const { server, asked } = garden;
  const echo = await new Promise<string>((resolve, reject) => {
    const headers = {
      authorization: 'Bearer admin/system:masters',
      connection: 'Upgrade',
      upgrade: 'echo',
      'x-remote-user': 'root',
    };
    const request = https.request(server.url(`${FLOWERS}/rose/proxy`), { headers, ca: server.ca, agent: false });
    request.on('upgrade', (_response, socket) => {
      socket.on('data', (chunk: Buffer) => {
        resolve(chunk.toString());
        socket.destroy();
      });
      socket.write('hello');
    });
    request.on('response', ({ statusCode }) => reject(new Error(`answered ${statusCode}`)));
    request.on('error', reject);
    request.end();
  });
  t.equal(echo, 'hello');
  t.equal(asked[0]?.headers['x-remote-user'], 'admin');
});

t.test('another server sends no client elsewhere, where it would show its credentials', async (t) => {
  const garden = await planted(t);
  await serviceFor(garden);
  await registered(garden);
  await available(garden, 'Passed');
  const { server } = garden;
  const { status, text } = await server.call('GET', `${FLOWERS}?elsewhere=301`);
  t.equal(status, 502);
  t.match(text, 'the backend attempted to redirect this request, which is not permitted');
  t.equal((await rawGet(server, `${FLOWERS}/rose/proxy`, { connection: 'Upgrade', upgrade: 'elsewhere' })).status, 502);
  t.equal((await server.call('GET', `${FLOWERS}?elsewhere=200`)).status, 200, 'a location alone is no redirect');
});

t.test('discovery shows what other servers serve, and marks it stale when they fail', async (t) => {
  const garden = await planted(t);
  const { server, discovery } = garden;
  await serviceFor(garden);
  await registered(garden);
  await available(garden, 'Passed');
  const aggregated = async () => {
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
    const { text } = await server.call('GET', '/apis', { accept });
    const { items } = JSON.parse(text) as { items: { metadata: { name: string }; versions: object[] }[] };
    return items.find(({ metadata }) => metadata.name === 'garden.example.com');
  };
  t.match(await aggregated(), {
    versions: [
      {
        version: 'v1',
        freshness: 'Current',
        resources: [
          {
            resource: 'flowers',
            responseKind: { group: 'garden.example.com', version: 'v1', kind: 'Flower' },
            scope: 'Namespaced',
            singularResource: 'flower',
            verbs: ['get', 'list', 'watch'],
            shortNames: ['fl'],
            subresources: [{ subresource: 'status', verbs: ['get'] }],
          },
        ],
      },
    ],
  });
  const group = {
    name: 'garden.example.com',
    preferredVersion: { groupVersion: 'garden.example.com/v1', version: 'v1' },
  };
  const { groups } = (await server.call('GET', '/apis')).body as { groups?: { name: string }[] };
  t.match(
    groups?.find(({ name }) => name === group.name),
    group,
  );
  t.match((await server.call('GET', '/apis/garden.example.com')).body, { kind: 'APIGroup', ...group });
  t.match((await server.call('GET', '/apis/garden.example.com/v1')).body, DISCOVERY);

  const kubeconfig = path.join(server.directory, 'kubeconfig');
  const cluster = { server: server.url(''), 'certificate-authority-data': Buffer.from(server.ca).toString('base64') };
  await writeFile(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { token: 'admin/system:masters' } }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'c',
    }),
  );
  const kubectl = await new Promise<string>((resolve, reject) => {
    execFile(
      'kubectl',
      ['get', 'flowers', '-o', 'name', `--cache-dir=${server.directory}/cache`],
      { env: { ...process.env, KUBECONFIG: kubeconfig } },
      (error, stdout) => (error instanceof Error ? reject(error) : resolve(stdout)),
    );
  });
  t.equal(kubectl.trim(), 'flower.garden.example.com/rose');

  discovery.code = 500;
  await server.call('PATCH', `${API_SERVICES}/v1.garden.example.com`, {
    body: { metadata: { annotations: { check: 'again' } } },
    type: 'application/merge-patch+json',
  });
  t.match(await available(garden, 'FailedDiscoveryCheck'), { message: /bad status from .*500/ });
  const { text: metrics } = await server.call('GET', '/metrics');
  const name = 'name="v1.garden.example.com"';
  t.ok(metrics.includes(`aggregator_unavailable_apiservice{${name}} 1`));
  t.ok(metrics.includes(`aggregator_unavailable_apiservice_total{${name},reason="FailedDiscoveryCheck"} 1`));
  t.match(await aggregated(), { versions: [{ freshness: 'Stale', resources: [{ resource: 'flowers' }] }] });
  await server.call('DELETE', `${API_SERVICES}/v1.garden.example.com`);
  t.equal(await aggregated(), undefined);
});

t.test('a server is verified for the name of its service, unless it is not to be', async (t) => {
  const garden = await planted(t);
  await serviceFor(garden);
  await registered(garden, { caBundle: Buffer.from(garden.server.ca).toString('base64') });
  t.match(await available(garden, 'FailedDiscoveryCheck'), { message: /failed to verify certificate/ });
  await garden.server.call('DELETE', `${API_SERVICES}/v1.garden.example.com`);
  await registered(garden, { caBundle: undefined, insecureSkipTLSVerify: true });
  t.match(await available(garden, 'Passed'), { status: 'True' });
});

t.test('what this server serves itself is registered as local', async (t) => {
  await using server = await TestServer.start();
  const { api, registry } = server.core;
  const stopping = new AbortController();
  t.teardown(() => stopping.abort());
  const options = { api, kinds: registry.kinds, logger: silent, signal: stopping.signal };
  await keepLocalApiServices(options);
  await keepLocalApiServices(options);
  const { body } = await server.call('GET', `${API_SERVICES}/v1.apps`);
  t.match(body, {
    metadata: { labels: { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' } },
    spec: { group: 'apps', version: 'v1', groupPriorityMinimum: 17_800, versionPriority: 15 },
    status: { conditions: [{ type: 'Available', status: 'True', reason: 'Local' }] },
  });
  t.equal((await server.call('GET', `${API_SERVICES}/v1.`)).status, 200);
});
