/**
 * Writes the statuses of pods to the API: the latest of each pod, one write at a time, only what has changed, retried
 * until it succeeds. Its last write for a pod deletes the object.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { semanticallyEqual } from '../../../api/machinery/deep-equal.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { backoffMs } from '../../../client/backoff.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import { pods } from '../../../client/resources.gen.ts';
import { report, since } from '../../recorder/report.ts';
import { RESIZE_CONDITIONS } from './pod-conditions.ts';
import type { ApiPods } from '../sources/api-pods.ts';
import type { SourcedPod } from '../sources/pod-source.ts';
import type { Pod, PodStatus } from '../../../api/types/core/v1.gen.ts';

/** Where statuses go, one way: the API's view of a pod comes from its source. */
export interface StatusSink {
  /** Returns at once. Only the latest status of a pod is written. */
  report(sourced: SourcedPod, status: PodStatus): void;
}

export interface StatusManagerOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  /** The cache of pods of the API. */
  readonly apiPods: Pick<ApiPods, 'byUid' | 'objectOf'>;
}

interface Entry {
  namespace: string;
  name: string;
  wanted: PodStatus;
  /** The response to the last write, which the informer may not have seen yet. */
  taken: Pod | undefined;
  sending: Promise<void> | undefined;
}

const RETRY = { initialMs: 200, maxMs: 30_000 };
const DELETE_RETRY = { initialMs: 200, maxMs: 10_000 };

export class StatusManager implements StatusSink {
  readonly #options: StatusManagerOptions;
  readonly #signal: AbortSignal;
  readonly #entries = new Map<string, Entry>();

  constructor(options: StatusManagerOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  report(sourced: SourcedPod, status: PodStatus): void {
    const { apiPods } = this.#options;
    const object = apiPods.objectOf(sourced);
    if (object && apiPods.byUid(object.metadata?.uid ?? '')) this.set(object, status);
  }

  /** Returns at once. `pod` is the one in the API: for a static pod its mirror. */
  set(pod: Pod, status: PodStatus): void {
    const { uid = '', namespace = '', name = '' } = pod.metadata ?? {};
    const known = this.#entries.get(uid);
    const entry: Entry = known ?? { namespace, name, wanted: status, taken: undefined, sending: undefined };
    entry.wanted = status;
    this.#entries.set(uid, entry);
    entry.sending ??= this.#send(uid, entry).finally(() => (entry.sending = undefined));
  }

  /** Nothing of the pod runs any more: once its last status is written, its object is deleted. */
  async finish({ metadata }: Pod): Promise<void> {
    const { namespace = '', name = '', uid = '' } = metadata ?? {};
    const { client, logger } = this.#options;
    const signal = this.#signal;
    await this.#entries.get(uid)?.sending;
    const outage = new Outage({ logger });
    const about = { pod: `${namespace}/${name}`, podUID: uid };
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        await client.delete(pods, namespace, name, { gracePeriodSeconds: 0, uid, signal });
        outage.ended(about, 'terminated pod deleted');
        return;
      } catch (error) {
        if (error instanceof StatusError && (error.code === 404 || error.code === 409)) return;
        if (signal.aborted) return;
        outage.failed(error, about, 'failed to delete terminated pod');
        await sleep(backoffMs(DELETE_RETRY, failures), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Whether the last status of the pod is not in the API yet. */
  isWriting(uid: string): boolean {
    return this.#entries.get(uid)?.sending !== undefined;
  }

  forget(uid: string): void {
    this.#entries.delete(uid);
  }

  async #send(uid: string, entry: Entry): Promise<void> {
    // Statuses set in the same turn are written together.
    await Promise.resolve();
    const outage = new Outage(this.#options);
    const about = { pod: `${entry.namespace}/${entry.name}`, podUID: uid };
    for (let failures = 0; !this.#signal.aborted && this.#entries.get(uid) === entry;) {
      const { wanted } = entry;
      try {
        const gone = await this.#write(uid, entry, wanted);
        failures = 0;
        outage.ended(about, 'pod status update recovered');
        if (gone || entry.wanted === wanted) return;
      } catch (error) {
        if (this.#signal.aborted) return;
        failures++;
        outage.failed(error, about, 'failed to update pod status');
        await sleep(backoffMs(RETRY, failures), undefined, { signal: this.#signal }).catch(() => undefined);
      }
    }
  }

  /** Resolves to whether the pod has been deleted from the API. */
  async #write(uid: string, entry: Entry, wanted: PodStatus): Promise<boolean> {
    const { client, apiPods } = this.#options;
    const pod = laterOf(apiPods.byUid(uid), entry.taken);
    const before = pod?.status ?? {};
    const patch = statusPatch(before, wanted);
    if (patch === undefined) return false;
    // The patch carries others' conditions, too: they must not have changed since they were read.
    const own = ownConditions(wanted);
    const hasOthers = before.conditions?.some(({ type }) => !own.has(type)) ?? false;
    const startedAt = performance.now();
    const told = statusReport(wanted);
    const about = { pod: `${entry.namespace}/${entry.name}`, podUID: uid };
    try {
      entry.taken = await client.patch(
        pods,
        entry.namespace,
        entry.name,
        {
          metadata: {
            uid,
            ...(patch.conditions !== undefined && hasOthers && { resourceVersion: pod?.metadata?.resourceVersion }),
          },
          status: patch,
        },
        { subresource: 'status', signal: this.#signal },
      );
      report({ ...told, ms: since(startedAt) }, about);
      return false;
    } catch (error) {
      report({ ...told, ms: since(startedAt), error: (error as Error).message }, about);
      // A conflict of uids: another pod has the name by now.
      if (error instanceof StatusError && (error.code === 404 || (error.code === 409 && !apiPods.byUid(uid))))
        return true;
      throw error;
    }
  }
}

/** What a status says, in short. */
function statusReport({ phase = 'Unknown', reason, containerStatuses = [], initContainerStatuses = [] }: PodStatus) {
  const waiting = [...initContainerStatuses, ...containerStatuses].flatMap(({ name, state }) =>
    state?.waiting?.reason ? [`${name}: ${state.waiting.reason}`] : [],
  );
  const ready = `${containerStatuses.filter((one) => one.ready).length}/${containerStatuses.length}`;
  return { kind: 'status', phase: reason ? `${phase} (${reason})` : phase, ready, waiting } as const;
}

/** Of two states of a pod the one that was written later: others write statuses too. */
const laterOf = (seen: Pod | undefined, taken: Pod | undefined): Pod | undefined =>
  versionOf(seen) < versionOf(taken) ? taken : seen;

/** Numbers that grow: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions */
const versionOf = (pod: Pod | undefined): number => Number(pod?.metadata?.resourceVersion ?? 0);

/**
 * A merge patch that leads from one status to another; undefined when nothing differs. Conditions that others own
 * (readiness gates) stay as they are.
 */
export function statusPatch(before: PodStatus, wanted: PodStatus): Record<string, unknown> | undefined {
  const own = ownConditions(wanted);
  const others = (before.conditions ?? []).filter(({ type }) => !own.has(type));
  const target: PodStatus = { ...wanted, conditions: [...(wanted.conditions ?? []), ...others] };
  const patch: Record<string, unknown> = {};
  const keys = new Set([...Object.keys(before), ...Object.keys(target)]) as Set<keyof PodStatus>;
  for (const key of keys) {
    // Fields that this agent never sets belong to other writers.
    if (!(key in target) && !OWN_FIELDS.has(key)) continue;
    const value = target[key];
    if (semanticallyEqual(sorted(before[key]), sorted(value))) continue;
    patch[key] = value ?? null;
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

/** The types of the conditions that no one else writes. */
const ownConditions = ({ conditions = [] }: PodStatus): ReadonlySet<string> =>
  new Set([...RESIZE_CONDITIONS, ...conditions.map(({ type }) => type)]);

const OWN_FIELDS: ReadonlySet<keyof PodStatus> = new Set<keyof PodStatus>([
  'reason',
  'message',
  'podIP',
  'podIPs',
  'initContainerStatuses',
  'containerStatuses',
  'ephemeralContainerStatuses',
]);

/** Conditions have no order. */
const sorted = (value: unknown): unknown =>
  Array.isArray(value) && value.every((item) => typeof item === 'object' && item !== null && 'type' in item)
    ? (value as { type: string }[]).toSorted((a, b) => (a.type < b.type ? -1 : 1))
    : value;
