/**
 * Gives pods their exclusive CPUs, memory of NUMA nodes and devices near to them when the node takes them, remembers that, and keeps all
 * other containers off those CPUs. What is decided is on disk before a container is created with it.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Outage } from '../../client/outage.ts';
import type { Logger } from '../../client/logger.ts';
import { Semaphore } from '../../client/semaphore.ts';
import { writeFileAtomically } from '../../daemon/atomic-file.ts';
import type { CriClient } from '../cri/client.ts';
import type { ResizeProblem } from '../pods/resize/resize-observer.ts';
import { CriError } from '../cri/rpc-error.ts';
import { readTextIfThere } from '../host/files.ts';
import type { Container, Pod } from '../../api/types/core/v1.gen.ts';
import { exclusiveCpus, type CpuState, type PlacementRefusal } from './cpu-assignment.ts';
import { formatCpuSet, listOf, NO_CPUS } from './cpu-set.ts';
import { checkCpuState, decodeCpuState, encodeCpuState } from './cpu-state-file.ts';
import { haveNodes, nearTo, type DeviceInventory, type PromisedDevices } from './device-assignment.ts';
import { MEMORY, memoryOf, type HostMemory, type MemoryBlock, type MemoryState } from './memory-assignment.ts';
import { checkMemoryState, decodeMemoryState, encodeMemoryState } from './memory-state-file.ts';
import { placeDevices, placePod, withoutPods, type Placement, type PlacementSettings } from './place-pod.ts';
import { PlacementStateError } from './placement-state.ts';

/** Upstream's names. */
const CPU_FILE = 'cpu_manager_state';
const MEMORY_FILE = 'memory_manager_state';
const FILE_MODE = 0o600;
/** Upstream's period: so long, at most, a container that shares may be on CPUs that another one has for itself. */
const RECONCILE_MS = 10_000;
const FAILED = 'failed to set CPUs of containers';

/** A container that runs. */
export interface RunningContainer {
  readonly podUid: string;
  readonly name: string;
  readonly id: string;
}

/** Told of every pod that the node has been asked to take. */
export interface PlacementObserver {
  placed(pod: Pod, settings: PlacementSettings, refusal: PlacementRefusal | undefined, milliseconds: number): void;
}

export interface PodPlacementOptions {
  readonly settings: PlacementSettings;
  readonly dataDir: string;
  readonly cri: Pick<CriClient, 'updateContainerResources' | 'containerStatus'>;
  readonly running: () => Iterable<RunningContainer>;
  /** Whether a pod has not ended, as far as is known. */
  readonly isActive: (podUid: string) => boolean;
  /** The devices of plugins. */
  readonly devices?: () => DeviceInventory;
  readonly metrics?: PlacementObserver;
  readonly logger: Logger;
}

/** What the runtime is told of a container's CPUs and memory. */
export interface ContainerPlacement {
  /** `0-3`; absent where the node gives no CPUs away. */
  readonly cpus?: string;
  /** Nobody else has them: a quota would only hold it up. */
  readonly isExclusive: boolean;
  /** The NUMA nodes of its memory, as `0-1`; absent: any. */
  readonly memoryNodes?: string;
}

/** Where the devices of a container are to be. */
export interface DevicePlacement {
  /** Those that other containers are to get. */
  readonly promised: ReadonlySet<string>;
  /** Absent: anywhere. */
  readonly isNear?: (id: string) => boolean;
  /** It has no others. */
  readonly isStrict: boolean;
}

/** A file that remembers who has what. Undefined when there is none, or it says nothing. Throws Error with what an operator can do. */
async function readState<T>(file: string, decode: (text: string) => T | undefined): Promise<T | undefined> {
  const text = await readTextIfThere(file);
  try {
    return text === undefined ? undefined : decode(text);
  } catch (error) {
    if (!(error instanceof PlacementStateError)) throw error;
    throw new Error(`${file} cannot be used: ${error.message}; drain the node, and remove the file`, { cause: error });
  }
}

const containersOf = ({ spec }: Pod): readonly Container[] => [
  ...(spec?.initContainers ?? []),
  ...(spec?.containers ?? []),
];

export class PodPlacement {
  readonly #options: PodPlacementOptions;
  #state: Placement;
  /** What was last written. */
  #writtenCpus: CpuState | undefined;
  #writtenMemory: MemoryState | undefined;
  readonly #writing = new Semaphore(1);
  /** By container id, what it runs with. */
  #applied = new Map<string, string>();
  readonly #outage: Outage;

  private constructor(options: PodPlacementOptions, cpus: CpuState | undefined, memory: MemoryState | undefined) {
    this.#options = options;
    this.#outage = new Outage({ logger: options.logger });
    this.#writtenCpus = cpus;
    this.#writtenMemory = memory;
    const { topology, memory: host = new Map() } = options.settings;
    this.#state = {
      cpus: cpus ?? { shared: new Set(topology.map(({ cpu }) => cpu)), assigned: new Map() },
      memory: memory ?? { host, assigned: new Map() },
      promised: [],
    };
  }

  /** Goes on with what an earlier agent has given away. Throws Error with what an operator can do when that cannot be. */
  static async open(options: PodPlacementOptions): Promise<PodPlacement> {
    const { settings, dataDir } = options;
    const cpus = await readState(join(dataDir, CPU_FILE), (text) => {
      const state = decodeCpuState(text, settings.isStatic);
      if (state) checkCpuState(state, new Set(settings.topology.map(({ cpu }) => cpu)), settings.reserved);
      return state;
    });
    const memory = await readState(join(dataDir, MEMORY_FILE), (text) => {
      const state = decodeMemoryState(text, settings.memory !== undefined);
      if (state && settings.memory) checkMemoryState(state, settings.memory);
      return state;
    });
    return new PodPlacement(options, cpus, memory);
  }

  get settings(): PlacementSettings {
    return this.#options.settings;
  }

  /** Gives the pod what it is to have; or why the node does not take it. */
  admit(pod: Pod): PlacementRefusal | undefined {
    const { settings, metrics } = this.#options;
    const startedAt = performance.now();
    this.#forgetEnded();
    const placed = placePod(pod, this.#state, settings, this.#inventory());
    const refusal = 'reason' in placed ? placed : undefined;
    if (!('reason' in placed)) this.#state = placed;
    metrics?.placed(pod, settings, refusal, performance.now() - startedAt);
    return refusal;
  }

  #inventory(): DeviceInventory {
    return this.#options.devices?.() ?? new Map();
  }

  /** Those that a container has for itself. */
  exclusiveOf(podUid: string, container: string): readonly number[] {
    return listOf(this.#state.cpus.assigned.get(podUid)?.get(container) ?? NO_CPUS);
  }

  /** The memory that a container is guaranteed, and of which NUMA nodes. */
  memoryOf(podUid: string, container: string): readonly MemoryBlock[] {
    return this.#state.memory.assigned.get(podUid)?.get(container) ?? [];
  }

  /** All CPUs that containers have for themselves, and those that the others share. */
  get cpus(): CpuState {
    return this.#state.cpus;
  }

  /** Those that containers may have for themselves. */
  get allocatable(): readonly number[] {
    const { topology, reserved, isStatic } = this.#options.settings;
    return isStatic ? topology.map(({ cpu }) => cpu).filter((cpu) => !reserved.has(cpu)) : [];
  }

  /** The memory that containers may be guaranteed, of each NUMA node. */
  get allocatableMemory(): readonly MemoryBlock[] {
    const host: HostMemory = this.#options.settings.memory ?? new Map();
    return [...host].flatMap(([node, { tables }]) =>
      [...tables].flatMap(([resource, { allocatable }]) =>
        allocatable === 0 ? [] : [{ nodes: [node], resource, bytes: allocatable }],
      ),
    );
  }

  /** Why a pod cannot be resized; undefined when it can. */
  resizeProblem({ wanted, allocated }: { readonly wanted: Pod; readonly allocated: Pod }): ResizeProblem | undefined {
    const { isStatic, memory } = this.#options.settings;
    const problem = (manager: 'CPU' | 'Memory', policy: string): ResizeProblem => ({
      detail: `guaranteed_pod_${manager.toLowerCase()}_manager_static_policy`,
      message: `Resize is infeasible for Guaranteed Pods alongside ${manager} Manager policy "${policy}"`,
    });
    const isPinned = isStatic && containersOf(wanted).some((one) => exclusiveCpus(wanted, one) > 0);
    if (isPinned) return problem('CPU', 'static');
    const before = new Map(containersOf(allocated).map((one) => [one.name, memoryOf(allocated, one).get(MEMORY)]));
    const isOther = containersOf(wanted).some((one) => memoryOf(wanted, one).get(MEMORY) !== before.get(one.name));
    return memory && isOther ? problem('Memory', 'Static') : undefined;
  }

  /** Where a container's devices of a resource are to be, before it is given them; or why it cannot be given any. */
  devicesOf(pod: Pod, container: Container, resource: string): DevicePlacement | PlacementRefusal {
    const { settings } = this.#options;
    this.#forgetEnded();
    const known = this.#inventory().get(resource);
    const isStrict = settings.policy === 'restricted' || settings.policy === 'single-numa-node';
    if (settings.policy === 'none' || !known || !haveNodes(known)) return { promised: new Set(), isStrict: false };
    const uid = pod.metadata?.uid ?? '';
    const isOwn = (one: PromisedDevices): boolean => one.podUid === uid && one.container === container.name;
    const ofResource = this.#state.promised.filter((one) => one.resource === resource);
    let own = ofResource.find(isOwn);
    if (!own) {
      const placed = placeDevices(pod, container, resource, this.#state, settings, this.#inventory());
      if ('reason' in placed) return placed;
      own = placed;
      this.#state = { ...this.#state, promised: [...this.#state.promised, own] };
    }
    return {
      promised: new Set(ofResource.filter((one) => !isOwn(one)).flatMap(({ ids }) => ids)),
      ...{ isStrict, isNear: nearTo(own.nodes, known.nodes) },
    };
  }

  /** The container has been given devices of a resource: what it was promised is free for others. */
  haveDevices(podUid: string, container: string, resource: string): void {
    const { promised } = this.#state;
    const left = promised.filter(
      (one) => one.podUid !== podUid || one.container !== container || one.resource !== resource,
    );
    this.#state = { ...this.#state, promised: left };
  }

  /**
   * What a container that is about to be created runs on, when that is on disk and all others have been told to leave its CPUs; undefined
   * where the node gives nothing away. One that cannot be moved holds nobody up: `run` tries again.
   */
  async prepare(
    pod: Pod,
    container: Pick<Container, 'name'>,
    signal: AbortSignal,
  ): Promise<ContainerPlacement | undefined> {
    const { isStatic, memory } = this.#options.settings;
    if (!isStatic && !memory) return undefined;
    await this.#save(signal);
    if (isStatic) await this.#reconcile(signal);
    signal.throwIfAborted();
    const uid = pod.metadata?.uid ?? '';
    const own = this.#state.cpus.assigned.get(uid)?.get(container.name);
    const nodes = new Set(this.memoryOf(uid, container.name).flatMap((block) => block.nodes));
    return {
      ...(isStatic && { cpus: formatCpuSet(own ?? this.#state.cpus.shared) }),
      isExclusive: own !== undefined,
      ...(nodes.size > 0 && { memoryNodes: formatCpuSet(nodes) }),
    };
  }

  /** Keeps containers on the CPUs that are theirs until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { isStatic, memory } = this.#options.settings;
    if (!isStatic && !memory) return;
    while (!signal.aborted) {
      try {
        this.#forgetEnded();
        await this.#save(signal);
        if (isStatic) await this.#reconcile(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#outage.failed(error, {}, FAILED);
      }
      await delay(RECONCILE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #forgetEnded(): void {
    this.#state = withoutPods(this.#state, this.#options.isActive);
  }

  async #save(signal: AbortSignal): Promise<void> {
    const { settings, dataDir } = this.#options;
    await this.#writing.run(signal, async () => {
      const { cpus, memory } = this.#state;
      if (settings.isStatic && cpus !== this.#writtenCpus) {
        await writeFileAtomically(join(dataDir, CPU_FILE), encodeCpuState(cpus), FILE_MODE);
        this.#writtenCpus = cpus;
      }
      if (settings.memory && memory !== this.#writtenMemory) {
        await writeFileAtomically(join(dataDir, MEMORY_FILE), encodeMemoryState(memory), FILE_MODE);
        this.#writtenMemory = memory;
      }
    });
  }

  /** What fails for one container, which may be about to end, keeps no other from its CPUs. */
  async #reconcile(signal: AbortSignal): Promise<void> {
    const { cri, running } = this.#options;
    const before = this.#applied;
    this.#applied = new Map();
    let hasFailed = false;
    for (const { podUid, name, id } of running()) {
      const { assigned, shared } = this.#state.cpus;
      const cpus = formatCpuSet(assigned.get(podUid)?.get(name) ?? shared);
      try {
        if (before.get(id) !== cpus) await cri.updateContainerResources(id, { cpusetCpus: cpus }, { signal });
        this.#applied.set(id, cpus);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof CriError && !(await this.#mayRun(id, signal))) continue;
        this.#outage.failed(error, { podUID: podUid, container: name }, FAILED);
        hasFailed = true;
      }
    }
    if (!hasFailed) this.#outage.ended({}, 'CPUs of containers are set again');
  }

  /** False when it is known to have ended: containerd says only what runc has said. */
  async #mayRun(id: string, signal: AbortSignal): Promise<boolean> {
    try {
      return (await this.#options.cri.containerStatus(id, { signal })).state === 'CONTAINER_RUNNING';
    } catch (error) {
      return !(error instanceof CriError && error.notFound);
    }
  }
}
