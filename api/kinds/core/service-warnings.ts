/** Warnings about Services: deprecated and unused fields, and addresses in non-canonical form. */
import { cidrWarnings, ipWarnings } from '../../domain/address-warnings.ts';
import { isHeadless } from './service-rules.ts';
import type { Service } from '../../types/core/v1.gen.ts';

const TOPOLOGY_HINTS = 'service.kubernetes.io/topology-aware-hints';
const TOPOLOGY_MODE = 'service.kubernetes.io/topology-mode';

export function serviceWarnings({ metadata, spec = {} }: Service): string[] {
  const { type, clusterIPs = [], externalIPs = [], loadBalancerSourceRanges = [], loadBalancerIP } = spec;
  const isExternalName = type === 'ExternalName';
  const warnings: string[] = [];
  const warn = (more: readonly string[]): void => {
    for (const warning of more) warnings.push(warning);
  };
  if (metadata?.annotations?.[TOPOLOGY_HINTS] !== undefined) {
    warnings.push(`annotation ${TOPOLOGY_HINTS} is deprecated, please use ${TOPOLOGY_MODE} instead`);
  }
  if (!isHeadless(spec)) clusterIPs.forEach((ip, index) => warn(ipWarnings(`spec.clusterIPs[${index}]`, ip)));
  if (type === 'ClusterIP' && isHeadless(spec)) {
    if (loadBalancerIP) warnings.push('spec.loadBalancerIP is ignored for headless services');
    if (externalIPs.length > 0) warnings.push('spec.externalIPs is ignored for headless services');
    if (spec.sessionAffinity !== 'None') warnings.push('spec.SessionAffinity is ignored for headless services');
  }
  externalIPs.forEach((ip, index) => warn(ipWarnings(`spec.externalIPs[${index}]`, ip)));
  if (externalIPs.length > 0 && !isHeadless(spec) && !isExternalName) {
    warnings.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters');
  }
  if (loadBalancerIP) warn(ipWarnings('spec.loadBalancerIP', loadBalancerIP));
  loadBalancerSourceRanges.forEach((range, index) =>
    warn(cidrWarnings(`spec.loadBalancerSourceRanges[${index}]`, range)),
  );
  if (isExternalName && externalIPs.length > 0) {
    warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  }
  if (!isExternalName && spec.externalName) {
    warnings.push('spec.externalName is ignored when spec.type is not "ExternalName"');
  }
  if (spec.trafficDistribution === 'PreferClose') {
    warnings.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"');
  }
  return warnings;
}
