import type { Cidr } from '../../../../api/domain/address.ts';

/** Of pods and of Services, in one IP family. */
export interface Ranges {
  /** Traffic from there to a Service keeps its source address. */
  readonly cluster: Cidr;
  /** Undefined while it is not known. */
  readonly services: Cidr | undefined;
}
