/** What an evaluation costs, in the units of upstream: https://kubernetes.io/docs/reference/using-api/cel/#resource-constraints */

/** The most that one evaluation of one expression may cost. */
export const PER_CALL_LIMIT = 1_000_000;
/** The most that the rules of one custom resource, or the expressions of one policy binding, may cost together. */
export const RUNTIME_BUDGET = 10_000_000;
/** The same for the match conditions of one webhook or policy binding. */
export const MATCH_CONDITIONS_BUDGET = 2_500_000;

/**
 * Steps within single operations that upstream's costs leave out, as comparing items of lists in lists. So many are free, and so many more
 * by each unit of cost; others cost as reading an item does.
 */
const FREE_STEPS = 1_000;
const STEPS_PER_COST = 2;

/** Ends an evaluation whose cost exceeds its limit. */
export class LimitExceeded extends Error {}

/** Counts the cost of one evaluation. */
export class Meter {
  readonly #limit: number;
  #steps = 0;
  cost = 0;

  constructor(limit = PER_CALL_LIMIT) {
    this.#limit = limit;
  }

  /** Adds to the cost. Throws LimitExceeded. */
  add(cost: number): void {
    this.cost += cost;
    if (this.cost > this.#limit) throw new LimitExceeded();
  }

  /** Counts steps, which cost something where there are many more than the cost says. Throws LimitExceeded. */
  step(count = 1): void {
    this.#steps += count;
    const excess = this.#steps - FREE_STEPS - STEPS_PER_COST * this.cost;
    if (excess > 0) this.add(Math.ceil(excess / STEPS_PER_COST));
  }
}

/** What is left of a budget that several evaluations share. */
export class CostBudget {
  remaining: number;
  constructor(total = RUNTIME_BUDGET) {
    this.remaining = total;
  }
}
