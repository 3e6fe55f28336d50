/** Validation of resource requests and limits. */
import {
  type FieldError,
  duplicate,
  forbidden,
  invalid,
  notFound,
  notSupported,
  required,
} from '../../machinery/field-error.ts';
import { validateLabelName, validateQualifiedName } from '../../machinery/names.ts';
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
import type { PodSpec, ResourceClaim, ResourceRequirements } from '../../types/core/v1.gen.ts';

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

/** What differs between the requirements of containers, pods and RuntimeClasses. */
interface ResourceRules {
  readonly validateName?: (name: string, path: string, errors: FieldError[]) => void;
  /** The claims that can be referred to. */
  readonly claims?: ReadonlySet<string>;
}

/** The claims of dynamic resource allocation that all containers of a pod can refer to: to be asked for once a pod. */
export const claimNames = ({ resourceClaims }: PodSpec): ReadonlySet<string> =>
  resourceClaims?.length ? new Set(resourceClaims.map(({ name }) => name)) : NO_CLAIMS;
const NO_CLAIMS: ReadonlySet<string> = new Set();

const listed = (known: ReadonlySet<string>): string =>
  `pod.spec.resourceClaims${known.size === 0 ? ' which is empty' : `: ${[...known].sort().join(', ')}`}`;

/** A claim as a whole, or one of its requests; neither twice, and not a request of what is referred to as a whole. */
function validateClaims(
  claims: readonly ResourceClaim[],
  known: ReadonlySet<string>,
  path: string,
  errors: FieldError[],
): void {
  /** By the claim: the requests that were referred to, '' for the whole. */
  const seen = new Map<string, Set<string>>();
  for (const [index, { name, request = '' }] of claims.entries()) {
    const at = `${path}[${index}]`;
    if (name === '') {
      errors.push(required(at));
      continue;
    }
    const requests = seen.get(name) ?? new Set();
    seen.set(name, requests);
    if (requests.has('')) errors.push(duplicate(at, name));
    else {
      if (request) {
        for (const problem of validateLabelName(request)) errors.push(invalid(`${at}.request`, request, problem));
        if (requests.has(request)) errors.push(duplicate(at, `${name}/${request}`));
      } else {
        for (let count = requests.size; count > 0; count--) errors.push(duplicate(at, name));
      }
      requests.add(request);
    }
    if (!known.has(name)) errors.push(notFound(at, name, () => `must be one of the names in ${listed(known)}`));
  }
}

export function validateResources(
  resources: ResourceRequirements,
  path: string,
  errors: FieldError[],
  { validateName = validateContainerResourceName, claims: known = NO_CLAIMS }: ResourceRules = {},
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
  if (claims) validateClaims(claims, known, `${path}.claims`, errors);
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
  validateResources(resources, at, errors, { validateName: validatePodResourceName, claims: claimNames(spec) });
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
