/**
 * Amounts of resources as plain numbers, so that filters compare numbers and parse nothing.
 * https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
 */
import { podRequest, requestedResources } from '../../../api/domain/pod-resources.ts';
import { quantityMilliValue, quantityValue } from '../../../api/machinery/quantity.ts';
import { own } from '../../../api/machinery/own.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface Resources {
  /** Thousandths of a core. */
  readonly milliCpu: number;
  /** Bytes. */
  readonly memory: number;
  /** Bytes. */
  readonly ephemeralStorage: number;
  /** Everything else (hugepages, devices), by name. */
  readonly extended: Readonly<Record<string, number>>;
}

const NONE: Readonly<Record<string, number>> = {};
/** Resources with a field of their own, and pods, which are counted. */
const BUILT_IN: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage', 'pods']);
export const ZERO: Resources = { milliCpu: 0, memory: 0, ephemeralStorage: 0, extended: NONE };

/** A resource list as numbers; `pods` is left out, because a pod is counted, not summed. */
export function parseResources(quantities: Readonly<Record<string, string>> | undefined): Resources {
  if (!quantities) return ZERO;
  let [milliCpu, memory, ephemeralStorage] = [0, 0, 0];
  let extended = NONE;
  for (const [name, quantity] of Object.entries(quantities)) {
    if (name === 'cpu') milliCpu = quantityMilliValue(quantity);
    else if (name === 'memory') memory = quantityValue(quantity);
    else if (name === 'ephemeral-storage') ephemeralStorage = quantityValue(quantity);
    else if (name !== 'pods') extended = { ...extended, [name]: quantityValue(quantity) };
  }
  return { milliCpu, memory, ephemeralStorage, extended };
}

/** What a pod reserves of its node: the effective requests, overhead included (`api/domain/pod-resources.ts`). */
export function podRequests(spec: NonNullable<Pod['spec']>): Resources {
  let extended = NONE;
  for (const name of requestedResources(spec)) {
    if (!BUILT_IN.has(name)) extended = { ...extended, [name]: podRequest(spec, name) };
  }
  return {
    milliCpu: podRequest(spec, 'cpu'),
    memory: podRequest(spec, 'memory'),
    ephemeralStorage: podRequest(spec, 'ephemeral-storage'),
    extended,
  };
}

function combine(a: Resources, b: Resources, how: (x: number, y: number) => number): Resources {
  let extended = a.extended;
  for (const [name, amount] of Object.entries(b.extended))
    extended = { ...extended, [name]: how(own(a.extended, name) ?? 0, amount) };
  return {
    milliCpu: how(a.milliCpu, b.milliCpu),
    memory: how(a.memory, b.memory),
    ephemeralStorage: how(a.ephemeralStorage, b.ephemeralStorage),
    extended,
  };
}

export const addResources = (a: Resources, b: Resources): Resources => combine(a, b, (x, y) => x + y);
export const subtractResources = (a: Resources, b: Resources): Resources => combine(a, b, (x, y) => x - y);
