/** The PVC protection controller: a claim is not deleted while a pod uses it. Upstream: pkg/controller/volume/pvcprotection. */
import { podClaims } from '../../../api/domain/pod-claims.ts';
import { CLAIM_PROTECTION } from '../../../api/domain/protection-finalizers.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import { objectKey } from '../../../client/informer.ts';
import { persistentVolumeClaims, pods as podResource } from '../../../client/resources.gen.ts';
import { claimCache, podCache } from '../caches/definitions.ts';
import { type ClaimView } from '../caches/storage-views.ts';
import { isTerminated, type PodView } from '../caches/pod-view.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../framework/controller.ts';
import { controllerOf } from '../framework/owner-references.ts';
import { watch } from '../framework/watch.ts';
import { protect } from './protection.ts';

/**
 * Whether the pod keeps the claim. A pod without a node does not: no node starts one whose claim is being deleted. Of a pod that its
 * node is done with, only the claims of ephemeral volumes are free, since it may wait for them itself.
 */
export function usesClaim(pod: Pod, { name, owners }: Pick<ClaimView, 'name' | 'owners'>): boolean {
  const { metadata, spec } = pod;
  if (!spec?.nodeName) return false;
  const isShutDown = metadata?.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0;
  return podClaims(pod).some(
    (claim) =>
      claim.name === name && (!claim.isEphemeral || (!isShutDown && controllerOf(owners)?.uid === metadata?.uid)),
  );
}

export const claimProtectionController: ControllerDescriptor = {
  name: 'persistentvolumeclaim-protection-controller',
  workers: 5,
  create,
};

function create(context: ControllerContext): Controller {
  const { client, informer, queue } = context;
  const pods = informer(podCache);

  async function isUsed(claim: ClaimView, signal: AbortSignal): Promise<boolean> {
    const { namespace, name } = claim;
    const isNamed = ({ nodeName, claims }: PodView): boolean =>
      nodeName !== '' && claims.some((each) => each.name === name && !each.isEphemeral);
    if (pods.byIndex('claim', objectKey(namespace, name)).some(isNamed)) return true;
    // A pod may be missing in the cache, and a volume in use must not be lost.
    let found = false;
    await client.listPages(podResource, (page) => (found ||= page.some((pod) => usesClaim(pod, claim))), {
      namespace,
      signal,
    });
    return found;
  }

  const release = ({ namespace, claims }: PodView): void => {
    for (const { name } of claims) queue.add(objectKey(namespace, name));
  };
  const releaseUnused = (pod: PodView): void => {
    if (isTerminated(pod) || pod.nodeName === '') release(pod);
  };
  return protect(context, {
    resource: persistentVolumeClaims,
    objects: informer(claimCache),
    finalizer: CLAIM_PROTECTION,
    isUsed,
    releases: () => [
      watch(pods, {
        onAdd: releaseUnused,
        onUpdate: (old, pod) => {
          releaseUnused(pod);
          // Another pod of the same name.
          if (old.uid !== pod.uid) release(old);
        },
        onDelete: release,
      }),
    ],
  });
}
