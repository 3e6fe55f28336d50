/** Validation of resource requests and limits. */
import { addErrors, type FieldError, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { validateQualifiedName } from '../../machinery/names.ts';
import { compareQuantities, isNegativeQuantity, parseQuantity } from '../../machinery/quantity.ts';
import { containersQuantity, isPodLevelResource } from '../../domain/pod-resources.ts';
import { own } from '../../machinery/own.ts';
import type { PodSpec, ResourceRequirements } from '../../types/core/v1.gen.ts';

const STANDARD = new Set(['cpu', 'memory', 'ephemeral-storage']);
const ONE = 1_000_000_000n;

const isHugePages = (name: string): boolean => name.startsWith('hugepages-');
/** Resources without a domain, or with one of Kubernetes' own, are not extended ones. */
export const isExtendedResource = (name: string): boolean =>
  name.includes('/') && !name.slice(0, name.indexOf('/')).endsWith('kubernetes.io');

export function validateResourceName(name: string, path: string, errors: FieldError[]): void {
  if (STANDARD.has(name)) return;
  for (const error of validateQualifiedName(name)) errors.push(invalid(path, name, error));
  if (!name.includes('/') && !isHugePages(name)) {
    errors.push(invalid(path, name, 'must be a standard resource type or fully qualified'));
  }
}

/** An amount of a resource that is not negative, and whole where only whole ones make sense. */
export function validateResourceAmount(name: string, amount: string, path: string, errors: FieldError[]): void {
  if (isNegativeQuantity(amount)) errors.push(invalid(path, amount, 'must be greater than or equal to 0'));
  if (!STANDARD.has(name) && name.includes('/') && parseQuantity(amount).nano % ONE !== 0n) {
    errors.push(invalid(path, amount, 'must be an integer'));
  }
}

export function validateResources(resources: ResourceRequirements, path: string, errors: FieldError[]): void {
  const { limits, requests, claims } = resources;
  let hugePages = false;
  let computed = false;
  for (const name in limits) {
    const limit = limits[name] ?? '0';
    const at = `${path}.limits[${name}]`;
    validateResourceName(name, at, errors);
    validateResourceAmount(name, limit, at, errors);
    if (isHugePages(name)) hugePages = true;
    if (name === 'cpu' || name === 'memory') computed = true;
  }
  for (const name in requests) {
    const request = requests[name] ?? '0';
    const at = `${path}.requests[${name}]`;
    validateResourceName(name, at, errors);
    validateResourceAmount(name, request, at, errors);
    if (isHugePages(name)) hugePages = true;
    if (name === 'cpu' || name === 'memory') computed = true;
    const limit = own(limits, name);
    const whole = isExtendedResource(name) || isHugePages(name);
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

/** What a pod says for itself as a whole: no less than what its containers say together. */
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
  const wrong: FieldError[] = [];
  validateResources(resources, at, wrong);
  for (const side of ['limits', 'requests'] as const) {
    for (const name in resources[side]) {
      const where = `${at}.${side}[${name}]`;
      const isNamed = wrong.some(({ field }) => field === where);
      if (!isPodLevelResource(name) && !isNamed) wrong.push(notSupported(where, name, POD_LEVEL));
    }
  }
  addErrors(errors, wrong);
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
      // The path is upstream's, which programs look for.
      const where = `${at}.containers[${index}][${name}].limits`;
      errors.push(invalid(where, asked, `must be less than or equal to pod limits of ${limit}`));
    }
  }
}
