import { test } from 'tap';
import type { EndpointSlice } from '../../../api/types/discovery/v1.gen.ts';
import { ConnectionError } from '../../../client/connection-error.ts';
import type { ServerTarget } from '../../../client/transport.ts';
import { sliceFacts } from '../../../agent/network/services/model/service-facts.ts';
import { firstTarget, ServerChoice } from '../../../agent/servers/server-choice.ts';
import { inOrderFor, serversIn, targetOf } from '../../../agent/servers/server-list.ts';
import { parseKnownServers, type KnownServers } from '../../../agent/servers/server-record.ts';
import { Log } from '../../support/log.ts';
import { eventually } from '../../support/wait.ts';

const A = 'https://10.0.0.1:6443';
const B = 'https://10.0.0.2:6443';
const C = 'https://10.0.0.3:6443';
const ALL = [A, B, C];

const slice = (addresses: readonly string[], more: Partial<EndpointSlice> = {}): EndpointSlice => ({
  metadata: { namespace: 'default', name: 'kubernetes', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
  addressType: 'IPv4',
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  ports: [{ name: 'https', port: 6443, protocol: 'TCP' }],
  ...more,
});
const read = (...slices: EndpointSlice[]): string[] => serversIn(slices.map((one) => sliceFacts(one, 'node')));

test('servers are the endpoints of the Service kubernetes, whatever else is in its slices', (t) => {
  t.strictSame(read(slice(['10.0.0.2', '10.0.0.1'])), [A, B]);
  t.strictSame(read(slice(['10.0.0.1']), slice(['10.0.0.1', '10.0.0.3'])), [A, C], 'each once');
  t.strictSame(read(slice(['fd00::1'], { addressType: 'IPv6' })), ['https://[fd00::1]:6443']);
  const elsewhere = { metadata: { namespace: 'team', labels: { 'kubernetes.io/service-name': 'kubernetes' } } };
  t.strictSame(read(slice(['10.0.0.9'], elsewhere)), [], 'not those of another namespace');
  t.strictSame(read(slice(['127.0.0.1', '0.0.0.0', '224.0.0.1'])), [], 'not what is the node itself, or many');
  t.strictSame(read(slice(['::', '::1', 'ff02::1'], { addressType: 'IPv6' })), []);
  t.strictSame(read(slice(['evil.example', '10.0.0.1/x'])), []);
  t.strictSame(read(slice(['10.0.0.1'], { ports: [{ name: 'metrics', port: 9090, protocol: 'TCP' }] })), []);
  const many = Array.from({ length: 200 }, (_, index) => `10.0.1.${index + 1}`);
  t.equal(read(slice(many)).length, 16, 'and not more than a control plane has');
  t.end();
});

test('nodes are spread over servers, and only those of a server that goes away move', (t) => {
  const nodes = Array.from({ length: 900 }, (_, index) => `node-${index}`);
  const homes = new Map(nodes.map((node) => [node, inOrderFor(node, ALL)[0]]));
  for (const server of ALL) {
    const count = [...homes.values()].filter((home) => home === server).length;
    t.ok(count > 240 && count < 360, `${count} of 900 nodes prefer ${server}`);
  }
  for (const [node, home] of homes) {
    const after = inOrderFor(node, [A, B])[0];
    if (home !== C && after !== home) t.fail(`${node} has moved from ${home} to ${after}`);
  }
  t.end();
});

test('a server of the list has the name of api-servers, that of the settings its own', (t) => {
  t.strictSame(targetOf(B, A), { server: B, serverName: 'kubernetes' });
  t.strictSame(targetOf(A, A), { server: A });
  t.strictSame(firstTarget(`${A}/`, undefined), { server: A });
  t.strictSame(
    firstTarget(A, { servers: ALL, last: B }),
    { server: B, serverName: 'kubernetes' },
    'the last one first',
  );
  t.strictSame(firstTarget(A, { servers: [A, C], last: B }), { server: A }, 'unless it is none any more');
  t.end();
});

test('what is no list of servers on disk is not taken for one', (t) => {
  t.strictSame(parseKnownServers(JSON.stringify({ servers: ALL, last: B })), { servers: ALL, last: B });
  for (const text of [
    '',
    '{',
    '[]',
    'null',
    '{"servers":["file:///etc"],"last":"x"}',
    `{"servers":"${A}","last":"${A}"}`,
  ])
    t.equal(parseKnownServers(text), undefined, text);
  t.end();
});

/** Servers that are as the test says. */
class World {
  readonly states = new Map<string, 'ready' | 'not ready' | 'gone' | 'frozen'>(ALL.map((server) => [server, 'ready']));
  readonly moves: { readonly server: string; readonly isGone: boolean }[] = [];
  readonly written: KnownServers[] = [];
  pings = 0;
  probes = 0;
  server: string;

  constructor(server: string) {
    this.server = server;
  }

  ping(limitMs: number): Promise<boolean | undefined> {
    this.pings++;
    const state = this.states.get(this.server);
    if (state === 'frozen') return new Promise((resolve) => setTimeout(() => resolve(false), limitMs));
    return Promise.resolve(state === 'gone' ? undefined : true);
  }

  probe({ server }: ServerTarget): Promise<number> {
    this.probes++;
    const state = this.states.get(server);
    if (state === 'ready') return Promise.resolve(200);
    if (state === 'not ready') return Promise.resolve(500);
    return Promise.reject(new ConnectionError(server, new Error('refused')));
  }

  moveTo({ server }: ServerTarget, isGone: boolean): Promise<void> {
    this.moves.push({ server, isGone });
    this.server = server;
    return Promise.resolve();
  }

  write(known: KnownServers): Promise<void> {
    this.written.push(known);
    return Promise.resolve();
  }
}

const TIMES = { checkMs: 10, pingLimitMs: 20, probeLimitMs: 20, staggerMs: 5, searchMs: 5, awayMs: 3_600_000 };

async function choosing(
  world: World,
  learned: readonly string[],
  test: (choice: ServerChoice) => Promise<void>,
  times: Partial<typeof TIMES> = {},
  nodeName = 'node',
): Promise<void> {
  const choice = new ServerChoice({
    ...{ client: world, configured: A, nodeName, known: undefined, record: world, logger: new Log() },
    times: { ...TIMES, ...times },
  });
  const stop = new AbortController();
  const running = choice.run(stop.signal);
  choice.learn(learned);
  try {
    await test(choice);
  } finally {
    stop.abort();
    await running;
  }
}

test('an agent leaves a server that is gone, frozen or not ready for one that is ready', async (t) => {
  for (const state of ['gone', 'frozen', 'not ready'] as const) {
    const world = new World(A);
    await choosing(world, ALL, async () => {
      world.states.set(A, state);
      await eventually(`the agent to leave a server that is ${state}`, () => world.moves.length > 0);
    });
    t.strictSame(world.moves, [{ server: inOrderFor('node', [B, C])[0], isGone: state !== 'not ready' }]);
    t.equal(world.written.at(-1)?.last, world.server, 'and remembers it');
  }
});

test('it stays where it is while no server is ready, and takes the first that is', async (t) => {
  const world = new World(A);
  await choosing(world, ALL, async () => {
    for (const server of ALL) world.states.set(server, 'gone');
    const before = world.probes;
    await eventually('it to search again and again', () => world.probes > before + 12);
    t.strictSame(world.moves, []);
    world.states.set(C, 'ready');
    await eventually('it to find the one', () => world.server === C);
  });
});

test('a failed request makes it look at once', async () => {
  const world = new World(A);
  await choosing(
    world,
    ALL,
    async (choice) => {
      world.states.set(A, 'gone');
      choice.suspect();
      await eventually('it to move', () => world.server !== A);
    },
    { checkMs: 3_600_000 },
  );
});

test('with one server nothing is asked until a request fails', async (t) => {
  const [alone, one] = [new World(A), new World(A)];
  await choosing(one, ALL, () =>
    choosing(alone, [A], async () => {
      await eventually('an agent with a choice to have asked often', () => one.pings > 20);
      t.equal(alone.pings + alone.probes, 0);
    }),
  );
});

test('it returns to its own server when that is ready again, and leaves one that was removed', async (t) => {
  const world = new World(A);
  const [home = ''] = inOrderFor('node', ALL);
  world.server = ALL.find((server) => server !== home) ?? '';
  await choosing(
    world,
    ALL,
    async (choice) => {
      await eventually('it to return', () => world.server === home);
      t.strictSame(world.moves, [{ server: home, isGone: false }], 'without failing requests');
      if (home === A) return;
      choice.learn(ALL.filter((server) => server !== home));
      await eventually('it to leave', () => world.server !== home);
    },
    { awayMs: 20 },
  );
});
