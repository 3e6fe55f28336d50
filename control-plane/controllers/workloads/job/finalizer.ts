/** Removing the finalizer by which a Job tracks a pod. */
import { JOB_TRACKING_FINALIZER } from '../../../../api/domain/job-tracking.ts';
import type { ApiClient } from '../../../../client/api-client.ts';
import { pods } from '../../../../client/resources.gen.ts';
import type { PodView } from '../../caches/pod-view.ts';
import { unlessGone, unlessNotFound } from '../../framework/outcomes.ts';

export interface RemovalOptions {
  readonly client: Pick<ApiClient, 'patch'>;
  readonly signal: AbortSignal;
  /** Only from the pod as it is in the cache: rejects with a Conflict when it has changed since. */
  readonly asCached?: boolean;
}

/** Resolves when the pod has no such finalizer, or is gone. */
export async function removeFinalizer(pod: PodView, { client, signal, asCached }: RemovalOptions): Promise<void> {
  const { namespace, name, uid, job } = pod;
  const resourceVersion = asCached ? job?.resourceVersion : undefined;
  const metadata = { uid, resourceVersion, '$deleteFromPrimitiveList/finalizers': [JOB_TRACKING_FINALIZER] };
  const patching = client.patch(pods, namespace, name, { metadata }, { type: 'strategic', signal });
  // Without a version, the only precondition is the uid.
  await (asCached ? unlessNotFound(patching) : unlessGone(patching));
}
