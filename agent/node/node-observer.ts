/** Observes the runtime and the available resources of the host, from which the Node's conditions are computed. */
import { wallTimeOf } from '../../client/clock.ts';
import type { CriClient } from '../cri/client.ts';
import { readDisk, readMemory, readProcesses } from '../host/meters.ts';
import { imagesOf, type NodeObservation, type ConditionVerdict } from './node-status.ts';
import {
  isUnderPressure,
  observePressure,
  PRESSURES,
  type Levels,
  type Pressure,
  type PressureObservation,
  type Threshold,
} from './pressure.ts';
import type { ContainerImage, NodeFeatures } from '../../api/types/core/v1.gen.ts';

export interface NodeObserverOptions {
  readonly cri: Pick<CriClient, 'status' | 'listImages' | 'imageFilesystems'>;
  readonly thresholds: readonly Threshold[];
  /** On the file system of the pods' own storage. */
  readonly dataDir: string;
  /** Other reasons why the node cannot run pods. */
  readonly problems: () => readonly string[];
  readonly nodeApi: (nowMs: number) => ConditionVerdict;
  readonly volumesInUse: () => readonly string[];
  readonly deviceAmounts: () => NodeObservation['devices'];
}

/** Pulls are rare, and the list is long. */
const IMAGES_EVERY_MS = 60_000;
const RUNTIME_LIMIT_MS = 10_000;

export class NodeObserver {
  readonly #options: NodeObserverOptions;
  readonly #levelListeners: ((levels: Levels) => void)[] = [];
  /** Moments of `performance.now()`. */
  #pressure: PressureObservation = {};
  #features: NodeFeatures = { supplementalGroupsPolicy: false };
  #images: readonly ContainerImage[] = [];
  #imagesAtMs = -Infinity;
  #imageDirectory: string | undefined;

  constructor(options: NodeObserverOptions) {
    this.#options = options;
  }

  /** An unreachable runtime is reported as a problem of the node; it does not throw for it. */
  async observe(signal: AbortSignal): Promise<NodeObservation> {
    const now = Date.now();
    const problems = [...(await this.#runtimeProblems(signal)), ...this.#options.problems()];
    const levels = await this.levels();
    this.#pressure = observePressure(this.#options.thresholds, levels, this.#pressure, performance.now());
    for (const listener of this.#levelListeners) listener(levels);
    const nodeApi = this.#options.nodeApi(now);
    const volumesInUse = this.#options.volumesInUse();
    return {
      problems,
      pressure: mapped(this.#pressure, wallTimeOf),
      images: this.#images,
      features: this.#features,
      nodeApi,
      volumesInUse,
      devices: this.#options.deviceAmounts(),
    };
  }

  /** Calls back with the available resources each time that the conditions are computed from them. */
  onLevels(listener: (levels: Levels) => void): void {
    this.#levelListeners.push(listener);
  }

  async #runtimeProblems(signal: AbortSignal): Promise<string[]> {
    const { cri } = this.#options;
    const options = { signal, limitMs: RUNTIME_LIMIT_MS };
    try {
      const { conditions, features } = await cri.status(options);
      this.#features = features;
      if (performance.now() - this.#imagesAtMs >= IMAGES_EVERY_MS) {
        this.#images = imagesOf(await cri.listImages(options));
        this.#imageDirectory = (await cri.imageFilesystems(options))[0]?.fsId?.mountpoint;
        this.#imagesAtMs = performance.now();
      }
      return conditions
        .filter(({ status }) => !status)
        .map(({ type, reason, message }) => {
          const what = type === 'NetworkReady' ? 'container runtime network' : 'container runtime';
          return `${what} not ready: ${type}=false reason:${reason} message:${message}`;
        });
    } catch (error) {
      signal.throwIfAborted();
      return [`container runtime is down: ${(error as Error).message}`];
    }
  }

  /** The pressures in the node's conditions. */
  get pressures(): readonly Pressure[] {
    return PRESSURES.filter((pressure) => isUnderPressure(this.#pressure, pressure, performance.now()));
  }

  /** Optional features of the runtime. */
  get features(): NodeFeatures {
    return this.#features;
  }

  /** What is available now. */
  async levels(): Promise<Levels> {
    const memory = await readMemory();
    const disk = await readDisk(this.#options.dataDir);
    const processes = await readProcesses();
    const images = this.#imageDirectory === undefined ? disk : await readDisk(this.#imageDirectory);
    return {
      'memory.available': { available: memory.availableBytes, capacity: memory.totalBytes },
      'nodefs.available': { available: disk.availableBytes, capacity: disk.totalBytes },
      // Some file systems (btrfs) have no fixed number of inodes and report 0.
      ...(disk.totalInodes > 0 && {
        'nodefs.inodesFree': { available: disk.availableInodes, capacity: disk.totalInodes },
      }),
      'pid.available': processes,
      'imagefs.available': { available: images.availableBytes, capacity: images.totalBytes },
    };
  }
}

const mapped = (seen: PressureObservation, change: (moment: number) => number): PressureObservation =>
  Object.fromEntries(Object.entries(seen).map(([pressure, moment]) => [pressure, change(moment)]));
