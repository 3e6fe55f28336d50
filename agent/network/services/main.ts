/** Composition of the service proxy: its rules in the kernel, and the ports at which it tells of them. */
import type { Node } from '../../../api/types/core/v1.gen.ts';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import { backendsOf, type ProxyHost } from './backends/proxy-modes.ts';
import type { ProxyMode } from './backends/proxy-mode.ts';
import { ProxyHealth } from './health/proxy-health.ts';
import { serveProxyPorts, type ProxyPortsOptions } from './health/proxy-ports.ts';
import { ProxyMetrics } from './proxy-metrics.ts';
import { ServiceProxy, type ServiceProxyOptions } from './service-proxy.ts';

export interface LocalProxyOptions extends Omit<
  ServiceProxyOptions,
  'backends' | 'retired' | 'observer' | 'isProxyHealthy'
> {
  /** One for each IP family. */
  readonly hosts: readonly ProxyHost[];
  readonly mode: ProxyMode;
  /** Calls back with each state of the Node that the api-server has. */
  readonly onNode: (listener: (node: Node) => void) => void;
  readonly ports: ProxyPortsOptions['ports'];
  /** Writes what is said of every process. */
  readonly writeProcess: (to: Exposition) => Promise<void>;
}

export interface LocalProxy {
  readonly metrics: ProxyMetrics;
  /** Until the signal is aborted; the rules stay in force then. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export function createServiceProxy(options: LocalProxyOptions): LocalProxy {
  const { hosts, mode, onNode, ports, writeProcess, logger } = options;
  const ofFamilies = hosts.map((host) => backendsOf(mode, host));
  const backends = ofFamilies.map(({ backend }) => backend);
  let node: Node | undefined;
  const health = new ProxyHealth(
    backends.map(({ family }) => family),
    { node: () => node },
  );
  const metrics = new ProxyMetrics(mode, () => proxy.states());
  const proxy: ServiceProxy = new ServiceProxy({
    ...options,
    backends,
    retired: ofFamilies.flatMap(({ retired }) => retired),
    isProxyHealthy: () => health.isHealthy,
    observer: {
      changed: (what) => metrics.changed(what),
      pending(family) {
        health.pending(family);
        metrics.pending(family);
      },
      synced: (family, isMorePending) => health.synced(family, isMorePending),
      wrote: (family, seconds, how) => metrics.wrote(family, seconds, how),
      programmed: (family, seconds) => metrics.programmed(family, seconds),
      reconciledFlows: (family, seconds, deleted) => metrics.reconciledFlows(family, seconds, deleted),
    },
  });
  onNode((seen) => {
    node = seen;
    proxy.seeNode(seen);
  });
  const text = async (): Promise<string> => {
    const to = new Exposition();
    metrics.write(to);
    await writeProcess(to);
    return to.toString();
  };
  return {
    metrics,
    async run(signal) {
      const served = serveProxyPorts({
        ...{ health, ports, proxyMode: mode, logger },
        metrics: { text, healthAsked: (path, status) => metrics.healthAsked(path, status) },
      });
      try {
        await proxy.run(signal);
      } finally {
        served[Symbol.dispose]();
      }
    },
  };
}
