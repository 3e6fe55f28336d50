/**
 * The scheduling queue. Active pods are tried by priority, then in the order in which they became active. A pod that was
 * rejected is unschedulable until an event that can help it, then in back-off, then active again, so that a pod that fits
 * nowhere costs little.
 */
import { deepEqual } from '../../api/machinery/deep-equal.ts';
import type { Logger } from '../../client/logger.ts';
import { canHelp, type ClusterEvent, type EventType, type QueueingHints } from './framework/cluster-event.ts';
import type { Plugin } from './framework/plugin.ts';
import type { PendingPod } from './framework/pod-info.ts';
import type { Profile } from './framework/profile.ts';
import { change } from './framework/topology-counts.ts';

/** Upstream's podInitialBackoffSeconds and podMaxBackoffSeconds. */
const DEFAULT_BACKOFF: PodBackoff = { initialMs: 1_000, maxMs: 10_000 };
/** Upstream's podMaxInUnschedulablePodsDuration: after this a pod is tried again, in case an event was missed. */
const MAX_UNSCHEDULABLE_MS = 5 * 60_000;

/** Upstream's name of what brings a pod back that was tried in vain. */
const ATTEMPT_FAILED = 'ScheduleAttemptFailure';

export interface QueuedPod {
  pod: PendingPod;
  /** When it was tried for the first time, ms of the monotonic clock; undefined before. */
  readonly firstAttempt: number | undefined;
  readonly attempts: number;
  /** When the last attempt ended, ms of the monotonic clock. */
  readonly lastAttempt: number;
  /** The plugins that rejected it; none when it has not been tried yet. */
  readonly rejectedBy: ReadonlySet<string>;
  /** Rejected by pre-enqueue: it is not tried at all, and not flushed. */
  readonly gated: boolean;
  /** How many events there had been when the attempt began. */
  readonly eventsBefore: number;
}

/** What the queue needs of a profile. */
interface QueueProfile {
  readonly gates: readonly Plugin[];
  /** By the name of a plugin that may reject pods. */
  readonly hints: ReadonlyMap<string, QueueingHints>;
}

function queueProfile({ preEnqueue, preFilter, filter, reserve, permit }: Profile): QueueProfile {
  const rejecting = [...preEnqueue, ...preFilter, ...filter, ...reserve, ...permit];
  return { gates: preEnqueue, hints: new Map(rejecting.map(({ name, queueingHints = {} }) => [name, queueingHints])) };
}

/** The pods that wait for an event, and how many of them each plugin has rejected. */
class UnschedulablePods extends Map<string, QueuedPod> {
  readonly #rejected = new Map<string, number>();
  #unrejected = 0;

  /** Whether there are pods that no plugin has rejected: any event may help those. */
  get hasUnrejected(): boolean {
    return this.#unrejected > 0;
  }

  rejectingPlugins(): Iterable<string> {
    return this.#rejected.keys();
  }

  override set(uid: string, entry: QueuedPod): this {
    this.delete(uid);
    this.#count(entry, 1);
    return super.set(uid, entry);
  }

  override delete(uid: string): boolean {
    const entry = this.get(uid);
    if (entry) this.#count(entry, -1);
    return super.delete(uid);
  }

  #count({ rejectedBy }: QueuedPod, by: number): void {
    if (rejectedBy.size === 0) this.#unrejected += by;
    for (const plugin of rejectedBy) change(this.#rejected, plugin, by);
  }
}

export interface PodBackoff {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** Where a pod can be in the queue, as metrics name it. */
export type QueueName = 'active' | 'backoff' | 'unschedulable';

export interface SchedulingQueueOptions {
  /** Of different schedulers' names; the queue's pods are theirs. */
  readonly profiles: readonly Profile[];
  readonly backoff?: PodBackoff;
  /** A pod has come into a part of the queue because of an event. */
  readonly onIncoming?: (queue: QueueName, event: string) => void;
  readonly logger: Logger;
  /** Called whenever a pod has become active. */
  readonly wake: () => void;
  /** ms of the monotonic clock, which it is by default. */
  readonly now?: () => number;
}

export class SchedulingQueue {
  /** By the scheduler's name. */
  readonly #profiles: ReadonlyMap<string, QueueProfile>;
  /** By the name of a plugin: the events that it has hints for, in some profile. */
  readonly #eventTypes: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #backoffTimes: PodBackoff;
  readonly #onIncoming: (queue: QueueName, event: string) => void;
  readonly #logger: Logger;
  readonly #wake: () => void;
  readonly #now: () => number;
  /** By priority, then by uid in the order in which they became active. */
  readonly #active = new Map<number, Map<string, QueuedPod>>();
  readonly #backoff = new Map<string, QueuedPod>();
  readonly #unschedulable = new UnschedulablePods();
  #events = 0;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;

  constructor(options: SchedulingQueueOptions) {
    const {
      profiles,
      backoff = DEFAULT_BACKOFF,
      onIncoming = () => undefined,
      logger,
      wake,
      now = () => performance.now(),
    } = options;
    this.#profiles = new Map(profiles.map((profile) => [profile.schedulerName, queueProfile(profile)]));
    const hints = [...this.#profiles.values()].flatMap((profile) => [...profile.hints]);
    this.#eventTypes = new Map(
      [...Map.groupBy(hints, ([plugin]) => plugin)].map(([plugin, of]) => [
        plugin,
        new Set(of.flatMap(([, types]) => Object.keys(types))),
      ]),
    );
    this.#backoffTimes = backoff;
    this.#onIncoming = onIncoming;
    this.#logger = logger;
    this.#wake = wake;
    this.#now = now;
  }

  /** Adds a pod, or updates it. It is tried at once unless nothing has changed on which scheduling depends. */
  add(pod: PendingPod): void {
    const known = this.#find(pod.uid);
    if (known && isScheduledAlike(known.pod, pod)) {
      known.pod = pod;
      return;
    }
    this.delete(pod.uid);
    const added: QueuedPod = {
      ...{ pod, firstAttempt: undefined, attempts: 0, lastAttempt: -Infinity },
      ...{ rejectedBy: new Set<string>(), gated: false, eventsBefore: 0 },
    };
    const event = known ? 'UnscheduledPodUpdate' : 'UnscheduledPodAdd';
    if (this.#activate(known ? { ...known, pod } : added, event)) this.#wake();
  }

  delete(uid: string): void {
    this.#backoff.delete(uid);
    this.#unschedulable.delete(uid);
    for (const [priority, entries] of this.#active) {
      if (entries.delete(uid) && entries.size === 0) this.#active.delete(priority);
    }
  }

  /** Takes the next pod out of the queue. It is to be given back, with `rejected` or `failed`, unless it is bound. */
  pop(): QueuedPod | undefined {
    if (this.#isClosed) return undefined;
    let highest = -Infinity;
    for (const priority of this.#active.keys()) highest = Math.max(highest, priority);
    const next = this.#active.get(highest)?.values().next().value;
    if (!next) return undefined;
    this.delete(next.pod.uid);
    return { ...next, firstAttempt: next.firstAttempt ?? this.#now(), eventsBefore: this.#events };
  }

  /** Gives back a pod that plugins have rejected: it waits for an event. */
  rejected(entry: QueuedPod, rejectedBy: ReadonlySet<string>): void {
    const tried = { ...this.#afterAttempt(entry), rejectedBy };
    // An event during the attempt may be the one that it would wait for.
    if (this.#events !== entry.eventsBefore) this.#backOff(tried);
    else this.#hold(tried, ATTEMPT_FAILED);
  }

  /** Gives back a pod whose attempt failed for no fault of its own: it is tried again after its back-off. */
  failed(entry: QueuedPod): void {
    this.#backOff(this.#afterAttempt(entry));
  }

  /** Moves the unschedulable pods that the event can help to back-off, and those whose back-off is over to active. */
  moveAll(event: ClusterEvent): void {
    this.#events++;
    if (!this.#concerns(event.type)) return;
    let moved = false;
    for (const [uid, entry] of this.#unschedulable) {
      if (!this.#isWorthRequeuing(entry, event)) continue;
      this.#unschedulable.delete(uid);
      this.#backoff.set(uid, entry);
      this.#onIncoming('backoff', event.type);
      moved = true;
    }
    if (moved) this.flush();
  }

  get sizes(): { active: number; backoff: number; unschedulable: number; gated: number } {
    const active = [...this.#active.values()].reduce((sum, entries) => sum + entries.size, 0);
    const gated = [...this.#unschedulable.values()].filter((entry) => entry.gated).length;
    return { active, backoff: this.#backoff.size, unschedulable: this.#unschedulable.size - gated, gated };
  }

  /** How many pods each plugin keeps out, by profile. */
  unschedulableByPlugin(): { plugin: string; profile: string; count: number }[] {
    const found = new Map<string, { plugin: string; profile: string; count: number }>();
    for (const { pod, rejectedBy } of this.#unschedulable.values())
      for (const plugin of rejectedBy) {
        const profile = pod.pending.schedulerName;
        const key = `${plugin}/${profile}`;
        const known = found.get(key) ?? { plugin, profile, count: 0 };
        known.count++;
        found.set(key, known);
      }
    return [...found.values()];
  }

  /** From now on no pod is handed out; what is on its way may still be given back. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Whether a plugin that has rejected pods looks at such events: what most events do not change costs nothing. */
  #concerns(type: EventType): boolean {
    if (this.#unschedulable.hasUnrejected) return true;
    for (const plugin of this.#unschedulable.rejectingPlugins())
      if (this.#eventTypes.get(plugin)?.has(type) !== false) return true;
    return false;
  }

  #isWorthRequeuing({ pod, rejectedBy }: QueuedPod, event: ClusterEvent): boolean {
    // Its own reservation, which it has given back, is nothing new.
    if (event.type === 'AssignedPodDelete' && event.pod.uid === pod.uid) return false;
    if (rejectedBy.size === 0) return true;
    const profile = this.#profiles.get(pod.pending.schedulerName);
    for (const name of rejectedBy) {
      const hints = profile?.hints.get(name);
      try {
        // What is no plugin is an extender, of which nobody knows what helps.
        if (!hints || canHelp(hints, pod, event)) return true;
      } catch (error) {
        const about = { pod: `${pod.namespace}/${pod.name}`, podUID: pod.uid, plugin: name, event: event.type };
        this.#logger.error({ ...about, err: error }, 'queueing hint failed, requeuing pod');
        return true;
      }
    }
    return false;
  }

  #find(uid: string): QueuedPod | undefined {
    const waiting = this.#backoff.get(uid) ?? this.#unschedulable.get(uid);
    if (waiting) return waiting;
    for (const entries of this.#active.values()) {
      const entry = entries.get(uid);
      if (entry) return entry;
    }
    return undefined;
  }

  #afterAttempt(entry: QueuedPod): QueuedPod {
    return { ...entry, attempts: entry.attempts + 1, lastAttempt: this.#now() };
  }

  #backOff(entry: QueuedPod): void {
    this.#backoff.set(entry.pod.uid, entry);
    this.#onIncoming('backoff', ATTEMPT_FAILED);
    this.#arm(this.#backoffEnd(entry));
  }

  #hold(entry: QueuedPod, event: string): void {
    this.#unschedulable.set(entry.pod.uid, entry);
    this.#onIncoming('unschedulable', event);
    this.#arm(unschedulableEnd(entry));
  }

  /** Returns false when pre-enqueue rejects the pod. */
  #activate(entry: QueuedPod, event: string): boolean {
    const { pod } = entry;
    const gate = this.#gateOf(pod);
    if (gate !== undefined) {
      this.#hold({ ...entry, rejectedBy: new Set([gate]), gated: true }, event);
      return false;
    }
    const { priority } = pod;
    const entries = this.#active.get(priority) ?? new Map<string, QueuedPod>();
    this.#active.set(priority, entries.set(pod.uid, { ...entry, gated: false }));
    this.#onIncoming('active', event);
    return true;
  }

  /** The plugin whose pre-enqueue rejects the pod. One that fails rejects it, too, as upstream's does. */
  #gateOf(pod: PendingPod): string | undefined {
    for (const plugin of this.#profiles.get(pod.pending.schedulerName)?.gates ?? []) {
      const about = { pod: `${pod.namespace}/${pod.name}`, podUID: pod.uid, plugin: plugin.name };
      try {
        const rejection = plugin.preEnqueue?.(pod);
        if (!rejection) continue;
        this.#logger.debug({ ...about, reasons: rejection.reasons }, 'pod is gated');
      } catch (error) {
        this.#logger.error({ ...about, err: error }, 'pre-enqueue failed, pod is gated');
      }
      return plugin.name;
    }
    return undefined;
  }

  /** Activates what has waited long enough and sets the timer for the rest. Called by that timer. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAt = Infinity;
    const now = this.#now();
    let activated = false;
    let next = Infinity;
    for (const [entries, endOf, event] of [
      [this.#backoff, this.#backoffEnd, 'BackoffComplete'],
      [this.#unschedulable, unschedulableEnd, 'UnschedulableTimeout'],
    ] as const) {
      for (const [uid, entry] of entries) {
        const end = endOf(entry);
        if (end > now) {
          next = Math.min(next, end);
          continue;
        }
        entries.delete(uid);
        if (this.#activate(entry, event)) activated = true;
      }
    }
    this.#arm(next);
    if (activated) this.#wake();
  }

  readonly #backoffEnd = ({ attempts, lastAttempt }: QueuedPod): number => {
    const { initialMs, maxMs } = this.#backoffTimes;
    return lastAttempt + Math.min(initialMs * 2 ** Math.max(0, attempts - 1), maxMs);
  };

  #arm(due: number): void {
    if (this.#isClosed || due >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = due;
    this.#timer = setTimeout(() => this.flush(), Math.max(0, due - this.#now()));
  }
}

const unschedulableEnd = ({ gated, lastAttempt }: QueuedPod): number =>
  gated ? Infinity : lastAttempt + MAX_UNSCHEDULABLE_MS;

/** Updates of the status and of metadata are not worth another attempt. */
const isScheduledAlike = (a: PendingPod, b: PendingPod): boolean => deepEqual(decisive(a), decisive(b));

const decisive = ({ pending, requests, hostPorts, labels, priority }: PendingPod): unknown => [
  { ...pending, nominatedNodeName: '' },
  requests,
  hostPorts,
  labels,
  priority,
];
