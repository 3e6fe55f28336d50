/** What NodeRestriction lets an agent write of storage and devices. Each function returns why it refuses; undefined: it does not. */
import { REMOVED_BY_AGENTS } from '../../../api/domain/removed-by-agents.ts';
import { own } from '../../../api/machinery/own.ts';
import { semanticallyEqual } from '../../../api/machinery/deep-equal.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
import type { ResourceSlice } from '../../../api/types/resource/v1.gen.ts';
import type { AdmissionRequest } from './plugin.ts';

/** A claim without what the node may change: the sizes that it has found, and conditions. */
function fixedPart(claim: PersistentVolumeClaim | undefined): object {
  const { metadata, status, ...others } = claim ?? {};
  return {
    ...others,
    metadata: { ...metadata, resourceVersion: undefined, managedFields: undefined },
    status: {
      ...status,
      capacity: undefined,
      conditions: undefined,
      allocatedResources: undefined,
      allocatedResourceStatuses: undefined,
    },
  };
}

export function judgeClaim(
  node: string,
  { operation, subresource, object, old }: AdmissionRequest,
): string | undefined {
  if (subresource !== 'status') return 'may only update PVC status';
  if (operation !== 'UPDATE') return `unexpected operation ${JSON.stringify(operation)}`;
  if (semanticallyEqual(fixedPart(object), fixedPart(old))) return undefined;
  return `node ${JSON.stringify(node)} is not allowed to update fields other than status.quantity and status.conditions`;
}

/** A volume without what the node may change: that it is held for its directory. */
function heldPart(volume: PersistentVolume, finalizer: string): object {
  const { finalizers = [] } = volume.metadata ?? {};
  return {
    ...volume,
    metadata: {
      ...volume.metadata,
      finalizers: finalizers.filter((each) => each !== finalizer),
      resourceVersion: undefined,
      managedFields: undefined,
    },
  };
}

/** A node may say of its own volume that the directory is gone, once that is due. */
export function judgeVolume(
  node: string,
  { operation, subresource, object, old }: AdmissionRequest,
): string | undefined {
  const [before, after] = [old, object];
  if (operation !== 'UPDATE' || subresource !== '' || !before || !after) {
    return `unexpected operation ${JSON.stringify(operation)}`;
  }
  const { labels } = before.metadata ?? {};
  const held = REMOVED_BY_AGENTS.find(({ label, isDue }) => own(labels, label) === node && isDue(before));
  if (!held) {
    return `node ${JSON.stringify(node)} can only update volumes that are its own directories and are being deleted`;
  }
  const { finalizer } = held;
  if (semanticallyEqual(heldPart(after, finalizer), heldPart(before, finalizer))) return undefined;
  return `node ${JSON.stringify(node)} is not allowed to update fields other than the finalizer ${finalizer}`;
}

export function judgeCsiNode(node: string, { operation, name, object }: AdmissionRequest): string | undefined {
  const asked = operation === 'CREATE' ? object?.metadata?.name : name;
  return asked === node ? undefined : 'can only access CSINode with the same name as the requesting node';
}

export function judgeSlice(node: string, { operation, object, old }: AdmissionRequest): string | undefined {
  if (operation !== 'CREATE' && operation !== 'DELETE') return undefined;
  const slice = (operation === 'CREATE' ? object : old) as ResourceSlice | undefined;
  if (slice?.spec.nodeName === node) return undefined;
  const verb = operation === 'CREATE' ? 'create' : 'delete';
  return `can only ${verb} ResourceSlice with the same NodeName as the requesting node`;
}
