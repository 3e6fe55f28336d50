/** What the controllers keep of a node. */
import { CONTROLLER_ATTACHES } from '../../../api/domain/csi-attachment.ts';
import { LOCAL_PATH_DIRECTORY } from '../../../api/domain/local-path.ts';
import { NFS_CLIENT } from '../../../api/domain/nfs-volumes.ts';
import { own } from '../../../api/machinery/own.ts';
import { parseQuantity } from '../../../api/machinery/quantity.ts';
import type { Labels } from '../../../api/machinery/selectors.ts';
import type { Interner } from '../framework/interner.ts';
import { ownedView, type Owned } from '../framework/owner-references.ts';
import type { Node, NodeAddress, NodeCondition, Taint } from '../../../api/types/core/v1.gen.ts';

export interface NodeView extends Owned {
  readonly labels: Labels;
  readonly resourceVersion: string;
  readonly createdAt: number;
  readonly providerID: string;
  /** At most one of each family, the primary one first. */
  readonly podCIDRs: readonly string[];
  readonly unschedulable: boolean;
  readonly taints: readonly Taint[];
  readonly conditions: readonly NodeCondition[];
  readonly addresses: readonly NodeAddress[];
  /** What pods may use of its CPU, in thousandths of a core; 0 before it has said so. */
  readonly cpuMillis: number;
  /** Where it keeps volumes of the local-path provisioner; '' when it has none. */
  readonly localPathDirectory: string;
  /** Its agent can mount exports of NFS servers. */
  readonly hasNfsClient: boolean;
  /** The attach/detach controller looks after it. */
  readonly isAttachedTo: boolean;
  /** The names of the volumes that are attached, as the controller has reported them. */
  readonly volumesAttached: readonly string[];
  /** The names of those that the node uses, and that must not be detached. */
  readonly volumesInUse: readonly string[];
}

const NONE: readonly never[] = Object.freeze([]);
const NANO_PER_MILLI = 1_000_000n;

export function nodeView(node: Node, interner: Interner): NodeView {
  const { metadata = {}, spec, status } = node;
  return {
    ...ownedView(node, interner),
    labels: metadata.labels ?? {},
    resourceVersion: metadata.resourceVersion ?? '',
    createdAt: metadata.creationTimestamp ? Date.parse(metadata.creationTimestamp) : 0,
    providerID: spec?.providerID ?? '',
    podCIDRs: spec?.podCIDRs ?? NONE,
    unschedulable: spec?.unschedulable ?? false,
    taints: spec?.taints ?? [],
    conditions: status?.conditions ?? [],
    addresses: status?.addresses ?? [],
    cpuMillis: Number(parseQuantity(own(status?.allocatable, 'cpu') ?? '0').nano / NANO_PER_MILLI),
    localPathDirectory: own(metadata.annotations, LOCAL_PATH_DIRECTORY) ?? '',
    hasNfsClient: own(metadata.annotations, NFS_CLIENT) === 'true',
    isAttachedTo: own(metadata.annotations, CONTROLLER_ATTACHES) === 'true',
    volumesAttached: status?.volumesAttached?.map(({ name }) => name) ?? NONE,
    volumesInUse: status?.volumesInUse ?? NONE,
  };
}

/** `True`, `False` or `Unknown`; '' before the node has said so. */
export const readyStatus = ({ conditions }: Pick<NodeView, 'conditions'>): string =>
  conditions.find(({ type }) => type === 'Ready')?.status ?? '';
