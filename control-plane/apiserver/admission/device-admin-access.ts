import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { resourceClaims } from '../../../api/kinds/resource/resource-claim.ts';
import { resourceClaimTemplates } from '../../../api/kinds/resource/resource-claim-template.ts';
import { forbidden } from '../../../api/machinery/field-error.ts';
import { own } from '../../../api/machinery/own.ts';
import { invalidObject } from '../../../api/machinery/status-error.ts';
import type { ResourceClaim, ResourceClaimSpec, ResourceClaimTemplate } from '../../../api/types/resource/v1.gen.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';

const LABEL = 'resource.kubernetes.io/admin-access';

/** Where upstream reports that a claim asks for it; undefined when it does not. */
function requestedAt({ devices }: ResourceClaimSpec): string | undefined {
  const index = devices?.requests?.findIndex(({ exactly }) => exactly?.adminAccess) ?? -1;
  return index < 0 ? undefined : `spec.devices.requests[${index}].adminAccess`;
}

function grantedAt({ status }: ResourceClaim): string | undefined {
  const index = status?.allocation?.devices?.results?.findIndex(({ adminAccess }) => adminAccess) ?? -1;
  return index < 0 ? undefined : `status.allocation.devices.results[${index}].adminAccess`;
}

/** The spec of a claim does not change, nor does an allocation. */
function newlyAt({ operation, kind, subresource, object, old }: AdmissionRequest): string | undefined {
  if (operation === 'CREATE' && subresource === '') {
    if (kind === resourceClaims) return requestedAt((object as ResourceClaim).spec);
    return kind === resourceClaimTemplates ? requestedAt((object as ResourceClaimTemplate).spec.spec) : undefined;
  }
  if (operation !== 'UPDATE' || kind !== resourceClaims || subresource !== 'status') return undefined;
  return grantedAt(old as ResourceClaim) === undefined ? grantedAt(object as ResourceClaim) : undefined;
}

/**
 * Devices that others use are only for claims in namespaces that say so. Upstream checks it outside of plugins.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#admin-access
 */
export const deviceAdminAccess = (api: Pick<LocalApi, 'get'>): AdmissionPlugin => ({
  name: 'DeviceAdminAccess',
  validate(request) {
    const path = newlyAt(request);
    if (path === undefined) return;
    const labels = api.get(namespaces, '', request.namespace)?.metadata?.labels;
    if (own(labels, LABEL) === 'true') return;
    const why = `admin access to devices requires the \`${LABEL}: true\` label on the containing namespace`;
    throw invalidObject(request.kind, request.name, [forbidden(path, why)]);
  },
});
