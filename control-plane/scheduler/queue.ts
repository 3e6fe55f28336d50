/**
 * The pods that wait for a node. Active ones are tried by priority, then age; one that could not be placed waits for a change
 * in the cluster that could help it, and then out its back-off, so that a pod that never fits costs little.
 */
import type { ClusterChange, Plugin, WaitingPod } from './plugin.ts';

/** Upstream's podInitialBackoffSeconds and podMaxBackoffSeconds. */
const INITIAL_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 10_000;
/** A pod that nothing woke is tried again after this long, in case an event was missed. */
const UNSCHEDULABLE_FLUSH_MS = 5 * 60_000;

export interface QueuedPod {
  pod: WaitingPod;
  readonly since: number;
  attempts: number;
  /** When the last try ended, ms. */
  lastTry: number;
  refusedBy: ReadonlySet<string>;
}

export class SchedulingQueue {
  /** By priority, and within one in the order in which they became active. */
  readonly #active = new Map<number, Map<string, QueuedPod>>();
  readonly #waiting = new Map<string, QueuedPod>();
  readonly #backingOff = new Map<string, QueuedPod>();
  readonly #changesFor: ReadonlyMap<string, readonly ClusterChange[]>;
  readonly #wake: () => void;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;

  /** `wake` is called whenever a pod has become active. */
  constructor(plugins: readonly Plugin[], wake: () => void, now: () => number = Date.now) {
    this.#changesFor = new Map(plugins.map((plugin) => [plugin.name, plugin.retryOn ?? []]));
    this.#wake = wake;
    this.#now = now;
  }

  /** A new pod, or one whose spec has changed: it is tried at once. */
  put(pod: WaitingPod): void {
    const known = this.#find(pod.uid);
    if (known && sameRules(known.pod, pod)) {
      known.pod = pod;
      return;
    }
    const now = this.#now();
    this.#forget(pod.uid);
    this.#activate(known ? { ...known, pod } : { pod, since: now, attempts: 0, lastTry: 0, refusedBy: new Set() });
    this.#wake();
  }

  remove(uid: string): void {
    this.#forget(uid);
  }

  /** The next pod to try; it is no longer in the queue. */
  take(): QueuedPod | undefined {
    if (this.#active.size === 0) return undefined;
    const highest = this.#active.get(Math.max(...this.#active.keys()));
    const next = highest?.values().next().value;
    if (next) this.#forget(next.pod.uid);
    return next;
  }

  /** Puts back a pod that no node would take. */
  refused(entry: QueuedPod, refusedBy: ReadonlySet<string>): void {
    const waiting = { ...entry, attempts: entry.attempts + 1, lastTry: this.#now(), refusedBy };
    this.#waiting.set(entry.pod.uid, waiting);
    this.#arm(flushAt(waiting));
  }

  /** Puts back a pod whose binding failed: tried again after its back-off. */
  failed(entry: QueuedPod): void {
    const backingOff = { ...entry, attempts: entry.attempts + 1, lastTry: this.#now() };
    this.#backingOff.set(entry.pod.uid, backingOff);
    this.#arm(backoffEnd(backingOff));
  }

  /** Something changed: the pods that it may help are tried again, each after its back-off. */
  changed(change: ClusterChange): void {
    let helped = false;
    for (const [uid, entry] of this.#waiting) {
      if (
        entry.refusedBy.size > 0 &&
        ![...entry.refusedBy].some((name) => this.#changesFor.get(name)?.includes(change))
      )
        continue;
      this.#waiting.delete(uid);
      this.#backingOff.set(uid, entry);
      helped = true;
    }
    if (helped) this.release();
  }

  get sizes(): { active: number; backoff: number; unschedulable: number } {
    const active = [...this.#active.values()].reduce((sum, entries) => sum + entries.size, 0);
    return { active, backoff: this.#backingOff.size, unschedulable: this.#waiting.size };
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #find(uid: string): QueuedPod | undefined {
    for (const entries of [...this.#active.values(), this.#waiting, this.#backingOff]) {
      const entry = entries.get(uid);
      if (entry) return entry;
    }
    return undefined;
  }

  #forget(uid: string): void {
    this.#waiting.delete(uid);
    this.#backingOff.delete(uid);
    for (const [priority, entries] of this.#active) {
      if (entries.delete(uid) && entries.size === 0) this.#active.delete(priority);
    }
  }

  #activate(entry: QueuedPod): void {
    const { priority } = entry.pod.pending;
    const entries = this.#active.get(priority) ?? new Map<string, QueuedPod>();
    this.#active.set(priority, entries.set(entry.pod.uid, entry));
  }

  /** Activates what has waited long enough and sets the timer for the rest. Called by that timer. */
  release(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAt = Infinity;
    const now = this.#now();
    let released = false;
    let next = Infinity;
    for (const [entries, dueAt] of [
      [this.#backingOff, backoffEnd],
      [this.#waiting, flushAt],
    ] as const) {
      for (const [uid, entry] of entries) {
        const due = dueAt(entry);
        if (due > now) {
          next = Math.min(next, due);
          continue;
        }
        entries.delete(uid);
        this.#activate(entry);
        released = true;
      }
    }
    if (next !== Infinity) this.#arm(next);
    if (released) this.#wake();
  }

  #arm(due: number): void {
    if (due >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = due;
    this.#timer = setTimeout(() => this.release(), Math.max(0, due - this.#now()));
  }
}

const backoffEnd = (entry: QueuedPod): number =>
  entry.lastTry + Math.min(INITIAL_BACKOFF_MS * 2 ** Math.max(0, entry.attempts - 1), MAX_BACKOFF_MS);

const flushAt = (entry: QueuedPod): number => entry.lastTry + UNSCHEDULABLE_FLUSH_MS;

/** Status updates of a waiting pod are not worth another try. */
const sameRules = (a: WaitingPod, b: WaitingPod): boolean =>
  JSON.stringify([a.pending, a.requests, a.hostPorts]) === JSON.stringify([b.pending, b.requests, b.hostPorts]);
