/**
 * Validation of the addresses of a Service. Values that are stored already are accepted on update, even if older rules let them
 * in. `old` is undefined on create.
 */
import { IpAddress } from '../../domain/address.ts';
import {
  addErrors,
  type FieldError,
  duplicate,
  forbidden,
  invalid,
  notSupported,
  required,
} from '../../machinery/field-error.ts';
import { validateCIDR, validateEndpointIP, validateIP, validateSubdomainName } from '../../machinery/names.ts';
import { isHeadless } from './service-rules.ts';
import type { LoadBalancerIngress, Service, ServiceSpec } from '../../types/core/v1.gen.ts';

const IP_MODES = ['Proxy', 'VIP'];
const MAX_CLUSTER_IPS = 2;
const SOURCE_RANGES_ANNOTATION = 'service.beta.kubernetes.io/load-balancer-source-ranges';
const ONLY_LOAD_BALANCERS = "may only be used when `type` is 'LoadBalancer'";

const at = (field: string, value: unknown, problems: readonly string[]): FieldError[] =>
  problems.map((problem) => invalid(field, value, problem));

export function validateFamilies({ ipFamilies = [] }: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  const families = new Set<string>();
  for (const [index, family] of ipFamilies.entries()) {
    const field = `spec.ipFamilies[${index}]`;
    if (families.has(family)) errors.push(duplicate(field, family));
    families.add(family);
  }
  return errors;
}

export function validateClusterIPs(spec: ServiceSpec, old: ServiceSpec | undefined): FieldError[] {
  const { clusterIP, clusterIPs = [], ipFamilies = [] } = spec;
  const errors: FieldError[] = [];
  const refuse = (detail: string) => errors.push(invalid('spec.clusterIPs', clusterIPs, detail));
  if (clusterIP && clusterIPs[0] !== clusterIP) refuse('first value must match `clusterIP`');
  if (!clusterIP && clusterIPs.length > 0) refuse('must be empty when `clusterIP` is not specified');
  if (isHeadless(spec)) {
    if (clusterIPs.length > 1) refuse("'None' must be the first and only value");
    return errors;
  }
  const problems = clusterIPs.flatMap((ip, index) =>
    at(`spec.clusterIPs[${index}]`, ip, validateIP(ip, old?.clusterIPs)),
  );
  addErrors(errors, problems);
  if (clusterIPs.length > MAX_CLUSTER_IPS) refuse('may only hold up to 2 values');
  if (problems.length > 0) return errors;
  const families = clusterIPs.map((ip) => IpAddress.parse(ip)?.family);
  if (families.length > 1 && new Set(families).size < MAX_CLUSTER_IPS) {
    refuse('may specify no more than one IP for each IP family');
  }
  for (const [index, ip] of clusterIPs.entries()) {
    const family = ipFamilies[index];
    if ((family !== 'IPv4' && family !== 'IPv6') || family === families[index]) continue;
    const detail = `expected an ${family} value as indicated by \`ipFamilies[${index}]\``;
    errors.push(invalid(`spec.clusterIPs[${index}]`, ip, detail));
  }
  return errors;
}

export const validateExternalIPs = ({ externalIPs = [] }: ServiceSpec, old: ServiceSpec | undefined): FieldError[] =>
  externalIPs.flatMap((ip, index) => {
    const field = `spec.externalIPs[${index}]`;
    const errors = at(field, ip, validateIP(ip, old?.externalIPs));
    return errors.length ? errors : at(field, ip, validateEndpointIP(ip));
  });

/** Whitespace around a CIDR is allowed, in the field and in the annotation that it replaced. */
export function validateSourceRanges({ spec = {}, metadata }: Service, old: Service | undefined): FieldError[] {
  const isBalancer = spec.type === 'LoadBalancer';
  if (spec.loadBalancerSourceRanges?.length) {
    // Upstream's path has the capital L.
    const field = 'spec.LoadBalancerSourceRanges';
    const stored = old?.spec?.loadBalancerSourceRanges?.map((range) => range.trim());
    const errors = isBalancer ? [] : [forbidden(field, ONLY_LOAD_BALANCERS)];
    for (const [index, padded] of spec.loadBalancerSourceRanges.entries()) {
      const range = padded.trim();
      addErrors(errors, at(`${field}[${index}]`, range, validateCIDR(range, stored)));
    }
    return errors;
  }
  const annotation = metadata?.annotations?.[SOURCE_RANGES_ANNOTATION];
  if (annotation === undefined) return [];
  const field = `metadata.annotations[${SOURCE_RANGES_ANNOTATION}]`;
  const errors = isBalancer ? [] : [forbidden(field, ONLY_LOAD_BALANCERS)];
  const before = old?.metadata?.annotations?.[SOURCE_RANGES_ANNOTATION];
  if (annotation === before || annotation.trim() === '') return errors;
  for (const padded of annotation.split(',')) {
    const range = padded.trim();
    addErrors(errors, at(field, range, validateCIDR(range)));
  }
  return errors;
}

/** Updates of the status: what a load balancer reports. */
export function validateLoadBalancerStatus({ spec, status }: Service, { status: old }: Service): FieldError[] {
  const field = 'status.loadBalancer.ingress';
  const ingress = status?.loadBalancer?.ingress ?? [];
  if (ingress.length > 0 && spec?.type !== 'LoadBalancer') {
    return [forbidden(field, "may only be used when `spec.type` is 'LoadBalancer'")];
  }
  const stored = (old?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
  return ingress.flatMap((one, index) => validateIngress(one, stored, `${field}[${index}]`));
}

function validateIngress(ingress: LoadBalancerIngress, stored: readonly string[], field: string): FieldError[] {
  const { ip, ipMode, hostname } = ingress;
  const errors = ip ? at(`${field}.ip`, ip, validateIP(ip, stored)) : [];
  if (ipMode === undefined) {
    if (ip) errors.push(required(`${field}.ipMode`, 'must be specified when `ip` is set'));
  } else if (!ip) errors.push(forbidden(`${field}.ipMode`, 'may not be specified when `ip` is not set'));
  else if (!IP_MODES.includes(ipMode)) errors.push(notSupported(`${field}.ipMode`, ipMode, IP_MODES));
  if (hostname) {
    addErrors(errors, at(`${field}.hostname`, hostname, validateSubdomainName(hostname)));
    if (IpAddress.parse(hostname)) {
      errors.push(invalid(`${field}.hostname`, hostname, 'must be a DNS name, not an IP address'));
    }
  }
  return errors;
}
