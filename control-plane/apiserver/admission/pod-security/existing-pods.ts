/** Which pods of a namespace violate the level that it is going to enforce. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Pod } from '../../../../api/types/core/v1.gen.ts';
import { reasonText, violationsOf } from './evaluate.ts';
import { policyText, type LevelVersion } from './policy.ts';

/** Upstream's limits: `defaultNamespaceMaxPodsToCheck`, `defaultNamespacePodCheckTimeout`. */
const MAX_PODS = 3000;
const MAX_MS = 1000;
/** Other requests are served in between. */
const SLICE_MS = 10;

export interface ExistingPods {
  readonly namespace: string;
  readonly enforce: LevelVersion;
  /** How many pods the namespace has. */
  readonly count: number;
  /** They are read one after the other, while they are checked. */
  readonly pods: Iterable<Pod>;
  readonly isExempt: (pod: Pod) => boolean;
  /** The clock, in milliseconds. */
  readonly now?: () => number;
}

/** The pods that violate the level in the same way. */
interface Violators {
  /** The first of their names. */
  name: string;
  count: number;
}

const controllerOf = ({ metadata }: Pod): string | undefined =>
  metadata?.ownerReferences?.find(({ controller }) => controller === true)?.uid;

class PodCheck {
  readonly violators = new Map<string, Violators>();
  checked = 0;
  readonly #enforce: LevelVersion;

  constructor(enforce: LevelVersion) {
    this.#enforce = enforce;
  }

  check({ metadata, spec }: Pod): void {
    this.checked++;
    const violations = spec ? violationsOf(this.#enforce, metadata, spec) : [];
    if (violations.length === 0) return;
    const text = reasonText(violations);
    const name = metadata?.name ?? '';
    const known = this.violators.get(text);
    if (!known) this.violators.set(text, { name, count: 1 });
    else {
      known.count++;
      if (name < known.name) known.name = name;
    }
  }

  get isFull(): boolean {
    return this.checked >= MAX_PODS;
  }
}

/**
 * The warnings for a namespace whose level gets stricter, as upstream's `EvaluatePodsInNamespace`: one pod of each controller is
 * checked before its others. Takes no more than a second, and lets other requests be served meanwhile.
 */
export async function warningsOfExistingPods(options: ExistingPods): Promise<string[]> {
  const { namespace, enforce, count, pods, isExempt, now = () => performance.now() } = options;
  const run = new PodCheck(enforce);
  const controllers = new Set<string>();
  const replicas: Pod[] = [];
  let exempt = 0;
  const end = now() + MAX_MS;
  let sliceEnd = now() + SLICE_MS;
  /** Returns whether there is time for another pod. */
  const mayGoOn = async (): Promise<boolean> => {
    if (now() >= sliceEnd) {
      await nextTurn();
      sliceEnd = now() + SLICE_MS;
    }
    return now() < end && !run.isFull;
  };

  let goesOn = true;
  for (const pod of pods) {
    const controller = controllerOf(pod);
    if (isExempt(pod)) exempt++;
    else if (controller === undefined || !controllers.has(controller)) {
      if (controller !== undefined) controllers.add(controller);
      run.check(pod);
    } else if (replicas.length < MAX_PODS) replicas.push(pod);
    goesOn = await mayGoOn();
    if (!goesOn) break;
  }
  for (const pod of goesOn ? replicas : []) {
    run.check(pod);
    if (!(await mayGoOn())) break;
  }
  return warningsOf(namespace, enforce, run, count - exempt);
}

function warningsOf(namespace: string, enforce: LevelVersion, run: PodCheck, total: number): string[] {
  const warnings: string[] = [];
  if (run.checked < total) {
    const scope = `the first ${run.checked} of ${total} existing pods`;
    warnings.push(`new PodSecurity enforce level only checked against ${scope}`);
  }
  if (run.violators.size === 0) return warnings;
  const level = JSON.stringify(policyText(enforce));
  warnings.push(`existing pods in namespace "${namespace}" violate the new PodSecurity enforce level ${level}`);
  const named = [...run.violators].map(([text, { name, count }]) => `${name}${othersText(count - 1)}: ${text}`);
  return [...warnings, ...named.sort()];
}

function othersText(others: number): string {
  if (others === 0) return '';
  return others === 1 ? ' (and 1 other pod)' : ` (and ${others} other pods)`;
}
