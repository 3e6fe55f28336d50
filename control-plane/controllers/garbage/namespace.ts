/**
 * The Namespace controller: empties a namespace that is being deleted, pods before all else, and then finalizes it. Upstream:
 * pkg/controller/namespace.
 */
import { NAMESPACE_FINALIZER } from '../../../api/machinery/finalizers.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import { StatusError, isNotFound } from '../../../api/machinery/status-error.ts';
import { withCondition } from '../framework/conditions.ts';
import { namespaceCache, podCache } from '../caches/definitions.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { unlessNotFound } from '../framework/outcomes.ts';
import { writeStatus } from '../framework/status.ts';
import { watch } from '../framework/watch.ts';
import { discoverResources, resourceId, type DiscoveredResource } from '../framework/discovery.ts';
import { namespaces as resource, pods as podResource } from '../../../client/resources.gen.ts';
import type { Namespace, NamespaceCondition } from '../../../api/types/core/v1.gen.ts';

export const namespaceController: ControllerDescriptor = { name: 'namespace-controller', workers: 5, create };

/** How soon a namespace with content that is still terminating is looked at again, when no grace period says more. */
const AGAIN_MS = 1_000;
const MAX_AGAIN_MS = 15_000;

/** What was left of a namespace's content when all of it had been deleted. */
export interface NamespaceContent {
  /** Objects that are still there, by resource (`pods.`, `deployments.apps`). */
  readonly remaining: ReadonlyMap<string, number>;
  /** Finalizers that they wait for, with the number of objects. */
  readonly finalizers: ReadonlyMap<string, number>;
  readonly discoveryFailures: readonly string[];
  readonly deletionFailures: readonly string[];
}

export const isEmpty = ({ remaining, discoveryFailures, deletionFailures }: NamespaceContent): boolean =>
  remaining.size === 0 && discoveryFailures.length === 0 && deletionFailures.length === 0;

/** The conditions of a terminating namespace, with upstream's types, reasons and messages. */
export function namespaceConditions(
  { status }: Namespace,
  content: NamespaceContent,
  now: number,
): readonly NamespaceCondition[] {
  const { remaining, finalizers, discoveryFailures, deletionFailures } = content;
  const counted = (counts: ReadonlyMap<string, number>, sentence: (name: string, count: number) => string): string =>
    [...counts]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => sentence(name, count))
      .join(', ');
  const wanted: [type: string, holds: boolean, reason: string, message: string, otherwise: [string, string]][] = [
    [
      'NamespaceDeletionDiscoveryFailure',
      discoveryFailures.length > 0,
      'DiscoveryFailed',
      `Discovery failed for some groups, ${discoveryFailures.length} failing: ${discoveryFailures.join(', ')}`,
      ['ResourcesDiscovered', 'All resources successfully discovered'],
    ],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      false,
      '',
      '',
      ['ParsedGroupVersions', 'All legacy kube types successfully parsed'],
    ],
    [
      'NamespaceDeletionContentFailure',
      deletionFailures.length > 0,
      'ContentDeletionFailed',
      `Failed to delete all resource types, ${deletionFailures.length} remaining: ${deletionFailures.join(', ')}`,
      ['ContentDeleted', 'All content successfully deleted, may be waiting on finalization'],
    ],
    [
      'NamespaceContentRemaining',
      remaining.size > 0,
      'SomeResourcesRemain',
      `Some resources are remaining: ${counted(remaining, (name, count) => `${name} has ${count} resource instances`)}`,
      ['ContentRemoved', 'All content successfully removed'],
    ],
    [
      'NamespaceFinalizersRemaining',
      finalizers.size > 0,
      'SomeFinalizersRemain',
      `Some content in the namespace has finalizers remaining: ${counted(finalizers, (name, count) => `${name} in ${count} resource instances`)}`,
      ['ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
    ],
  ];
  let conditions: readonly NamespaceCondition[] = status?.conditions ?? [];
  for (const [type, holds, reason, message, [otherReason, otherMessage]] of wanted) {
    const condition: NamespaceCondition = {
      type,
      status: holds ? 'True' : 'False',
      reason: holds ? reason : otherReason,
      message: holds ? message : otherMessage,
      lastTransitionTime: timeOf(now),
    };
    const current = conditions.find((each) => each.type === type);
    const isNew = current?.message !== condition.message && current?.reason === condition.reason;
    conditions = isNew
      ? conditions.map((each) => (each === current ? { ...each, message: condition.message } : each))
      : withCondition(conditions, condition);
  }
  return conditions;
}

function create({ client, informer, queue }: ControllerContext): Controller {
  const namespaces = informer(namespaceCache);
  const pods = informer(podCache);

  async function reconcile(name: string, signal: AbortSignal): Promise<number | undefined> {
    const namespace = namespaces.getByKey(name);
    if (!namespace?.metadata?.deletionTimestamp) return undefined;
    if (!namespace.spec?.finalizers?.includes(NAMESPACE_FINALIZER)) return undefined;
    const { content, againInMs } = await removeContent(name, signal);
    if (isEmpty(content)) {
      await finalize(namespace, signal);
      return undefined;
    }
    const conditions = [...namespaceConditions(namespace, content, Date.now())];
    const status = { ...namespace.status, phase: 'Terminating' as const, conditions };
    await writeStatus(resource, namespace, status, { client, signal });
    return againInMs;
  }

  async function removeContent(
    namespace: string,
    signal: AbortSignal,
  ): Promise<{ content: NamespaceContent; againInMs: number }> {
    const { resources, failed } = await discoverResources(client, signal);
    const remaining = new Map<string, number>();
    const finalizers = new Map<string, number>();
    const deletionFailures: string[] = [];
    let againInMs = AGAIN_MS;
    const remove = async (each: DiscoveredResource): Promise<void> => {
      try {
        const left = await removeAll(each, namespace, signal);
        if (left.length > 0) remaining.set(resourceId(each), left.length);
        for (const { metadata } of left) {
          for (const one of metadata?.finalizers ?? []) finalizers.set(one, (finalizers.get(one) ?? 0) + 1);
          const graceMs = (metadata?.deletionGracePeriodSeconds ?? 0) * 500;
          againInMs = Math.min(MAX_AGAIN_MS, Math.max(againInMs, graceMs));
        }
      } catch (error) {
        if (isNotFound(error)) return;
        if (!(error instanceof StatusError)) throw error;
        deletionFailures.push(`${resourceId(each)}: ${error.message}`);
      }
    };
    const removable = resources.filter(
      ({ namespaced, verbs }) => namespaced && verbs.includes('delete') && verbs.includes('list'),
    );
    const isPods = (each: DiscoveredResource): boolean => resourceId(each) === resourceId(podResource);
    await Promise.all(removable.filter(isPods).map(remove));
    // A pod that still runs must not lose what it depends on, least of all the policies that confine it.
    if (remaining.size === 0 && deletionFailures.length === 0) {
      await Promise.all(removable.filter((each) => !isPods(each)).map(remove));
    }
    return { content: { remaining, finalizers, discoveryFailures: failed, deletionFailures }, againInMs };
  }

  /** Deletes all objects of a resource and returns those that are left. */
  async function removeAll(each: DiscoveredResource, namespace: string, signal: AbortSignal): Promise<KubeObject[]> {
    const selection = { namespace, signal, metadataOnly: true };
    const there = await client.listAll(each, selection);
    if (there.length === 0) return [];
    const propagationPolicy = 'Background';
    if (each.verbs.includes('deletecollection')) {
      await client.deleteCollection(each, { namespace, propagationPolicy, signal });
    } else {
      for (const { metadata } of there) {
        await unlessNotFound(client.delete(each, namespace, metadata?.name ?? '', { propagationPolicy, signal }));
      }
    }
    return await client.listAll(each, selection);
  }

  async function finalize(namespace: Namespace, signal: AbortSignal): Promise<void> {
    const finalizers = namespace.spec?.finalizers?.filter((finalizer) => finalizer !== NAMESPACE_FINALIZER);
    const finalized: Namespace = { ...namespace, spec: { ...namespace.spec, finalizers } };
    await unlessNotFound(client.updateSubresource(resource, 'finalize', finalized, { signal }));
  }

  return {
    watches: () => {
      const wake = ({ metadata }: Namespace, key: string): void => {
        if (metadata?.deletionTimestamp) queue.add(key);
      };
      return [
        watch(namespaces, { onAdd: wake, onUpdate: (_, namespace, key) => wake(namespace, key) }),
        watch(pods, {
          // A namespace mostly waits for its last pod to terminate.
          onDelete: ({ namespace }) => {
            const object = namespaces.getByKey(namespace);
            if (object) wake(object, namespace);
          },
        }),
      ];
    },
    reconcile,
  };
}
