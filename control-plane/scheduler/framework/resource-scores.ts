/** Scores of a node by the resources that a profile names, each with a weight. */
import { own } from '../../../api/machinery/own.ts';
import type { Resources } from './resources.ts';

export interface ResourceWeight {
  readonly name: string;
  readonly weight: number;
}

/** A resource of which amounts can be read without looking up its name. */
export interface ScoredResource {
  readonly weight: number;
  /** It counts only for pods that ask for it: not cpu, memory or ephemeral-storage. */
  readonly isExtended: boolean;
  readonly of: (amounts: Resources) => number;
}

const BUILT_IN: ReadonlyMap<string, (amounts: Resources) => number> = new Map([
  ['cpu', ({ milliCpu }: Resources) => milliCpu],
  ['memory', ({ memory }: Resources) => memory],
  ['ephemeral-storage', ({ ephemeralStorage }: Resources) => ephemeralStorage],
]);

export function scoredResource({ name, weight }: ResourceWeight): ScoredResource {
  const builtIn = BUILT_IN.get(name);
  if (builtIn) return { weight, isExtended: false, of: builtIn };
  return { weight, isExtended: true, of: ({ extended }) => own(extended, name) ?? 0 };
}
