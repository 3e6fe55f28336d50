/** The names of the types that Kubernetes adds. */
import { type CelType, opaque, struct } from '../types.ts';

const noField = (): undefined => undefined;

export const QUANTITY = struct('kubernetes.Quantity', noField);
export const URL_TYPE = struct('kubernetes.URL', noField);
export const SEMVER = struct('kubernetes.Semver', noField);
export const FORMAT = struct('kubernetes.NamedFormat', noField);
export const IP = opaque('net.IP');
export const CIDR = opaque('net.CIDR');

const TYPES: ReadonlyMap<string, CelType> = new Map(
  [QUANTITY, URL_TYPE, SEMVER, FORMAT, IP, CIDR].map((type) => [type.name, type]),
);

export const kubernetesTypes = (name: string): CelType | undefined => TYPES.get(name);
