/** Which pods' containers may have something for themselves. */
import { qosClassOf } from '../../api/domain/pod-resources.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';

/** The whole pod counts, and each of its containers asks: specs of pods are replaced, and never changed. */
const KNOWN = new WeakMap<NonNullable<Pod['spec']>, boolean>();

/** Whether it is Guaranteed by its containers, and not by resources of its own. */
export function isGuaranteedByContainers({ spec }: Pod): boolean {
  if (!spec) return false;
  let known = KNOWN.get(spec);
  if (known === undefined) {
    known = spec.resources === undefined && qosClassOf(spec) === 'Guaranteed';
    KNOWN.set(spec, known);
  }
  return known;
}
