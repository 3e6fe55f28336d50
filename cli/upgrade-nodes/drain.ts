/**
 * Empties a node by way of evictions, which honour PodDisruptionBudgets, as `kubectl drain` does.
 * https://kubernetes.io/docs/tasks/administer-cluster/safely-drain-node/
 */
import { setTimeout as delay } from 'node:timers/promises';
import { own } from '../../api/machinery/own.ts';
import { isNotFound, StatusError } from '../../api/machinery/status-error.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { pods } from '../../client/resources.gen.ts';

const MIRROR = 'kubernetes.io/config.mirror';
const TOO_MANY_REQUESTS = 429;
const RETRY_MS = 2_000;

export interface DrainOptions {
  /** Pods without a controller, which nobody makes anew, are deleted, too. */
  readonly force: boolean;
  readonly deleteEmptydirData: boolean;
  readonly limitMs: number;
}

const keyOf = ({ metadata }: Pod): string => `${metadata?.namespace}/${metadata?.name}`;

/** The pods that have to leave a node, or why it cannot be drained. Pure. */
export function podsToEvict(all: readonly Pod[], { force, deleteEmptydirData }: DrainOptions): Pod[] | string {
  const leaving: Pod[] = [];
  for (const pod of all) {
    const { metadata, spec, status } = pod;
    const controller = metadata?.ownerReferences?.find((owner) => owner.controller);
    const isOver = status?.phase === 'Succeeded' || status?.phase === 'Failed';
    // What is made anew on the same node, or has ended, does not keep the node from being upgraded.
    if (own(metadata?.annotations, MIRROR) !== undefined || controller?.kind === 'DaemonSet' || isOver) continue;
    if (!controller && !force)
      return `pod ${keyOf(pod)} has no controller that makes it anew elsewhere (--force deletes it)`;
    if (!deleteEmptydirData && spec?.volumes?.some(({ emptyDir }) => emptyDir))
      return `pod ${keyOf(pod)} has an emptyDir, whose data would be lost (--delete-emptydir-data)`;
    leaving.push(pod);
  }
  return leaving;
}

/** Resolves when the node has no pods but those that stay; with a sentence when that cannot be, or not in time. */
export async function drain(
  client: Pick<ApiClient, 'listAll' | 'createSubresource'>,
  node: string,
  options: DrainOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  const deadline = performance.now() + options.limitMs;
  for (;;) {
    const all = await client.listAll<Pod>(pods, { fieldSelector: `spec.nodeName=${node}`, signal });
    const leaving = podsToEvict(all, options);
    if (typeof leaving === 'string') return leaving;
    if (leaving.length === 0) return undefined;
    const refusals = await Promise.all(leaving.map((pod) => evict(client, pod, signal)));
    if (performance.now() > deadline) {
      const refusal = refusals.find((why) => why !== undefined);
      const why = refusal ?? `pod ${keyOf(leaving[0] ?? {})} has not ended`;
      return `${why}, after ${Math.round(options.limitMs / 1000)} s`;
    }
    await delay(RETRY_MS, undefined, { signal });
  }
}

/** Resolves with why the pod may not go yet. Throws StatusError when nobody may evict it. */
async function evict(
  client: Pick<ApiClient, 'createSubresource'>,
  pod: Pod,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { namespace = '', name = '', uid, deletionTimestamp } = pod.metadata ?? {};
  if (deletionTimestamp !== undefined) return undefined;
  const eviction = {
    ...{ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { namespace, name } },
    deleteOptions: { preconditions: { uid } },
  };
  try {
    await client.createSubresource(pods, namespace, name, 'eviction', eviction, { signal, maxAttempts: 1 });
    return undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    if (error instanceof StatusError && error.code === TOO_MANY_REQUESTS)
      return `pod ${namespace}/${name}: ${error.message}`;
    throw error;
  }
}
