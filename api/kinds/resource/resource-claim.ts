import { ageColumn, nameColumn, text } from '../../machinery/columns.ts';
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import { type FieldError, immutableField } from '../../machinery/field-error.ts';
import { keepMetadata, statusSubresource } from '../../machinery/subresources.ts';
import { ResourceClaim } from '../../types/resource/v1.gen.ts';
import { allocatedDevices, deviceId, validateClaimStatus } from './claim-status.ts';
import { applyClaimSpecDefaults, validateResourceClaimSpec } from './device-claim.ts';

function stateCell({ metadata, status }: ResourceClaim): string {
  const states: string[] = [];
  const isDeleted = metadata?.deletionTimestamp !== undefined;
  if (isDeleted) states.push('deleted');
  if (!status?.allocation) {
    if (!isDeleted) states.push('pending');
  } else {
    states.push('allocated');
    if (status.reservedFor?.length) states.push('reserved');
  }
  return states.join(',');
}

/** What drivers say of devices that are not allocated any more goes with the allocation. */
function prepareStatus(claim: ResourceClaim, old: ResourceClaim): void {
  keepMetadata(claim, old);
  const { status } = claim;
  if (!status?.devices) return;
  const kept = allocatedDevices(status);
  const freed = allocatedDevices(old.status).difference(kept);
  const devices = status.devices.filter((device) => !freed.has(deviceId(device)));
  if (devices.length > 0) status.devices = devices;
  else delete status.devices;
}

/** https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#resourceclaims-templates */
export const resourceClaims = defineKind<ResourceClaim>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaim',
  plural: 'resourceclaims',
  namespaced: true,
  schema: ResourceClaim,
  returnDeletedObject: true,
  subresources: [
    statusSubresource<ResourceClaim>({
      resets: ['metadata', 'spec'],
      prepare: prepareStatus,
      validate: validateClaimStatus,
    }),
  ],
  columns: [nameColumn(), text('State', stateCell), ageColumn()],
  applyDefaults: ({ spec }) => applyClaimSpecDefaults(spec),
  prepareForCreate: (claim) => {
    claim.status = {};
  },
  validate: ({ spec }, old) => {
    const errors: FieldError[] = [];
    // It is immutable, and may have been accepted by older rules.
    if (!old) validateResourceClaimSpec(spec, 'spec', errors);
    return errors;
  },
  validateUpdate: ({ spec }, old) => (semanticallyEqual(spec, old.spec) ? [] : [immutableField('spec', spec)]),
});
