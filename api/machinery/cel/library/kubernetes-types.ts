/** The names of the types that Kubernetes adds. */
import { type CelType, opaque, struct } from '../types.ts';

const extension = (name: string): CelType => ({ ...struct(name, () => undefined), isExtension: true });

export const QUANTITY = extension('kubernetes.Quantity');
export const URL_TYPE = extension('kubernetes.URL');
export const SEMVER = extension('kubernetes.Semver');
export const FORMAT = extension('kubernetes.NamedFormat');
export const IP = opaque('net.IP');
export const CIDR = opaque('net.CIDR');

const TYPES: ReadonlyMap<string, CelType> = new Map(
  [QUANTITY, URL_TYPE, SEMVER, FORMAT, IP, CIDR].map((type) => [type.name, type]),
);

export const kubernetesTypes = (name: string): CelType | undefined => TYPES.get(name);
