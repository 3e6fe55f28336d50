/** IP families of Services on a cluster whose service network is IPv4 only. */
import { isIPv6 } from 'node:net';
import { isHeadless } from '../../../../api/kinds/core/service-rules.ts';
import { addErrors, invalid, type FieldError } from '../../../../api/machinery/field-error.ts';
import type { ServiceSpec } from '../../../../api/types/core/v1.gen.ts';

type Family = NonNullable<ServiceSpec['ipFamilies']>[number];

const CLUSTER_FAMILY = 'IPv4';
const POLICY_FIELD = 'spec.ipFamilyPolicy';

/**
 * Defaults `ipFamilyPolicy` and `ipFamilies` of a valid Service that has cluster IPs or is headless, and returns the errors
 * of what this cluster does not support. `old` is undefined on create.
 * https://kubernetes.io/docs/concepts/services-networking/dual-stack/#services
 */
export function initIPFamilies(spec: ServiceSpec, old: ServiceSpec | undefined): FieldError[] {
  if (old && requestsSameFamilies(spec, old)) return [];
  const takesAnyEndpoints = isForAnyEndpoints(spec);
  const policy = spec.ipFamilyPolicy ?? old?.ipFamilyPolicy ?? (takesAnyEndpoints ? 'RequireDualStack' : 'SingleStack');
  spec.ipFamilyPolicy = policy;
  const errors = old ? shrink(spec, old) : [];
  addErrors(errors, singleStackErrors(spec));
  addErrors(errors, inferFromClusterIPs(spec));
  if (errors.length > 0) return errors;
  const families = spec.ipFamilies?.length ? spec.ipFamilies : [CLUSTER_FAMILY as Family];
  if (takesAnyEndpoints) {
    // It has no address, and its endpoints may be written for networks that the cluster does not know.
    const [first = CLUSTER_FAMILY] = families;
    const other = first === 'IPv4' ? 'IPv6' : 'IPv4';
    spec.ipFamilies = policy === 'SingleStack' ? [first] : [first, other];
    return [];
  }
  if (policy === 'RequireDualStack') {
    errors.push(invalid(POLICY_FIELD, policy, 'this cluster is not configured for dual-stack services'));
  }
  for (const [index, family] of families.entries()) {
    if (family === CLUSTER_FAMILY) continue;
    errors.push(invalid(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster'));
  }
  spec.ipFamilies = families;
  return errors;
}

const isForAnyEndpoints = (spec: ServiceSpec): boolean =>
  isHeadless(spec) && Object.keys(spec.selector ?? {}).length === 0;

/** Existing families are kept: the cluster may have had others before, and the Service must remain updatable. */
const requestsSameFamilies = (spec: ServiceSpec, old: ServiceSpec): boolean =>
  spec.type === old.type &&
  isForAnyEndpoints(spec) === isForAnyEndpoints(old) &&
  spec.ipFamilyPolicy !== undefined &&
  spec.ipFamilyPolicy === old.ipFamilyPolicy &&
  same(spec.clusterIPs, old.clusterIPs) &&
  same(spec.ipFamilies, old.ipFamilies);

/** The second family is released through the policy only. */
function shrink(spec: ServiceSpec, old: ServiceSpec): FieldError[] {
  const { ipFamilies: families = [], ipFamilyPolicy: policy } = spec;
  if (policy === 'SingleStack') {
    if (same(families, old.ipFamilies)) spec.ipFamilies = families.slice(0, 1);
    return [];
  }
  const isReduced = families.length > 0 && families.length < (old.ipFamilies?.length ?? 0);
  return isReduced ? [invalid(POLICY_FIELD, policy, "must be 'SingleStack' to release the secondary IP family")] : [];
}

function singleStackErrors({ ipFamilyPolicy, clusterIPs = [], ipFamilies = [] }: ServiceSpec): FieldError[] {
  if (ipFamilyPolicy !== 'SingleStack') return [];
  const many = { 'cluster IPs': clusterIPs, 'IP families': ipFamilies };
  return Object.entries(many)
    .filter(([, values]) => values.length > 1)
    .map(([what]) =>
      invalid(
        POLICY_FIELD,
        ipFamilyPolicy,
        `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`,
      ),
    );
}

function inferFromClusterIPs(spec: ServiceSpec): FieldError[] {
  const { clusterIPs = [] } = spec;
  if (isHeadless(spec)) return [];
  const errors: FieldError[] = [];
  const families = [...(spec.ipFamilies ?? [])];
  for (const [index, ip] of clusterIPs.entries()) {
    if (index < families.length) continue;
    if (isIPv6(ip)) {
      errors.push(invalid(`spec.clusterIPs[${index}]`, clusterIPs, 'IPv6 is not configured on this cluster'));
    } else families.push(CLUSTER_FAMILY);
  }
  spec.ipFamilies = families;
  return errors;
}

const same = (some: readonly string[] = [], others: readonly string[] = []): boolean => some.join() === others.join();
