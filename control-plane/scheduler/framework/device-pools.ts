/** The devices that drivers publish: pools, each made of the ResourceSlices of its newest generation. */
import { matchesTerms, type SelectableNode } from '../../../api/domain/node-selector.ts';
import type { NodeSelector } from '../../../api/types/core/v1.gen.ts';
import { own } from '../../../api/machinery/own.ts';
import { parseQuantity } from '../../../api/machinery/quantity.ts';
import type {
  Counter,
  CounterSet,
  Device,
  DeviceRequestAllocationResult,
  ResourceSlice,
} from '../../../api/types/resource/v1.gen.ts';

export interface PooledDevice {
  /** Of `deviceKey`. */
  readonly key: string;
  readonly driver: string;
  readonly pool: string;
  readonly device: Device;
  readonly reach: Reach;
  /** What it takes of the counters of its pool, by their keys, in nano units. */
  readonly consumes: Counters;
}

/** By keys of `counterKey`. */
export type Counters = ReadonlyMap<string, bigint>;

export interface DevicePool {
  readonly driver: string;
  readonly name: string;
  /** Fewer slices than there should be: the driver is publishing a new generation. */
  readonly isIncomplete: boolean;
  /** The one node that its devices can be used from; undefined when there are others. */
  readonly nodeName: string | undefined;
  /** Two devices have one name, or one takes of a counter that there is not. */
  readonly isInvalid: boolean;
  /** What devices that overlap, as parts of one do, share among them. */
  readonly counters: Counters;
  readonly devices: readonly PooledDevice[];
}

/** From where a device can be used. */
interface Reach {
  readonly nodeName?: string;
  readonly allNodes?: boolean;
  readonly nodeSelector?: NodeSelector;
}

export const deviceKey = ({
  driver,
  pool,
  device,
}: Pick<DeviceRequestAllocationResult, 'driver' | 'pool' | 'device'>): string => `${driver}/${pool}/${device}`;

export function isReachable({ nodeName, allNodes, nodeSelector }: Reach, node: SelectableNode): boolean {
  if (nodeName) return nodeName === node.name;
  return allNodes === true || (nodeSelector !== undefined && matchesTerms(nodeSelector.nodeSelectorTerms, node));
}

export const poolKey = ({ spec: { driver, pool } }: ResourceSlice): string => `${driver}/${pool.name}`;

/** Names of counters and of their sets are DNS labels. */
const counterKey = (set: string, counter: string): string => `${set}/${counter}`;

function* countersOf(set: string, counters: Readonly<Record<string, Counter>>): Iterable<[string, bigint]> {
  for (const name of Object.keys(counters))
    yield [counterKey(set, name), parseQuantity(own(counters, name)?.value ?? '0').nano];
}

const NO_COUNTERS: Counters = new Map();

const consumedBy = ({ consumesCounters }: Device): Counters =>
  consumesCounters?.length
    ? new Map(consumesCounters.flatMap(({ counterSet, counters }) => [...countersOf(counterSet, counters)]))
    : NO_COUNTERS;

const sharedIn = (sets: readonly CounterSet[]): Counters =>
  new Map(sets.flatMap(({ name, counters }) => [...countersOf(name, counters)]));

/** The pool that its slices, of all generations, make. Undefined when there are none. */
export function poolOf(slices: readonly ResourceSlice[]): DevicePool | undefined {
  const generation = slices.reduce((newest, { spec }) => Math.max(newest, spec.pool.generation), -Infinity);
  const newest = slices.filter(({ spec }) => spec.pool.generation === generation);
  const [first] = newest;
  if (!first) return undefined;
  const { driver, pool, nodeName } = first.spec;
  const devices = newest.flatMap(({ spec }) =>
    (spec.devices ?? []).map((device) => ({
      key: deviceKey({ driver, pool: pool.name, device: device.name }),
      driver,
      pool: pool.name,
      device,
      reach: spec.perDeviceNodeSelection ? device : spec,
      consumes: consumedBy(device),
    })),
  );
  const counters = sharedIn(newest.flatMap(({ spec }) => spec.sharedCounters ?? []));
  const isComplete = newest.length === pool.resourceSliceCount;
  const lacksCounter = devices.some(({ consumes }) => consumes.keys().some((key) => !counters.has(key)));
  return {
    driver,
    name: pool.name,
    isIncomplete: !isComplete,
    isInvalid: new Set(devices.map(({ key }) => key)).size < devices.length || (isComplete && lacksCounter),
    counters,
    nodeName: newest.every(({ spec }) => spec.nodeName === nodeName) ? nodeName : undefined,
    devices,
  };
}
