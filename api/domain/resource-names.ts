/** Compute resources and their names: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/ */
import { validateQualifiedName } from '../machinery/names.ts';

/** Quantities by the name of the resource, as upstream's type of this name. */
export type ResourceList = Readonly<Record<string, string>>;

/** What a quota puts before the name of a resource that it counts requests of. */
export const REQUESTS_PREFIX = 'requests.';

export const isHugePages = (name: string): boolean => name.startsWith('hugepages-');
/** Resources without a domain, or with one of Kubernetes' own, are not extended ones. */
export const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');
/** Its name with the prefix that quotas give it must be one, too. */
export const isExtendedResource = (name: string): boolean =>
  !isNative(name) &&
  !name.startsWith(REQUESTS_PREFIX) &&
  validateQualifiedName(`${REQUESTS_PREFIX}${name}`).length === 0;
/** Huge pages and extended resources cannot be promised twice. */
export const isOvercommitAllowed = (name: string): boolean => isNative(name) && !isHugePages(name);
