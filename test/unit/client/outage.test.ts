/** The log during an outage of the api-server: when it begins, once per minute, and when it is over. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { Heartbeat } from '../../../agent/node/heartbeat.ts';
import { StatusManager } from '../../../agent/pods/status/status-manager.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { ConnectionError } from '../../../client/connection-error.ts';
import { EventRecorder } from '../../../client/event-recorder.ts';
import { Informer } from '../../../client/informer.ts';
import { logFailure, Outage } from '../../../client/outage.ts';
import { Reachability } from '../../../client/reachability.ts';
import { nodes, pods, services } from '../../../client/resources.gen.ts';
import { bodyOf } from '../../support/https-server.ts';
import { Log } from '../../support/log.ts';
import { eventually } from '../../support/wait.ts';
import { WatchedCollection } from './watched-collection.ts';

/** An api-server without objects that can stop and start on one port. */
class RestlessServer implements AsyncDisposable {
  readonly watches = new Set<ServerResponse>();
  readonly written: string[] = [];
  readonly #server: Server;
  #port = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? '', 'http://api');
      if (request.method !== 'GET') {
        void bodyOf(request).then((body) => {
          this.written.push(`${request.method} ${url.pathname}`);
          response.end(body);
        });
      } else if (url.searchParams.get('watch')) {
        response.writeHead(200).flushHeaders();
        this.watches.add(response);
        response.on('close', () => this.watches.delete(response));
      } else if (url.pathname.includes('/leases/')) {
        response.writeHead(404).end('no such lease');
      } else {
        response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items: [] }));
      }
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async come(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async leave(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.leave();
  }
}

async function startServer(t: Test): Promise<RestlessServer> {
  const server = new RestlessServer();
  await server.come();
  t.teardown(() => server[Symbol.asyncDispose]());
  return server;
}

t.test('an outage is one line, and its end another, whatever fails because of it', async (t) => {
  const server = await startServer(t);
  const log = new Log();
  const stop = new AbortController();
  const { signal } = stop;
  await using client = new ApiClient({ server: server.url, logger: log });
  const parts = [
    new Informer({ client, resource: pods, logger: log }).run(signal),
    new Informer({ client, resource: services, logger: log }).run(signal),
    new Informer({ client, resource: nodes, logger: log }).run(signal),
  ];
  await eventually('three watches', () => server.watches.size === 3);
  await server.leave();

  const heartbeat = new Heartbeat({ client, nodeName: 'n1', nodeUid: () => undefined, logger: log });
  parts.push(heartbeat.run(signal));
  const statuses = new StatusManager(
    { client, logger: log, apiPods: { byUid: () => undefined, objectOf: () => undefined } },
    signal,
  );
  const recorder = new EventRecorder({ client, component: 'kubelet', logger: log, signal });
  for (const name of ['a', 'b', 'c']) {
    const metadata = { name, namespace: 'default', uid: `uid-${name}` };
    statuses.set({ apiVersion: 'v1', kind: 'Pod', metadata }, { phase: 'Running' });
    recorder.event({ kind: 'Pod', ...metadata }, 'Normal', 'Started', 'Started container');
  }
  const failing = ['watch failed, retrying', 'failed to renew node lease', 'failed to update pod status'];
  await eventually('every part to fail repeatedly', () => failing.every((each) => log.count(each) >= 4));
  t.strictSame(log.shown, ['warn: api-server unreachable']);
  t.match(log.lines.find(({ level }) => level === 'warn')?.fields, {
    server: server.url,
    err: { message: /connection refused/ },
    failures: 2,
  });

  await server.come();
  await eventually('three watches', () => server.watches.size === 3);
  await eventually('the lease, the statuses and the events', () => server.written.length >= 7);
  t.strictSame(log.shown, ['warn: api-server unreachable', 'info: api-server reachable again']);
  const back = log.lines.find(({ level }) => level === 'info')?.fields;
  t.match(back, { server: server.url, failures: Number, durationMs: Number });
  t.ok(Number(back?.['failures']) >= 12, 'with the number of failed requests');
  stop.abort(new Error('enough'));
  await Promise.all(parts);
});

t.test('a watch that is rejected repeatedly is one line, and one when it works again', async (t) => {
  await using collection = await WatchedCollection.start();
  const log = new Log();
  await using client = new ApiClient({ ...collection.clientOptions, logger: log });
  const stop = new AbortController();
  collection.broken = true;
  const running = new Informer({ client, resource: pods, logger: log }).run(stop.signal);
  await eventually('four failures', () => log.count('watch failed, retrying') >= 4);
  t.strictSame(log.shown, ['warn: watch failed, retrying']);
  collection.broken = false;
  await eventually('the watch', () => collection.watches === 1);
  collection.put('a');
  await eventually('the recovery', () => log.count('watch recovered') === 1);
  t.strictSame(log.shown, ['warn: watch failed, retrying', 'info: watch recovered']);
  stop.abort(new Error('enough'));
  await running;
});

t.test('a single broken watch connection is no warning', async (t) => {
  await using collection = await WatchedCollection.start();
  const log = new Log();
  await using client = new ApiClient({ ...collection.clientOptions, logger: log });
  const stop = new AbortController();
  const running = new Informer({ client, resource: pods, logger: log }).run(stop.signal);
  await eventually('the watch', () => collection.watches === 1);
  collection.cutWatches();
  await eventually('the watch to be resumed', () => collection.watches === 2);
  t.equal(log.count('watch failed, retrying'), 1, 'logged at debug level');
  t.strictSame(log.shown, []);
  stop.abort(new Error('enough'));
  await running;
});

t.test('events that the server cannot store are one line, and one when it stores them again', async (t) => {
  await using collection = await WatchedCollection.start();
  const log = new Log();
  await using client = new ApiClient({ ...collection.clientOptions, logger: log });
  const recorder = new EventRecorder({ client, component: 'kubelet', logger: log });
  const record = (name: string) => recorder.event({ kind: 'Pod', name, uid: name }, 'Normal', 'Started', 'x');
  collection.broken = true;
  for (const name of ['a', 'b', 'c']) record(name);
  await recorder.flush();
  t.strictSame(log.shown, ['warn: failed to record event']);
  collection.broken = false;
  record('d');
  await recorder.flush();
  t.strictSame(log.shown, ['warn: failed to record event', 'info: event recording recovered']);
});

t.test('an outage is logged when it begins, once per minute while it lasts, and when it is over', (t) => {
  const log = new Log();
  let now = 0;
  const outage = new Outage({ logger: log, now: () => now });
  const fail = () => outage.failed(new Error('no'), { resource: 'pods' }, 'failed');
  outage.ended({}, 'over');
  t.strictSame(log.lines, [], 'no recovery without a failure');
  for (now = 0; now < 150_000; now += 10_000) fail();
  t.strictSame(log.shown, ['warn: failed', 'warn: failed', 'warn: failed']);
  t.match(log.lines[6], { level: 'warn', fields: { resource: 'pods', err: { message: 'no' }, failures: 7 } });
  outage.ended({ resource: 'pods' }, 'over');
  outage.ended({ resource: 'pods' }, 'over');
  t.strictSame(log.lines.at(-1), {
    level: 'info',
    message: 'over',
    fields: { resource: 'pods', failures: 15, durationMs: 150_000 },
  });
  t.equal(log.shown.length, 4);

  for (; now < 200_000; now += 1_000) {
    fail();
    outage.ended({}, 'over');
  }
  t.strictSame(log.shown.slice(4), ['warn: failed', 'info: over'], 'flapping is logged once per minute, too');
  t.end();
});

t.test('a failing request is logged by itself while the server serves others', (t) => {
  const log = new Log();
  let now = 0;
  const server = new Reachability(
    () => 'https://api:6443',
    log,
    () => now,
  );
  const startedAtMs = server.now();
  now = 10;
  server.answered();
  now = 20;
  const alone = new ConnectionError('https://api:6443', new Error('timeout'));
  server.failed(startedAtMs, alone);
  t.strictSame(log.shown, []);
  logFailure(log, alone, {}, 'failed to list');
  for (let i = 0; i < 3; i++) {
    const together = new ConnectionError('https://api:6443', new Error('timeout'));
    server.failed(server.now(), together);
    logFailure(log, together, {}, 'failed to list');
  }
  t.strictSame(log.shown, ['warn: failed to list', 'warn: api-server unreachable']);
  t.equal(log.count('failed to list'), 4, 'the others are logged at debug level');
  t.end();
});
