/** A node whose proxy mode changes while its Services are in use. */
import net from 'node:net';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { run } from '../../../agent/host/run.ts';
import { Iptables } from '../../../agent/network/netfilter/iptables.ts';
import { Netfilter } from '../../../agent/network/netfilter/netfilter.ts';
import { Nft } from '../../../agent/network/netfilter/nft.ts';
import { ServiceCache } from '../../../agent/network/service-cache.ts';
import type { ProxyMode } from '../../../agent/network/services/backends/proxy-mode.ts';
import {
  availableProxyMode,
  backendsOf,
  requireProxyMode,
} from '../../../agent/network/services/backends/proxy-modes.ts';
import { ServiceProxy } from '../../../agent/network/services/service-proxy.ts';
import { cleanUpProxy } from '../../../agent/proxy-cleanup.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { silent } from '../../support/https-server.ts';
import { MemoryApi } from '../../support/memory-api.ts';
import { CLUSTER_CIDR, SERVICE_CIDR, UNOBSERVED } from '../../support/service-entries.ts';
import { eventually } from '../../support/wait.ts';
import { backendOf, enterNamespace, makeNode, makePods, proxyHostOf, rulesOf, TESTED_MODES } from './pod-namespaces.ts';

enterNamespace();

const POD = '10.42.0.2';
const SERVICE = { host: '10.43.0.5', port: 80 };
/** Sends back what it gets. */
const SERVER = `require('net').createServer((s) => s.on('error', () => {}).pipe(s)).listen(8080, () => console.log('up'))`;
const TRACES: Readonly<Record<ProxyMode, RegExp>> = {
  iptables: /KUBE-/,
  nftables: /kube-proxy/,
  ipvs: /table ip kube-ipvs/,
};

t.before(async () => {
  await makeNode();
  await makePods(t, [POD], SERVER);
});

/** An agent's proxy in the mode, until it is stopped. */
async function startProxy(t: Test, api: MemoryApi, mode: ProxyMode) {
  const client = new ApiClient({ server: api.url });
  const stop = new AbortController();
  const { signal } = stop;
  const netfilter = new Netfilter(new Iptables('IPv4', signal));
  const { backend, retired } = backendsOf(mode, proxyHostOf(CLUSTER_CIDR, { netfilter }));
  const cache = new ServiceCache({ client, logger: silent, nodeName: 'node-0', families: [backend.family] });
  const proxy = new ServiceProxy({
    ...{ cache, logger: silent, nodeName: 'node-0', serviceRanges: [SERVICE_CIDR], dataDir: t.testdir() },
    ...{ events: { event: () => undefined }, backends: [backend], retired },
    ...UNOBSERVED,
  });
  const running = Promise.all([cache.run(signal), proxy.run(signal)]);
  return async (): Promise<void> => {
    stop.abort();
    await running.catch(() => undefined);
    await client[Symbol.asyncDispose]();
  };
}

async function connect(): Promise<net.Socket> {
  const socket = net.connect(SERVICE);
  // An error that comes after the limit is nobody's.
  socket.on('error', () => socket.destroy());
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(2_000) });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function echo(socket: net.Socket, text: string): Promise<string> {
  const answer = once(socket, 'data', { signal: AbortSignal.timeout(2_000) });
  socket.write(text);
  return String((await answer)[0]);
}

/** Connects again and again; returns how often that failed, and of how many. */
function connectAlways(signal: AbortSignal): Promise<{ failed: number; all: number }> {
  const counts = { failed: 0, all: 0 };
  return (async () => {
    while (!signal.aborted) {
      counts.all++;
      await connect().then(
        (socket) => socket.destroy(),
        () => counts.failed++,
      );
    }
    return counts;
  })();
}

const PAIRS = TESTED_MODES.flatMap((from) => TESTED_MODES.filter((to) => to !== from).map((to) => [from, to] as const));
for (const [from, to] of PAIRS) {
  t.test(
    `from ${from} to ${to}: open connections go on, new ones never fail, and nothing is left behind`,
    async (t) => {
      const api = await MemoryApi.start();
      api.put('services', {
        metadata: { name: 'web', namespace: 'default' },
        spec: { type: 'ClusterIP', clusterIP: SERVICE.host, ports: [{ port: SERVICE.port, protocol: 'TCP' }] },
      });
      api.put('endpointslices', {
        metadata: { name: 'web', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
        addressType: 'IPv4',
        ports: [{ port: 8080, protocol: 'TCP' }],
        endpoints: [{ addresses: [POD] }],
      });
      const stopFirst = await startProxy(t, api, from);
      await eventually('the first mode serves', () =>
        connect().then(
          (socket) => !!socket.destroy(),
          () => false,
        ),
      );
      const socket = await connect();
      t.teardown(() => socket.destroy());
      t.equal(await echo(socket, 'before'), 'before');

      const end = new AbortController();
      const clients = connectAlways(end.signal);
      await stopFirst();
      const stopSecond = await startProxy(t, api, to);
      await eventually('the rules of the first mode are gone', async () => !TRACES[from].test(await rulesOf(from)));
      t.match(await rulesOf(to), TRACES[to]);
      t.equal(await echo(socket, 'after'), 'after', 'the connection of before');
      end.abort();
      const { failed, all } = await clients;
      t.equal(failed, 0, `of ${all} connections`);

      await stopSecond();
      await api[Symbol.asyncDispose]();
      await backendOf(from).sync({ services: new Map(), serviceRange: SERVICE_CIDR });
      await cleanUpProxy({ dataDir: t.testdir() }, new AbortController().signal, silent);
      for (const mode of TESTED_MODES)
        t.notMatch(await rulesOf(mode), /KUBE-|KEDGE-|kube-proxy|kube-ipvs/, 'kedge proxy cleanup');
    },
  );
}

t.test('nftables is chosen where the host has it', async (t) => {
  const { signal } = new AbortController();
  t.equal(await availableProxyMode([{ clusterCidr: CLUSTER_CIDR, nft: new Nft(signal) }], silent), 'nftables');
  t.notMatch((await run('nft', ['list', 'ruleset'])).stdout, 'kube-proxy', 'and nothing is written to find out');
  class OldNft extends Nft {
    override check(input: string): Promise<void> {
      return super.check(`${input}add rule ip kube-proxy services an expression of the future\n`);
    }
  }
  const warnings: unknown[] = [];
  const logger = { ...silent, warn: (fields: object) => void warnings.push(fields) };
  t.equal(await availableProxyMode([{ clusterCidr: CLUSTER_CIDR, nft: new OldNft(signal) }], logger), 'iptables');
  t.equal(warnings.length, 1);
});

t.test('a mode that its operator has chosen is refused where the host lacks what it takes', async (t) => {
  const host = proxyHostOf(CLUSTER_CIDR);
  if (TESTED_MODES.includes('ipvs')) await t.resolves(requireProxyMode('ipvs', [host]));
  else {
    const message = 'proxy-mode ipvs: this kernel has no ip_vs; choose nftables or iptables';
    await t.rejects(requireProxyMode('ipvs', [host]), { name: 'HostError', message });
  }
});
