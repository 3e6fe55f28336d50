/**
 * The scheduler with many nodes, through the api-server: from the first create to the last binding, as upstream's scheduler_perf
 * measures. The nodes are objects only, so that nothing but api-server and scheduler works.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../test/support/wait.ts';
import { BenchServer, createNamespace, type BenchServerOptions } from './bench-server.ts';
import { ask, load, requestBytes, type Target } from './http.ts';
import { CONNECTIONS } from './pods.ts';
import { printMemory, settledMemory } from './process-usage.ts';
import type { MeasureId } from './measures.ts';
import type { Report } from './report.ts';

const RUNS = 3;
const ZONES = 3;
const LOOK_MS = 100;
/** Until what was needed for the pods has been given back. */
const CALM_SECONDS = 45;
const NAMESPACE = 'scheduling';
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const SPREAD_PODS = 2_000;

const SIZES = [
  { id: 'schedule100', nodes: 100, pods: 1_000 },
  { id: 'schedule1000', nodes: 1_000, pods: 3_000 },
  { id: 'schedule5000', nodes: 5_000, pods: 5_000 },
] as const;

export async function measureScheduling(
  report: Report,
  options: BenchServerOptions,
  running: AsyncDisposableStack,
): Promise<void> {
  const wantsSpread = report.wants('scheduleSpread', 'schedulerMemory');
  const sizes = SIZES.filter(({ id }) => report.wants(id) || (id === 'schedule5000' && wantsSpread));
  if (sizes.length === 0) return;
  const settings = {
    roles: 'apiserver,controllers',
    'cluster-cidr': '10.128.0.0/9',
    // Nobody renews the leases of the nodes.
    'node-monitor-grace-period-seconds': '86400',
  };
  const server = running.use(await BenchServer.start({ ...options, settings }));
  const scheduler = server.runBeside('scheduler', 'server', '--roles=scheduler');
  const bench = new SchedulingBench(server.target);
  await createNamespace(server.target, NAMESPACE);
  const measure = (id: MeasureId, pods: number, pod: (name: string) => object): Promise<void> =>
    report.repeat(RUNS, [process.pid, server.pid, scheduler.pid], async () => {
      await bench.clear();
      return { [id]: await bench.schedule(pods, pod) };
    });
  for (const { id, nodes, pods } of sizes) {
    await bench.growTo(nodes);
    await bench.schedule(pods, plainPod);
    await measure(id, pods, plainPod);
  }
  if (report.wants('schedulerMemory')) {
    await delay(CALM_SECONDS * 1000);
    report.add('schedulerMemory', printMemory('scheduler', await settledMemory(scheduler.pid)));
  }
  if (report.wants('scheduleSpread')) await measure('scheduleSpread', SPREAD_PODS, spreadPod);
}

class SchedulingBench {
  readonly #target: Target;
  #nodes = 0;
  #pods = 0;

  constructor(target: Target) {
    this.#target = target;
  }

  async growTo(count: number): Promise<void> {
    const more = Array.from({ length: count - this.#nodes }, (_, index) =>
      requestBytes(this.#target, 'POST', '/api/v1/nodes', JSON.stringify(node(this.#nodes + index))),
    );
    this.#nodes = count;
    await load(this.#target, CONNECTIONS, 201, more);
    await eventually('the controllers to have seen the nodes', async () => {
      const name = `node-${count - 1}`;
      const { spec } = await ask<{ spec: { podCIDR?: string; taints?: object[] } }>(
        ...[this.#target, 'GET', `/api/v1/nodes/${name}`],
      );
      return spec.podCIDR !== undefined && spec.taints === undefined;
    });
  }

  /** Pods scheduled per second. */
  async schedule(count: number, pod: (name: string) => object): Promise<number> {
    const creates = Array.from({ length: count }, () =>
      requestBytes(this.#target, 'POST', PODS, JSON.stringify(pod(`pod-${this.#pods++}`))),
    );
    const start = performance.now();
    await load(this.#target, CONNECTIONS, 201, creates);
    while (await this.#isAnyUnbound()) await delay(LOOK_MS);
    const seconds = (performance.now() - start) / 1000;
    return count / seconds;
  }

  /** Removes the pods, so that every run finds the same. */
  clear(): Promise<unknown> {
    return ask(this.#target, 'DELETE', PODS, { gracePeriodSeconds: 0 });
  }

  async #isAnyUnbound(): Promise<boolean> {
    const query = `${PODS}?fieldSelector=spec.nodeName%3D&limit=1&resourceVersion=0`;
    const { items } = await ask<{ items: object[] }>(this.#target, 'GET', query);
    return items.length > 0;
  }
}

const node = (index: number): object => {
  const name = `node-${index}`;
  const resources = { cpu: '32', memory: '256Gi', pods: '110', 'ephemeral-storage': '1Ti' };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${index % ZONES}` },
    },
    status: {
      capacity: resources,
      allocatable: resources,
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: '' }],
    },
  };
};

const LABELS = { app: 'spread' };
const spec = {
  containers: [{ name: 'pause', image: 'pause', resources: { requests: { cpu: '100m', memory: '500Mi' } } }],
};
const plainPod = (name: string): object => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec });

/** Spread over zones, and rather not beside one of its kind. */
const spreadPod = (name: string): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: LABELS },
  spec: {
    ...spec,
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: { matchLabels: LABELS },
      },
    ],
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: LABELS } },
          },
        ],
      },
    },
  },
});
