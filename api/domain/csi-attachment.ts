/** How the attach/detach controller and the node's agent name the volumes of CSI drivers that are attached. */
import { createHash } from 'node:crypto';

/** On a Node: its volumes are attached and detached by the controller. */
export const CONTROLLER_ATTACHES = 'volumes.kubernetes.io/controller-managed-attach-detach';

export interface CsiHandle {
  readonly driver: string;
  /** The driver's own name of the volume. */
  readonly handle: string;
}

/** The volume in `volumesAttached` and `volumesInUse` of a Node's status. */
export const attachedName = ({ driver, handle }: CsiHandle): string => `kubernetes.io/csi/${driver}^${handle}`;

/** The name of the VolumeAttachment of the volume and a node, by which the node may read it. */
export const attachmentName = ({ driver, handle }: CsiHandle, node: string): string =>
  `csi-${createHash('sha256').update(handle).update(driver).update(node).digest('hex')}`;
