/** The settings that say what containers may have for themselves, and where it is to be. Pure. */
import { quantityMilliValue } from '../../api/machinery/quantity.ts';
import { SettingValueError } from '../../daemon/setting-rules.ts';
import { formatCpuSet, parseCpuSet, type CpuSet } from './cpu-set.ts';
import {
  DEFAULT_MAX_NODES,
  MAX_NODE_NUMBER,
  MOST_NODES,
  type Distances,
  type TopologyPolicy,
  type TopologyScope,
} from './hints.ts';
import type { NumaNode } from '../host/numa-nodes.ts';
import type { HostMemory } from './memory-assignment.ts';
import type { PlacementSettings } from './place-pod.ts';
import { takePacked, type Topology } from './take-cpus.ts';

export const CPU_POLICIES = ['none', 'static'] as const;
export type CpuPolicy = (typeof CPU_POLICIES)[number];

/** Upstream's names, of which those are known that are stable or beta and about what is given away here. */
const OPTIONS = ['full-pcpus-only', 'distribute-cpus-across-numa'] as const;
type Option = (typeof OPTIONS)[number];

/** `full-pcpus-only=true`. Throws SettingValueError for anything else. */
export function parseCpuOptions(texts: readonly string[]): ReadonlyMap<Option, boolean> {
  return new Map(
    texts.map((text): [Option, boolean] => {
      const [, name = '', value = ''] = /^([^=]*)=(true|false)$/.exec(text) ?? [];
      const option = OPTIONS.find((known) => known === name);
      if (option === undefined)
        throw new SettingValueError(`${JSON.stringify(text)} is not one of ${OPTIONS.join(', ')}, as NAME=true`);
      return [option, value === 'true'];
    }),
  );
}

export interface TopologyOptions {
  readonly prefersClosest: boolean;
  /** The policy is for hosts of up to so many NUMA nodes. */
  readonly mostNodes: number;
}

const CLOSEST = 'prefer-closest-numa-nodes';
const MOST = 'max-allowable-numa-nodes';

/** `prefer-closest-numa-nodes=true`, `max-allowable-numa-nodes=10`. Throws SettingValueError for anything else. */
export function parseTopologyOptions(texts: readonly string[]): TopologyOptions {
  let options: TopologyOptions = { prefersClosest: false, mostNodes: DEFAULT_MAX_NODES };
  for (const text of texts) {
    const [, name = '', value = ''] = /^([^=]*)=(true|false|\d{1,3})$/.exec(text) ?? [];
    const most = Number(value);
    if (name === CLOSEST && Number.isNaN(most)) options = { ...options, prefersClosest: value === 'true' };
    else if (name === MOST && most >= DEFAULT_MAX_NODES && most <= MOST_NODES)
      options = { ...options, mostNodes: most };
    else
      throw new SettingValueError(
        `${JSON.stringify(text)} is not ${CLOSEST}=true, or ${MOST}= a number from ${DEFAULT_MAX_NODES} to ${MOST_NODES}`,
      );
  }
  return options;
}

/** Undefined where the kernel does not say how far nodes are from each other. */
function distancesOf(nodes: readonly NumaNode[]): Distances | undefined {
  if (nodes.some(({ distances }) => distances.length !== nodes.length)) return undefined;
  return new Map(
    nodes.map(({ node, distances }) => [node, new Map(nodes.map((to, at) => [to.node, distances[at] ?? 0]))]),
  );
}

/** `0-1,4`; none when empty. Throws SettingValueError for anything else. */
export function parseReservedCpus(text: string): CpuSet {
  try {
    return parseCpuSet(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SettingValueError(error.message, { cause: error });
  }
}

export interface PlacementConfig {
  readonly cpuManagerPolicy: CpuPolicy;
  readonly cpuManagerPolicyOptions: readonly string[];
  readonly reservedCpus: string;
  readonly reserved: readonly string[];
  readonly topologyManagerPolicy: TopologyPolicy;
  readonly topologyManagerPolicyOptions: readonly string[];
  readonly topologyManagerScope: TopologyScope;
}

/** What is reserved, `reservedCpus` counting instead of an amount of CPU, as upstream. */
export function reservedResources({
  reserved,
  reservedCpus,
}: Pick<PlacementConfig, 'reserved' | 'reservedCpus'>): string[] {
  const count = parseReservedCpus(reservedCpus).size;
  return count === 0 ? [...reserved] : [...reserved.filter((text) => !text.startsWith('cpu=')), `cpu=${count}`];
}

const MILLI = 1000;

/** Throws SettingValueError, with what an operator can do, for settings that this host cannot have. */
export function placementSettings(
  config: PlacementConfig,
  topology: Topology,
  nodes: readonly NumaNode[] = [],
  memory?: HostMemory,
): PlacementSettings {
  const { cpuManagerPolicy, topologyManagerPolicy: policy, topologyManagerScope: scope } = config;
  const options = parseCpuOptions(config.cpuManagerPolicyOptions);
  const isStatic = cpuManagerPolicy === 'static';
  const online: CpuSet = new Set(topology.map(({ cpu }) => cpu));
  const named = parseReservedCpus(config.reservedCpus);
  if (!named.isSubsetOf(online))
    throw new SettingValueError(`reserved-cpus: this host has the CPUs ${formatCpuSet(online)}`);
  const cpu =
    reservedResources(config)
      .find((text) => text.startsWith('cpu='))
      ?.slice('cpu='.length) ?? '0';
  const count = Math.ceil(quantityMilliValue(cpu) / MILLI);
  if (isStatic && (count === 0 || count > online.size))
    throw new SettingValueError(
      'cpu-manager-policy static needs CPU that is reserved for the system, less than the host has: set reserved-cpus, or cpu in reserved',
    );
  const { prefersClosest, mostNodes } = parseTopologyOptions(config.topologyManagerPolicyOptions);
  const distances = prefersClosest ? distancesOf(nodes) : undefined;
  if (policy !== 'none' && prefersClosest && !distances)
    throw new SettingValueError(`${CLOSEST}: the kernel does not say how far the NUMA nodes are from each other`);
  const ofPolicy = {
    ...{ policy, scope },
    ...(memory && { memory }),
    ...(distances && { distances }),
  };
  const isLooked = policy !== 'none' || memory !== undefined;
  const numbers = [...topology.map(({ node }) => node), ...(memory?.keys() ?? [])];
  const isMany = isLooked && (numbers.some((node) => node > MAX_NODE_NUMBER) || new Set(numbers).size > mostNodes);
  if (isMany)
    throw new SettingValueError(
      `topology-manager-policy and memory-manager-policy are for hosts of up to ${mostNodes} NUMA nodes, of numbers up to ${MAX_NODE_NUMBER}: see ${MOST}`,
    );
  return {
    ...{ topology, isStatic, ...ofPolicy },
    reserved: named.size > 0 || !isStatic ? named : takePacked(topology, online, count),
    fullCores: options.get('full-pcpus-only') ?? false,
    distributed: options.get('distribute-cpus-across-numa') ?? false,
  };
}
