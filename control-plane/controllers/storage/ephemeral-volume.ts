/** The ephemeral volume controller: makes the claims of pods' ephemeral volumes. Upstream: pkg/controller/volume/ephemeral. */
import { claimOfVolume, notMadeFor } from '../../../api/domain/pod-claims.ts';
import { isAlreadyExists } from '../../../api/machinery/status-error.ts';
import type { PersistentVolumeClaim, Pod, Volume } from '../../../api/types/core/v1.gen.ts';
import { referenceTo } from '../../../client/event-recorder.ts';
import { objectKey, splitKey } from '../../../client/informer.ts';
import { persistentVolumeClaims, pods as podResource } from '../../../client/resources.gen.ts';
import { claimCache, podCache } from '../caches/definitions.ts';
import type { PodView } from '../caches/pod-view.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { unlessNotFound, unlessTerminating } from '../framework/outcomes.ts';
import { apiVersionOf, controllerReference } from '../framework/owner-references.ts';
import { watch } from '../framework/watch.ts';

export const ephemeralVolumeController: ControllerDescriptor = {
  name: 'ephemeral-volume-controller',
  workers: 5,
  create,
};

/** The claim of an ephemeral volume: it goes with its pod. Undefined for other volumes. */
export function ephemeralClaim(pod: Pod, volume: Volume): PersistentVolumeClaim | undefined {
  const template = volume.ephemeral?.volumeClaimTemplate;
  const claim = claimOfVolume(volume, pod.metadata?.name ?? '');
  if (!template || !claim) return undefined;
  const { labels, annotations } = template.metadata ?? {};
  const { namespace } = pod.metadata ?? {};
  const ownerReferences = [controllerReference(podResource, pod)];
  return { metadata: { name: claim.name, namespace, labels, annotations, ownerReferences }, spec: template.spec };
}

function create({ client, informer, recorder, queue }: ControllerContext): Controller {
  const pods = informer(podCache);
  const claims = informer(claimCache);
  const events = recorder('ephemeral_volume');

  /** Whether the cache lacks, or has another's, claim of an ephemeral volume. */
  const hasWork = ({ namespace, uid, deleting, claims: wanted }: PodView): boolean =>
    !deleting &&
    wanted.some(({ name, isEphemeral }) => {
      if (!isEphemeral) return false;
      const claim = claims.get(namespace, name)?.claim;
      return !claim || notMadeFor({ uid }, claim) !== undefined;
    });

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const view = pods.getByKey(key);
    if (!view || !hasWork(view)) return undefined;
    const { namespace, name } = splitKey(key);
    const pod = await unlessNotFound(client.get(podResource, namespace, name, { signal }));
    if (!pod || pod.metadata?.uid !== view.uid || pod.metadata.deletionTimestamp) return undefined;
    for (const volume of pod.spec?.volumes ?? []) {
      const claim = ephemeralClaim(pod, volume);
      if (!claim) continue;
      try {
        await ensure(pod, claim, signal);
      } catch (error) {
        signal.throwIfAborted();
        const message = `ephemeral volume ${volume.name}: ${(error as Error).message}`;
        events.event(referenceTo(apiVersionOf(podResource), 'Pod', pod), 'Warning', 'FailedBinding', message);
        throw error;
      }
    }
    return undefined;
  }

  async function ensure(pod: Pod, claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '' } = claim.metadata ?? {};
    const present = claims.get(namespace, name)?.claim;
    if (!present) {
      try {
        await unlessTerminating(client.create(persistentVolumeClaims, claim, { signal }));
        return;
      } catch (error) {
        // The cache is behind: whose it is will be seen when it shows the claim.
        if (isAlreadyExists(error)) return;
        throw new Error(`create PVC ${name}: ${(error as Error).message}`, { cause: error });
      }
    }
    const why = notMadeFor(pod.metadata ?? {}, present);
    if (why !== undefined) throw new Error(why);
  }

  const wakeUsers = (namespace: string, name: string): void => {
    for (const pod of pods.byIndex('claim', objectKey(namespace, name)))
      if (hasWork(pod)) queue.add(objectKey(namespace, pod.name));
  };
  const wake = (pod: PodView, key: string): void => {
    if (hasWork(pod)) queue.add(key);
  };
  return {
    watches: () => [
      // What a pod's volumes are never changes.
      watch(pods, { onAdd: wake, onUpdate: (old, pod, key) => (old.uid === pod.uid ? undefined : wake(pod, key)) }),
      watch(claims, {
        onAdd: ({ namespace, name }) => wakeUsers(namespace, name),
        onDelete: ({ namespace, name }) => wakeUsers(namespace, name),
      }),
    ],
    reconcile,
  };
}
