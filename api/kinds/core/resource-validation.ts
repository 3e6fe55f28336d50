/** Validation of resource requests and limits. */
import { type FieldError, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { validateQualifiedName } from '../../machinery/names.ts';
import { compareQuantities, isNegativeQuantity, NANO, parseQuantity } from '../../machinery/quantity.ts';
import { containersQuantity, isPodLevelResource } from '../../domain/pod-resources.ts';
import {
  isExtendedResource,
  isHugePages,
  isNative,
  isOvercommitAllowed,
  REQUESTS_PREFIX,
} from '../../domain/resource-names.ts';
import { own } from '../../machinery/own.ts';
import type { PodSpec, ResourceRequirements } from '../../types/core/v1.gen.ts';

const CONTAINER_RESOURCES = new Set(['cpu', 'memory', 'ephemeral-storage']);
/** Resources of a quota that count objects. */
const OBJECT_COUNTS = new Set([
  ...[
    'pods',
    'resourcequotas',
    'services',
    'replicationcontrollers',
    'secrets',
    'configmaps',
    'persistentvolumeclaims',
  ],
  ...['services.nodeports', 'services.loadbalancers'],
]);
const STANDARD_RESOURCES = new Set([
  ...CONTAINER_RESOURCES,
  ...OBJECT_COUNTS,
  ...[...CONTAINER_RESOURCES].flatMap((name) => [`requests.${name}`, `limits.${name}`]),
  ...['storage', 'requests.storage'],
]);

/** Huge pages of one size, as pods ask for them or as quotas count the requests. */
const isQuotaHugePages = (name: string): boolean =>
  isHugePages(name) || (name.startsWith(REQUESTS_PREFIX) && isHugePages(name.slice(REQUESTS_PREFIX.length)));
/** The resources without a domain that quotas know. */
export const isStandardQuotaResource = (name: string): boolean =>
  (STANDARD_RESOURCES.has(name) && name !== 'storage') || isQuotaHugePages(name);

/** Validates the name of any resource. */
export function validateResourceName(name: string, path: string, errors: FieldError[]): void {
  if (STANDARD_RESOURCES.has(name)) return;
  const problems = validateQualifiedName(name);
  for (const problem of problems) errors.push(invalid(path, name, problem));
  if (problems.length > 0 || name.includes('/') || isQuotaHugePages(name)) return;
  errors.push(invalid(path, name, 'must be a standard resource type or fully qualified'));
}

/** Validates the name of a resource that containers and pods can request. */
export function validateContainerResourceName(name: string, path: string, errors: FieldError[]): void {
  if (CONTAINER_RESOURCES.has(name)) return;
  validateResourceName(name, path, errors);
  if (!name.includes('/')) {
    if (!isHugePages(name)) errors.push(invalid(path, name, 'must be a standard resource for containers'));
  } else if (!isNative(name) && !isExtendedResource(name)) {
    errors.push(invalid(path, name, "doesn't follow extended resource name standard"));
  }
}

/** The name of what a quota limits. */
export function validateQuotaResourceName(name: string, path: string, errors: FieldError[]): void {
  validateResourceName(name, path, errors);
  if (name.includes('/') || isStandardQuotaResource(name)) return;
  errors.push(invalid(path, name, 'must be a standard resource for quota'));
}

/** The amount must not be negative, and must be an integer for resources that are counted. */
export function validateResourceAmount(name: string, amount: string, path: string, errors: FieldError[]): void {
  if (isNegativeQuantity(amount)) errors.push(invalid(path, amount, 'must be greater than or equal to 0'));
  const counted = OBJECT_COUNTS.has(name) || isExtendedResource(name);
  if (counted && parseQuantity(amount).nano % NANO !== 0n) {
    errors.push(invalid(path, amount, 'must be an integer'));
  }
}

export function validateResources(
  resources: ResourceRequirements,
  path: string,
  errors: FieldError[],
  validateName = validateContainerResourceName,
): void {
  const { limits, requests, claims } = resources;
  let hugePages = false;
  let computed = false;
  for (const name in limits) {
    const limit = limits[name] ?? '0';
    const at = `${path}.limits[${name}]`;
    validateName(name, at, errors);
    validateResourceAmount(name, limit, at, errors);
    if (isHugePages(name)) hugePages = true;
    if (name === 'cpu' || name === 'memory') computed = true;
  }
  for (const name in requests) {
    const request = requests[name] ?? '0';
    const at = `${path}.requests[${name}]`;
    validateName(name, at, errors);
    validateResourceAmount(name, request, at, errors);
    if (isHugePages(name)) hugePages = true;
    if (name === 'cpu' || name === 'memory') computed = true;
    const limit = own(limits, name);
    const whole = !isOvercommitAllowed(name);
    if (limit === undefined) {
      if (whole) errors.push(required(`${path}.limits`, 'Limit must be set for non overcommitable resources'));
    } else if (whole && compareQuantities(request, limit) !== 0) {
      errors.push(invalid(`${path}.requests`, request, `must be equal to ${name} limit of ${limit}`));
    } else if (compareQuantities(request, limit) > 0) {
      errors.push(invalid(`${path}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`));
    }
  }
  if (hugePages && !computed) errors.push(forbidden(path, 'HugePages require cpu or memory'));
  for (const [index, claim] of (claims ?? []).entries()) {
    if (claim.name === '') errors.push(required(`${path}.claims[${index}]`));
  }
}

const POD_LEVEL = ['cpu', 'hugepages-', 'memory'];

function validatePodResourceName(name: string, path: string, errors: FieldError[]): void {
  const before = errors.length;
  validateResourceName(name, path, errors);
  if (errors.length === before && !isPodLevelResource(name)) errors.push(notSupported(path, name, POD_LEVEL));
}

/** Pod-level resources: not less than the sum of the containers. */
export function validatePodResources(spec: PodSpec, path: string, errors: FieldError[]): void {
  const { resources } = spec;
  if (!resources) return;
  const at = `${path}.resources`;
  if (spec.os?.name === 'windows') {
    errors.push(forbidden(at, 'may not be set for a windows pod'));
    return;
  }
  if (resources.claims !== undefined) {
    errors.push(forbidden(`${at}.claims`, 'claims may not be set for Resources at pod-level'));
  }
  validateResources(resources, at, errors, validatePodResourceName);
  validateAgainstContainers(spec, resources, at, errors);
}

function validateAgainstContainers(
  spec: PodSpec,
  { limits = {}, requests = {} }: ResourceRequirements,
  at: string,
  errors: FieldError[],
): void {
  for (const name in requests) {
    const together = containersQuantity(spec, 'requests', name);
    const request = requests[name] ?? '0';
    if (together !== undefined && compareQuantities(together, request) > 0) {
      const why = `must be greater than or equal to aggregate container requests of ${together}`;
      errors.push(invalid(`${at}.requests[${name}]`, request, why));
    }
  }
  for (const name in limits) {
    const limit = limits[name] ?? '0';
    const together = isHugePages(name) ? containersQuantity(spec, 'limits', name) : undefined;
    if (together !== undefined && compareQuantities(together, limit) > 0) {
      const why = `must be greater than or equal to aggregate container limits of ${together}`;
      errors.push(invalid(`${at}.limits[${name}]`, limit, why));
    }
    for (const [index, container] of (spec.containers ?? []).entries()) {
      const asked = own(container.resources?.limits, name);
      if (asked === undefined || compareQuantities(asked, limit) <= 0) continue;
      // Upstream's path, although it is not that of a field: clients match it.
      const where = `${at}.containers[${index}][${name}].limits`;
      errors.push(invalid(where, asked, `must be less than or equal to pod limits of ${limit}`));
    }
  }
}
