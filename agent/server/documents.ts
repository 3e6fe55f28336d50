/** The part of the node API that responds to GET with one document. */
import type { PodDirectory } from '../pods/sync/pod-directory.ts';
import { EXPOSITION_TYPE } from '../../daemon/metrics/exposition.ts';
import type { DocumentName } from './node-path.ts';
import { NodeApiError } from './node-api-error.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';

/** What other parts of the agent know about the host. A text is in Prometheus' exposition format. */
export interface StatisticsSource {
  /** `stats.k8s.io` Summary. */
  summary?(): Promise<object> | object;
  metrics?(): Promise<string> | string;
  cadvisorMetrics?(): Promise<string> | string;
  resourceMetrics?(): Promise<string> | string;
  /** Counts a health check, and tells all of them. */
  healthMetrics?(isHealthy: boolean): string;
  probeMetrics?(): Promise<string> | string;
}

export interface DocumentSources {
  readonly pods: PodDirectory;
  readonly statistics: StatisticsSource;
  /** The agent's settings, as `/configz` shows them: no secrets. */
  configuration(): object;
  /** Why the agent is unhealthy, or undefined. */
  unhealthy(): Promise<string | undefined> | string | undefined;
}

export interface Document {
  readonly type: string;
  readonly body: string;
}

const json = (value: object): Document => ({ type: 'application/json', body: JSON.stringify(value) });
const text = (body: string): Document => ({ type: 'text/plain; charset=utf-8', body });
/** Prometheus' text exposition format. */
const exposition = (body: string): Document => ({ type: EXPOSITION_TYPE, body });

const podList = (items: readonly Pod[]): Document => json({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items });

const isRunning = (pod: Pod): boolean =>
  [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].some(
    (status) => status.state?.running !== undefined,
  );

export async function readDocument(sources: DocumentSources, name: DocumentName): Promise<Document> {
  const { pods, statistics } = sources;
  const missing = (): never => {
    throw new NodeApiError(404, '404 page not found');
  };
  switch (name) {
    case 'healthz': {
      const reason = await sources.unhealthy();
      if (reason !== undefined) throw new NodeApiError(500, reason);
      return text('ok');
    }
    case 'pods':
      return podList(pods.list());
    case 'runningpods':
      return podList(pods.list().filter(isRunning));
    case 'configz':
      return json({ kubeletconfig: sources.configuration() });
    case 'stats/summary':
      return json((await statistics.summary?.()) ?? missing());
    case 'metrics':
      return exposition((await statistics.metrics?.()) ?? missing());
    case 'metrics/cadvisor':
      return exposition((await statistics.cadvisorMetrics?.()) ?? missing());
    case 'metrics/resource':
      return exposition((await statistics.resourceMetrics?.()) ?? missing());
    case 'metrics/slis':
      return exposition(statistics.healthMetrics?.((await sources.unhealthy()) === undefined) ?? missing());
    case 'metrics/probes':
      return exposition((await statistics.probeMetrics?.()) ?? missing());
  }
}
