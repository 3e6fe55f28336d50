/** What NodeRestriction lets an agent write of storage and devices. Each function returns why it refuses; undefined: it does not. */
import { semanticallyEqual } from '../../../api/machinery/deep-equal.ts';
import type { PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';
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
