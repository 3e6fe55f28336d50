/** What changes while requests are served: endpoints, Ingresses, workers. No request fails meanwhile. */
import { once } from 'node:events';
import http from 'node:http';
import t from 'tap';
import { WebSocket, WebSocketServer } from 'ws';
import { pathTo, rule, World } from '../../support/ingress-world.ts';
import { eventually } from '../../support/wait.ts';
import { enterNamespace } from '../network/pod-namespaces.ts';
import { ask, HTTP_PORT, makeAddresses, NODE, RunningProxy, seen, startBackend } from './running-proxy.ts';

enterNamespace();
t.setTimeout(100_000);

const PODS = 40;
const address = (index: number): string => `10.99.0.${index + 10}`;
await makeAddresses(PODS + 10);
const proxy = await RunningProxy.start(t);

/** Clients that ask one after the other, half of them on connections that stay; `stop` returns what failed. */
function load(clients: number) {
  let isRunning = true;
  let answered = 0;
  const failures: string[] = [];
  const client = async (agent: http.Agent | undefined): Promise<void> => {
    while (isRunning) {
      try {
        const { status } = await ask('load.example', '/', agent && { agent });
        if (status === 200) answered++;
        else failures.push(String(status));
      } catch (error) {
        failures.push((error as Error).message);
      }
    }
    agent?.destroy();
  };
  const running = Array.from({ length: clients }, (_, index) =>
    client(index % 2 === 0 ? new http.Agent({ keepAlive: true, maxSockets: 1 }) : undefined),
  );
  return {
    answered: () => answered,
    stop: async (): Promise<string[]> => {
      isRunning = false;
      await Promise.all(running);
      return failures;
    },
  };
}

t.test('a rolling update of 20 endpoints and reloads under load fail no request', async (t) => {
  const backends = new Map<number, http.Server>();
  const open = async (index: number) => void backends.set(index, await startBackend(t, address(index)));
  const world = new World();
  const serve = () => world.addService('load', [...backends.keys()].map(address));
  for (let index = 0; index < 20; index++) await open(index);
  serve();
  world.addIngress('load', { rules: [rule('load.example', pathTo('load'))] });
  await proxy.apply(world);
  const { pid } = proxy;
  const traffic = load(8);
  await eventually('traffic', () => traffic.answered() > 100);
  for (let index = 0; index < 20; index++) {
    await open(index + 20);
    serve();
    t.equal((await proxy.apply(world)).effect, 'told');
    const old = backends.get(index)!;
    backends.delete(index);
    serve();
    t.equal((await proxy.apply(world)).effect, 'told');
    // As a pod that terminates: it takes no new connection and ends those that are idle.
    old.close();
    old.closeIdleConnections();
  }
  const before = traffic.answered();
  for (let round = 0; round < 5; round++) {
    world.addIngress(
      `other-${round}`,
      { rules: [rule(`other-${round}.example`, pathTo('load'))] },
      { 'app-root': '/x' },
    );
    t.equal((await proxy.apply(world)).effect, 'reloaded');
    const now = traffic.answered();
    await eventually('requests of the new worker', () => traffic.answered() > now + 50);
  }
  t.ok(traffic.answered() > before + 250);
  t.strictSame(await traffic.stop(), []);
  t.equal(proxy.pid, pid, 'the master stays');
});

t.test('an endpoint that refuses connections costs no request', async (t) => {
  const world = new World();
  await startBackend(t, address(1), 8081);
  world.addService('half', [address(0), address(1)], 8081);
  world.addIngress('half', { rules: [rule('half.example', pathTo('half'))] });
  await proxy.apply(world);
  for (let count = 0; count < 10; count++) t.equal((await seen('half.example', '/')).server, address(1));
  world.addService('half', [], 8081);
  t.equal((await proxy.apply(world)).effect, 'told');
  const { status, body } = await ask('half.example', '/');
  t.strictSame([status, body], [503, '503 Service Unavailable\n']);
});

t.test('paths change at run time', async (t) => {
  const world = new World();
  await startBackend(t, address(2), 8082);
  world.addService('a', [address(2)], 8082);
  world.addIngress('a', { rules: [rule('a.example', pathTo('a', '/one'))] });
  await proxy.apply(world);
  world.addIngress('a', {
    rules: [rule('a.example', pathTo('a', '/two')), rule('b.example', pathTo('a', '/', 'Exact'))],
  });
  t.equal((await proxy.apply(world)).effect, 'told');
  t.equal((await ask('a.example', '/one')).status, 404);
  t.equal((await ask('a.example', '/two/x')).status, 200);
  t.equal((await ask('b.example', '/')).status, 200);
  t.equal((await proxy.apply(world)).effect, 'nothing');
});

t.test('an upgraded connection outlives reloads', async (t) => {
  const world = new World();
  const server = await startBackend(t, address(3), 8083);
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  world.addService('ws', [address(3)], 8083);
  world.addIngress('ws', { rules: [rule('ws.example', pathTo('ws'))] });
  await proxy.apply(world);
  const client = new WebSocket(`ws://${NODE}:${HTTP_PORT}/`, { headers: { host: 'ws.example' } });
  await once(client, 'open');
  world.addIngress('more', { rules: [rule('more.example', pathTo('ws'))] }, { 'app-root': '/x' });
  t.equal((await proxy.apply(world)).effect, 'reloaded');
  for (const word of ['one', 'two']) {
    client.send(word);
    const [echo] = (await once(client, 'message')) as [Buffer];
    t.equal(echo.toString(), word);
  }
  client.terminate();
  sockets.close();
});

t.test('a new Ingress among 1,000 is served within 0.3 s', async (t) => {
  const world = new World();
  await startBackend(t, address(4), 8084);
  for (let index = 0; index < 1_000; index++) {
    world.addService(`s${index}`, [address(4)], 8084);
    world.addIngress(`i${index}`, { rules: [rule(`h${index}.example`, pathTo(`s${index}`))] });
  }
  await proxy.apply(world);
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    world.addIngress(`new${round}`, { rules: [rule(`new${round}.example`, pathTo('s1'))] });
    const start = performance.now();
    t.equal((await proxy.apply(world)).effect, 'told');
    t.equal((await ask(`new${round}.example`, '/')).status, 200);
    times.push(performance.now() - start);
  }
  t.comment(`milliseconds to the first answer: ${times.map(Math.round).join(' ')}`);
  t.ok(Math.min(...times) < 300, times.join());
});
