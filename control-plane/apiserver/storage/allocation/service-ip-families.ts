/** IP families of Services, on a cluster whose service network has one or two. */
import { IpAddress, type IpFamily } from '../../../../api/domain/address.ts';
import { isHeadless } from '../../../../api/kinds/core/service-rules.ts';
import { addErrors, invalid, type FieldError } from '../../../../api/machinery/field-error.ts';
import type { ServiceSpec } from '../../../../api/types/core/v1.gen.ts';

const POLICY_FIELD = 'spec.ipFamilyPolicy';

export const isFamily = (text: string): text is IpFamily => text === 'IPv4' || text === 'IPv6';
const otherFamily = (family: IpFamily): IpFamily => (family === 'IPv4' ? 'IPv6' : 'IPv4');

/**
 * Defaults `ipFamilyPolicy` and `ipFamilies` of a valid Service that has cluster IPs or is headless, and returns the errors
 * of what this cluster does not support. `old` is undefined on create.
 * https://kubernetes.io/docs/concepts/services-networking/dual-stack/#services
 * @param configured the families of the cluster's service network, the primary one first
 */
export function initIPFamilies(
  spec: ServiceSpec,
  old: ServiceSpec | undefined,
  configured: readonly IpFamily[],
): FieldError[] {
  if (old && requestsSameFamilies(spec, old)) return [];
  const takesAnyEndpoints = isForAnyEndpoints(spec);
  const policy = spec.ipFamilyPolicy ?? old?.ipFamilyPolicy ?? (takesAnyEndpoints ? 'RequireDualStack' : 'SingleStack');
  spec.ipFamilyPolicy = policy;
  const errors = old ? shrink(spec, old) : [];
  addErrors(errors, singleStackErrors(spec));
  addErrors(errors, inferFromClusterIPs(spec, configured));
  if (errors.length > 0) return errors;
  const families = spec.ipFamilies?.length ? spec.ipFamilies.filter(isFamily) : configured.slice(0, 1);
  const [first = 'IPv4'] = families;
  if (takesAnyEndpoints) {
    // It has no address, and its endpoints may be written for networks that the cluster does not know.
    spec.ipFamilies = policy === 'SingleStack' ? [first] : [first, otherFamily(first)];
    return [];
  }
  const isDualStack = configured.length > 1;
  if (policy === 'RequireDualStack' && !isDualStack) {
    errors.push(invalid(POLICY_FIELD, policy, 'this cluster is not configured for dual-stack services'));
  }
  for (const [index, family] of families.entries()) {
    if (configured.includes(family)) continue;
    errors.push(invalid(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster'));
  }
  const wantsSecond = policy !== 'SingleStack' && isDualStack && families.length === 1;
  spec.ipFamilies = wantsSecond ? [first, otherFamily(first)] : families;
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

/** The second family and its address are released through the policy only: that says so, if they are as before. */
function shrink(spec: ServiceSpec, old: ServiceSpec): FieldError[] {
  const { clusterIPs = [], ipFamilies: families = [], ipFamilyPolicy: policy } = spec;
  if (policy === 'SingleStack') {
    if (same(clusterIPs, old.clusterIPs)) spec.clusterIPs = clusterIPs.slice(0, 1);
    if (same(families, old.ipFamilies)) spec.ipFamilies = families.slice(0, 1);
    return [];
  }
  const isReduced = (values: readonly string[], before: readonly string[] = []): boolean =>
    values.length > 0 && values.length < before.length;
  const released: string[] = [];
  if (isReduced(clusterIPs, old.clusterIPs)) released.push('cluster IP');
  if (isReduced(families, old.ipFamilies)) released.push('IP family');
  return released.map((what) =>
    invalid(POLICY_FIELD, policy, `must be 'SingleStack' to release the secondary ${what}`),
  );
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

function inferFromClusterIPs(spec: ServiceSpec, configured: readonly IpFamily[]): FieldError[] {
  const { clusterIPs = [] } = spec;
  if (isHeadless(spec)) return [];
  const errors: FieldError[] = [];
  const families = [...(spec.ipFamilies ?? [])];
  for (const [index, ip] of clusterIPs.entries()) {
    const family = IpAddress.parse(ip)?.family;
    if (index < families.length || !family) continue;
    if (configured.includes(family)) families.push(family);
    else errors.push(invalid(`spec.clusterIPs[${index}]`, clusterIPs, `${family} is not configured on this cluster`));
  }
  spec.ipFamilies = families;
  return errors;
}

const same = (some: readonly string[] = [], others: readonly string[] = []): boolean => some.join() === others.join();
