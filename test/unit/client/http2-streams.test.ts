/** Watches over HTTP/2: what the client does with connections. */
import { once } from 'node:events';
import { constants, createSecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import t from 'tap';
import { pods } from '../../../api/kinds/core/pod.ts';
import type { WatchEvent } from '../../../client/api-calls.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { TestCa } from '../../support/https-server.ts';
import { eventually } from '../../support/wait.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

interface Watching {
  readonly stream: ServerHttp2Stream;
  readonly session: ServerHttp2Session;
  readonly path: string;
  readonly headers: Record<string, unknown>;
}

/** An HTTP/2 server that answers each request with an open watch. */
async function startWatchServer({ maxConcurrentStreams = 250, responds = true } = {}) {
  const ca = await TestCa.create();
  const server = createSecureServer({
    ...(await ca.issue('CN=server')),
    ...{ ca: ca.cert, requestCert: true, rejectUnauthorized: false, settings: { maxConcurrentStreams } },
  });
  const sessions = new Set<ServerHttp2Session>();
  const watches: Watching[] = [];
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    // The tests break it.
    stream.on('error', () => undefined);
    const watching = { stream, session: stream.session as ServerHttp2Session, path: headers[':path'] ?? '', headers };
    watches.push(watching);
    stream.on('close', () => watches.splice(watches.indexOf(watching), 1));
    if (responds) stream.respond({ ':status': 200 });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    ca,
    sessions,
    watches,
    url: `https://127.0.0.1:${port}`,
    onSession: (listener: (session: ServerHttp2Session) => void): void => void server.on('session', listener),
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      server.close();
      if (server.listening) await once(server, 'close');
    },
  };
}

const watchOf = (client: ApiClient, namespace: string, signal?: AbortSignal) => {
  const events: WatchEvent<Pod>[] = [];
  const outcome = client
    .watch(pods, { namespace, signal }, (event) => events.push(event))
    .then(
      () => 'ended',
      (error: unknown) => error as Error,
    );
  return { events, outcome };
};

const send = ({ stream }: Watching, name: string): void =>
  void stream.write(`${JSON.stringify({ type: 'ADDED', object: { metadata: { name } } })}\n`);

t.test('watches share a connection; each has its own events and its own end', async (t) => {
  await using server = await startWatchServer();
  await using client = new ApiClient({ server: server.url, ca: server.ca.cert, userAgent: 'me', token: 'secret' });
  const stop = new AbortController();
  const [first, second] = [watchOf(client, 'first', stop.signal), watchOf(client, 'second')];
  const others = Array.from({ length: 48 }, (_, index) => watchOf(client, `n${index}`));
  await eventually('fifty watches', () => server.watches.length === 50);
  t.equal(server.sessions.size, 1);
  t.match(server.watches[0]?.headers, { 'user-agent': 'me', authorization: 'Bearer secret', ':authority': /^127/ });
  for (const watching of server.watches) send(watching, watching.path.split('/')[4] ?? '');
  await eventually('their events', () => others.every(({ events }) => events.length === 1));
  t.match(first.events, [{ type: 'ADDED', object: { metadata: { name: 'first' } } }]);
  stop.abort(new Error('enough'));
  t.match(await first.outcome, { message: 'enough' });
  await eventually('the server to be told', () => server.watches.length === 49);
  const ended = server.watches.find(({ path }) => path.includes('/second/'));
  ended?.stream.end();
  t.equal(await second.outcome, 'ended');
  t.equal(server.sessions.size, 1, 'that of the others');
});

t.test('there are no more streams on a connection than the server wants, nor more than 200', async (t) => {
  for (const [maxConcurrentStreams, watches, connections] of [
    [10, 25, 3],
    [1000, 401, 3],
    [0, 1, 1],
  ] as const) {
    await using server = await startWatchServer({ maxConcurrentStreams });
    await using client = new ApiClient({ server: server.url, ca: server.ca.cert });
    const running = Array.from({ length: watches }, (_, index) => watchOf(client, `n${index}`));
    if (maxConcurrentStreams > 0) await eventually('the watches', () => server.watches.length === watches);
    else await eventually('the connection', () => server.sessions.size === 1);
    t.equal(server.sessions.size, connections, `${maxConcurrentStreams}`);
    await client[Symbol.asyncDispose]();
    for (const { outcome } of running) t.match(await outcome, { name: 'ConnectionError', code: 'CLOSED' });
  }
});

t.test('a connection that breaks ends its watches; the next one has a new connection', async (t) => {
  await using server = await startWatchServer();
  await using client = new ApiClient({ server: server.url, ca: server.ca.cert });
  for (const end of ['destroy', 'reset', 'close'] as const) {
    const watch = watchOf(client, 'default');
    await eventually('the watch', () => server.watches.length === 1);
    const [watching] = server.watches;
    const { session } = watching!;
    if (end === 'destroy') session.destroy();
    else if (end === 'reset') (session.socket as TLSSocket).destroySoon();
    else {
      // GOAWAY: what runs goes on, what is new goes elsewhere.
      session.close();
      await eventually('the client to know', () => session.closed);
      const next = watchOf(client, 'default');
      await eventually('a second watch', () => server.watches.length === 2);
      t.equal(new Set(server.watches.map((each) => each.session)).size, 2);
      send(watching!, 'late');
      await eventually('its event', () => watch.events.length === 1);
      for (const each of server.watches.splice(0)) each.stream.end();
      t.equal(await next.outcome, 'ended');
      t.equal(await watch.outcome, 'ended');
      continue;
    }
    const outcome = await watch.outcome;
    if (outcome !== 'ended')
      t.match(outcome, { name: 'ConnectionError', message: /the connection was|the server ended/ });
    await eventually('the watch to be gone', () => server.watches.length === 0);
  }
});

t.test('a watch that is not answered fails with its signal, and its stream is reset', async (t) => {
  await using server = await startWatchServer({ responds: false });
  await using client = new ApiClient({ server: server.url, ca: server.ca.cert });
  const stop = new AbortController();
  const watch = watchOf(client, 'default', stop.signal);
  await eventually('the watch', () => server.watches.length === 1);
  stop.abort(new Error('enough'));
  t.match(await watch.outcome, { message: 'enough' });
  await eventually('its stream to be gone', () => server.watches.length === 0);
  t.equal(server.sessions.size, 1);
});

t.test('replaced credentials are those of the next watch, on a new connection', async (t) => {
  await using server = await startWatchServer();
  const first = await server.ca.issue('CN=first');
  await using client = new ApiClient({ server: server.url, ca: server.ca.cert, ...first });
  const subject = (): unknown => (server.watches[0]?.session.socket as TLSSocket).getPeerCertificate().subject.CN;
  const watch = watchOf(client, 'default');
  await eventually('a watch', () => server.watches.length === 1);
  t.equal(subject(), 'first');
  await client.replaceCredentials(await server.ca.issue('CN=second'));
  t.match(await watch.outcome, { name: 'ConnectionError' });
  await eventually('it to be gone', () => server.watches.length === 0);
  const next = watchOf(client, 'default');
  await eventually('a watch', () => server.watches.length === 1);
  t.equal(subject(), 'second');
  await client[Symbol.asyncDispose]();
  t.match(await next.outcome, { name: 'ConnectionError' });
});

t.test('a server that closes the connection before it has said anything is no server that is waited for', async (t) => {
  const ca = await TestCa.create();
  const server = createTlsServer({ ...(await ca.issue('CN=server')), ALPNProtocols: ['h2'] }, (socket) =>
    socket
      .on('error', () => undefined)
      .resume()
      .end(),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await using client = new ApiClient({ server: `https://127.0.0.1:${port}`, ca: ca.cert });
  const startedAt = performance.now();
  t.match(await watchOf(client, 'default').outcome, { name: 'ConnectionError' });
  t.ok(performance.now() - startedAt < 5_000, 'before the limit for connecting');
  server.close();
  await once(server, 'close');
});

t.test('a server that closes each connection at once is not asked over and over', async (t) => {
  for (const refuses of ['connections', 'requests']) {
    await using server = await startWatchServer({ responds: false });
    let connections = 0;
    server.onSession((session) => {
      connections++;
      if (refuses === 'connections') session.goaway();
      else
        session.on('stream', (stream) => {
          session.goaway();
          stream.close(constants.NGHTTP2_REFUSED_STREAM);
        });
    });
    await using client = new ApiClient({ server: server.url, ca: server.ca.cert });
    const { outcome } = watchOf(client, 'default', AbortSignal.timeout(10_000));
    t.match(await outcome, { name: 'ConnectionError', code: 'CUT_OFF' }, refuses);
    t.equal(connections, 3, refuses);
  }
});

t.test('failures of the connection are told as those of other requests', async (t) => {
  const stranger = await TestCa.create();
  await using server = await startWatchServer();
  await using client = new ApiClient({ server: server.url, ca: stranger.cert });
  t.match(await watchOf(client, 'default').outcome, { name: 'ConnectionError', message: /not signed by the given CA/ });
  await using nobody = new ApiClient({ server: 'https://127.0.0.1:1', ca: stranger.cert });
  t.match(await watchOf(nobody, 'default').outcome, { name: 'ConnectionError', message: /connection refused/ });
});
