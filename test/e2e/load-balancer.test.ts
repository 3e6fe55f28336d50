/** Load balancers with addresses of a pool: announced by one node, taken over when it dies, seen by a client that is no node. */
import path from 'node:path';
import t from 'tap';
import { run } from '../../agent/host/run.ts';
import {
  announcedBy,
  ANNOUNCING_NODE,
  LOAD_BALANCER_IPS,
  nodeThat,
  TAKEOVER_NODE,
} from '../../api/domain/load-balancer.ts';
import { Cluster, type ClusterNode } from '../support/cluster.ts';
import { pod } from '../support/pods.ts';
import { eventually } from '../support/wait.ts';
import type { Lease } from '../../api/types/coordination/v1.gen.ts';
import type { Event, Pod, Service } from '../../api/types/core/v1.gen.ts';

t.setTimeout(5 * 60_000);
const POOL = ['10.77.0.100', '10.77.0.101'] as const;
const POOL_V6 = 'fd00:77::100';
/** Of no network that a link of the nodes is in. */
const ROUTED = '2001:db8:77::1';
const MOVED_WITHIN_MS = 3_000;

const cluster = await Cluster.start({
  name: 'e2e-balancer',
  nodes: 3,
  ipv6: true,
  server: {
    'cluster-cidr': '10.42.0.0/16,fd00:42::/56',
    'service-cidr': '10.43.0.0/16,fd00:43::/112',
    'load-balancer-pools': `${POOL.join('-')},${POOL_V6},${ROUTED}`,
  },
});
cluster.endWith(t);
const [hub, ...others] = cluster.nodes;
if (!hub) throw new Error('three nodes are needed');
const client = `${path.basename(cluster.directory)}-client`;

/** A host of the network that is no node: the first node's bridge is its switch, which must not translate what it forwards. */
async function plugIn(): Promise<void> {
  await hub!.run('sysctl', ['-q', '-w', 'net.bridge.bridge-nf-call-iptables=0']);
  await run('ip', ['netns', 'add', client]);
  t.teardown(() => run('ip', ['netns', 'delete', client]));
  const peer = ['peer', 'name', 'eth0', 'netns', client];
  await run('ip', ['-n', hub!.netns, 'link', 'add', 'to-client', 'type', 'veth', ...peer]);
  await run('ip', ['-n', hub!.netns, 'link', 'set', 'to-client', 'master', 'lan0', 'up']);
  await run('ip', ['-n', client, 'address', 'add', '10.77.0.200/24', 'dev', 'eth0']);
  await run('ip', ['-n', client, 'address', 'add', 'fd00:77::200/64', 'dev', 'eth0', 'nodad']);
  await run('ip', ['-n', client, 'link', 'set', 'eth0', 'up']);
}

const inClient = async (program: string, ...args: string[]): Promise<string> =>
  (await run('nsenter', [`--net=/run/netns/${client}`, program, ...args])).stdout.trim();
const fetchName = (address: string): Promise<string> =>
  inClient('curl', '-sS', '--max-time', '1', '--connect-timeout', '0.3', `http://${address}/name`);

const service = (name: string): Promise<Service> => cluster.get<Service>('service', name);
const addressOf = ({ status }: Service): string | undefined => status?.loadBalancer?.ingress?.[0]?.ip;
const announcerOf = (of: Service): string | undefined => nodeThat(ANNOUNCING_NODE, of);
const has = async (node: ClusterNode, address: string): Promise<boolean> =>
  (await node.run('ip', ['-o', 'address', 'show'])).stdout.includes(`${address}/${address === POOL_V6 ? 128 : 32}`);
const DUAL = { ipFamilyPolicy: 'RequireDualStack' };
const WEB_V6 = `[${POOL_V6}]`;

async function holderOf(address: string): Promise<ClusterNode> {
  const holders = await Promise.all(others.map(async (node) => ((await has(node, address)) ? [node] : [])));
  const [holder, ...more] = holders.flat();
  if (!holder || more.length > 0) throw new Error(`${holders.flat().length} nodes have ${address}`);
  return holder;
}

const balancer = (name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { type: 'LoadBalancer', selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }], ...more },
});

await plugIn();
await cluster.kubectl('label', 'node', hub.name, 'node.kubernetes.io/exclude-from-external-load-balancers=');
const serving = { command: ['sh', '-c', 'echo "$HOSTNAME" > /tmp/name && exec httpd -f -p 8080 -h /tmp'] };
// On the node that announces nothing, so that it outlives those that do.
await cluster.apply(pod('web', serving, { nodeName: hub.name }));
await cluster.kubectl('label', 'pod', 'web', 'app=web');
await eventually('the pod', async () => (await cluster.get<Pod>('pod', 'web')).status?.phase === 'Running', 90);

t.test('a load balancer has an address that one node announces', async (t) => {
  await cluster.apply(balancer('web', DUAL));
  const address = await eventually('an address', async () => addressOf(await service('web')));
  t.equal(address, POOL[0]);
  t.equal(await eventually('an answer', () => fetchName(address)), 'web');
  const holder = await holderOf(address);
  t.equal(announcerOf(await service('web')), holder.name);
  t.notOk(await has(hub, address), 'a node that is excluded announces nothing');
});

t.test('the same node announces its address of IPv6', async (t) => {
  t.match((await service('web')).status?.loadBalancer?.ingress, [{ ip: POOL[0] }, { ip: POOL_V6 }]);
  t.equal(await eventually('an answer', () => fetchName(WEB_V6)), 'web');
  const holder = await holderOf(POOL_V6);
  t.equal(holder.name, (await holderOf(POOL[0])).name);
  const source = (await holder.run('ip', ['-6', 'route', 'get', 'fd00:77::200'])).stdout;
  t.match(source, ` src ${holder.ipv6} `, 'the host does not connect from it');
});

t.test('what a link has lost by going down and up is announced again', async (t) => {
  const holder = await holderOf(POOL_V6);
  await holder.run('ip', ['address', 'delete', `${POOL_V6}/128`, 'dev', 'eth0']);
  await eventually('the address', () => has(holder, POOL_V6));
  t.equal(await eventually('an answer', () => fetchName(WEB_V6)), 'web');
});

t.test('an agent that is restarted leaves its addresses where they are', async (t) => {
  const holder = await holderOf(POOL[0]);
  await holder.stopAgent('SIGKILL');
  const takeover = await eventually('another to be ready', async () => nodeThat(TAKEOVER_NODE, await service('web')));
  t.not(takeover, holder.name);
  // The host still answers for its address, so the other does not.
  const other = others.find(({ name }) => name === takeover);
  await eventually('the other to have looked', async () =>
    (await run('grep', ['-c', 'answers for it', path.join(other!.directory, 'agent.log')])).stdout.trim(),
  );
  t.equal((await holderOf(POOL[0])).name, holder.name);
  t.equal(await fetchName(POOL[0]), 'web');
  t.equal((await holderOf(POOL_V6)).name, holder.name);
  t.equal(await fetchName(WEB_V6), 'web');
  // A neighbour that has not heard of the last move: nothing but an announcement tells it, for it sends nothing.
  const neighbour = ['ip', 'neighbour', 'replace', POOL[0], 'dev', 'eth0', 'nud', 'stale'] as const;
  await inClient(...neighbour, 'lladdr', '02:00:00:00:00:99');
  await holder.startAgent();
  const [, mac = 'none'] = /link\/ether (\S+)/.exec((await holder.run('ip', ['link', 'show', 'eth0'])).stdout) ?? [];
  await eventually('the neighbour to be told', async () =>
    (await inClient('ip', 'neighbour', 'show', POOL[0])).includes(mac),
  );
  await eventually('the other to stand back', async () => nodeThat(TAKEOVER_NODE, await service('web')) === undefined);
  t.equal(announcerOf(await service('web')), holder.name);
  t.equal((await holderOf(POOL[0])).name, holder.name);
});

t.test('who may write the Service alone has no say in who announces it', async (t) => {
  const holder = await holderOf(POOL[0]);
  const replacement = { ...balancer('web', DUAL), metadata: { name: 'web', labels: { a: 'b' } } };
  await cluster.kubectlWith({ input: JSON.stringify(replacement) }, 'replace', '-f', '-');
  t.equal(announcerOf(await service('web')), holder.name, 'the whole Service was replaced');
  t.equal((await holderOf(POOL[0])).name, holder.name);
  t.equal(await fetchName(POOL[0]), 'web');
});

t.test('when the node dies, another has the address', async (t) => {
  const holder = await holderOf(POOL[0]);
  t.equal(await fetchName(POOL[0]), 'web');
  t.equal(await fetchName(WEB_V6), 'web');
  const diedAt = performance.now();
  await holder.run('ip', ['link', 'set', 'eth0', 'down']);
  await eventually('an answer', () => fetchName(POOL[0]), 30);
  const tookMs = Math.round(performance.now() - diedAt);
  t.comment(`taken over after ${tookMs} ms`);
  t.ok(tookMs < 2 * MOVED_WITHIN_MS, 'in time, on a machine that does much else');
  const heir = others.find(({ name }) => name !== holder.name)!;
  t.ok(await has(heir, POOL[0]));
  // The neighbour has sent to the dead one until now: it is told.
  t.equal(await eventually('an answer over IPv6', () => fetchName(WEB_V6), 30), 'web');
  t.comment(`that of IPv6 after ${Math.round(performance.now() - diedAt)} ms`);
  t.ok(await has(heir, POOL_V6));
  await eventually('the record of it', async () => announcerOf(await service('web')) === heir.name);
  await holder.run('ip', ['link', 'set', 'eth0', 'up']);
  await holder.run('ip', ['route', 'replace', 'default', 'via', hub.ip]);
  await eventually('the dead one to be back and to give it up', async () => !(await has(holder, POOL[0])), 60);
  t.equal(await fetchName(POOL[0]), 'web');
});

t.test('an address of IPv6 in no network of the nodes is left to the routers', async (t) => {
  const families = { ipFamilies: ['IPv6'], ipFamilyPolicy: 'SingleStack' };
  const annotations = { [LOAD_BALANCER_IPS]: ROUTED };
  const routed = balancer('routed', families);
  await cluster.apply({ ...routed, metadata: { ...routed.metadata, annotations } });
  await eventually('the address', async () => addressOf(await service('routed')) === ROUTED);
  const name = await eventually('a node', async () => announcerOf(await service('routed')));
  await eventually('the node to answer for it', async () => {
    const lease = await cluster.get<Lease>('lease', name, '-n', 'kube-node-lease');
    return announcedBy(lease).includes(ROUTED);
  });
  await run('ip', ['-n', client, 'route', 'add', ROUTED, 'via', others[0]!.ipv6]);
  t.equal(await eventually('an answer', () => fetchName(`[${ROUTED}]`)), 'web');
  for (const node of others) t.notOk((await node.run('ip', ['-6', 'address', 'show'])).stdout.includes(ROUTED));
  await cluster.kubectl('delete', 'service', 'routed');
});

t.test('who is left without an address is told why, and gets the next that is free', async (t) => {
  await cluster.apply(balancer('second'));
  await eventually('an address', async () => addressOf(await service('second')) === POOL[1]);
  await cluster.apply(balancer('third'));
  await eventually('the event', async () => {
    const { items } = await cluster.get<{ items: Event[] }>('events');
    return items.some(
      ({ involvedObject, message }) =>
        involvedObject.name === 'third' && message === 'all IPv4 addresses of the pools are taken',
    );
  });
  await cluster.kubectl('delete', 'service', 'second');
  await eventually('its address', async () => addressOf(await service('third')) === POOL[1]);
  t.equal(await eventually('an answer', () => fetchName(POOL[1])), 'web');
});

t.test('a load balancer that ceases to be one leaves no address behind', async (t) => {
  await cluster.kubectl('delete', 'service', 'third');
  await cluster.kubectl('patch', 'service', 'web', '-p', '{"spec":{"type":"ClusterIP"}}');
  for (const node of others)
    await eventually(
      `${node.name} without addresses`,
      async () => !(await Promise.all([...POOL, POOL_V6].map((address) => has(node, address)))).includes(true),
    );
  t.equal(announcerOf(await eventually('the Service', () => service('web'))), undefined);
});
