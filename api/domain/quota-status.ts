/** The status of a quota, calculated from the objects that it counts. */
import { compareQuantities } from '../machinery/quantity.ts';
import type { ResourceQuota, ResourceQuotaSpec, ResourceQuotaStatus } from '../types/core/v1.gen.ts';
import { evaluatorsOf, isBuiltIn, isInScopes, usageAt, type Measure, type QuotaEvaluator } from './quota.ts';
import { amountsOf, areEqual, quantitiesOf, sumOf, type Amounts } from './quota-amounts.ts';

/**
 * The usage of everything that the quota limits. `measuresOf` returns the objects of the quota's namespace; undefined when the kind
 * is not served: then the usage is 0 for resources that quotas know, and unknown for `count/...`.
 */
export function countUsage(
  spec: ResourceQuotaSpec,
  measuresOf: (evaluator: QuotaEvaluator) => Iterable<Measure> | undefined,
  now: number,
): Amounts {
  const limited = Object.keys(spec.hard ?? {});
  const used = new Map<string, string>();
  for (const evaluator of evaluatorsOf(limited)) {
    const measures = measuresOf(evaluator);
    if (!measures && !isBuiltIn(evaluator)) continue;
    // Many objects use the same amounts: counting how often each occurs is cheaper than adding them up one by one.
    const tallies = new Map(limited.filter(evaluator.counts).map((name) => [name, new Map<string, number>()]));
    for (const measure of measures ?? []) {
      if (!isInScopes(spec, measure)) continue;
      const usage = usageAt(measure, now);
      for (const [name, tally] of tallies) {
        const amount = usage.get(name);
        if (amount !== undefined) tally.set(amount, (tally.get(amount) ?? 0) + 1);
      }
    }
    for (const [name, tally] of tallies) used.set(name, sumOf(tally));
  }
  return used;
}

export interface StatusPlan {
  /** Undefined when the present status is correct. */
  readonly status: ResourceQuotaStatus | undefined;
  /** Whether usage has to be lowered later. */
  readonly waits: boolean;
}

/**
 * The status that the quota should have. Admission charges objects before they are written, so that a charged object may not have
 * been counted yet: `floorOf` returns down to which amount the usage of a resource may be lowered, undefined for no limit.
 */
export function planStatus(
  quota: ResourceQuota,
  counted: Amounts,
  floorOf: (name: string, used: string) => string | undefined,
): StatusPlan {
  const hard = quota.spec?.hard ?? {};
  const before = amountsOf(quota.status?.used);
  const used = new Map<string, string>();
  let waits = false;
  for (const name of Object.keys(hard)) {
    const [was, now] = [before.get(name), counted.get(name)];
    const floor = was === undefined ? undefined : floorOf(name, was);
    const mustWait = now !== undefined && floor !== undefined && compareQuantities(now, floor) < 0;
    if (mustWait) waits = true;
    const amount = mustWait ? floor : (now ?? was);
    if (amount !== undefined) used.set(name, amount);
  }
  const isCurrent = areEqual(amountsOf(quota.status?.hard), amountsOf(hard)) && areEqual(before, used);
  return { status: isCurrent ? undefined : { hard, used: quantitiesOf(used) }, waits };
}
