/** When a pod may try again to pull an image that could not be pulled: from 10 s, doubling, to 5 min (the kubelet's). */

const INITIAL_MS = 10_000;
const MAX_MS = 300_000;

interface Failure {
  readonly message: string;
  readonly delayMs: number;
  /** By the monotonic clock, as all times here. */
  readonly until: number;
}

export class PullBackOff {
  readonly #failures = new Map<string, Map<string, Failure>>();

  /** Undefined when the image may be pulled now. */
  waiting(podUid: string, image: string, now: number): { message: string; waitMs: number } | undefined {
    const failure = this.#failures.get(podUid)?.get(image);
    return failure && now < failure.until ? { message: failure.message, waitMs: failure.until - now } : undefined;
  }

  /** In how many ms to try again. */
  failed(podUid: string, image: string, message: string, now: number): number {
    const ofPod = this.#failures.get(podUid) ?? new Map<string, Failure>();
    const before = ofPod.get(image);
    const delayMs = before ? Math.min(MAX_MS, before.delayMs * 2) : INITIAL_MS;
    this.#failures.set(podUid, ofPod.set(image, { message, delayMs, until: now + delayMs }));
    return delayMs;
  }

  succeeded(podUid: string, image: string): void {
    const ofPod = this.#failures.get(podUid);
    ofPod?.delete(image);
    if (ofPod?.size === 0) this.#failures.delete(podUid);
  }

  forget(podUid: string): void {
    this.#failures.delete(podUid);
  }
}
