import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { createServer as createHttpsServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { WebSocket, WebSocketServer } from 'ws';
import { pods } from '../../../api/kinds/core/pod.ts';
import { services } from '../../../api/kinds/core/service.ts';
import { endpointSlices } from '../../../api/kinds/discovery/endpoint-slice.ts';
import { HtmlLinks } from '../../../control-plane/apiserver/nodes/html-links.ts';
import { createAuthority, issueCertificate } from '../../../control-plane/pki/signing.ts';
import { NODE, startCluster } from './cluster.ts';

const cluster = await startCluster();
t.teardown(() => cluster[Symbol.asyncDispose]());
const { ca, client, runtime } = cluster;
const identity = { ca: ca.certificate, cert: client.certificate, key: client.key };

const PAGE = Buffer.from('<title><a href="/x"></title><a href="/x">\xe9</a>', 'latin1');
const pages: Readonly<Record<string, { headers: Record<string, string>; body: string | Buffer }>> = {
  '/page': {
    headers: { 'content-type': 'text/html; charset=latin1', 'content-length': String(PAGE.length) },
    body: PAGE,
  },
  '/zipped': { headers: { 'content-type': 'text/html', 'content-encoding': 'gzip' }, body: gzipSync(PAGE) },
  '/text': { headers: { 'content-type': 'text/plain' }, body: '<a href="/x">' },
};

/** The backend's description of each request; `/moved` redirects to itself and `/away` to another host. */
async function echo(
  request: IncomingMessage,
): Promise<{ code: number; headers: Record<string, string>; body: string | Buffer }> {
  const body = Buffer.concat(await request.toArray()).toString();
  const page = pages[request.url ?? ''];
  if (page) return { code: 200, ...page };
  const port = request.socket.localPort;
  const moved: Record<string, string> = {
    '/moved': `http://${runtime.hostAddress}:${port}/to?x=1`,
    '/here': 'there',
    '/prefixed': `${request.headers['x-forwarded-uri']?.toString().replace('prefixed', 'to')}`,
    '/away': 'https://elsewhere.example/to',
  };
  const location = moved[request.url ?? ''];
  return {
    code: location === undefined ? 200 : 302,
    headers: location === undefined ? {} : { location },
    body: JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }),
  };
}
const plain = createServer((request, response) => {
  void echo(request).then(({ code, headers, body }) => response.writeHead(code, headers).end(body));
});
const sockets = new WebSocketServer({ server: plain });
sockets.on('connection', (socket) =>
  socket.on('message', (message: Buffer) => socket.send(`echo ${message.toString()}`)),
);
const own = await issueCertificate(await createAuthority('somebody', Date.now()), {
  commonName: 'somebody',
  usages: ['server auth'],
  lifetimeMs: 3600_000,
  now: Date.now(),
});
const secure = createHttpsServer({ cert: own.certificate, key: own.key }, (_request, response) =>
  response.end('secure'),
);
for (const server of [plain, secure]) {
  server.listen(0, runtime.hostAddress);
  await once(server, 'listening');
  t.teardown(() => server.close());
}
const port = (plain.address() as AddressInfo).port;
const securePort = (secure.address() as AddressInfo).port;

const namespace = 'default';
const made = await cluster.api.create(pods, {
  metadata: { name: 'web', namespace },
  spec: { nodeName: NODE, containers: [{ name: 'main', image: 'x', ports: [{ containerPort: port }] }] },
});
const podIP = runtime.hostAddress;
await cluster.api.updateStatus(pods, { ...made, status: { podIP, podIPs: [{ ip: podIP }] } });
await cluster.api.create(services, {
  metadata: { name: 'web', namespace },
  spec: {
    ports: [
      { name: 'http', port: 80 },
      { name: 'none', port: 81 },
    ],
  },
});
await cluster.api.create(endpointSlices, {
  metadata: { name: 'web-1', namespace, labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port }],
  endpoints: [
    { addresses: ['198.51.100.1'], conditions: { ready: false } },
    { addresses: [podIP], conditions: { ready: true }, targetRef: { kind: 'Pod', name: 'web', namespace } },
  ],
});

interface Answer {
  readonly code: number | undefined;
  readonly location: string | undefined;
  readonly body: Buffer;
  readonly text: string;
}
const base = `/api/v1/namespaces/${namespace}`;

async function ask(target: string, method = 'GET', body?: string, more = {}): Promise<Answer> {
  const headers = { authorization: 'Bearer secret', 'x-mine': 'kept', ...more };
  const request = httpsRequest(`${cluster.server}${base}/${target}`, { method, headers, agent: false, ...identity });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const answer = Buffer.concat(await response.toArray());
  return { code: response.statusCode, location: response.headers.location, body: answer, text: answer.toString() };
}

t.test('a request reaches the pod with its path, query and body, without credentials', async (t) => {
  const { code, text } = await ask('pods/web/proxy/a%20b/c?q=1&r', 'POST', 'the body');
  t.equal(code, 200);
  const seen = JSON.parse(text) as { headers: Record<string, string> };
  t.match(seen, { method: 'POST', url: '/a%20b/c?q=1&r', body: 'the body' });
  t.match(seen.headers, { 'x-mine': 'kept', host: `${podIP}:${port}`, 'x-forwarded-proto': 'https' });
  t.notOk(seen.headers['authorization']);
  t.match(JSON.parse((await ask('pods/web/proxy/')).text), { method: 'GET', url: '/' });
});

t.test('redirects are rewritten to the proxy, and a missing slash is added', async (t) => {
  t.match(await ask('pods/web/proxy'), { code: 301, location: `${base}/pods/web/proxy/` });
  t.match(await ask('pods/web/proxy?a=1'), { code: 301, location: `${base}/pods/web/proxy/?a=1` });
  t.match(await ask('pods/web/proxy/moved'), { code: 302, location: `${base}/pods/web/proxy/to?x=1` });
  t.match(await ask('pods/web/proxy/here'), { code: 302, location: 'there' }, 'a relative redirect is unchanged');
  t.match(await ask('pods/web/proxy/prefixed'), { code: 302, location: `${base}/pods/web/proxy/to` });
  t.match(await ask('pods/web/proxy/away'), { code: 302, location: 'https://elsewhere.example/to' });
});

t.test('bodies are forwarded with every method, with and without a length', async (t) => {
  for (const method of ['DELETE', 'GET', 'OPTIONS', 'PATCH', 'POST', 'PUT'])
    for (const framing of [{ 'content-length': 4 }, { 'transfer-encoding': 'chunked' }])
      t.match(
        JSON.parse((await ask('pods/web/proxy/', method, 'body', framing)).text),
        { method, body: 'body' },
        method,
      );
});

t.test('links of a page are rewritten to the proxy', async (t) => {
  const prefix = `${base}/pods/web/proxy`;
  const expected = Buffer.from(`<title><a href="/x"></title><a href="${prefix}/x">\xe9</a>`, 'latin1');
  t.strictSame((await ask('pods/web/proxy/page')).body, expected);
  t.strictSame(gunzipSync((await ask('pods/web/proxy/zipped')).body), expected);
  t.equal((await ask('pods/web/proxy/text')).text, '<a href="/x">', 'other content types are unchanged');
  t.match(await ask('pods/web/proxy/page', 'HEAD'), { code: 200, text: '' });
});

t.test('links are found however a page is chunked, and nothing else is changed', async (t) => {
  const page = [
    `<A HREF='/up'>up</A><a href=/bare>bare</a><a\n  title="/no" href = "/spaced"/>`,
    '<img src="/i.png" alt="a > b"><script src="/s.js">if (a<b) "<a href=\\"/no\\">"</script>',
    '<!-- <a href="/no"> --><a href="relative"><a href="#hash"><a href><a>5 < 6</a><constructor href="/no"><a name="x" href="/last">',
  ].join('\n');
  const expected = page.replace(/(['"=])(\/(?:up|bare|spaced|i\.png|s\.js|last))/g, '$1/p$2');
  for (const size of [1, 7, page.length]) {
    const links = new HtmlLinks((link) => (link.startsWith('/') ? `/p${link}` : link));
    for (let at = 0; at < page.length; at += size) links.write(page.slice(at, at + size));
    links.end();
    t.equal(Buffer.concat(await links.toArray()).toString(), expected, `in pieces of ${size}`);
  }
  const unended = `<a href="/x" ${'b'.repeat(100_000)}`;
  t.equal(Buffer.concat(await new HtmlLinks(() => 'no').end(unended).toArray()).toString(), unended);
});

t.test('scheme and port are part of the name', async (t) => {
  t.equal((await ask(`pods/https:web:${securePort}/proxy/`)).text, 'secure');
  t.equal((await ask(`pods/http:web:${port}/proxy/x`)).code, 200);
  t.match(JSON.parse((await ask('pods/ftp:web:1/proxy/x')).text), {
    code: 400,
    message: 'invalid pod request "ftp:web:1"',
  });
  t.match(JSON.parse((await ask('pods/web:1/proxy/x')).text), {
    code: 503,
    reason: 'ServiceUnavailable',
    message: `error trying to reach service: dial tcp ${podIP}:1: connect: connection refused`,
  });
  t.match(JSON.parse((await ask('pods/none/proxy/x')).text), { code: 404, message: 'pods "none" not found' });
});

t.test('a service is reached by a ready endpoint', async (t) => {
  for (const name of ['web:http', 'web:80', 'http:web:http'])
    t.match(JSON.parse((await ask(`services/${name}/proxy/s`)).text), { url: '/s' }, name);
  t.match(JSON.parse((await ask('services/web:none/proxy/s')).text), {
    code: 503,
    message: 'no endpoints available for service "web"',
  });
  t.match(JSON.parse((await ask('services/web:99/proxy/s')).text), {
    code: 503,
    message: 'no service port 99 found for service "web"',
  });
});

t.test('WebSockets and HTTP/2', async (t) => {
  const socket = new WebSocket(`${cluster.server.replace('https', 'wss')}${base}/pods/web/proxy/ws`, identity);
  await once(socket, 'open');
  socket.send('hello');
  const [message] = (await once(socket, 'message')) as [Buffer];
  t.equal(message.toString(), 'echo hello');
  socket.close();
  const session = connectHttp2(cluster.server, identity);
  t.teardown(() => session.destroy());
  const stream = session.request({ ':path': `${base}/pods/web/proxy/two`, ':method': 'PUT' });
  stream.end('two');
  const body = Buffer.concat(await stream.toArray()).toString();
  t.match(JSON.parse(body), { method: 'PUT', url: '/two', body: 'two' });
});

t.test("the node API is reached with the api-server's client certificate", async (t) => {
  const raw = async (target: string): Promise<string> => {
    const { stdout, stderr } = await cluster.kubectl(['get', '--raw', `/api/v1/nodes/${target}`]);
    return stdout.toString() + stderr;
  };
  t.equal(await raw(`${NODE}/proxy/healthz`), 'ok');
  t.equal(await raw(`${NODE}:${cluster.nodePort}/proxy/metrics`), 'kedge_up 1\n');
  t.match(await raw('none/proxy/healthz'), /nodes "none" not found/);
});

t.test("requests to the api-server's own host are rejected, however its address is written", async (t) => {
  const refused = { kind: 'Status', code: 400, reason: 'BadRequest', message: 'address not allowed' };
  const nodePath = (name: string): string => `${cluster.server}/api/v1/nodes/${name}/proxy/healthz`;
  const get = async (url: string): Promise<unknown> => {
    const request = httpsRequest(url, { agent: false, ...identity });
    request.end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return JSON.parse(Buffer.concat(await response.toArray()).toString());
  };
  for (const [index, address] of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '0.0.0.0', 'localhost'].entries()) {
    await cluster.addNode(`local-${index}`, cluster.nodePort, address);
    t.match(await get(nodePath(`local-${index}`)), refused, address);
    t.match(await get(nodePath(`local-${index}:${port}`)), refused, `${address}, any port`);
  }
  const { api } = cluster;
  const stray = await api.create(pods, {
    metadata: { name: 'stray', namespace },
    spec: { nodeName: NODE, containers: [{ name: 'main', image: 'x' }] },
  });
  let latest = stray;
  for (const ip of [
    '127.0.0.1',
    '127.1.2.3',
    '::1',
    '0::1',
    '0.0.0.0',
    '::',
    '169.254.169.254',
    'fe80::1',
    'ff02::1',
    '224.0.0.1',
  ]) {
    latest = await api.updateStatus(pods, { ...latest, status: { podIP: ip, podIPs: [{ ip }] } });
    t.match(JSON.parse((await ask(`pods/stray:${port}/proxy/x`)).text), refused, ip);
  }
  const mapped = '::ffff:127.0.0.1';
  const written = api.updateStatus(pods, { ...latest, status: { podIP: mapped, podIPs: [{ ip: mapped }] } });
  await t.rejects(written, { message: /must not be an IPv4-mapped IPv6 address/ });
});

t.test('a service forwards to its own pods only', async (t) => {
  const { api } = cluster;
  await api.create(services, { metadata: { name: 'stray', namespace }, spec: { ports: [{ name: 'http', port: 80 }] } });
  const slice = await api.create(endpointSlices, {
    metadata: { name: 'stray-1', namespace, labels: { 'kubernetes.io/service-name': 'stray' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: cluster.nodePort }],
    endpoints: [{ addresses: [podIP] }],
  });
  const nobody = { code: 503, message: 'no endpoints available for service "stray"' };
  t.match(JSON.parse((await ask('services/https:stray:http/proxy/healthz')).text), nobody, 'without a pod');
  const targetRef = { kind: 'Pod', name: 'web', namespace };
  await api.update(endpointSlices, { ...slice, endpoints: [{ addresses: ['198.51.100.7'], targetRef }] });
  t.match(JSON.parse((await ask('services/stray:http/proxy/x')).text), nobody, "with an address that is not the pod's");
});

t.test('a bearer token in a WebSocket protocol is not forwarded', async (t) => {
  const token = 'base64url.bearer.authorization.k8s.io.c2VjcmV0';
  const plainText = JSON.parse(
    (await ask('pods/web/proxy/x', 'GET', undefined, { 'sec-websocket-protocol': `${token}, chat` })).text,
  ) as { headers: object };
  t.match(plainText.headers, { 'sec-websocket-protocol': 'chat' });
  const asked = once(plain, 'upgrade') as Promise<[IncomingMessage]>;
  const socket = new WebSocket(
    `${cluster.server.replace('https', 'wss')}${base}/pods/web/proxy/ws`,
    [token, 'chat'],
    identity,
  );
  const [{ headers }] = await asked;
  t.equal(headers['sec-websocket-protocol'], 'chat');
  socket.on('error', () => undefined);
  socket.terminate();
});

t.test('a response that cannot be forwarded is a bad gateway', async (t) => {
  const odd = createServer((_request, response) => response.writeHead(999).end());
  odd.listen(0, runtime.hostAddress);
  await once(odd, 'listening');
  t.teardown(() => odd.close());
  const session = connectHttp2(cluster.server, identity);
  t.teardown(() => session.destroy());
  const stream = session.request({ ':path': `${base}/pods/web:${(odd.address() as AddressInfo).port}/proxy/x` });
  const body = Buffer.concat(await stream.toArray()).toString();
  t.match(JSON.parse(body), { kind: 'Status', code: 502 });
});

t.test('get permission does not suffice for exec over a WebSocket', async (t) => {
  cluster.forbidden.add('create nodes/proxy').add('create pods/exec');
  t.teardown(() => cluster.forbidden.clear());
  const command = 'exec/default/web/main?command=id&output=1';
  for (const target of [
    `nodes/${NODE}/proxy/${command}`,
    `nodes/${NODE}/proxy/x/../${command}`,
    `nodes/${NODE}/proxy/x/%2e%2e/${command.replace('e', '%65')}`,
    `namespaces/${namespace}/pods/web/exec?command=id&stdout=true`,
  ]) {
    const socket = new WebSocket(
      `${cluster.server.replace('https', 'wss')}/api/v1/${target}`,
      'v4.channel.k8s.io',
      identity,
    );
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
    t.equal(response.statusCode, 403, target);
    const { message } = JSON.parse(Buffer.concat(await response.toArray()).toString()) as { message: string };
    t.match(
      message,
      /is forbidden: User "kube-apiserver-kubelet-client" cannot create resource "(nodes\/proxy|pods\/exec)"/,
    );
  }
});
