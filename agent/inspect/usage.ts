/** What pods and containers use between two looks at counters that only grow. Pure; the sources are the agent's summary and the runtime. */
import type { ContainerStats } from '../cri/types.ts';
import { CONTAINER_NAME, POD_NAME, POD_NAMESPACE } from '../pods/labels.ts';

/** Counters of one container, or of a whole pod or node where `container` is ''. */
export interface Counters {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** When they were read, in ms since the epoch. */
  readonly atMs: number;
  /** Since the container started. */
  readonly cpuNanoseconds: number;
  readonly memoryBytes: number;
  /** The writable layer and the logs; undefined where nobody has measured it. */
  readonly diskBytes?: number;
  readonly rxBytes?: number;
  readonly txBytes?: number;
}

export interface Usage {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** Thousandths of a core; undefined when there was nothing to compare with. */
  readonly milliCores?: number;
  readonly memoryBytes: number;
  readonly diskBytes?: number;
  /** Bytes per second. */
  readonly rxRate?: number;
  readonly txRate?: number;
}

const NS_PER_MS = 1_000_000;

/** How much was used from the first look to the second. What has been started anew in between has no rate. */
export function usageBetween(before: readonly Counters[], after: readonly Counters[]): Usage[] {
  const keyOf = ({ namespace, pod, container }: Counters): string => `${namespace}/${pod}/${container}`;
  const known = new Map(before.map((counters) => [keyOf(counters), counters]));
  return after.map((now) => {
    const { namespace, pod, container, memoryBytes, diskBytes } = now;
    const then = known.get(keyOf(now));
    const elapsedMs = then ? now.atMs - then.atMs : 0;
    const since = (from: number | undefined, to: number | undefined): number | undefined =>
      elapsedMs > 0 && from !== undefined && to !== undefined && to >= from ? (to - from) / elapsedMs : undefined;
    const nanosecondsPerMs = since(then?.cpuNanoseconds, now.cpuNanoseconds);
    const perSecond = (rate: number | undefined): number | undefined => rate && Math.round(rate * 1000);
    return {
      ...{ namespace, pod, container, memoryBytes, diskBytes },
      milliCores: nanosecondsPerMs === undefined ? undefined : Math.round((nanosecondsPerMs / NS_PER_MS) * 1000),
      rxRate: perSecond(since(then?.rxBytes, now.rxBytes)),
      txRate: perSecond(since(then?.txBytes, now.txBytes)),
    };
  });
}

interface SummaryPart {
  readonly cpu?: { readonly time: string; readonly usageCoreNanoSeconds: number };
  readonly memory?: { readonly workingSetBytes: number };
}
interface Bytes {
  readonly usedBytes: number;
}
/** Of `stats.k8s.io/v1alpha1` Summary, what is shown. */
export interface SummaryShown {
  readonly node: SummaryPart & { readonly nodeName: string; readonly network?: Network; readonly fs?: Bytes };
  readonly pods: readonly (SummaryPart & {
    readonly podRef: { readonly namespace: string; readonly name: string };
    readonly network?: Network;
    readonly containers: readonly (SummaryPart & {
      readonly name: string;
      readonly rootfs?: Bytes;
      readonly logs?: Bytes;
    })[];
    readonly 'ephemeral-storage'?: Bytes;
  })[];
}
interface Network {
  readonly rxBytes?: number;
  readonly txBytes?: number;
}

/** The node first (all names ''), then each pod, followed by its containers. `atMs` is when the summary was read: its times are whole seconds. */
export function countersOfSummary({ node, pods }: SummaryShown, atMs: number): Counters[] {
  const counters = ({ cpu, memory }: SummaryPart, names: Pick<Counters, 'namespace' | 'pod' | 'container'>) => ({
    ...names,
    atMs,
    cpuNanoseconds: cpu?.usageCoreNanoSeconds ?? 0,
    memoryBytes: memory?.workingSetBytes ?? 0,
  });
  const network = ({ rxBytes, txBytes }: Network = {}) => ({ rxBytes, txBytes });
  return [
    {
      ...counters(node, { namespace: '', pod: '', container: '' }),
      ...{ diskBytes: node.fs?.usedBytes, ...network(node.network) },
    },
    ...pods.flatMap((pod) => {
      const names = { namespace: pod.podRef.namespace, pod: pod.podRef.name };
      return [
        {
          ...counters(pod, { ...names, container: '' }),
          ...{ diskBytes: pod['ephemeral-storage']?.usedBytes, ...network(pod.network) },
        },
        ...pod.containers.map((container) => ({
          ...counters(container, { ...names, container: container.name }),
          diskBytes: (container.rootfs?.usedBytes ?? 0) + (container.logs?.usedBytes ?? 0),
        })),
      ];
    }),
  ];
}

/** Without an agent: each container, by what the runtime counts. */
export const countersOfRuntime = (all: readonly ContainerStats[]): Counters[] =>
  all.map(({ attributes: { labels }, cpu, memory, writableLayer }) => ({
    namespace: labels[POD_NAMESPACE] ?? '',
    pod: labels[POD_NAME] ?? '',
    container: labels[CONTAINER_NAME] ?? '',
    atMs: (cpu?.timestamp ?? 0) / NS_PER_MS,
    cpuNanoseconds: cpu?.usageCoreNanoSeconds?.value ?? 0,
    memoryBytes: memory?.workingSetBytes?.value ?? 0,
    diskBytes: writableLayer?.usedBytes?.value,
  }));
