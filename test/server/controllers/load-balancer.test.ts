/** The controllers of load balancers against a real api-server; the nodes are objects, and what agents do is done by the test. */
import t from 'tap';
import { addressRanges } from '../../../api/domain/address-range.ts';
import {
  ANNOUNCED_ADDRESSES,
  ANNOUNCING_NODE,
  EXCLUDE_FROM_LOAD_BALANCERS,
  nodeThat,
  TAKEOVER_NODE,
} from '../../../api/domain/load-balancer.ts';
import { microTimeOf } from '../../../api/machinery/time.ts';
import { events, leases, nodes, services } from '../../../client/resources.gen.ts';
import { AddressPools } from '../../../control-plane/controllers/network/load-balancer/address-pools.ts';
import { loadBalancerController } from '../../../control-plane/controllers/network/load-balancer/addresses.ts';
import { announcerController } from '../../../control-plane/controllers/network/load-balancer/announcers.ts';
import { runDescriptors } from '../../../control-plane/controllers/framework/runner.ts';
import { selectedControllers } from '../../../control-plane/controllers/main.ts';
import type { ServiceSpec } from '../../../api/types/core/v1.gen.ts';
import { eventually } from '../../support/wait.ts';
import { silent } from '../apiserver/server.ts';
import { NAMESPACE as namespace, RunningControllers } from './running-controllers.ts';

const startWith = (...ranges: string[]): Promise<RunningControllers> => {
  const pools = new AddressPools(addressRanges(ranges));
  const isReserved = (port: number): boolean => port === 22;
  return RunningControllers.start(loadBalancerController({ pools, isReserved }), announcerController(pools));
};

type Running = Awaited<ReturnType<typeof startWith>>;

async function addNode({ client }: Running, name: string, address: string): Promise<void> {
  await client.create(nodes, { metadata: { name } });
  const status = {
    addresses: [{ type: 'InternalIP', address }],
    conditions: [{ type: 'Ready', status: 'True', reason: 'Test', message: '' }],
  };
  await client.patch(nodes, '', name, { status }, { subresource: 'status' });
  await client.create(leases, { metadata: { namespace: 'kube-node-lease', name }, spec: { holderIdentity: name } });
}

/** What an agent does that announces: renews its Lease, with what it announces. Returns how to end it. */
function announce({ client }: Running, name: string, addresses: readonly string[]): () => Promise<void> {
  const renew = async (): Promise<void> => {
    const annotations = { [ANNOUNCED_ADDRESSES]: addresses.join(',') };
    const patch = { metadata: { annotations }, spec: { renewTime: microTimeOf(Date.now()) } };
    await client.patch(leases, 'kube-node-lease', name, patch);
  };
  let last = renew();
  const timer = setInterval(() => {
    last = last.then(renew);
  }, 200);
  return async () => {
    clearInterval(timer);
    await last;
  };
}

const create = ({ client }: Running, name: string, more: Partial<ServiceSpec> = {}) =>
  client.create(services, {
    metadata: { namespace, name },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }], selector: { app: name }, ...more },
  });
const addressesOf = async ({ client }: Running, name: string): Promise<string | undefined> =>
  (await client.get(services, namespace, name)).status?.loadBalancer?.ingress?.map(({ ip }) => ip).join();
const nodeOf = async (
  { client }: Running,
  name: string,
  which: typeof ANNOUNCING_NODE | typeof TAKEOVER_NODE,
): Promise<string | undefined> => nodeThat(which, await client.get(services, namespace, name));

t.test('without pools, the ports are open on the nodes', async (t) => {
  await using running = await startWith();
  await addNode(running, 'a', '10.0.0.1');
  await create(running, 'web');
  await eventually('the address of the node', async () => (await addressesOf(running, 'web')) === '10.0.0.1');
  await addNode(running, 'b', '10.0.0.2');
  await eventually('both', async () => (await addressesOf(running, 'web')) === '10.0.0.1,10.0.0.2');
  t.equal(await nodeOf(running, 'web', ANNOUNCING_NODE), undefined, 'nobody need announce these');

  await create(running, 'other');
  await create(running, 'shell', { ports: [{ port: 22 }] });
  await create(running, 'foreign', { loadBalancerClass: 'example.com/other' });
  await eventually('the events', async () => {
    const events = await running.events('Service');
    return (
      events.includes(
        `Warning SyncLoadBalancerFailed: port TCP/80 of the nodes belongs to the Service ${namespace}/web`,
      ) && events.some((event) => event.includes('port TCP/22 of the nodes is reserved'))
    );
  });
  t.equal(await addressesOf(running, 'other'), undefined);
  await running.client.patch(services, namespace, 'web', { spec: { ports: [{ port: 81, protocol: 'TCP' }] } });
  await eventually('the port to pass on', async () => (await addressesOf(running, 'other')) === '10.0.0.1,10.0.0.2');
  t.equal(await addressesOf(running, 'foreign'), undefined, 'of another class');
});

t.test('with pools, each has an address of its own, and keeps it', async (t) => {
  await using running = await startWith('192.0.2.1-192.0.2.40');
  await addNode(running, 'a', '192.0.2.1');
  const names = Array.from({ length: 30 }, (_, index) => `web-${index}`);
  await Promise.all(names.map((name) => create(running, name)));
  const all = () => Promise.all(names.map((name) => addressesOf(running, name)));
  await eventually('all addresses', async () => (await all()).every(Boolean), 30);
  const given = await all();
  t.equal(new Set(given).size, names.length, 'no address twice');
  t.notOk(given.includes('192.0.2.1'), 'nor that of a node');
  await running.restart(async () => {
    await create(running, 'late');
  });
  await eventually('the late one', () => addressesOf(running, 'late'));
  t.strictSame(await all(), given);
  t.notOk(given.includes(await addressesOf(running, 'late')));
});

t.test('a node that falls silent is followed by another, once that says so', async (t) => {
  await using running = await startWith('192.0.2.1');
  await addNode(running, 'a', '10.0.0.1');
  await create(running, 'web');
  await eventually('a holder', async () => (await nodeOf(running, 'web', ANNOUNCING_NODE)) === 'a');
  const end = announce(running, 'a', ['192.0.2.1']);
  await addNode(running, 'b', '10.0.0.2');
  await end();
  await eventually('the other', async () => (await nodeOf(running, 'web', TAKEOVER_NODE)) === 'b');
  t.equal(await nodeOf(running, 'web', ANNOUNCING_NODE), 'a');
  const endAgain = announce(running, 'a', ['192.0.2.1']);
  await eventually('its return', async () => (await nodeOf(running, 'web', TAKEOVER_NODE)) === undefined);
  t.equal(await nodeOf(running, 'web', ANNOUNCING_NODE), 'a');
  await endAgain();
  await eventually('the other', async () => (await nodeOf(running, 'web', TAKEOVER_NODE)) === 'b');
  const endOther = announce(running, 'b', ['192.0.2.1']);
  await eventually('the change', async () => (await nodeOf(running, 'web', ANNOUNCING_NODE)) === 'b');
  t.equal(await nodeOf(running, 'web', TAKEOVER_NODE), undefined);
  await endOther();
});

t.test('a node that cannot announce the address is passed over', async (t) => {
  await using running = await startWith('192.0.2.1');
  await addNode(running, 'a', '10.0.0.1');
  await create(running, 'web');
  await eventually('a holder', async () => (await nodeOf(running, 'web', ANNOUNCING_NODE)) === 'a');
  const end = announce(running, 'a', []);
  await addNode(running, 'b', '10.0.0.2');
  await eventually('the other', async () => (await nodeOf(running, 'web', ANNOUNCING_NODE)) === 'b', 20);
  await end();
  t.equal(await addressesOf(running, 'web'), '192.0.2.1');
});

t.test('what a node says of its addresses takes none from a Service', async (t) => {
  await using running = await startWith('192.0.2.1');
  await addNode(running, 'a', '10.0.0.1');
  await create(running, 'web');
  await eventually('the address', () => addressesOf(running, 'web'));
  await addNode(running, 'liar', '192.0.2.1');
  await running.client.patch(services, namespace, 'web', { metadata: { labels: { looked: 'at' } } });
  // One Service is looked at after the other.
  await create(running, 'late');
  await eventually('the late one to wait', async () =>
    (await running.events('Service')).some((event) => event.includes('all IPv4 addresses of the pools are taken')),
  );
  t.equal(await addressesOf(running, 'web'), '192.0.2.1');
});

t.test('a Service that is something else before it has its address leaves that to others', async (t) => {
  const [first, last] = [1, 12];
  await using running = await startWith(`192.0.2.${first}-192.0.2.${last}`);
  await addNode(running, 'a', '10.0.0.1');
  const names = Array.from({ length: last }, (_, index) => `web-${index}`);
  await Promise.all(
    names.map(async (name) => {
      await create(running, name);
      await running.client.patch(services, namespace, name, { spec: { type: 'ClusterIP' } });
    }),
  );
  const more = names.map((name) => `${name}-again`);
  await Promise.all(more.map((name) => create(running, name)));
  await eventually('all addresses', async () => {
    const given = await Promise.all(more.map((name) => addressesOf(running, name)));
    return new Set(given).size === last && given.every(Boolean);
  });
  t.strictSame(
    await Promise.all(names.map((name) => addressesOf(running, name))),
    names.map(() => undefined),
  );
});

t.test('users are told, once, who announces an address, and why nobody does', async (t) => {
  await using running = await startWith('192.0.2.1');
  const told = async (): Promise<string[]> =>
    (await running.client.listAll(events, { namespace }))
      .filter(({ reason }) => reason === 'AnnouncingNode' || reason === 'AddressNotAnnounced')
      .map(({ message, count }) => `${count} ${message}`);
  await create(running, 'web');
  const none = `1 no node can announce 192.0.2.1: none is ready, and without the label ${EXCLUDE_FROM_LOAD_BALANCERS}`;
  await eventually('the reason', async () => (await told()).includes(none));
  await addNode(running, 'a', '10.0.0.1');
  const chosen = '1 node a announces 192.0.2.1';
  await eventually('the node', async () => (await told()).includes(chosen));
  const end = announce(running, 'a', []);
  const declined = "1 node a does not announce 192.0.2.1: its agent's log says why";
  await eventually('that it does not', async () => (await told()).includes(declined), 20);
  await end();
  t.strictSame((await told()).sort(), [chosen, declined, none].sort());
});

t.test('without the controller that gives addresses, nodes give up what they announced', async (t) => {
  await using running = await startWith('192.0.2.1');
  await addNode(running, 'a', '10.0.0.1');
  await create(running, 'web');
  await eventually('a holder', async () => (await nodeOf(running, 'web', ANNOUNCING_NODE)) === 'a');
  await running.restart(async () => {
    const controllers = selectedControllers({
      ...{
        rootCa: '',
        clusterCidr: '10.42.0.0/16',
        nodeMaskSizes: { IPv4: 24, IPv6: 64 },
        nodeMonitorGraceSeconds: 40,
      },
      ...{ inventory: '', loadBalancerPools: ['192.0.2.1'], isReservedPort: () => false },
      selection: ['service-lb-announcer-controller'],
      sign: () => Promise.resolve(''),
      signToken: () => '',
    });
    const stop = new AbortController();
    const ended = runDescriptors(controllers, { client: running.client, logger: silent, signal: stop.signal });
    await eventually('no holder', async () => (await nodeOf(running, 'web', ANNOUNCING_NODE)) === undefined);
    stop.abort();
    await ended;
    t.equal(await addressesOf(running, 'web'), '192.0.2.1', 'which may be of another implementation by now');
  });
});
