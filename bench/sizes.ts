/**
 * What a server carries: one row of docs/scaling.md for each size, as `nodes/pods`. Nodes are hollow ones, of one process beside it.
 *
 *     scripts/node.sh bench/sizes.ts dist/kedge 100/1000 1000/10000 5000/100000
 *
 * It is not a part of `make bench`, since the largest sizes take long and need gigabytes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../test/support/wait.ts';
import { BenchServer, createNamespace } from './bench-server.ts';
import { ask, load, requestBytes } from './http.ts';
import { cpuSecondsOf, settledMemory } from './process-usage.ts';

/** A Deployment of more pods than this takes longer than many of this size, upstream, too. */
const PODS_OF_DEPLOYMENT = 1_000;
const IDLE_SECONDS = 30;
const NAMESPACE = 'sizes';
const LIMIT_SECONDS = 3_600;
const CONNECTIONS = 8;
const LISTS = 3;
/** Node subnets of 256 addresses, 65,536 of them. */
const CLUSTER_CIDR = '10.0.0.0/8';
const SERVICE_CIDR = '172.20.0.0/16';

interface Size {
  readonly nodes: number;
  readonly pods: number;
}

interface Row extends Size {
  readonly registeredSeconds: number;
  /** Until the last one runs. */
  readonly podsPerSecond: number;
  readonly residentMb: number;
  readonly idleCpuPercent: number;
  /** Writes acknowledged by the store while nothing happens: heartbeats. */
  readonly idleWritesPerSecond: number;
  readonly listSeconds: number;
  readonly listMb: number;
}

function readSize(text: string): Size {
  const [nodes = NaN, pods = NaN] = text.split('/').map(Number);
  if (!(nodes > 0 && pods > 0)) throw new Error(`sizes are NODES/PODS, not ${text}`);
  return { nodes, pods };
}

const seconds = (since: number): number => (performance.now() - since) / 1000;

async function measure(program: string, { nodes, pods }: Size): Promise<Row> {
  await using server = await BenchServer.start({
    program,
    settings: { 'cluster-cidr': CLUSTER_CIDR, 'service-cidr': SERVICE_CIDR },
  });
  const { target } = server;
  const get = <T>(path: string): Promise<T> => ask<T>(target, 'GET', path);
  const count = async (path: string): Promise<number> => {
    const { items, metadata } = await get<{ items: object[]; metadata: { remainingItemCount?: number } }>(
      `${path}${path.includes('?') ? '&' : '?'}limit=1`,
    );
    return items.length + (metadata.remainingItemCount ?? 0);
  };
  const startedAt = performance.now();
  const perNode = Math.max(110, Math.ceil((pods / nodes) * 1.25));
  server.runBeside('hollow', 'hollow', `--nodes=${nodes}`, `--max-pods=${perNode}`);
  await eventually('the nodes', async () => (await count('/api/v1/nodes')) === nodes, LIMIT_SECONDS);
  const registeredSeconds = seconds(startedAt);

  await createNamespace(target, NAMESPACE);
  const createdAt = performance.now();
  const deployments = Math.ceil(pods / PODS_OF_DEPLOYMENT);
  const path = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`;
  const bodies = Array.from({ length: deployments }, (_, index) =>
    JSON.stringify(deployment(`d${index}`, Math.min(PODS_OF_DEPLOYMENT, pods - index * PODS_OF_DEPLOYMENT))),
  );
  await load(
    ...([target, CONNECTIONS, 201] as const),
    bodies.map((body) => requestBytes(target, 'POST', path, body)),
  );
  await eventually(
    'the pods',
    async () => {
      const { items } = await get<{ items: { status: { readyReplicas?: number } }[] }>(path);
      return items.reduce((sum, { status }) => sum + (status.readyReplicas ?? 0), 0) === pods;
    },
    LIMIT_SECONDS,
  );
  const podsPerSecond = pods / seconds(createdAt);

  const { resident: residentMb } = await settledMemory(server.pid);
  const revision = async (): Promise<number> =>
    Number(
      (await get<{ metadata: { resourceVersion: string } }>('/api/v1/namespaces?limit=1')).metadata.resourceVersion,
    );
  const [cpuBefore, revisionBefore, idleAt] = [await cpuSecondsOf(server.pid), await revision(), performance.now()];
  await delay(IDLE_SECONDS * 1000);
  const idleSeconds = seconds(idleAt);
  const idleCpuPercent = (((await cpuSecondsOf(server.pid)) - cpuBefore) / idleSeconds) * 100;
  const idleWritesPerSecond = ((await revision()) - revisionBefore) / idleSeconds;
  const list = await load(target, 1, 200, new Array<Buffer>(LISTS).fill(requestBytes(target, 'GET', '/api/v1/pods')));
  return {
    ...{ nodes, pods, registeredSeconds, podsPerSecond, residentMb, idleCpuPercent, idleWritesPerSecond },
    listSeconds: list.seconds / LISTS,
    listMb: list.bytes / LISTS / 1e6,
  };
}

const deployment = (name: string, replicas: number): object => ({
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        containers: [{ name: 'pause', image: 'pause:1', resources: { requests: { cpu: '1m', memory: '1Mi' } } }],
      },
    },
  },
});

const [program = '', ...sizes] = process.argv.slice(2);
console.log(
  '| nodes | pods | nodes registered in, s | pods a second, until they run | server resident, MB | idle CPU, % of a core | idle writes/s | list of all pods, s | its size, MB |',
);
console.log('| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |');
for (const size of sizes.map(readSize)) {
  const row = await measure(program, size);
  const figures = [
    ...[row.registeredSeconds, row.podsPerSecond, row.residentMb].map((each) => each.toFixed(0)),
    ...[row.idleCpuPercent, row.idleWritesPerSecond].map((each) => each.toFixed(1)),
    ...[row.listSeconds.toFixed(2), row.listMb.toFixed(1)],
  ];
  console.log(`| ${[row.nodes, row.pods, ...figures].join(' | ')} |`);
}
