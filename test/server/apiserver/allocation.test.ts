/** Cluster IPs and node ports as stored objects: shared by several servers, and reconciled with existing Services. */
import t from 'tap';
import { services } from '../../../api/kinds/core/service.ts';
import { ipAddresses } from '../../../api/kinds/networking/ip-address.ts';
import { eventually } from '../../support/wait.ts';
import { StoreUnavailableError, type WriteOptions } from '../../../control-plane/store/store.ts';
import { RemoteServer, RemoteStore } from '../store/remote-store.ts';
import { SERVICES, TestServer, type Answer } from './server.ts';

t.setTimeout(120_000);

const ADDRESSES = '/apis/networking.k8s.io/v1/ipaddresses';
const RANGES = '/apis/networking.k8s.io/v1/servicecidrs';
const PORTS_KEY = '/registry/ranges/servicenodeports';
const GRACE_MS = 200;

interface Spec {
  readonly clusterIP: string;
  readonly ports: { readonly nodePort?: number }[];
}
const specOf = ({ body }: Answer) => body.spec as Spec;
const portOf = (answer: Answer): number => specOf(answer).ports[0]?.nodePort ?? 0;

const service = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { type: 'NodePort', ports: [{ name: 'http', protocol: 'TCP', port: 80 }], ...spec },
});
const create = (server: TestServer, name: string, spec: object = {}) =>
  server.call('POST', SERVICES, { body: service(name, spec) });
const addressesIn = async (server: TestServer): Promise<unknown[]> =>
  ((await server.call('GET', ADDRESSES)).body.items ?? []).map(({ metadata }) => metadata?.name);

t.test('an allocated address is an IPAddress object that references its Service and is deleted with it', async (t) => {
  await using server = await TestServer.start();
  const { clusterIP } = specOf(await create(server, 'a'));
  t.match((await server.call('GET', `${ADDRESSES}/${clusterIP}`)).body, {
    metadata: { labels: { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' } },
    spec: { parentRef: { resource: 'services', namespace: 'default', name: 'a' } },
  });
  const table = await server.call('GET', ADDRESSES, { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' });
  t.match(table.body, { rows: [{ cells: [clusterIP, 'services/default/a'] }] });
  t.equal((await create(server, 'dry', {})).status, 201);
  await server.call('POST', `${SERVICES}?dryRun=All`, { body: service('b') });
  t.equal((await addressesIn(server)).length, 2, 'a dry run allocates nothing');
  await server.call('POST', ADDRESSES, {
    body: { metadata: { name: '10.43.0.77' }, spec: { parentRef: { resource: 'gateways', name: 'g' } } },
  });
  t.match((await create(server, 'c', { clusterIP: '10.43.0.77' })).body, { message: /already allocated/ });
  for (const name of ['a', 'dry']) await server.call('DELETE', `${SERVICES}/${name}`);
  t.strictSame(await addressesIn(server), ['10.43.0.77'], 'reservations of others are kept');
});

t.test('two servers never allocate the same address or port, and see what the other releases', async (t) => {
  const remote = new RemoteServer();
  await using one = await TestServer.start({ store: new RemoteStore(remote) });
  await using other = await TestServer.start({ store: new RemoteStore(remote) });
  const servers = [one, other];
  const answers = await Promise.all(
    servers.flatMap((server, i) => Array.from({ length: 60 }, (_, j) => create(server, `s${i}-${j}`))),
  );
  t.ok(answers.every(({ status }) => status === 201));
  t.equal(new Set(answers.map((answer) => specOf(answer).clusterIP)).size, 120);
  t.equal(new Set(answers.map(portOf)).size, 120);
  for (let round = 0; round < 20; round++) {
    const clusterIP = `10.43.0.${20 + round}`;
    const nodePort = 30000 + round;
    const race = (spec: object) => Promise.all(servers.map((server, i) => create(server, `r${round}-${i}`, spec)));
    const byAddress = await race({ clusterIP });
    t.strictSame(byAddress.map(({ status }) => status).sort(), [201, 422]);
    const winner = byAddress.findIndex(({ status }) => status === 201);
    await servers[winner]?.call('DELETE', `${SERVICES}/r${round}-${winner}`);
    const byPort = await race({ ports: [{ port: 80, nodePort }] });
    t.strictSame(byPort.map(({ status }) => status).sort(), [201, 422]);
    const owner = byPort.findIndex(({ status }) => status === 201);
    await servers[owner]?.call('DELETE', `${SERVICES}/r${round}-${owner}`);
    const loser = servers[1 - owner];
    const again = loser && (await create(loser, `again${round}`, { clusterIP, ports: [{ port: 80, nodePort }] }));
    t.equal(again?.status, 201, 'released by one server, allocated by the other');
  }
});

/** The server dies, as by SIGKILL, when it is about to write a Service: later writes of it have no effect. */
class DyingStore extends RemoteStore {
  isDead = false;

  override put(key: string, value: Buffer, options?: WriteOptions): Promise<number> {
    if (key.startsWith('/registry/core/services/')) this.isDead = true;
    if (this.isDead) return Promise.reject(new StoreUnavailableError('the server has died'));
    return super.put(key, value, options);
  }

  override delete(key: string, options?: WriteOptions): Promise<number> {
    if (this.isDead) return Promise.reject(new StoreUnavailableError('the server has died'));
    return super.delete(key, options);
  }
}

t.test('allocations of a server that died before it wrote the Service are released', async (t) => {
  const remote = new RemoteServer();
  const asked = { clusterIP: '10.43.0.50', ports: [{ port: 80, nodePort: 30050 }] };
  {
    await using dying = await TestServer.start({ store: new DyingStore(remote) });
    t.equal((await create(dying, 'lost', asked)).status, 503);
  }
  await using server = await TestServer.start({ store: new RemoteStore(remote), allocationGraceMs: GRACE_MS });
  const kept = await create(server, 'kept');
  t.match(
    (await create(server, 'early', asked)).body,
    { code: 422, message: /already allocated/ },
    'within the grace period',
  );
  await eventually('the address to be released', async () => (await addressesIn(server)).length === 1);
  await eventually('the Service to be created', async () => (await create(server, 'late', asked)).status === 201);
  t.strictSame((await addressesIn(server)).sort(), ['10.43.0.50', specOf(kept).clusterIP].sort());
  t.match((await create(server, 'b', { ports: [{ port: 80, nodePort: portOf(kept) }] })).body, { code: 422 });
});

t.test('Services from before allocations were objects keep theirs', async (t) => {
  const first = await TestServer.start();
  const specs = [];
  for (const name of ['a', 'b', 'c']) specs.push(await create(first, name));
  for (const answer of specs) {
    await first.store.delete(first.core.registry.of(ipAddresses).storeKey('', String(specOf(answer).clusterIP)));
  }
  await first.store.delete(PORTS_KEY);
  await first.stop();
  await using second = await TestServer.start({ directory: first.directory });
  t.strictSame((await addressesIn(second)).sort(), specs.map((answer) => specOf(answer).clusterIP).sort());
  for (const [index, answer] of specs.entries()) {
    const ports = [{ port: 80, nodePort: portOf(answer) }];
    t.match((await create(second, `p${index}`, { ports })).body, { code: 422, message: /already allocated/ });
    t.match((await create(second, `i${index}`, { clusterIP: specOf(answer).clusterIP })).body, { code: 422 });
  }
});

t.test('a node port that several older Services share is released with the last of them', async (t) => {
  await using server = await TestServer.start();
  const ports = [{ port: 80, nodePort: 30510 }];
  t.equal((await create(server, 'a', { ports })).status, 201);
  const keyOf = (name: string): string => server.core.registry.of(services).storeKey('default', name);
  const stored = await server.store.get(keyOf('a'));
  if (!stored) throw new Error('nothing is stored');
  const copy = Buffer.from(stored.value.toString().replace('"name":"a"', '"name":"b"'));
  const revision = await server.store.put(keyOf('b'), copy, { revision: 0 });
  await server.core.registry.caughtUp(revision);
  t.equal((await server.call('DELETE', `${SERVICES}/a`)).status, 200);
  t.match((await create(server, 'c', { ports })).body, { code: 422, message: /already allocated/ });
  t.equal((await server.call('DELETE', `${SERVICES}/b`)).status, 200);
  t.equal((await create(server, 'c', { ports })).status, 201);
});

/** The response to the write of a Service is lost. */
class SilencedStore extends RemoteStore {
  readonly #remote: RemoteServer;

  constructor(remote: RemoteServer, limitMs: number) {
    super(remote, limitMs);
    this.#remote = remote;
  }

  override put(key: string, value: Buffer, options?: WriteOptions): Promise<number> {
    if (key === '/registry/core/services/default/a') this.#remote.isSilent = true;
    return super.put(key, value, options);
  }
}

t.test('a Service whose write succeeded without a response keeps its address', async (t) => {
  const remote = new RemoteServer();
  await using server = await TestServer.start({
    store: new SilencedStore(remote, 400),
    allocationGraceMs: GRACE_MS,
  });
  t.equal((await create(server, 'a', { clusterIP: '10.43.0.60' })).status, 504);
  remote.comeBack();
  // A leaked allocation: once it is released, the repair has checked the other one, too.
  const labels = { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' };
  const parentRef = { resource: 'services', namespace: 'default', name: 'ghost' };
  const ghost = { metadata: { name: '10.43.0.61', labels }, spec: { parentRef } };
  t.equal((await server.call('POST', ADDRESSES, { body: ghost })).status, 201);
  await eventually(
    'the leaked address to be released',
    async () => !(await addressesIn(server)).includes('10.43.0.61'),
  );
  t.equal((await server.call('GET', `${ADDRESSES}/10.43.0.60`)).status, 200);
  t.match((await create(server, 'c', { clusterIP: '10.43.0.60' })).body, { code: 422, message: /already allocated/ });
});

t.test(
  'an additional ServiceCIDR is used, and protected while it is the only one with an allocated address',
  async (t) => {
    await using server = await TestServer.start();
    const elsewhere = { clusterIP: '10.99.0.5' };
    t.equal((await create(server, 'a', elsewhere)).status, 422);
    const extra = { metadata: { name: 'extra' }, spec: { cidrs: ['10.99.0.0/28'] } };
    t.equal((await server.call('POST', RANGES, { body: extra })).status, 201);
    const conditionOf = async () => {
      const { status } = (await server.call('GET', `${RANGES}/extra`)).body as {
        status?: { conditions?: { status: string; reason: string }[] };
      };
      return status?.conditions?.[0];
    };
    await eventually('the ServiceCIDR to be ready', async () => (await conditionOf())?.status === 'True');
    t.equal((await create(server, 'a', elsewhere)).status, 201);
    await server.call('DELETE', `${RANGES}/extra`);
    await eventually('the ServiceCIDR to be terminating', async () => (await conditionOf())?.reason === 'Terminating');
    t.match(
      (await create(server, 'b', { clusterIP: '10.99.0.6' })).body,
      { code: 422 },
      'no allocation from a terminating ServiceCIDR',
    );
    const mine = { metadata: { name: '10.99.0.7' }, spec: { parentRef: { resource: 'routes', name: 'r' } } };
    t.equal((await server.call('POST', ADDRESSES, { body: mine })).status, 201);
    t.equal((await server.call('DELETE', `${SERVICES}/a`)).status, 200);
    await eventually(
      'the ServiceCIDR to be gone: the address that is left is no allocated one',
      async () => (await server.call('GET', `${RANGES}/extra`)).status === 404,
    );
    const wrong = { metadata: { name: 'wrong' }, spec: { cidrs: ['10.99.0.1/28', '10.98.0.0/28'] } };
    t.match((await server.call('POST', RANGES, { body: wrong })).body, {
      code: 422,
      details: { causes: [{ field: 'spec.cidrs[0]' }, { field: 'spec.cidrs' }] },
    });
  },
);
