/**
 * metrics.k8s.io, for clusters without metrics-server: `kubectl top` and autoscalers read it.
 * https://kubernetes.io/docs/tasks/debug/debug-cluster/resource-metrics-pipeline/
 */
import { nodes } from '../../../../api/kinds/core/node.ts';
import { pods } from '../../../../api/kinds/core/pod.ts';
import { nodeMetrics } from '../../../../api/kinds/metrics/node-metrics.ts';
import { podMetrics } from '../../../../api/kinds/metrics/pod-metrics.ts';
import { METRICS_GROUP } from '../../../../api/kinds/metrics/usage.ts';
import { notFound, type StatusError } from '../../../../api/machinery/status-error.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import type { NodeMetrics, PodMetrics } from '../../../../api/types/metrics/v1beta1.gen.ts';
import type { Logger } from '../../../../client/logger.ts';
import type { Registry } from '../../catalogue/registry.ts';
import type { Entry } from '../../storage/cache/entry.ts';
import type { ComputedObjects } from '../../verbs/computed-objects.ts';
import type { Selection } from '../../verbs/selection.ts';
import { backendUrl, dialFailure } from '../backend.ts';
import { boundedBody } from '../bounded-body.ts';
import type { NodeBackends } from '../node-backend.ts';
import { sendRequest } from '../relay.ts';
import { NodeScraper } from './node-scraper.ts';
import { nodeUsage, podUsage, type NodeHistory } from './usage.ts';

/** A container's samples take some 500 bytes. */
const MAX_BYTES = 16 * 1024 * 1024;
const PATH = '/metrics/resource';

type Histories = (nodeName: string) => NodeHistory | undefined;

export interface ResourceMetricsOptions {
  readonly registry: Registry;
  readonly nodes: Pick<NodeBackends, 'find'>;
  readonly logger: Logger;
  /** Ends scraping. */
  readonly signal: AbortSignal;
}

/** The kinds of metrics.k8s.io. */
export function resourceMetrics({ registry, nodes: backends, logger, signal }: ResourceMetricsOptions) {
  const scraper = new NodeScraper({
    scrape: (name, callee) => readMetrics(backends, name, callee),
    nodeNames: () => namesOf(registry.of(nodes).cache.entries('')),
    logger,
    signal,
  });
  return [nodeObjects(registry, scraper), podObjects(registry, scraper)];
}

function* namesOf(entries: Iterable<Entry>): Iterable<string> {
  for (const { name } of entries) yield name;
}

async function readMetrics(backends: Pick<NodeBackends, 'find'>, name: string, signal: AbortSignal): Promise<string> {
  const backend = backends.find(name);
  const url = backendUrl(backend, PATH, '');
  const answer = await sendRequest({ backend, url, method: 'GET', headers: {}, signal }).catch((error: unknown) => {
    throw new Error(dialFailure(backend, error), { cause: error });
  });
  if (answer.statusCode !== 200) {
    answer.destroy();
    throw new Error(`the node has answered with ${answer.statusCode}`);
  }
  return (await boundedBody(answer, MAX_BYTES, PATH)).toString();
}

/** As metrics-server says it: after the kind. */
const noMetrics = (plural: string, name: string): StatusError => notFound({ group: METRICS_GROUP, plural }, name);

const metadataOf = ({ namespace, name, labels }: Entry, now: string) => ({
  name,
  ...(namespace && { namespace }),
  creationTimestamp: now,
  ...(Object.keys(labels).length > 0 && { labels: { ...labels } }),
});

function* madeOf<T>(entries: Iterable<Entry>, make: (entry: Entry) => T | undefined): Iterable<T> {
  for (const entry of entries) {
    const made = make(entry);
    if (made !== undefined) yield made;
  }
}

function nodeObjects(registry: Registry, scraper: NodeScraper): ComputedObjects {
  const { cache } = registry.of(nodes);
  const make = (entry: Entry, histories: Histories): NodeMetrics | undefined => {
    const history = histories(entry.name);
    const measured = history && nodeUsage(history);
    if (!measured) return undefined;
    const { timestamp, window, usage } = measured;
    return { metadata: metadataOf(entry, timeOf(Date.now())), timestamp, window, usage };
  };
  return {
    kind: nodeMetrics,
    get: async (_, name, signal) => {
      const entry = cache.get('', name);
      if (!entry) throw notFound(nodes, name);
      const found = make(entry, await scraper.histories(new Set([name]), signal));
      if (!found) throw noMetrics('nodemetrics', name);
      return found;
    },
    list: async (_, selection, signal) => {
      const selected = [...cache.entries('')].filter((entry) => selection.matches(entry));
      const histories = await scraper.histories(new Set(namesOf(selected)), signal);
      return madeOf(selected, (entry) => make(entry, histories));
    },
  };
}

function podObjects(registry: Registry, scraper: NodeScraper): ComputedObjects {
  const resource = registry.of(pods);
  const { cache } = resource;
  const [phaseAt, nodeAt] = [resource.fieldIndex('status.phase'), resource.fieldIndex('spec.nodeName')];
  const isRunning = ({ fields }: Entry): boolean => fields[phaseAt] === 'Running';
  const nodeOf = ({ fields }: Entry): string => fields[nodeAt] ?? '';
  // Only its own node says what a pod uses: another one that names it is not heard.
  const make = (entry: Entry, histories: Histories): PodMetrics | undefined => {
    const history = histories(nodeOf(entry));
    const used = history && podUsage(history, entry.key);
    return used && { metadata: metadataOf(entry, timeOf(Date.now())), ...used };
  };
  const selectedIn = (namespace: string, selection: Selection): Entry[] =>
    [...cache.entries(namespace)].filter((entry) => isRunning(entry) && selection.matches(entry));
  return {
    kind: podMetrics,
    get: async (namespace, name, signal) => {
      const entry = cache.get(namespace, name);
      if (!entry) throw notFound(pods, name);
      const histories = isRunning(entry) ? await scraper.histories(new Set([nodeOf(entry)]), signal) : undefined;
      const found = histories && make(entry, histories);
      if (!found) throw noMetrics('podmetrics', entry.key);
      return found;
    },
    list: async (namespace, selection, signal) => {
      const selected = selectedIn(namespace, selection);
      const histories = await scraper.histories(new Set(selected.map(nodeOf)), signal);
      return madeOf(selected, (entry) => make(entry, histories));
    },
  };
}
