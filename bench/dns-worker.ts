/** A thread that serves DNS of a cluster, as an agent's does, until it is told to stop. Posts its port, and its CPU when it is asked. */
import { parentPort, workerData } from 'node:worker_threads';
import { DnsServer } from '../agent/network/dns/dns-server.ts';
import { Forwarder } from '../agent/network/dns/forwarder.ts';
import { Resolver } from '../agent/network/dns/resolver.ts';
import { ClusterZone } from '../agent/network/dns/zone.ts';

export interface DnsWork {
  /** Named `s0.bench` and so on; every tenth is headless. */
  readonly services: number;
  readonly headlessEvery: number;
}

const { services, headlessEvery } = workerData as DnsWork;
const zone = new ClusterZone('cluster.local');
const ports = [{ name: 'http', protocol: 'tcp', port: 80 }];
for (let index = 0; index < services; index++) {
  const [high, low] = [index >> 8, index & 0xff];
  const endpoints = [1, 2].map((pod) => ({ address: `10.${41 + pod}.${high}.${low}`, hostname: undefined, ports }));
  const isHeadless = index % headlessEvery === 0;
  const addresses = isHeadless ? [] : [`10.43.${high}.${low}`];
  zone.set('bench', `s${index}`, {
    ...{ namespace: 'bench', name: `s${index}`, addresses, ports },
    ...(isHeadless && { endpoints }),
  });
}
const resolver = new Resolver({
  ...{ zone, forwarder: new Forwarder(), hostUpstreams: async () => [], signal: new AbortController().signal },
});
resolver.setSynced();
const server = new DnsServer({
  ...{ resolver, isClient: () => true, port: 0 },
  onError: (error) => {
    throw error;
  },
});
const { port } = await server.listen('127.0.0.1');
parentPort?.on('message', (message: 'cpu' | 'stop') => {
  if (message === 'stop') void server[Symbol.asyncDispose]().then(() => parentPort?.close());
  else {
    const { user, system } = process.threadCpuUsage();
    parentPort?.postMessage({ cpuMicroseconds: user + system });
  }
});
parentPort?.postMessage({ port });
