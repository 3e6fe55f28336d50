/** The Namespace controller: empties a namespace that is being deleted, pods before all else, and then lets it go. */
import type { KubeObject } from '../../api/machinery/kind.ts';
import { timeOf } from '../../api/machinery/time.ts';
import { StatusError, isConflict, isNotFound } from '../../api/machinery/status-error.ts';
import { withCondition } from './conditions.ts';
import { createQueue, type ControllerContext } from './context.ts';
import { discoverResources, resourceId, type DiscoveredResource } from './discovery.ts';
import { namespaces, pods } from '../../client/resources.gen.ts';
import type { Namespace, NamespaceCondition } from '../../api/types/core/v1.gen.ts';

const FINALIZER = 'kubernetes';
/** How soon a namespace whose pods are still ending is looked at again, when no grace period says more. */
const AGAIN_MS = 1_000;
const MAX_AGAIN_MS = 15_000;

/** What was found when everything in a namespace was told to go. */
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

/** The conditions of a namespace on its way out, with upstream's types, reasons and sentences. */
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

/** Follows namespaces until the signal is aborted. The informers run elsewhere. */
export async function runNamespaceController(context: ControllerContext): Promise<void> {
  const { client, informers, signal } = context;
  const queue = createQueue(context, 'namespace');
  const wake = ({ metadata }: Namespace, key: string): void => {
    if (metadata?.deletionTimestamp) queue.add(key);
  };
  informers.namespaces.addHandlers({ onAdd: wake, onUpdate: (_, namespace, key) => wake(namespace, key) });
  informers.pods.addHandlers({
    // The last pod to end is mostly what a namespace waits for.
    onDelete: ({ namespace }) => {
      const object = informers.namespaces.getByKey(namespace);
      if (object) wake(object, namespace);
    },
  });

  async function sync(name: string): Promise<void> {
    const namespace = informers.namespaces.getByKey(name);
    if (!namespace?.metadata?.deletionTimestamp) return;
    if (!namespace.spec?.finalizers?.includes(FINALIZER)) return;
    const { content, againInMs } = await removeContent(name);
    const conditions = namespaceConditions(namespace, content, Date.now());
    if (isEmpty(content)) return await finalize(namespace);
    queue.addAfter(name, againInMs);
    if (JSON.stringify(conditions) !== JSON.stringify(namespace.status?.conditions ?? [])) {
      const status = { phase: 'Terminating', conditions };
      await client.patch(namespaces, '', name, { status }, { subresource: 'status', signal }).catch(ignoreGone);
    }
  }

  async function removeContent(namespace: string): Promise<{ content: NamespaceContent; againInMs: number }> {
    const { resources, failed } = await discoverResources(client, signal);
    const remaining = new Map<string, number>();
    const finalizers = new Map<string, number>();
    const deletionFailures: string[] = [];
    let againInMs = AGAIN_MS;
    const remove = async (resource: DiscoveredResource): Promise<void> => {
      try {
        const left = await removeAll(resource, namespace);
        if (left.length > 0) remaining.set(resourceId(resource), left.length);
        for (const { metadata } of left) {
          for (const each of metadata?.finalizers ?? []) finalizers.set(each, (finalizers.get(each) ?? 0) + 1);
          const graceMs = (metadata?.deletionGracePeriodSeconds ?? 0) * 500;
          againInMs = Math.min(MAX_AGAIN_MS, Math.max(againInMs, graceMs));
        }
      } catch (error) {
        if (isNotFound(error)) return;
        if (!(error instanceof StatusError)) throw error;
        deletionFailures.push(`${resourceId(resource)}: ${error.message}`);
      }
    };
    const removable = resources.filter(
      ({ namespaced, verbs }) => namespaced && verbs.includes('delete') && verbs.includes('list'),
    );
    const isPods = (resource: DiscoveredResource): boolean => resourceId(resource) === resourceId(pods);
    await Promise.all(removable.filter(isPods).map(remove));
    // A pod that still runs must not lose what it depends on, least of all the policies that confine it.
    if (remaining.size === 0 && deletionFailures.length === 0) {
      await Promise.all(removable.filter((resource) => !isPods(resource)).map(remove));
    }
    return { content: { remaining, finalizers, discoveryFailures: failed, deletionFailures }, againInMs };
  }

  /** Deletes all of a kind and answers what is there afterwards. */
  async function removeAll(resource: DiscoveredResource, namespace: string): Promise<KubeObject[]> {
    const selection = { namespace, signal, metadataOnly: true };
    const there = await client.listAll(resource, selection);
    if (there.length === 0) return [];
    if (resource.verbs.includes('deletecollection')) {
      await client.deleteCollection(resource, { namespace, propagationPolicy: 'Background', signal });
    } else {
      for (const { metadata } of there) {
        const deleting = client.delete(resource, namespace, metadata?.name ?? '', {
          propagationPolicy: 'Background',
          signal,
        });
        await deleting.catch(ignoreGone);
      }
    }
    return await client.listAll(resource, selection);
  }

  async function finalize(namespace: Namespace): Promise<void> {
    const finalizers = namespace.spec?.finalizers?.filter((finalizer) => finalizer !== FINALIZER);
    const finalized: Namespace = { ...namespace, spec: { ...namespace.spec, finalizers } };
    try {
      await client.updateSubresource(namespaces, 'finalize', finalized, { signal });
    } catch (error) {
      if (isConflict(error)) throw error;
      ignoreGone(error);
    }
  }

  await informers.namespaces.hasSynced();
  await queue.run(sync, signal);
}

function ignoreGone(error: unknown): void {
  if (!isNotFound(error)) throw error;
}
