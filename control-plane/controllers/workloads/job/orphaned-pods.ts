/**
 * Pods that nobody will count any more: those of a Job that is gone or finished, and those that have lost their owner. They lose the
 * finalizer by which Jobs track their pods, or they would stay forever.
 */
import { isFinished } from '../../../../api/kinds/batch/job-conditions.ts';
import type { ApiClient } from '../../../../client/api-client.ts';
import type { Informer } from '../../../../client/informer.ts';
import { objectKey } from '../../../../client/informer.ts';
import { jobs as jobResource } from '../../../../client/resources.gen.ts';
import type { PodView } from '../../caches/pod-view.ts';
import { unlessNotFound } from '../../framework/outcomes.ts';
import { controllerOf, refersTo } from '../../framework/owner-references.ts';
import type { KeyQueue } from '../../framework/watch.ts';
import { removeFinalizer } from './finalizer.ts';
import { isTracked } from './job-pods.ts';
import { isManagedElsewhere } from './job-sync.ts';
import type { Job } from '../../../../api/types/batch/v1.gen.ts';
import type { Pod } from '../../../../api/types/core/v1.gen.ts';
import type { OwnerReference } from '../../../../api/types/meta/v1.gen.ts';

export interface OrphanedPodsOptions {
  readonly client: Pick<ApiClient, 'get' | 'patch'>;
  readonly jobs: Pick<Informer<Job>, 'get'>;
  readonly pods: Pick<Informer<Pod, PodView>, 'getByKey' | 'byIndex'>;
  readonly queue: KeyQueue;
}

const PREFIX = 'pod ';

/** Adds the keys of such pods to the queue of the Jobs, from which they differ by a prefix. */
export class OrphanedPods {
  readonly #options: OrphanedPodsOptions;

  constructor(options: OrphanedPodsOptions) {
    this.#options = options;
  }

  /** To be called for every pod that appears or changes. */
  add(pod: PodView): void {
    if (!isTracked(pod)) return;
    const owner = controllerOf(pod.owners);
    const job = owner && this.#options.jobs.get(pod.namespace, owner.name);
    const isCounted = job !== undefined && job.metadata?.uid === owner?.uid && !isFinished(job.status);
    if (!isCounted) this.#options.queue.add(`${PREFIX}${objectKey(pod.namespace, pod.name)}`);
  }

  addPodsOf({ metadata }: Job): void {
    for (const pod of this.#options.pods.byIndex('controller', metadata?.uid ?? '')) this.add(pod);
  }

  isKey(key: string): boolean {
    return key.startsWith(PREFIX);
  }

  /** Removes the finalizer of the pod, if it still is such a one. */
  async release(key: string, signal: AbortSignal): Promise<undefined> {
    const { client, pods } = this.#options;
    const pod = pods.getByKey(key.slice(PREFIX.length));
    if (!pod || !isTracked(pod)) return;
    const owner = controllerOf(pod.owners);
    if (owner && !refersTo(owner, jobResource)) return;
    const job = owner && (await this.#jobOf(pod, owner, signal));
    if (job && (isManagedElsewhere(job) || !isFinished(job.status))) return;
    // As it is in the cache: it may have been adopted since.
    await removeFinalizer(pod, { client, signal, asCached: true });
  }

  /** The cache may not have a Job yet whose pods it has already. */
  async #jobOf({ namespace }: PodView, { name, uid }: OwnerReference, signal: AbortSignal): Promise<Job | undefined> {
    const { client, jobs } = this.#options;
    const cached = jobs.get(namespace, name);
    if (cached?.metadata?.uid === uid) return cached;
    const job = await unlessNotFound(client.get(jobResource, namespace, name, { signal }));
    return job?.metadata?.uid === uid ? job : undefined;
  }
}
