/** What the inventory makes of a Node: pure. */
import { SHUTDOWN_TAINT, UNINITIALIZED_TAINT } from '../../../api/domain/cloud-provider.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import { own } from '../../../api/machinery/own.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import { readyStatus, type NodeView } from '../caches/node-view.ts';
import { INVENTORY_PROVIDER, type Host } from '../../inventory.ts';
import type { NodeAddress, Taint } from '../../../api/types/core/v1.gen.ts';

export type CloudNode = Pick<
  NodeView,
  'name' | 'labels' | 'taints' | 'conditions' | 'addresses' | 'providerID' | 'deleting'
>;

/** What has to change. Fields that stay are undefined. */
export interface CloudNodeChange {
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly providerID: string | undefined;
  readonly taints: readonly Taint[] | undefined;
  /** Written before the others: a Node is open for pods when its addresses are known. */
  readonly addresses: readonly NodeAddress[] | undefined;
}

export type CloudNodePlan =
  | 'nothing'
  /** Its host has been taken from the inventory, and the Node does not answer. */
  | 'delete'
  /** It waits for somebody who knows its host. */
  | 'unknown host'
  | CloudNodeChange;

/**
 * Only Nodes that ask for it are touched, by their taint or because an inventory has initialized them: the labels and addresses of others
 * are their agents'.
 */
export function planCloudNode(node: CloudNode, host: Host | undefined, nowMs: number): CloudNodePlan {
  const isWaiting = node.taints.some(({ key }) => key === UNINITIALIZED_TAINT);
  const isOurs = node.providerID.startsWith(INVENTORY_PROVIDER);
  if (node.deleting || !(isOurs || (isWaiting && node.providerID === ''))) return 'nothing';
  const isReady = readyStatus(node) === 'True';
  if (!host) {
    if (isWaiting) return 'unknown host';
    return isReady ? 'nothing' : 'delete';
  }
  const missing = Object.entries(host.labels).filter(([key, value]) => own(node.labels, key) !== value);
  const taints = wantedTaints(node.taints, host.isShutDown && !isReady, nowMs);
  const change = {
    labels: missing.length > 0 ? Object.fromEntries(missing) : undefined,
    providerID: isOurs ? undefined : `${INVENTORY_PROVIDER}${host.name}`,
    taints: deepEqual(taints, node.taints) ? undefined : taints,
    addresses: host.addresses.length > 0 && !deepEqual(host.addresses, node.addresses) ? host.addresses : undefined,
  };
  return Object.values(change).some((value) => value !== undefined) ? change : 'nothing';
}

function wantedTaints(taints: readonly Taint[], isDown: boolean, nowMs: number): readonly Taint[] {
  const kept = taints.filter(({ key }) => key !== UNINITIALIZED_TAINT && (isDown || key !== SHUTDOWN_TAINT));
  const isTold = kept.some(({ key }) => key === SHUTDOWN_TAINT);
  return isDown && !isTold ? [...kept, { key: SHUTDOWN_TAINT, effect: 'NoSchedule', timeAdded: timeOf(nowMs) }] : kept;
}
