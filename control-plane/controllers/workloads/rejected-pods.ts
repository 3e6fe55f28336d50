/**
 * How long a ReplicaSet waits before it makes another pod, since nodes have rejected pods of it: it would make them as fast as they are
 * rejected, and each stays as a failed one. A pod that has run and failed, or was evicted, is replaced at once.
 */
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { PodView } from '../caches/pod-view.ts';
import { FailedPodBackoff, failingSet } from './failed-pod-backoff.ts';

/** One that is rejected on one node must not keep those on others from being replaced for long. */
const MAX_MS = 60_000;
/** Which node rejects the next one nobody knows. */
const ANY_NODE = '';
const NONE: ReadonlySet<string> = new Set();

export class RejectedPods {
  readonly #backoff = new FailedPodBackoff(MAX_MS);
  /** By uid of the owner, the uids of the rejected pods that have been seen and are still there. */
  readonly #seen = new Map<string, ReadonlySet<string>>();

  /** Returns for how many ms no pod is to be created. @param now in ms of the monotonic clock */
  look(owner: KubeObject, pods: readonly PodView[], now: number): number {
    const set = failingSet(owner);
    const rejected = new Set(pods.filter(({ rejected }) => rejected).map(({ uid }) => uid));
    const isNew = !rejected.isSubsetOf(this.#seen.get(set.uid) ?? NONE);
    // Those that were created together are rejected one after the other.
    if (isNew && this.#backoff.remainingMs(set, ANY_NODE, now) === 0) this.#backoff.failed(set, ANY_NODE, now);
    if (rejected.size > 0) this.#seen.set(set.uid, rejected);
    else this.#seen.delete(set.uid);
    return this.#backoff.remainingMs(set, ANY_NODE, now);
  }

  /** The owner is gone. */
  forget(uid: string): void {
    this.#backoff.forget(uid);
    this.#seen.delete(uid);
  }
}
