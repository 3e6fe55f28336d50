/** How long failed pods are left alone: each time that one of a node, or of a name, has failed, twice as long as before. */
import type { KubeObject } from '../../../api/machinery/kind.ts';

const INITIAL_MS = 1_000;
const MAX_MS = 15 * 60_000;
/** So long after its last failure a node, or a name, starts anew. */
const FORGET_MS = 2 * MAX_MS;

interface Failure {
  readonly waitMs: number;
  readonly at: number;
}

interface Generation {
  readonly number: number;
  readonly byPlace: Map<string, Failure>;
}

/** A set whose pods fail. A new generation of it is tried at once. */
export interface FailingSet {
  readonly uid: string;
  readonly generation: number;
}

export const failingSet = ({ metadata }: KubeObject): FailingSet => ({
  uid: metadata?.uid ?? '',
  generation: metadata?.generation ?? 0,
});

export class FailedPodBackoff {
  readonly #maxMs: number;
  readonly #byUid = new Map<string, Generation>();

  constructor(maxMs = MAX_MS) {
    this.#maxMs = maxMs;
  }

  /**
   * In how many ms a failed pod may be deleted. `place`: its node, or its name where that stays the same. `now` is in ms of the
   * monotonic clock, here and below.
   */
  remainingMs(set: FailingSet, place: string, now: number): number {
    const failure = this.#failuresOf(set)?.get(place);
    return failure && now - failure.at <= FORGET_MS ? Math.max(0, failure.at + failure.waitMs - now) : 0;
  }

  /** A failed pod of the place is deleted now. */
  failed(set: FailingSet, place: string, now: number): void {
    const byPlace = this.#failuresOf(set) ?? new Map<string, Failure>();
    for (const [other, { at }] of byPlace) if (now - at > FORGET_MS) byPlace.delete(other);
    const before = byPlace.get(place);
    byPlace.set(place, { waitMs: before ? Math.min(2 * before.waitMs, this.#maxMs) : INITIAL_MS, at: now });
    this.#byUid.set(set.uid, { number: set.generation, byPlace });
  }

  /** The set is gone. */
  forget(uid: string): void {
    this.#byUid.delete(uid);
  }

  #failuresOf({ uid, generation }: FailingSet): Map<string, Failure> | undefined {
    const known = this.#byUid.get(uid);
    return known?.number === generation ? known.byPlace : undefined;
  }
}
