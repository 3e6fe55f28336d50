/**
 * How the seats of a server are divided among its priority levels: by their shares, and every few seconds anew by what they need,
 * within what each lends and borrows. Upstream's `finishQueueSetReconfigsLocked`, `updateBorrowingLocked` and `conc_alloc.go`.
 * https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#seat-borrowing
 */

export interface Shares {
  readonly shares: number;
  readonly lendablePercent: number;
  /** Undefined: without a limit. */
  readonly borrowingLimitPercent: number | undefined;
}

/** In seats. */
export interface Limits {
  readonly nominal: number;
  /** What is left when it lends all it may. */
  readonly lower: number;
  readonly upper: number;
}

export function limitsOf(
  { shares, lendablePercent, borrowingLimitPercent }: Shares,
  allShares: number,
  seats: number,
): Limits {
  const nominal = Math.ceil((seats * shares) / allShares);
  const lendable = Math.round((nominal * lendablePercent) / 100);
  const borrowing = borrowingLimitPercent === undefined ? seats : Math.round((nominal * borrowingLimitPercent) / 100);
  return { nominal, lower: nominal - lendable, upper: nominal + borrowing };
}

export interface Demand {
  readonly isExempt: boolean;
  readonly limits: Limits;
  /** The most seats wanted at once in the last period. */
  readonly highWatermark: number;
  readonly smoothed: number;
}

/** A target below this counts as this: limits are compared with it. */
const MIN_TARGET = 0.001;
/** Halvings until the fair fraction is exact to a double. */
const HALVINGS = 60;

export interface Allocation {
  /** The seats of each level, in the order of the demands. */
  readonly seats: readonly number[];
  /** Of the target of each level that no limit changes. */
  readonly fairFraction: number;
}

/** Of a level that shares: what it gets at least, what it aims at, and what it gets at most. */
interface Bounds {
  readonly least: number;
  readonly target: number;
  readonly upper: number;
}

const least = ({ isExempt, limits, highWatermark }: Demand): number =>
  Math.max(limits.lower, isExempt ? highWatermark : Math.min(limits.nominal, highWatermark));

/** The seats that would satisfy the demand. */
export const targetSeats = (demand: Demand): number => Math.max(least(demand), demand.smoothed);

function boundsOf(demand: Demand): Bounds {
  return { least: least(demand), target: Math.max(MIN_TARGET, targetSeats(demand)), upper: demand.limits.upper };
}

const within = ({ least, target, upper }: Bounds, fraction: number): number =>
  Math.max(least, Math.min(upper, fraction * target));

/** Exempt levels get what they need; the others share what is left in proportion to what they have needed lately. */
export function allocate(demands: readonly Demand[]): Allocation {
  const total = demands.reduce((sum, { limits }) => sum + limits.nominal, 0);
  const limited = demands.filter(({ isExempt }) => !isExempt);
  const sum = (of: (demand: Demand) => number): number => limited.reduce((all, demand) => all + of(demand), 0);
  const exempt = demands.reduce((all, demand) => all + (demand.isExempt ? least(demand) : 0), 0);
  const left = total - exempt;
  const [lowest, lowestNow] = [sum(({ limits }) => limits.lower), sum(least)];
  const share = (of: (demand: Demand) => number, fairFraction = 0): Allocation => ({
    seats: demands.map((demand) => Math.round(demand.isExempt ? least(demand) : of(demand))),
    fairFraction,
  });
  if (left <= lowest) return share(({ limits }) => limits.lower);
  if (left <= lowestNow) {
    const fraction = (left - lowest) / (lowestNow - lowest);
    return share((demand) => demand.limits.lower + (least(demand) - demand.limits.lower) * fraction);
  }
  const fraction = fairFraction(total, limited.map(boundsOf));
  return share((demand) => within(boundsOf(demand), fraction), fraction);
}

/** The fraction at which the allocations, which grow with it, add up to the total. */
function fairFraction(total: number, levels: readonly Bounds[]): number {
  let [low, high] = [0, 0];
  for (const { target, upper } of levels) high = Math.max(high, upper / target);
  for (let step = 0; step < HALVINGS; step++) {
    const middle = (low + high) / 2;
    let allocated = 0;
    for (const level of levels) allocated += within(level, middle);
    if (allocated < total) low = middle;
    else high = middle;
  }
  return high;
}
