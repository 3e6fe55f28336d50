/** Services of both IP families in a real kernel: how their rules are read back, and where IPv6 connections are forwarded. */
import net from 'node:net';
import { once } from 'node:events';
import t from 'tap';
import type { ProxyMode } from '../../../agent/network/services/backends/proxy-mode.ts';
import type { ServiceEntry } from '../../../agent/network/services/model/service-entry.ts';
import {
  CLUSTER_CIDR,
  entryOf,
  IPV6_CLUSTER_CIDR,
  IPV6_SERVICE_CIDR,
  SERVICE_CIDR,
  type Shape,
} from '../../support/service-entries.ts';
import { backendOf, enterNamespace, ip, rulesOf, TESTED_MODES } from './pod-namespaces.ts';

enterNamespace();

const POD = 'fd00:42::2';
const NODE = 'fd00:42::1';

t.before(async () => {
  await ip('link', 'set', 'lo', 'up');
  for (const address of [POD, NODE]) await ip('addr', 'add', `${address}/128`, 'dev', 'lo', 'nodad');
  // Local packets to a cluster IP need a route before they are redirected.
  await ip('-6', 'route', 'add', IPV6_SERVICE_CIDR.text, 'dev', 'lo');
});

const families = [
  {
    ...{ clusterCidr: CLUSTER_CIDR, serviceRange: SERVICE_CIDR, frontend: '10.43.0.', pod: '10.42.0.' },
    ...{ external: '192.0.2.7', ingress: '203.0.113.7', source: '192.0.2.0/24' },
  },
  {
    ...{ clusterCidr: IPV6_CLUSTER_CIDR, serviceRange: IPV6_SERVICE_CIDR, frontend: 'fd00:43::', pod: 'fd00:42::' },
    ...{ external: '2001:db8::7', ingress: '2001:db8:1::7', source: '2001:db8:2::/48' },
  },
];

type Family = Pick<(typeof families)[number], 'clusterCidr' | 'serviceRange'>;

function start(mode: ProxyMode, { clusterCidr, serviceRange }: Family) {
  const backend = backendOf(mode, clusterCidr);
  const sync = (services: ReadonlyMap<string, ServiceEntry | undefined>, range = true) =>
    backend.sync({ services, serviceRange: range ? serviceRange : undefined });
  return { backend, sync };
}

for (const [mode, family] of TESTED_MODES.flatMap((mode) => families.map((family) => [mode, family] as const))) {
  t.test(
    `${mode}: whatever a Service has, its rules of ${family.clusterCidr.family} are read back as they were written`,
    async (t) => {
      const { external, ingress, source, pod } = family;
      const here = { ip: `${pod}2` };
      const elsewhere = { ip: `${pod}9`, node: 'node-1' };
      const shapes: readonly Shape[] = [
        { endpoints: [here, elsewhere, { ip: `${pod}3` }] },
        { endpoints: [here, elsewhere], spec: { sessionAffinity: 'ClientIP' } },
        { endpoints: [here], protocol: 'UDP', nodePort: 30053 },
        { endpoints: [] },
        { endpoints: [elsewhere], spec: { internalTrafficPolicy: 'Local' } },
        { endpoints: [here, elsewhere], nodePort: 30080, spec: { externalTrafficPolicy: 'Local' } },
        { endpoints: [elsewhere], nodePort: 30081, spec: { externalTrafficPolicy: 'Local', externalIPs: [external] } },
        { endpoints: [], nodePort: 30082, spec: { externalIPs: [external] } },
        { endpoints: [here], ingress: [ingress], spec: { type: 'LoadBalancer', loadBalancerSourceRanges: [source] } },
        { endpoints: [here], spec: { ports: [{ name: 'web', port: 80, protocol: 'SCTP' }] } },
      ];
      const services = new Map(
        shapes.map((shape, index) => {
          const name = `s${index}`;
          return [name, entryOf({ name, clusterIP: `${family.frontend}${index + 5}`, ...shape })] as const;
        }),
      );
      for (const knowsRange of [true, false]) {
        t.equal((await start(mode, family).sync(services, knowsRange)).rejected.size, 0);
        t.equal((await start(mode, family).sync(services, knowsRange)).wrote, false, `range known: ${knowsRange}`);
      }
      await start(mode, family).backend.remove();
    },
  );
}

/** The server's output, or the error's code. */
function ask(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: 2000 }, () => undefined);
    socket.on('data', (data) => resolve(String(data)));
    socket.on('timeout', () => socket.destroy(new Error('no answer')));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

for (const mode of TESTED_MODES)
  t.test(`${mode}: IPv6 connections are forwarded to endpoints, and rejected without endpoints`, async (t) => {
    const server = net.createServer((socket) => socket.end('pod')).listen(8080, POD);
    await once(server, 'listening');
    t.teardown(() => server.close());
    const [, family] = families;
    const { backend, sync } = start(mode, family!);
    const service = (endpoints: readonly string[], last: number, nodePort?: number): ServiceEntry =>
      entryOf({ name: `s${last}`, clusterIP: `fd00:43::${last}`, endpoints, nodePort });
    await sync(new Map([5, 6].map((last) => [`s${last}`, service(last === 5 ? [POD] : [], last, 30080 + last)])));
    t.equal(await ask('fd00:43::5', 80), 'pod');
    t.equal(await ask(NODE, 30085), 'pod', 'the node port');
    t.equal(await ask('fd00:43::5', 81), 'ECONNREFUSED', 'a port that the Service does not have');
    t.equal(await ask('fd00:43::6', 80), 'ECONNREFUSED', 'no endpoints');
    t.equal(await ask(NODE, 30086), 'ECONNREFUSED');
    t.equal(await ask('fd00:43::77', 80), 'ECONNREFUSED', 'an address that no Service has');
    await backend.remove();
    t.notMatch(await rulesOf(mode), /KUBE-|kube-proxy/);
  });
