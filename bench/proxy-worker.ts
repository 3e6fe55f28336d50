/** Writes the rules of many Services in the proxy mode that is its argument, and prints what that took as JSON: see proxy.ts. */
import { Iptables } from '../agent/network/netfilter/iptables.ts';
import { Netfilter } from '../agent/network/netfilter/netfilter.ts';
import { Nft } from '../agent/network/netfilter/nft.ts';
import type { ProxyBackend } from '../agent/network/services/backends/proxy-backend.ts';
import { DEFAULT_IPVS, ipvsHost } from '../agent/network/services/backends/ipvs/ipvs-host.ts';
import { PROXY_MODES } from '../agent/network/services/backends/proxy-mode.ts';
import { proxyModes } from '../agent/network/services/backends/proxy-modes.ts';
import type { ServiceEntry } from '../agent/network/services/model/service-entry.ts';
import { CLUSTER_CIDR, entryOf, SERVICE_CIDR } from '../test/support/service-entries.ts';

export interface ProxyFigures {
  /** Seconds. */
  readonly sync: number;
  readonly restart: number;
  /** Milliseconds, the median of several. */
  readonly change: number;
  readonly changeOf10: number;
  /** MB of the heap. */
  readonly memory: number;
}

const MANY = 5_000;
const FEW = 10;
const CHANGES = 15;

const mode = PROXY_MODES.find((each) => each === process.argv[2]);
const { gc } = globalThis;
if (!mode || !gc) throw new Error('usage: node --expose-gc proxy-worker.ts MODE');
const { signal } = new AbortController();
const start = (): ProxyBackend =>
  proxyModes[mode]({
    ...{ clusterCidr: CLUSTER_CIDR, nft: new Nft(signal) },
    netfilter: new Netfilter(new Iptables('IPv4', signal)),
    ipvs: ipvsHost('IPv4', DEFAULT_IPVS, signal),
  });

/** Of two endpoints that no other Service has. */
function service(index: number): [string, ServiceEntry] {
  const [high, low] = [index >> 8, index & 255];
  const endpoints = [`10.42.${high}.${low}`, `10.42.${high + 100}.${low}`];
  return [`default/s${index}`, entryOf({ name: `s${index}`, clusterIP: `10.43.${high + 1}.${low}`, endpoints })];
}
const services = (count: number): Map<string, ServiceEntry> =>
  new Map(Array.from({ length: count }, (_, index) => service(index)));

async function milliseconds(action: () => Promise<unknown>): Promise<number> {
  const before = performance.now();
  await action();
  return performance.now() - before;
}
const sync = (backend: ProxyBackend, changes: Iterable<readonly [string, ServiceEntry]>): Promise<number> =>
  milliseconds(() => backend.sync({ services: new Map(changes), serviceRange: SERVICE_CIDR }));

/** One Service is added to so many, again and again. */
async function medianChange(backend: ProxyBackend, count: number): Promise<number> {
  const samples: number[] = [];
  for (let time = 0; time < CHANGES; time++) samples.push(await sync(backend, [service(count + time)]));
  return samples.sort((a, b) => a - b)[CHANGES >> 1] ?? NaN;
}

const few = start();
await sync(few, services(FEW));
const changeOf10 = await medianChange(few, FEW);
await few.remove();

const backend = start();
const many = services(MANY);
gc();
const { heapUsed } = process.memoryUsage();
const syncMs = await sync(backend, many);
gc();
const memory = (process.memoryUsage().heapUsed - heapUsed) / 1e6;
const restartMs = await sync(start(), many);
const change = await medianChange(backend, MANY);
console.log(
  JSON.stringify({ sync: syncMs / 1000, restart: restartMs / 1000, change, changeOf10, memory } satisfies ProxyFigures),
);
