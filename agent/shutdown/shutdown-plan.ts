/**
 * In which order pods are terminated when the node is shut down, and how long each may take. Pure.
 * https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#graceful-node-shutdown
 */
import { CLUSTER_CRITICAL, NODE_CRITICAL } from '../../api/domain/system-priority.ts';
import { isPodTerminal } from '../../api/domain/pod-lifecycle.ts';
import { SettingValueError } from '../../daemon/setting-rules.ts';
import type { PodStatus } from '../../api/types/core/v1.gen.ts';
import type { SourcedPod } from '../pods/sources/pod-source.ts';

export interface ShutdownPod extends SourcedPod {
  readonly status: PodStatus | undefined;
}

/** Pods of this priority and above, up to that of the next period, have so long. */
export interface ShutdownPeriod {
  readonly priority: number;
  readonly seconds: number;
}

export interface ShutdownConfig {
  /** All together, in seconds; 0: pods are not terminated before a shutdown. */
  readonly shutdownGracePeriodSeconds: number;
  /** Of that, for the critical ones, which come last. */
  readonly shutdownGracePeriodCriticalPodsSeconds: number;
  /** Instead of both: `PRIORITY=SECONDS`. */
  readonly shutdownGracePeriodByPodPriority: readonly string[];
}

export interface ShutdownStage {
  readonly uids: readonly { readonly uid: string; readonly graceSeconds: number }[];
  /** After so long the next stage begins, whatever has become of this one. */
  readonly limitSeconds: number;
}

const DEFAULT_GRACE_SECONDS = 30;
/** Of priorities, by the API. */
const LEAST_PRIORITY = -(2 ** 31);
const MOST_PRIORITY = 2 ** 31 - 1;

/** `0=60`, `1000=30`, from the lowest priority to the highest. Throws SettingValueError for anything else. */
export function parsePeriods(texts: readonly string[]): ShutdownPeriod[] {
  const periods = new Map<number, number>();
  for (const text of texts) {
    const [, first = '', last = ''] = /^(-?\d{1,10})=(\d{1,9})$/.exec(text) ?? [];
    const priority = Number(first);
    if (first === '' || priority < LEAST_PRIORITY || priority > MOST_PRIORITY)
      throw new SettingValueError(`${JSON.stringify(text)} is not PRIORITY=SECONDS`);
    if (periods.has(priority)) throw new SettingValueError(`priority ${priority} has two periods`);
    periods.set(priority, Number(last));
  }
  return [...periods].sort(([a], [b]) => a - b).map(([priority, seconds]) => ({ priority, seconds }));
}

/** Those of the settings, none when pods are not terminated before a shutdown. */
export function shutdownPeriods(config: ShutdownConfig): ShutdownPeriod[] {
  const byPriority = parsePeriods(config.shutdownGracePeriodByPodPriority);
  if (byPriority.length > 0) return byPriority;
  const { shutdownGracePeriodSeconds: all, shutdownGracePeriodCriticalPodsSeconds: wanted } = config;
  if (all === 0) return [];
  const critical = Math.min(wanted, all);
  return [
    { priority: 0, seconds: all - critical },
    { priority: CLUSTER_CRITICAL.value, seconds: critical },
  ];
}

/** How long a shutdown is delayed. */
export const totalSeconds = (periods: readonly ShutdownPeriod[]): number =>
  periods.reduce((sum, { seconds }) => sum + seconds, 0);

/** The system needs static pods; they say nothing of their priority. */
const priorityOf = ({ pod, source }: ShutdownPod): number =>
  source === 'file' ? NODE_CRITICAL.value : (pod.spec?.priority ?? 0);

/** The highest period that the priority reaches; the lowest one for those that reach none. */
const periodOf = (priority: number, periods: readonly ShutdownPeriod[]): ShutdownPeriod | undefined =>
  periods.findLast((period) => period.priority <= priority) ?? periods[0];

/** Pods of a lower priority first. `periods` are in that order, too. Stages without pods are left out. */
export function shutdownStages(pods: Iterable<ShutdownPod>, periods: readonly ShutdownPeriod[]): ShutdownStage[] {
  const alive = [...pods].filter(({ status }) => !isPodTerminal(status));
  return periods
    .map((period): ShutdownStage => {
      const limitSeconds = period.seconds;
      const chosen = alive.filter((pod) => periodOf(priorityOf(pod), periods) === period);
      return {
        limitSeconds,
        uids: chosen.map(({ pod: { metadata, spec } }) => ({
          uid: metadata?.uid ?? '',
          graceSeconds: Math.min(spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS, limitSeconds),
        })),
      };
    })
    .filter(({ uids }) => uids.length > 0);
}
