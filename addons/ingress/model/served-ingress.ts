import type { Ingress } from '../../../api/types/networking/v1.gen.ts';
import type { Policy } from '../annotations/policy.ts';

/** What is read of an Ingress that is served. */
export interface ServedIngress {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly object: Ingress;
  readonly policy: Policy;
  readonly isClosed: boolean;
}
