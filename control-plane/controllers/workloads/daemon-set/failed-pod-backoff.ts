/** How long failed pods are left alone: each time that one of a node has failed, twice as long as before. */
const INITIAL_MS = 1_000;
const MAX_MS = 15 * 60_000;
/** So long after its last failure a node starts anew. */
const FORGET_MS = 2 * MAX_MS;

interface Failure {
  readonly waitMs: number;
  readonly at: number;
}

interface Generation {
  readonly number: number;
  readonly byNode: Map<string, Failure>;
}

/** A set whose pods fail. A new generation of it is tried at once. */
export interface FailingSet {
  readonly uid: string;
  readonly generation: number;
}

export class FailedPodBackoff {
  readonly #byUid = new Map<string, Generation>();

  /** In how many ms a failed pod of the node may be deleted. `now` is in ms since the epoch. */
  remainingMs(set: FailingSet, node: string, now: number): number {
    const failure = this.#failuresOf(set)?.get(node);
    return failure && now - failure.at <= FORGET_MS ? Math.max(0, failure.at + failure.waitMs - now) : 0;
  }

  /** A failed pod of the node is deleted now. */
  failed(set: FailingSet, node: string, now: number): void {
    const byNode = this.#failuresOf(set) ?? new Map<string, Failure>();
    for (const [name, { at }] of byNode) if (now - at > FORGET_MS) byNode.delete(name);
    const before = byNode.get(node);
    byNode.set(node, { waitMs: before ? Math.min(2 * before.waitMs, MAX_MS) : INITIAL_MS, at: now });
    this.#byUid.set(set.uid, { number: set.generation, byNode });
  }

  /** The set is gone. */
  forget(uid: string): void {
    this.#byUid.delete(uid);
  }

  #failuresOf({ uid, generation }: FailingSet): Map<string, Failure> | undefined {
    const known = this.#byUid.get(uid);
    return known?.number === generation ? known.byNode : undefined;
  }
}
