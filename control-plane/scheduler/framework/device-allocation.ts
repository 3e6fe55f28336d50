/**
 * Which devices claims get on a node: structured parameters,
 * https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/. A search with backtracking, whose steps are
 * bounded: claims are written by users, and the scheduler decides one pod at a time.
 */
import { toleratesTaint } from '../../../api/domain/taints.ts';
import type { SelectableNode } from '../../../api/domain/node-selector.ts';
import { matchesSelector, qualifiedName } from '../../../api/kinds/resource/device-selector.ts';
import { CostBudget } from '../../../api/machinery/cel/meter.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import { own } from '../../../api/machinery/own.ts';
import { compareQuantities } from '../../../api/machinery/quantity.ts';
import type { NodeSelector, NodeSelectorTerm } from '../../../api/types/core/v1.gen.ts';
import type {
  AllocationResult,
  Device,
  DeviceAllocationConfiguration,
  DeviceClass,
  DeviceConstraint,
  DeviceSubRequest,
  ExactDeviceRequest,
  ResourceClaim,
} from '../../../api/types/resource/v1.gen.ts';
import { CounterUse } from './counter-use.ts';
import { isReachable, type DevicePool, type PooledDevice } from './device-pools.ts';

/** Upstream's AllocationResultsMaxSize. */
const MAX_DEVICES = 32;
/**
 * For one pod on one node: some tens of milliseconds. A step is a device that is tried, some comparisons with those chosen before it, or
 * some devices that are looked at for a request.
 */
const MAX_STEPS = 20_000;
/** Likewise on all nodes that are filtered for it. */
const MAX_STEPS_OF_POD = 200_000;
const COMPARISONS_PER_STEP = 8;
const DEVICES_PER_STEP = 64;
/**
 * What the expressions that are evaluated for one pod may cost, in the units of upstream's cost limits: about a second. Results are kept,
 * so that the next attempt gets further where there are very many devices.
 */
const MAX_COST_OF_POD = 5_000_000;
/** Results of expressions that are kept for a device. */
const MAX_MATCHES = 64;

/** What is asked for by a request, or by one of its alternatives. */
export interface Alternative {
  /** As allocations name it: `request` or `request/subrequest`. */
  readonly name: string;
  readonly deviceClass: DeviceClass;
  readonly request: ExactDeviceRequest | DeviceSubRequest;
  readonly isAdmin: boolean;
}

/** A claim to be allocated, with the alternatives of each of its requests. */
export interface WantedClaim {
  readonly claim: ResourceClaim;
  readonly requests: readonly (readonly Alternative[])[];
}

/** What the search for one pod may still cost. */
export class SearchBudget {
  readonly expressions = new CostBudget(MAX_COST_OF_POD);
  #left = MAX_STEPS_OF_POD;

  /** Returns false when nothing is left. */
  take(steps: number): boolean {
    this.#left -= steps;
    return this.#left >= 0;
  }
}

export interface Inventory {
  readonly budget: SearchBudget;
  readonly node: SelectableNode;
  readonly pools: readonly DevicePool[];
  readonly isHeld: (key: string) => boolean;
}

/** An allocation for each claim, in their order; undefined when there is none; a string says why it cannot be told. */
export function allocate(
  claims: readonly WantedClaim[],
  inventory: Inventory,
): readonly AllocationResult[] | undefined | string {
  try {
    return new Search(claims, inventory).run();
  } catch (error) {
    if (error instanceof AllocationProblem) return error.message;
    throw error;
  }
}

class AllocationProblem extends Error {}

interface Slot {
  readonly wanted: WantedClaim;
  readonly alternatives: readonly Alternative[];
}

interface Chosen {
  readonly wanted: WantedClaim;
  readonly alternative: Alternative;
  readonly pooled: PooledDevice;
}

const nameOf = ({ metadata }: ResourceClaim): string => `${metadata?.namespace}/${metadata?.name}`;
const mainName = (name: string): string => name.split('/', 1)[0] ?? name;

class Search {
  readonly #claims: readonly WantedClaim[];
  readonly #inventory: Inventory;
  readonly #slots: readonly Slot[];
  readonly #chosen: Chosen[] = [];
  readonly #taken = new Set<string>();
  readonly #candidates = new Map<Alternative, readonly PooledDevice[]>();
  #reachable: readonly PooledDevice[] | undefined;
  readonly #counters: CounterUse;
  #stepsLeft = MAX_STEPS;

  constructor(claims: readonly WantedClaim[], inventory: Inventory) {
    this.#claims = claims;
    this.#inventory = inventory;
    this.#counters = new CounterUse(inventory);
    this.#slots = claims.flatMap((wanted) => wanted.requests.map((alternatives) => ({ wanted, alternatives })));
  }

  run(): readonly AllocationResult[] | undefined {
    if (!this.#fill(0)) return undefined;
    return this.#claims.map((wanted) =>
      resultOf(
        wanted.claim,
        this.#chosen.filter((chosen) => chosen.wanted === wanted),
        this.#inventory.node,
      ),
    );
  }

  /** Fills the slots from this one on. What was chosen for them is undone when that fails. */
  #fill(index: number): boolean {
    const slot = this.#slots[index];
    if (!slot) return true;
    return slot.alternatives.some((alternative) =>
      alternative.request.allocationMode === 'All'
        ? this.#takeAll(index, slot, alternative)
        : this.#take(index, slot, alternative, alternative.request.count ?? 1, 0),
    );
  }

  #take(index: number, slot: Slot, alternative: Alternative, left: number, from: number): boolean {
    if (left === 0) return this.#fill(index + 1);
    const candidates = this.#candidatesOf(slot.wanted, alternative);
    for (let next = from; next <= candidates.length - left; next++) {
      const pooled = candidates[next];
      if (!pooled || !this.#add({ wanted: slot.wanted, alternative, pooled })) continue;
      if (this.#take(index, slot, alternative, left - 1, next + 1)) return true;
      this.#remove();
    }
    return false;
  }

  #takeAll(index: number, slot: Slot, alternative: Alternative): boolean {
    const candidates = this.#candidatesOf(slot.wanted, alternative);
    const before = this.#chosen.length;
    const fits =
      candidates.length > 0 && candidates.every((pooled) => this.#add({ wanted: slot.wanted, alternative, pooled }));
    if (fits && this.#fill(index + 1)) return true;
    while (this.#chosen.length > before) this.#remove();
    return false;
  }

  #add(chosen: Chosen): boolean {
    this.#spend(1);
    const { wanted, alternative, pooled } = chosen;
    if (!alternative.isAdmin && (this.#taken.has(pooled.key) || this.#inventory.isHeld(pooled.key))) return false;
    const others = this.#chosen.filter((other) => other.wanted === wanted);
    if (others.length >= MAX_DEVICES) return false;
    // A request names a device once, with administrative access, too.
    if (others.some((other) => other.pooled === pooled && other.alternative === alternative)) return false;
    const constraints = wanted.claim.spec.devices?.constraints ?? [];
    this.#spend(Math.floor((constraints.length * others.length) / COMPARISONS_PER_STEP));
    if (!constraints.every((constraint) => isMet(constraint, chosen, others))) return false;
    if (!alternative.isAdmin) {
      if (!this.#counters.take(pooled)) return false;
      this.#taken.add(pooled.key);
    }
    this.#chosen.push(chosen);
    return true;
  }

  #spend(steps: number): void {
    this.#stepsLeft -= steps;
    if (this.#stepsLeft < 0 || !this.#inventory.budget.take(steps)) throw this.#timedOut();
  }

  #timedOut(): AllocationProblem {
    return new AllocationProblem(`node ${this.#inventory.node.name}: timed out trying to allocate devices`);
  }

  #remove(): void {
    const last = this.#chosen.pop();
    if (!last || last.alternative.isAdmin) return;
    this.#taken.delete(last.pooled.key);
    this.#counters.giveBack(last.pooled);
  }

  /** The devices that the alternative may have on the node, whoever holds them now. */
  #candidatesOf({ claim }: WantedClaim, alternative: Alternative): readonly PooledDevice[] {
    const known = this.#candidates.get(alternative);
    if (known) return known;
    if (alternative.request.allocationMode === 'All') this.#requireWhole(claim, alternative);
    this.#reachable ??= this.#devicesInReach();
    this.#spend(Math.floor(this.#reachable.length / DEVICES_PER_STEP));
    const found = this.#reachable.filter((pooled) => this.#suits(claim, alternative, pooled));
    this.#candidates.set(alternative, found);
    return found;
  }

  /** Which devices are all of them cannot be told from a part of a pool. */
  #requireWhole(claim: ResourceClaim, { name: request }: Alternative): void {
    for (const { driver, name, isIncomplete, isInvalid } of this.#inventory.pools) {
      if (!isIncomplete && !isInvalid) continue;
      const why = isInvalid ? 'currently invalid' : 'currently being updated';
      const asked = `claim ${nameOf(claim)}, request ${request}: asks for all devices`;
      throw new AllocationProblem(`${asked}, but resource pool ${driver}/${name} is ${why}`);
    }
  }

  #devicesInReach(): readonly PooledDevice[] {
    const { pools, node } = this.#inventory;
    const found: PooledDevice[] = [];
    for (const { devices, isIncomplete, isInvalid } of pools) {
      if (isIncomplete || isInvalid) continue;
      for (const pooled of devices)
        if (isReachable(pooled.reach, node) && !needsMore(pooled.device)) found.push(pooled);
    }
    return found;
  }

  #suits(claim: ResourceClaim, { deviceClass, request, isAdmin }: Alternative, pooled: PooledDevice): boolean {
    const { device } = pooled;
    if (!isAdmin && !isTolerated(device, request)) return false;
    return (
      this.#selects(deviceClass.spec.selectors, pooled, `class ${deviceClass.metadata?.name}`) &&
      this.#selects(request.selectors, pooled, `claim ${nameOf(claim)}`) &&
      hasCapacity(device, request)
    );
  }

  #selects(selectors: DeviceClass['spec']['selectors'], pooled: PooledDevice, whose: string): boolean {
    for (const [index, { cel }] of (selectors ?? []).entries()) {
      const match = cel ? this.#matchOf(cel.expression, pooled) : 'CEL expression empty (unsupported selector type?)';
      if (typeof match === 'string') throw new AllocationProblem(`${whose}: selector #${index}: ${match}`);
      if (!match) return false;
    }
    return true;
  }

  #matchOf(expression: string, { device, driver }: PooledDevice): boolean | string {
    const { expressions } = this.#inventory.budget;
    let known = matches.get(device);
    const before = known?.get(expression);
    if (before !== undefined) return before;
    if (expressions.remaining <= 0) throw this.#timedOut();
    if (!known || known.size >= MAX_MATCHES) matches.set(device, (known = new Map<string, boolean | string>()));
    const match = matchesSelector(expression, device, driver, expressions);
    known.set(expression, match);
    return match;
  }
}

/** Features that are not there: such a device must not be given away as if it were like others. */
const needsMore = ({ allowMultipleAllocations, bindingConditions, bindsToNode }: Device): boolean =>
  allowMultipleAllocations === true || Boolean(bindingConditions?.length) || bindsToNode === true;

const isTolerated = ({ taints = [] }: Device, { tolerations = [] }: Alternative['request']): boolean =>
  taints.every(
    (taint) =>
      taint.effect === 'None' ||
      tolerations.some(({ key, operator, value, effect }) =>
        effect === 'None'
          ? false
          : toleratesTaint({ key, operator, value, effect }, { ...taint, effect: taint.effect as 'NoSchedule' }),
      ),
  );

const hasCapacity = ({ capacity = {} }: Device, { capacity: wanted }: Alternative['request']): boolean =>
  Object.entries(wanted?.requests ?? {}).every(([name, amount]) => {
    const available = own(capacity, name)?.value;
    return available !== undefined && compareQuantities(available, amount) >= 0;
  });

/** Devices are replaced when they change, so that what an expression says of one stays true. */
const matches = new WeakMap<Device, Map<string, boolean | string>>();

const names = (requests: readonly string[] | undefined, name: string): boolean =>
  !requests?.length || requests.includes(name) || requests.includes(mainName(name));

function isMet(
  { requests, matchAttribute, distinctAttribute }: DeviceConstraint,
  chosen: Chosen,
  all: Chosen[],
): boolean {
  if (!names(requests, chosen.alternative.name)) return true;
  const attribute = matchAttribute ?? distinctAttribute;
  const value = attribute === undefined ? undefined : attributeOf(chosen.pooled, attribute);
  // A constraint of another type is not met: nobody knows what it asks for.
  if (attribute === undefined || value === undefined) return false;
  const others = all.filter(({ alternative }) => names(requests, alternative.name));
  return others.every(({ pooled }) => {
    const isSame = deepEqual(attributeOf(pooled, attribute), value);
    return matchAttribute === undefined ? !isSame : isSame;
  });
}

/** Drivers may leave out their own domain. */
function attributeOf({ device: { attributes = {} }, driver }: PooledDevice, name: string) {
  const { domain, id } = qualifiedName(name, driver);
  return own(attributes, name) ?? (domain === driver ? own(attributes, id) : undefined);
}

function resultOf({ spec }: ResourceClaim, chosen: readonly Chosen[], node: SelectableNode): AllocationResult {
  const results = chosen.map(({ alternative: { name, request, isAdmin }, pooled: { driver, pool, device } }) => ({
    ...{ request: name, driver, pool, device: device.name },
    ...(isAdmin && { adminAccess: true }),
    ...(request.tolerations?.length && { tolerations: request.tolerations }),
  }));
  const nodeSelector = selectorOf(chosen, node);
  const config = configOf(spec, new Set(chosen.map(({ alternative }) => alternative)));
  return { devices: { results, ...(config.length > 0 && { config }) }, ...(nodeSelector && { nodeSelector }) };
}

function configOf({ devices }: ResourceClaim['spec'], alternatives: ReadonlySet<Alternative>) {
  const config: DeviceAllocationConfiguration[] = [];
  for (const { name, deviceClass } of alternatives)
    for (const { opaque } of deviceClass.spec.config ?? [])
      config.push({ source: 'FromClass', requests: [name], ...(opaque && { opaque }) });
  for (const { opaque, requests } of devices?.config ?? [])
    if ([...alternatives].some(({ name }) => names(requests, name)))
      config.push({ source: 'FromClaim', ...(requests && { requests }), ...(opaque && { opaque }) });
  return config;
}

/** From which nodes all of the devices can be used; undefined when from all. */
function selectorOf(chosen: readonly Chosen[], node: SelectableNode): NodeSelector | undefined {
  if (chosen.some(({ pooled }) => pooled.reach.nodeName)) {
    const matchFields = [{ key: 'metadata.name', operator: 'In' as const, values: [node.name] }];
    return { nodeSelectorTerms: [{ matchFields }] };
  }
  const term: Required<Pick<NodeSelectorTerm, 'matchExpressions' | 'matchFields'>> = {
    matchExpressions: [],
    matchFields: [],
  };
  // The selector of a slice or a device has one term.
  for (const { pooled } of chosen)
    for (const { matchExpressions = [], matchFields = [] } of pooled.reach.nodeSelector?.nodeSelectorTerms ?? []) {
      for (const one of matchExpressions)
        if (!term.matchExpressions.some((known) => deepEqual(known, one))) term.matchExpressions.push(one);
      for (const one of matchFields)
        if (!term.matchFields.some((known) => deepEqual(known, one))) term.matchFields.push(one);
    }
  return term.matchExpressions.length + term.matchFields.length > 0 ? { nodeSelectorTerms: [term] } : undefined;
}
