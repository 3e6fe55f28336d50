/**
 * Connects through a Service in the proxy mode that is its argument, among more and more others, in the network namespace that it is
 * started in, and prints the rates as JSON: see connections.ts. The pod is a process in a namespace of its own.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { run } from '../agent/host/run.ts';
import { Iptables } from '../agent/network/netfilter/iptables.ts';
import { Netfilter } from '../agent/network/netfilter/netfilter.ts';
import { Nft } from '../agent/network/netfilter/nft.ts';
import { DEFAULT_IPVS, ipvsHost } from '../agent/network/services/backends/ipvs/ipvs-host.ts';
import { PROXY_MODES } from '../agent/network/services/backends/proxy-mode.ts';
import { proxyModes } from '../agent/network/services/backends/proxy-modes.ts';
import type { ServiceEntry } from '../agent/network/services/model/service-entry.ts';
import { CLUSTER_CIDR, entryOf, SERVICE_CIDR } from '../test/support/service-entries.ts';
import { median } from './report.ts';

export interface ConnectionFigures {
  /** In this number of Services. */
  readonly services: number;
  /** Connections a second, made one after the other by each of several clients. */
  readonly rate: number;
  /** Until one more Service is in force, in milliseconds. */
  readonly change: number;
}

const COUNTS = [10, 1_000, 5_000, 10_000];
const CLIENTS = 8;
const SECONDS = 3;
const CHANGES = 5;
const NODE = '10.42.0.1';
const POD = '10.42.0.2';
const PORT = 80;
const SERVER = `require('net').createServer((s) => s.on('error', () => {}).resume()).listen({ port: 8080, backlog: 4096 }, () => console.log('up'))`;

const mode = PROXY_MODES.find((each) => each === process.argv[2]);
if (!mode) throw new Error('usage: node connections-worker.ts MODE');
const { signal } = new AbortController();
const ip = (...args: string[]) => run('ip', args);

const pod = spawn('unshare', ['--net', process.execPath, '-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
try {
  await once(pod.stdout, 'data');
  await connectPod(pod.pid!);
  const figures = await measure(mode);
  console.log(JSON.stringify(figures));
} finally {
  pod.kill();
}

async function connectPod(pid: number): Promise<void> {
  await ip('link', 'set', 'lo', 'up');
  await ip('link', 'add', 'pods', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid));
  await ip('address', 'add', `${NODE}/24`, 'dev', 'pods');
  await ip('link', 'set', 'pods', 'up');
  await ip('route', 'add', 'default', 'dev', 'pods');
  const inPod = (...args: string[]) => run('nsenter', ['--target', String(pid), '--net', 'ip', ...args]);
  await inPod('address', 'add', `${POD}/24`, 'dev', 'eth0');
  await inPod('link', 'set', 'eth0', 'up');
  await inPod('route', 'add', 'default', 'via', NODE);
}

function addressOf(index: number): string {
  return `10.43.${(index >> 8) + 1}.${index & 255}`;
}
/** All have the pod, and one endpoint more that is not ready. */
function service(index: number): [string, ServiceEntry] {
  const endpoints = [POD, { ip: `10.42.${(index >> 8) + 1}.${index & 255}`, conditions: { ready: false } }];
  return [`default/s${index}`, entryOf({ name: `s${index}`, clusterIP: addressOf(index), endpoints })];
}

async function measure(mode: (typeof PROXY_MODES)[number]): Promise<ConnectionFigures[]> {
  const backend = proxyModes[mode]({
    ...{ clusterCidr: CLUSTER_CIDR, nft: new Nft(signal) },
    netfilter: new Netfilter(new Iptables('IPv4', signal)),
    ipvs: ipvsHost('IPv4', DEFAULT_IPVS, signal),
  });
  const figures: ConnectionFigures[] = [];
  let made = 0;
  const sync = async (count: number): Promise<number> => {
    const services = new Map(Array.from({ length: count }, () => service(made++)));
    const before = performance.now();
    const { rejected } = await backend.sync({ services, serviceRange: SERVICE_CIDR });
    if (rejected.size > 0) throw new Error(`${rejected.size} Services are rejected`);
    return performance.now() - before;
  };
  for (const services of COUNTS) {
    await sync(services - CHANGES - made);
    const changes: number[] = [];
    for (let time = 0; time < CHANGES; time++) changes.push(await sync(1));
    figures.push({ services, rate: await rateOf(addressOf(services - 1)), change: median(changes) });
  }
  return figures;
}

async function rateOf(host: string): Promise<number> {
  const until = performance.now() + SECONDS * 1000;
  const client = async (): Promise<number> => {
    let count = 0;
    for (; performance.now() < until; count++) {
      const socket = net.connect({ host, port: PORT });
      await once(socket, 'connect');
      // No connection is left behind that would take its port for a minute.
      socket.resetAndDestroy();
    }
    return count;
  };
  const counts = await Promise.all(Array.from({ length: CLIENTS }, client));
  return counts.reduce((sum, count) => sum + count, 0) / SECONDS;
}
