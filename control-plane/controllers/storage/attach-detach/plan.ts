/** What is to be attached to a node and detached from it, as a pure function of the objects. */
import { attachedName, attachmentName, type CsiHandle } from '../../../../api/domain/csi-attachment.ts';
import type { PersistentVolume, Taint } from '../../../../api/types/core/v1.gen.ts';
import type { VolumeAttachment } from '../../../../api/types/storage/v1.gen.ts';

/** A volume that pods of a node need, with a driver that attaches its volumes. */
export interface WantedVolume extends CsiHandle {
  /** The PersistentVolume's. */
  readonly volume: string;
  /** It may be attached to several nodes. */
  readonly isShared: boolean;
}

/** A VolumeAttachment of a node, and the volume that it is of. */
export interface Attachment extends CsiHandle {
  readonly name: string;
  readonly uid: string;
  readonly volume: string;
  readonly isAttached: boolean;
  readonly isDeleting: boolean;
}

export interface NodeState {
  readonly name: string;
  /** Undefined when the Node is gone. */
  readonly node:
    | { readonly isReady: boolean; readonly taints: readonly Taint[]; readonly volumesInUse: readonly string[] }
    | undefined;
  readonly wanted: readonly WantedVolume[];
  readonly attachments: readonly Attachment[];
  /** The nodes that a volume is attached to, or about to be or to be detached from. */
  readonly nodesOf: (volume: string) => readonly string[];
  /** Since when an attachment has been of no use, in ms of the monotonic clock: a clock that is set must not detach what is in use. */
  readonly unwantedSince: (attachment: string) => number;
  /** By the same clock. */
  readonly now: number;
}

export interface NodePlan {
  readonly attach: readonly WantedVolume[];
  /** Those that are attached to another node, and that no second node may have. */
  readonly refused: readonly WantedVolume[];
  readonly detach: readonly { readonly attachment: Attachment; readonly isForced: boolean }[];
  /** What the status of the node is to say, sorted. */
  readonly attached: readonly string[];
  /** When to look again though nothing happens; undefined: not at all. */
  readonly againInMs: number | undefined;
}

/** Upstream's `maxWaitForUnmountDuration`: what a lost node has in use for so long is detached all the same. */
export const FORCE_DETACH_MS = 6 * 60_000;
/** Says that the node is powered off: https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#non-graceful-node-shutdown */
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

export function planNode(state: NodeState): NodePlan {
  const { name, wanted, attachments, nodesOf } = state;
  const names = new Set(wanted.map((volume) => attachmentName(volume, name)));
  const there = new Set(attachments.map((attachment) => attachment.name));
  const missing = wanted.filter((volume) => !there.has(attachmentName(volume, name)));
  const isFree = ({ volume, isShared }: WantedVolume): boolean =>
    isShared || nodesOf(volume).every((other) => other === name);

  const unwanted = attachments.filter((attachment) => !names.has(attachment.name) && !attachment.isDeleting);
  const verdicts = unwanted.map((attachment) => ({ attachment, ...detachVerdict(attachment, state) }));
  const detach = verdicts.filter(({ waitMs }) => waitMs === 0);
  const leaving = new Set(detach.map(({ attachment }) => attachment.name));
  const waits = verdicts.map(({ waitMs }) => waitMs).filter((ms) => ms > 0 && ms !== Infinity);
  return {
    attach: missing.filter(isFree),
    refused: missing.filter((volume) => !isFree(volume)),
    detach: detach.map(({ attachment, isForced }) => ({ attachment, isForced })),
    attached: attachments
      .filter((one) => one.isAttached && !one.isDeleting && !leaving.has(one.name))
      .map(attachedName)
      .sort(),
    againInMs: waits.length > 0 ? Math.min(...waits) : undefined,
  };
}

/** In how many ms the attachment may be deleted as far as is known now; Infinity: not before the node changes. */
function detachVerdict(
  attachment: Attachment,
  { node, now, unwantedSince }: NodeState,
): { readonly waitMs: number; readonly isForced: boolean } {
  if (node?.taints.some(({ key }) => key === OUT_OF_SERVICE)) return { waitMs: 0, isForced: true };
  // Of a node that is gone nobody knows what it uses.
  if (node && !node.volumesInUse.includes(attachedName(attachment))) return { waitMs: 0, isForced: false };
  if (node?.isReady) return { waitMs: Infinity, isForced: false };
  return { waitMs: Math.max(0, unwantedSince(attachment.name) + FORCE_DETACH_MS - now), isForced: true };
}

/** Whether several nodes may have the volume at once, as upstream has it. */
export const isShared = ({ spec }: PersistentVolume): boolean => {
  const modes = spec?.accessModes ?? [];
  return modes.length === 0 || modes.includes('ReadWriteMany') || modes.includes('ReadOnlyMany');
};

/** An attachment of this controller; undefined for those that others have made. */
export function attachmentOf(
  { metadata, spec, status }: VolumeAttachment,
  volume: PersistentVolume | undefined,
): Attachment | undefined {
  const csi = volume?.spec?.csi;
  if (!csi) return undefined;
  const source = { driver: csi.driver, handle: csi.volumeHandle };
  const name = metadata?.name ?? '';
  if (name !== attachmentName(source, spec.nodeName)) return undefined;
  return {
    ...source,
    name,
    uid: metadata?.uid ?? '',
    volume: volume.metadata?.name ?? '',
    isAttached: status?.attached ?? false,
    isDeleting: metadata?.deletionTimestamp !== undefined,
  };
}
