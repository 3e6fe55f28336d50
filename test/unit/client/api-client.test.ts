import type { ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import { pods } from '../../../api/kinds/core/pod.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { StatusError, isGone, notFound } from '../../../api/machinery/status-error.ts';
import type { WatchEvent } from '../../../client/api-calls.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { ConnectionError } from '../../../client/connection-error.ts';
import { TestCa, bodyOf, startServer } from '../../support/https-server.ts';
import { eventually } from '../../support/wait.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

function answer(response: ServerResponse, code: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

const pod = (name: string): Pod => ({ metadata: { namespace: 'default', name } });

t.test('calls use the paths of the Kubernetes API, with bodies, queries and content types', async (t) => {
  const seen: string[] = [];
  await using server = await startServer((request, response) => {
    void bodyOf(request).then((body) => {
      seen.push(`${request.method} ${request.url} ${request.headers['content-type'] ?? '-'} ${body}`);
      answer(response, 200, { metadata: {}, items: [] });
    });
  });
  await using client = new ApiClient({ server: server.url, ca: server.ca.cert });
  await client.get(pods, 'default', 'a');
  await client.list(pods, { labelSelector: 'app in (a,b)', limit: 5 });
  await client.create(pods, pod('a'), { dryRun: true, fieldManager: 'me' });
  await client.updateStatus(pods, pod('a'));
  await client.patch(nodes, '', 'n1', { spec: {} }, { type: 'strategic', subresource: 'status' });
  await client.delete(pods, 'default', 'a', { gracePeriodSeconds: 0, uid: 'u1', propagationPolicy: 'Orphan' });
  await client.createSubresource(pods, 'default', 'a', 'binding', { kind: 'Binding' });
  t.strictSame(seen, [
    'GET /api/v1/namespaces/default/pods/a - ',
    'GET /api/v1/pods?labelSelector=app%20in%20(a%2Cb)&limit=5 - ',
    'POST /api/v1/namespaces/default/pods?fieldManager=me&dryRun=All application/json {"metadata":{"namespace":"default","name":"a"}}',
    'PUT /api/v1/namespaces/default/pods/a/status application/json {"metadata":{"namespace":"default","name":"a"}}',
    'PATCH /api/v1/nodes/n1/status application/strategic-merge-patch+json {"spec":{}}',
    'DELETE /api/v1/namespaces/default/pods/a application/json {"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,"propagationPolicy":"Orphan","preconditions":{"uid":"u1"}}',
    'POST /api/v1/namespaces/default/pods/a/binding application/json {"kind":"Binding"}',
  ]);
});

t.test('requests reuse keep-alive connections and present the current client certificate', async (t) => {
  const connections = new Set<unknown>();
  const subjects: (string | undefined)[] = [];
  await using server = await startServer((request, response) => {
    connections.add(request.socket);
    subjects.push((request.socket as TLSSocket).getPeerCertificate().subject?.CN as string | undefined);
    answer(response, 200, {});
  });
  const first = await server.ca.issue('CN=first');
  await using client = new ApiClient({ server: server.url, ca: server.ca.cert, ...first });
  for (let i = 0; i < 10; i++) await client.get(pods, 'default', 'a');
  t.ok(connections.size <= 2, 'ten sequential requests');
  await client.replaceCredentials(await server.ca.issue('CN=second'));
  await client.get(pods, 'default', 'a');
  t.equal(subjects[0], 'first');
  t.equal(subjects.at(-1), 'second');
});

t.test('a Status is thrown as StatusError, and other error responses are converted to one', async (t) => {
  await using server = await startServer((request, response) => {
    if (request.url?.endsWith('/a')) answer(response, 404, notFound(pods, 'a').status);
    else if (request.url?.endsWith('/page')) response.writeHead(200).end('<html>please log in</html>');
    else response.writeHead(502).end('bad gateway');
  });
  await using client = new ApiClient({ server: server.url, ca: server.ca.cert });
  await t.rejects(client.get(pods, 'default', 'a'), new StatusError(notFound(pods, 'a').status));
  const error = await client.get(pods, 'default', 'b').catch((error: unknown) => error as StatusError);
  t.match(error, { code: 502, reason: 'InternalError', message: 'bad gateway' });
  await t.rejects(client.get(pods, 'default', 'page'), { name: 'ConnectionError', message: /is not valid JSON/ });
});

t.test('Retry-After is honoured', async (t) => {
  let asked = 0;
  await using server = await startServer((_, response) => {
    if (++asked < 3) answer(response, 429, { kind: 'Status', code: 429, message: 'slow down' }, { 'retry-after': '0' });
    else answer(response, 200, pod('a'));
  });
  await using client = new ApiClient({ server: server.url, ca: server.ca.cert });
  t.match(await client.get(pods, 'default', 'a'), pod('a'));
  t.equal(asked, 3);
});

t.test('connection failures are reported in a sentence that names the server', async (t) => {
  await using server = await startServer(() => undefined);
  const other = await TestCa.create('CN=other');
  const call = async (options: ConstructorParameters<typeof ApiClient>[0], signal?: AbortSignal) => {
    await using client = new ApiClient(options);
    return await client.get(pods, 'default', 'a', { timeoutMs: 200, signal }).catch((error: unknown) => error as Error);
  };
  const nobody = await call({ server: 'https://127.0.0.1:1' });
  t.ok(nobody instanceof ConnectionError);
  t.match(nobody, { message: 'failed to connect to https://127.0.0.1:1: connection refused (nothing is listening)' });
  const wrongCa = await call({ server: server.url, ca: other.cert });
  t.match(wrongCa, { message: /^failed to connect to https:.*: its certificate is .* given (CA|one)$/ });
  const silence = await call({ server: server.url, ca: server.ca.cert });
  t.match(silence, { message: /timed out waiting for a response$/ });
  const why = new Error('told to stop');
  t.equal(await call({ server: server.url, ca: server.ca.cert }, AbortSignal.abort(why)), why);
});

t.test('a list is read page by page', async (t) => {
  await using server = await startServer((request, response) => {
    const page = Number(new URL(request.url!, 'https://host').searchParams.get('continue') ?? 0);
    answer(response, 200, {
      metadata: { resourceVersion: '7', continue: page < 2 ? String(page + 1) : '' },
      items: [pod(`p${page}`)],
    });
  });
  await using client = new ApiClient({ server: server.url, ca: server.ca.cert });
  const all = await client.listAll(pods);
  t.strictSame(
    all.map((item) => item.metadata?.name),
    ['p0', 'p1', 'p2'],
  );
});

t.test('a watch delivers events however they are chunked, and throws the ERROR event', async (t) => {
  const big = { type: 'ADDED', object: { ...pod('größe'), data: 'ü'.repeat(300_000) } };
  await using server = await startServer((_, response) => {
    const bytes = Buffer.from(
      `${JSON.stringify(big)}\n${JSON.stringify({ type: 'MODIFIED', object: pod('b') })}\n` +
        `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } })}\n`,
    );
    response.writeHead(200);
    // Odd sizes split characters of two bytes.
    for (let at = 0; at < bytes.length; at += 7777) response.write(bytes.subarray(at, at + 7777));
  });
  await using client = new ApiClient({ server: server.url, ca: server.ca.cert });
  const events: WatchEvent<Pod>[] = [];
  const failure = await client.watch(pods, {}, (event) => events.push(event)).catch((error: unknown) => error);
  t.ok(isGone(failure));
  t.strictSame(events, [big, { type: 'MODIFIED', object: pod('b') }]);
});

t.test('watches have connections of their own, and end with their signal', async (t) => {
  let watches = 0;
  await using server = await startServer((request, response) => {
    if (!request.url?.includes('watch=')) return answer(response, 200, pod('a'));
    watches++;
    request.once('close', () => watches--);
    response.writeHead(200).flushHeaders();
  });
  await using client = new ApiClient({ server: server.url, ca: server.ca.cert, maxConnections: 1 });
  const stop = new AbortController();
  const running = Array.from({ length: 5 }, () =>
    client.watch(pods, { signal: stop.signal }, () => undefined).catch((error: unknown) => error),
  );
  await eventually('five watches', () => watches === 5);
  t.match(await client.get(pods, 'default', 'a'), pod('a'));
  stop.abort(new Error('enough'));
  for (const outcome of await Promise.all(running)) t.match(outcome, { message: 'enough' });
  await eventually('the server to have no watches', () => watches === 0);
});
