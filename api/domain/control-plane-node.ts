/** How the Node of a server's host is marked: https://kubernetes.io/docs/reference/labels-annotations-taints/#node-role-kubernetes-io-control-plane */
import { own } from '../machinery/own.ts';
import type { Node } from '../types/core/v1.gen.ts';
import { IpAddress } from './address.ts';

/** Nodes must not give it to themselves (NodeRestriction): a server gives it to the Node of its own host. */
export const CONTROL_PLANE_LABEL = 'node-role.kubernetes.io/control-plane';
/** As kubeadm's; the key is that of the label. */
const CONTROL_PLANE_TAINT = { key: CONTROL_PLANE_LABEL, effect: 'NoSchedule' } as const;

const isTaint = ({ key, effect }: { readonly key?: string; readonly effect?: string }): boolean =>
  key === CONTROL_PLANE_TAINT.key && effect === CONTROL_PLANE_TAINT.effect;

/** The Nodes whose host has the address, however that is written. Usually one. */
export function* nodesAt(all: Iterable<Node>, address: string): Iterable<Node> {
  const wanted = IpAddress.parse(address)?.text;
  if (wanted === undefined) return;
  for (const node of all) {
    const isThere = (node.status?.addresses ?? []).some(
      (one) => one.type === 'InternalIP' && IpAddress.parse(one.address)?.text === wanted,
    );
    if (isThere) yield node;
  }
}

/** The node with the label and, where it is wanted, the taint; undefined when it has them, of whatever value. */
export function markedNode(node: Node, { taint }: { readonly taint: boolean }): Node | undefined {
  const { labels = {} } = node.metadata ?? {};
  const taints = node.spec?.taints ?? [];
  const [needsLabel, needsTaint] = [own(labels, CONTROL_PLANE_LABEL) === undefined, taint && !taints.some(isTaint)];
  if (!needsLabel && !needsTaint) return undefined;
  return {
    ...node,
    ...(needsLabel && { metadata: { ...node.metadata, labels: { ...labels, [CONTROL_PLANE_LABEL]: '' } } }),
    ...(needsTaint && { spec: { ...node.spec, taints: [...taints, CONTROL_PLANE_TAINT] } }),
  };
}

/** The node without both; undefined when it has neither. Taints of the same key and another effect are somebody else's. */
export function unmarkedNode(node: Node): Node | undefined {
  const { labels = {} } = node.metadata ?? {};
  const taints = node.spec?.taints ?? [];
  if (own(labels, CONTROL_PLANE_LABEL) === undefined && !taints.some(isTaint)) return undefined;
  const kept = Object.fromEntries(Object.entries(labels).filter(([key]) => key !== CONTROL_PLANE_LABEL));
  return {
    ...node,
    metadata: { ...node.metadata, labels: kept },
    spec: { ...node.spec, taints: taints.filter((one) => !isTaint(one)) },
  };
}
