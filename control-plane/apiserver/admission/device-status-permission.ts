import { deviceId } from '../../../api/kinds/resource/claim-status.ts';
import { resourceClaims } from '../../../api/kinds/resource/resource-claim.ts';
import { semanticallyEqual } from '../../../api/machinery/deep-equal.ts';
import { forbidden, type FieldError } from '../../../api/machinery/field-error.ts';
import { own } from '../../../api/machinery/own.ts';
import { invalidObject } from '../../../api/machinery/status-error.ts';
import type { AllocationResult, ResourceClaim, ResourceClaimStatus } from '../../../api/types/resource/v1.gen.ts';
import type { Attributes, Authorizer } from '../access/authorization/authorizer.ts';
import { forbiddenError } from '../access/forbidden-error.ts';
import type { User } from '../http/user.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';

const NODE_NAME = 'authentication.kubernetes.io/node-name';

/** Drivers of which the status says something else than before of a device. */
function changedDrivers({ devices = [] }: ResourceClaimStatus, { devices: old = [] }: ResourceClaimStatus): string[] {
  const before = new Map(old.map((device) => [deviceId(device), device]));
  const after = new Map(devices.map((device) => [deviceId(device), device]));
  const changed = new Set<string>();
  for (const [id, device] of [...before, ...after])
    if (!semanticallyEqual(before.get(id), after.get(id))) changed.add(device.driver);
  return [...changed].sort();
}

/** The one node that the claim can be used from; undefined when there are others. */
function nodeOf({ nodeSelector }: AllocationResult): string | undefined {
  const [term, ...others] = nodeSelector?.nodeSelectorTerms ?? [];
  const [field, ...more] = term?.matchFields ?? [];
  if (!field || others.length > 0 || more.length > 0 || term?.matchExpressions?.length) return undefined;
  const isName = field.key === 'metadata.name' && field.operator === 'In' && field.values?.length === 1;
  return isName ? field.values?.[0] : undefined;
}

/** A ServiceAccount whose token is bound to a pod of the node. */
function isOfNode({ name, extra }: User, node: string | undefined): boolean {
  const nodes = own(extra, NODE_NAME) ?? [];
  return name.startsWith('system:serviceaccount:') && node !== undefined && nodes.length === 1 && nodes[0] === node;
}

/**
 * Who may write the status of a claim may not write all of it: an allocation needs `resourceclaims/binding`, and what is said of a driver's
 * devices `resourceclaims/driver`, with a verb that says whether for claims of the own node or of any. Upstream checks it outside of plugins.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/#granular-status-authorization
 */
export function deviceStatusPermission(authorizer: Authorizer): AdmissionPlugin {
  /** Why the user may not do that; undefined when it may. */
  const refusal = async (
    { user }: AdmissionRequest,
    asked: Pick<Attributes, 'verb' | 'subresource' | 'namespace' | 'name'>,
  ): Promise<string | undefined> => {
    const { group, version, plural: resource } = resourceClaims;
    const attributes = { isResource: true, path: '', group, version, resource, ...asked };
    const { allowed, reason } = await authorizer.authorize(user, attributes);
    return allowed ? undefined : forbiddenError(user, attributes, reason).message;
  };

  async function problems(
    request: AdmissionRequest,
    now: ResourceClaimStatus,
    old: ResourceClaimStatus,
  ): Promise<FieldError[]> {
    const found: FieldError[] = [];
    const verb = request.origin?.info.verb ?? 'update';
    const isBound = !semanticallyEqual([now.allocation, now.reservedFor], [old.allocation, old.reservedFor]);
    const unbound = isBound && (await refusal(request, { verb, subresource: 'binding', namespace: '', name: '' }));
    if (unbound) {
      const needs = `resource="resourceclaims/binding", verb="${verb}" permission`;
      const why = `changing status.allocation or status.reservedFor requires ${needs}: ${unbound}`;
      found.push(forbidden('status.allocation', why));
    }
    // What is said of devices goes with their allocation.
    if (!now.allocation) return found;
    const here = isOfNode(request.user, nodeOf(now.allocation)) ? [`associated-node:${verb}`] : [];
    const verbs = [...here, `arbitrary-node:${verb}`];
    const { namespace } = request;
    for (const name of changedDrivers(now, old)) {
      const refusals = await Promise.all(
        verbs.map((one) => refusal(request, { verb: one, subresource: 'driver', namespace, name })),
      );
      if (refusals.includes(undefined)) continue;
      const needs = `resource="resourceclaims/driver", verb="[${verbs.join(' ')}]" permission`;
      found.push(forbidden('status.devices', `changing status.devices requires ${needs}: ${refusals[0]}`));
    }
    return found;
  }

  const statusOf = (claim: AdmissionRequest['object']): ResourceClaimStatus =>
    (claim as ResourceClaim | undefined)?.status ?? {};

  async function check(request: AdmissionRequest): Promise<void> {
    const { kind, name, object, old } = request;
    const errors = await problems(request, statusOf(object), statusOf(old));
    if (errors.length > 0) throw invalidObject(kind, name, errors);
  }

  return {
    name: 'DeviceStatusPermission',
    validate(request) {
      const { operation, kind, subresource } = request;
      if (operation === 'UPDATE' && kind === resourceClaims && subresource === 'status') return check(request);
    },
  };
}
