/** What the control plane says about a node that stays silent, and which taints go with a node's conditions. */
import { REGION_LABEL, ZONE_LABEL } from '../../../api/domain/topology-labels.ts';
import {
  DISK_PRESSURE_TAINT,
  MEMORY_PRESSURE_TAINT,
  NETWORK_UNAVAILABLE_TAINT,
  NOT_READY_TAINT,
  PID_PRESSURE_TAINT,
  UNREACHABLE_TAINT,
  UNSCHEDULABLE_TAINT,
} from '../../../api/domain/taints.ts';
import { laterTime, timeOf } from '../../../api/machinery/time.ts';
import { readyStatus, type NodeView } from '../caches/node-view.ts';
import type { NodeCondition, Taint } from '../../../api/types/core/v1.gen.ts';

/** How long a new node may take until its first status: upstream's --node-startup-grace-period. */
const STARTUP_GRACE_MS = 60_000;
/** Upstream's --unhealthy-zone-threshold, and how many nodes have to be lost for it to be a sign of anything. */
const UNHEALTHY_ZONE_THRESHOLD = 0.55;
const MIN_DISRUPTED_NODES = 3;
/** Upstream's --large-cluster-size-threshold. */
const LARGE_ZONE_NODES = 50;
const WATCHED_CONDITIONS = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

/** The conditions that keep pods off a node, by the status that does. */
const CONDITION_TAINTS: readonly [type: string, status: string, key: string][] = [
  ['Ready', 'False', NOT_READY_TAINT],
  ['Ready', 'Unknown', UNREACHABLE_TAINT],
  ['MemoryPressure', 'True', MEMORY_PRESSURE_TAINT],
  ['DiskPressure', 'True', DISK_PRESSURE_TAINT],
  ['PIDPressure', 'True', PID_PRESSURE_TAINT],
  ['NetworkUnavailable', 'True', NETWORK_UNAVAILABLE_TAINT],
];
const OWN_NO_SCHEDULE: ReadonlySet<string> = new Set([
  ...CONDITION_TAINTS.map(([, , key]) => key),
  UNSCHEDULABLE_TAINT,
]);
const OWN_NO_EXECUTE: ReadonlySet<string> = new Set([NOT_READY_TAINT, UNREACHABLE_TAINT]);

/**
 * The conditions that say that nothing has been heard of the node for too long, or undefined while it is within its grace.
 * `silentMs`: how long there has been no sign of life.
 */
export function unknownConditions(
  node: NodeView,
  silentMs: number,
  graceMs: number,
  now: number,
): readonly NodeCondition[] | undefined {
  const grace = readyStatus(node) === '' ? Math.max(graceMs, STARTUP_GRACE_MS) : graceMs;
  if (silentMs <= grace) return undefined;
  const time = timeOf(now);
  const changed = WATCHED_CONDITIONS.flatMap((type): NodeCondition[] => {
    const current = node.conditions.find((condition) => condition.type === type);
    if (current?.status === 'Unknown') return [];
    if (!current) {
      return [
        {
          type,
          status: 'Unknown',
          reason: 'NodeStatusNeverUpdated',
          message: 'Kubelet never posted node status.',
          lastHeartbeatTime: timeOf(node.createdAt),
          lastTransitionTime: time,
        },
      ];
    }
    return [
      {
        ...current,
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
        lastTransitionTime: laterTime(time, current.lastTransitionTime ?? undefined),
      },
    ];
  });
  return changed.length > 0 ? changed : undefined;
}

/**
 * What becomes of the pods of lost nodes: they are evicted, node after node, or with long pauses between nodes; those that are not
 * on their way yet stay (`hold`); or all stay, since not one node is left that could take them, and it is most likely this server
 * that is cut off (`cancel`).
 */
export type EvictionMode = 'evict' | 'evict slowly' | 'hold' | 'cancel';

const isReady = (node: NodeView): boolean => readyStatus(node) === 'True';
export const zoneOf = ({ labels }: NodeView): string => `${labels[REGION_LABEL] ?? ''}/${labels[ZONE_LABEL] ?? ''}`;

/** Upstream's disruption modes: https://kubernetes.io/docs/concepts/architecture/nodes/#rate-limits-on-eviction */
export function evictionMode(node: NodeView, nodes: readonly NodeView[]): EvictionMode {
  if (!nodes.some(isReady)) return 'cancel';
  const zone = nodes.filter((other) => zoneOf(other) === zoneOf(node));
  const lost = zone.filter((other) => !isReady(other)).length;
  const isDisrupted =
    lost < zone.length && lost >= MIN_DISRUPTED_NODES && lost / zone.length >= UNHEALTHY_ZONE_THRESHOLD;
  if (!isDisrupted) return 'evict';
  return zone.length > LARGE_ZONE_NODES ? 'evict slowly' : 'hold';
}

/** The node is lost, and its pods are not on their way yet. */
export const needsEviction = (node: NodeView): boolean => lostKeys(node).length > 0 && !isLeaving(node);

const isLeaving = ({ taints }: NodeView): boolean =>
  taints.some(({ key, effect }) => effect === 'NoExecute' && OWN_NO_EXECUTE.has(key));

function lostKeys(node: NodeView): string[] {
  const ready = readyStatus(node);
  return ready === 'False' ? [NOT_READY_TAINT] : ready === 'Unknown' ? [UNREACHABLE_TAINT] : [];
}

/** The taints that a node is to have; the same list when they are right. Taints of others are left alone. */
export function desiredTaints(node: NodeView, mode: EvictionMode, now: number): readonly Taint[] {
  const noSchedule = CONDITION_TAINTS.filter(([type, status]) =>
    node.conditions.some((condition) => condition.type === type && condition.status === status),
  ).map(([, , key]) => key);
  if (node.unschedulable) noSchedule.push(UNSCHEDULABLE_TAINT);
  const stays = mode === 'cancel' || (mode === 'hold' && !isLeaving(node));
  const noExecute = stays ? [] : lostKeys(node);
  const wanted: Taint[] = [
    ...noSchedule.map((key): Taint => ({ key, effect: 'NoSchedule', timeAdded: timeOf(now) })),
    ...noExecute.map((key): Taint => ({ key, effect: 'NoExecute', timeAdded: timeOf(now) })),
  ];
  const isOwn = ({ key, effect }: Taint): boolean =>
    effect === 'NoSchedule' ? OWN_NO_SCHEDULE.has(key) : effect === 'NoExecute' && OWN_NO_EXECUTE.has(key);
  const isSame =
    (a: Taint) =>
    (b: Taint): boolean =>
      a.key === b.key && a.effect === b.effect;
  const kept = node.taints.filter((taint) => !isOwn(taint) || wanted.some(isSame(taint)));
  const added = wanted.filter((taint) => !node.taints.some(isSame(taint)));
  return added.length === 0 && kept.length === node.taints.length ? node.taints : [...kept, ...added];
}
