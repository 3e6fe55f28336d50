/**
 * The resource claim controller: makes the ResourceClaims of pods from their templates, and takes back those that are not used any more.
 * Upstream: pkg/controller/resourceclaim.
 */
import {
  canBeReserved,
  CLAIM_FINALIZER,
  isReservedFor,
  notMadeForPod,
  owningPod,
  POD_CLAIM_ANNOTATION,
  podDeviceClaims,
  type PodDeviceClaim,
} from '../../../api/domain/pod-device-claims.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import type { ResourceClaim, ResourceClaimTemplate } from '../../../api/types/resource/v1.gen.ts';
import { referenceTo } from '../../../client/event-recorder.ts';
import { objectKey, splitKey } from '../../../client/informer.ts';
import { pods as podResource, resourceClaims, resourceClaimTemplates } from '../../../client/resources.gen.ts';
import { podCache } from '../caches/definitions.ts';
import type { PodView } from '../caches/pod-view.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { wholeObjects } from '../framework/informer-factory.ts';
import { unlessGone, unlessNotFound, unlessTerminating } from '../framework/outcomes.ts';
import { apiVersionOf } from '../framework/owner-references.ts';
import { watch } from '../framework/watch.ts';
import { claimPlan, generatedClaim, isDone, isLeftOver, isPodConsumer } from './resource-claim-plan.ts';

export const resourceClaimController: ControllerDescriptor = { name: 'resourceclaim-controller', workers: 10, create };

const claimsByOwner = wholeObjects<ResourceClaim>(resourceClaims, {
  pod: (claim) => {
    const pod = owningPod(claim);
    return pod ? [pod.uid] : [];
  },
});
const templateCache = wholeObjects<ResourceClaimTemplate>(resourceClaimTemplates);

// One queue has keys of two kinds, as upstream's.
const POD = 'pod:';
const CLAIM = 'claim:';

function create({ client, informer, recorder, queue }: ControllerContext): Controller {
  const pods = informer(podCache);
  const claims = informer(claimsByOwner);
  const templates = informer(templateCache);
  const events = recorder('resource_claim');
  /** Claims that were made and that the cache may not show yet, by the pod's uid and the name of its entry. */
  const made = new Map<string, Map<string, ResourceClaim>>();

  const claimNamed = (namespace: string, { claim }: PodDeviceClaim): ResourceClaim | undefined =>
    claim ? claims.get(namespace, claim) : undefined;

  const isMissing = (pod: Pick<PodView, 'namespace' | 'name' | 'uid'>, entry: PodDeviceClaim): boolean => {
    if (entry.template === undefined || entry.claim === null) return false;
    const claim = claimNamed(pod.namespace, entry);
    return !claim || notMadeForPod(pod, claim) !== undefined;
  };

  const needsReservation = (pod: PodView, entry: PodDeviceClaim): ResourceClaim | undefined => {
    const claim = pod.nodeName ? claimNamed(pod.namespace, entry) : undefined;
    if (!claim?.status?.allocation || isReservedFor(claim, pod.uid) || !canBeReserved(claim)) return undefined;
    return entry.template !== undefined && notMadeForPod(pod, claim) !== undefined ? undefined : claim;
  };

  const hasWork = (pod: PodView): boolean =>
    !pod.deleting &&
    !isDone(pod) &&
    pod.deviceClaims.some((entry) => isMissing(pod, entry) || needsReservation(pod, entry) !== undefined);

  async function reconcilePod(key: string, signal: AbortSignal): Promise<void> {
    const view = pods.getByKey(key);
    if (!view || !hasWork(view)) return;
    const { namespace, name } = splitKey(key);
    // The cache may lag behind the names that were written.
    const pod = await unlessNotFound(client.get(podResource, namespace, name, { signal }));
    if (!pod || pod.metadata?.uid !== view.uid || pod.metadata.deletionTimestamp) return;
    const statuses: { name: string; resourceClaimName: string }[] = [];
    for (const entry of podDeviceClaims(pod)) {
      const claim = await ensured(pod, view, entry, signal);
      if (claim && claim !== entry.claim) statuses.push({ name: entry.name, resourceClaimName: claim });
    }
    if (statuses.length > 0) {
      const patch = { metadata: { uid: view.uid }, status: { resourceClaimStatuses: statuses } };
      await client.patch(podResource, namespace, name, patch, { type: 'strategic', subresource: 'status', signal });
    }
    for (const entry of view.deviceClaims) {
      const claim = needsReservation(view, entry);
      if (!claim) continue;
      const reservedFor = [...(claim.status?.reservedFor ?? []), { resource: 'pods', name, uid: view.uid }];
      await client.updateStatus(resourceClaims, { ...claim, status: { ...claim.status, reservedFor } }, { signal });
    }
  }

  /** The name of the entry's claim, which is made when there is none; undefined when it needs none. */
  async function ensured(pod: Pod, view: PodView, entry: PodDeviceClaim, signal: AbortSignal) {
    if (!isMissing(view, entry)) return undefined;
    try {
      const claim = orphan(view, entry) ?? (await make(pod, view, entry, signal));
      return claim?.metadata?.name;
    } catch (error) {
      signal.throwIfAborted();
      const why = `PodResourceClaim ${entry.name}: ${(error as Error).message}`;
      const reference = referenceTo(apiVersionOf(podResource), 'Pod', pod);
      events.event(reference, 'Warning', 'FailedResourceClaimCreation', why);
      throw new Error(`pod ${view.namespace}/${view.name}, ${why}`, { cause: error });
    }
  }

  /** A claim that was made for the entry before its name could be written. Those of other namespaces only say that they are the pod's. */
  function orphan({ namespace, uid }: PodView, { name }: PodDeviceClaim): ResourceClaim | undefined {
    const isOf = ({ metadata }: ResourceClaim): boolean =>
      metadata?.namespace === namespace &&
      metadata.annotations?.[POD_CLAIM_ANNOTATION] === name &&
      !metadata.deletionTimestamp;
    return claims.byIndex('pod', uid).find(isOf) ?? made.get(uid)?.get(name);
  }

  async function make(pod: Pod, { namespace, uid }: PodView, entry: PodDeviceClaim, signal: AbortSignal) {
    const template = templates.get(namespace, entry.template ?? '');
    if (!template) {
      const missing = `resourceclaimtemplate.resource.k8s.io "${entry.template}" not found`;
      throw new Error(`resource claim template "${entry.template}": ${missing}`);
    }
    const claim = await unlessTerminating(
      client.create(resourceClaims, generatedClaim(pod, entry, template), { signal }),
    );
    if (!claim) return undefined;
    const ofPod = made.get(uid) ?? new Map<string, ResourceClaim>();
    made.set(uid, ofPod.set(entry.name, claim));
    return claim;
  }

  async function reconcileClaim(key: string, signal: AbortSignal): Promise<void> {
    const claim = claims.getByKey(key);
    if (!claim) return;
    const gone = await goneConsumers(claim, signal);
    const { status, dropsFinalizer } = claimPlan(claim, ({ uid }) => gone.has(uid));
    let current = claim;
    if (status) current = await client.updateStatus(resourceClaims, status, { signal });
    if (dropsFinalizer) {
      const finalizers = current.metadata?.finalizers?.filter((name) => name !== CLAIM_FINALIZER);
      const metadata = { ...current.metadata, finalizers };
      current = await client.update(resourceClaims, { ...current, metadata }, { signal });
    }
    const { namespace = '', name = '', uid, deletionTimestamp } = current.metadata ?? {};
    const owner = owningPod(current);
    if (deletionTimestamp || !owner || !isLeftOver(current, pods.get(namespace, owner.name))) return;
    await unlessGone(client.delete(resourceClaims, namespace, name, { uid, signal }));
  }

  /** The uids of consumers that are certainly done: a pod that the cache does not show may be new. */
  async function goneConsumers({ metadata, status }: ResourceClaim, signal: AbortSignal): Promise<Set<string>> {
    const gone = new Set<string>();
    const namespace = metadata?.namespace ?? '';
    for (const consumer of status?.reservedFor ?? []) {
      if (!isPodConsumer(consumer)) continue;
      const { name, uid } = consumer;
      const pod = pods.get(namespace, name);
      if (pod ? pod.uid !== uid || isDone(pod) : await isAbsent(namespace, consumer, signal)) gone.add(uid);
    }
    return gone;
  }

  async function isAbsent(namespace: string, { name, uid }: { name: string; uid: string }, signal: AbortSignal) {
    const pod = await unlessNotFound(client.get(podResource, namespace, name, { signal }));
    return pod?.metadata?.uid !== uid;
  }

  const wakePod = (pod: PodView): void => {
    if (hasWork(pod)) queue.add(POD + objectKey(pod.namespace, pod.name));
  };
  const wakeClaims = (pod: PodView): void => {
    for (const { claim } of pod.deviceClaims) if (claim) queue.add(CLAIM + objectKey(pod.namespace, claim));
    // Also those whose names were never written.
    for (const { metadata } of claims.byIndex('pod', pod.uid))
      queue.add(CLAIM + objectKey(pod.namespace, metadata?.name ?? ''));
  };
  const onPod = (pod: PodView): void => {
    if (pod.deviceClaims.length === 0) return;
    if (isDone(pod)) wakeClaims(pod);
    else wakePod(pod);
  };
  const onClaim = (claim: ResourceClaim, key: string): void => {
    queue.add(CLAIM + key);
    const { namespace = '', annotations } = claim.metadata ?? {};
    const owner = owningPod(claim);
    const entry = annotations?.[POD_CLAIM_ANNOTATION];
    if (owner && entry !== undefined) made.get(owner.uid)?.delete(entry);
    const pod = owner && pods.get(namespace, owner.name);
    if (pod) wakePod(pod);
  };
  return {
    watches: () => [
      watch(pods, {
        onAdd: onPod,
        onUpdate: (_, pod) => onPod(pod),
        onDelete: (pod) => {
          made.delete(pod.uid);
          if (pod.deviceClaims.length > 0) wakeClaims(pod);
        },
      }),
      watch(claims, { onAdd: onClaim, onUpdate: (_, claim, key) => onClaim(claim, key), onDelete: onClaim }),
      watch(templates, {
        onAdd: (_, key) => pods.byIndex('claimTemplate', key).forEach(wakePod),
        onUpdate: (_old, _new, key) => pods.byIndex('claimTemplate', key).forEach(wakePod),
      }),
    ],
    async reconcile(key, signal) {
      if (key.startsWith(POD)) await reconcilePod(key.slice(POD.length), signal);
      else await reconcileClaim(key.slice(CLAIM.length), signal);
      return undefined;
    },
  };
}
