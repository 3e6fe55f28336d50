/**
 * Takes volumes through the steps of their types (`volume-type.ts`), each within a time limit, and keeps the records of what is
 * mounted. It trusts records and the mount table, never its memory: whatever an earlier agent left is continued or undone.
 */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { withDeadline } from '../../../client/deadline.ts';
import { Outage } from '../../../client/outage.ts';
import { mountPointsBelow, readMounts, unmount } from '../../host/mounts.ts';
import type { VolumeHelper } from '../../host/volume-helper/requests.ts';
import { Semaphore } from '../../../client/semaphore.ts';
import { report, since } from '../../recorder/report.ts';
import { MountRecords, type MountRecordsOptions, type PublishRecord, type StageRecord } from './mount-records.ts';
import {
  VolumeError,
  type MountTarget,
  type PodVolume,
  type Placement,
  type PublishTarget,
  type Staging,
  type VolumeType,
  type VolumeUsage,
} from './volume-type.ts';
import type { Pod, Volume } from '../../../api/types/core/v1.gen.ts';

export interface VolumeRunnerOptions extends MountRecordsOptions {
  readonly types: readonly VolumeType[];
  /** How long one step may take; the kubelet's limit for calls of CSI drivers when absent. */
  readonly stepLimitMs?: number;
  /** Called at the end of every step, for metrics. */
  readonly measured?: MeasureStep | undefined;
}

export type MeasureStep = (plugin: string, step: string, seconds: number, failed: boolean) => void;

/** Upstream's name of the plugin, as `kubernetes.io/empty-dir`. */
const pluginOf = ({ directory }: Pick<VolumeType, 'directory'>): string => directory.replace('~', '/');

/** What several steps that run at the same time share. */
export interface StepContext {
  readonly helper: VolumeHelper;
  /** The mount points of the host. */
  readonly mounted: ReadonlySet<string>;
  readonly signal: AbortSignal;
}

const STEP_LIMIT_MS = 120_000;
const DIRECTORY_MODE = 0o750;
/** Something may be mounted over what was just unmounted; so often it is looked for again. */
const MAX_UNMOUNT_ROUNDS = 8;

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export class VolumeRunner {
  readonly #options: VolumeRunnerOptions;
  readonly #types: ReadonlyMap<string, VolumeType>;
  readonly #stagings: ReadonlyMap<string, Staging>;
  readonly #records: MountRecords;
  readonly #unstaging: Outage;
  /** By staged volume: staging and unstaging take turns. Those that nobody uses any more are dropped. */
  readonly #turns = new Map<string, { readonly turn: Semaphore; users: number }>();

  constructor(options: VolumeRunnerOptions) {
    this.#options = options;
    this.#types = new Map(options.types.map((type) => [type.source, type]));
    const stagings = options.types.flatMap(({ staging }) => (staging ? [[staging.kind, staging] as const] : []));
    this.#stagings = new Map(stagings);
    this.#records = new MountRecords(options);
    this.#unstaging = new Outage(options);
  }

  typeOf(volume: Volume): VolumeType {
    const source = Object.keys(volume).find((key) => key !== 'name') ?? 'emptyDir';
    const type = this.#types.get(source);
    if (type) return type;
    throw new VolumeError(`volume "${volume.name}": ${source} volumes are not supported yet by this version`);
  }

  /** Where a volume is published. */
  path(podUid: string, volume: string, type: VolumeType): string {
    return join(this.#options.podsDirectory, podUid, 'volumes', type.directory, volume);
  }

  /** Whether a volume is to be refreshed from time to time. */
  isRefreshed({ type, attributes }: PublishRecord): boolean {
    return this.#types.get(type)?.isRefreshed?.(attributes) ?? false;
  }

  /** The records of a pod, by the name of the volume. */
  async published(podUid: string): Promise<ReadonlyMap<string, PublishRecord>> {
    const records = await this.#records.published(podUid);
    return new Map(records.map((record) => [record.volume, record]));
  }

  /**
   * Makes a volume ready for a pod. `known` is its record, when there is one: the volume is adopted as it was resolved.
   * Throws VolumeError with the message of the pod's event, or the signal's reason.
   */
  async publish(pod: Pod, volume: Volume, known: PublishRecord | undefined, at: StepContext): Promise<PublishRecord> {
    const type = this.typeOf(volume);
    const isKnown = known?.type === type.source;
    const record = isKnown ? known : await this.#resolve(pod, volume, type, at.signal);
    const { podUID, stageKey } = record;
    const target = this.#target(type, record, at);
    const isAdopted = isKnown && isStillPublished(type, record, target, at.mounted);
    this.#options.logger.debug(
      { podUID, volume: volume.name, type: type.source, stageKey },
      isKnown ? 'adopting volume' : 'publishing volume',
    );
    if (isAdopted) return record;
    if (type.unpublish && !isKnown) await this.#records.writePublished(record);
    await this.#stage(type, record, at);
    await mkdir(dirname(target.path), { recursive: true, mode: DIRECTORY_MODE });
    await this.#step(type, 'MountVolume.SetUp', volume.name, at.signal, (signal) =>
      type.publish({ ...target, pod, volume, signal }),
    );
    return this.#expand(type, await this.#published(type, record, target), { ...target, pod, volume });
  }

  /**
   * Mounts the image of an image volume, for which containers of a pod that start at the same time take turns. Resolves to false where the
   * runtime mounts it by itself.
   */
  async mountImage(pod: Pod, volume: Volume, record: PublishRecord, id: string, at: StepContext): Promise<boolean> {
    const type = this.typeOf(volume);
    const target = this.#target(type, record, at);
    let isMounted = false;
    await this.#inTurn(`image/${pod.metadata?.uid}/${volume.name}`, at.signal, async () => {
      isMounted = await this.#step(type, 'MountVolume.SetUp', volume.name, at.signal, async (signal) => {
        return (await type.mountImage?.({ ...target, signal }, id)) ?? false;
      });
    });
    return isMounted;
  }

  /** Where the volume of a record is mounted; undefined when the mount table does not show that. */
  mountPoint(podUid: string, record: PublishRecord): string | undefined {
    const type = this.#types.get(record.type);
    return type?.mountPoint?.(this.placement(podUid, record.volume, type, record));
  }

  /** Where volumes of a pod are mounted, or may be, as the mount table shows them. */
  async mountPoints(podUid: string): Promise<string[]> {
    const records = await this.#records.published(podUid);
    return records.flatMap((record) => this.mountPoint(podUid, record) ?? []);
  }

  /** Where containers find the volume of a record. */
  placement(podUid: string, volume: string, type: VolumeType, { attributes }: PublishRecord): Placement {
    return { path: this.path(podUid, volume, type), podUid, attributes };
  }

  async #published(type: VolumeType, record: PublishRecord, target: Placement): Promise<PublishRecord> {
    if (type.mountPoint?.(target) === undefined) return record;
    const published = { ...record, isPublished: true };
    await this.#records.writePublished(published);
    return published;
  }

  /** Brings a published volume up to date: its size, and what it shows of other objects. Returns its record. */
  async refresh(pod: Pod, volume: Volume, record: PublishRecord, at: StepContext): Promise<PublishRecord> {
    const type = this.typeOf(volume);
    const target = { ...this.#target(type, record, at), pod, volume };
    const grown = await this.#expand(type, record, target);
    if (type.refresh)
      await this.#step(type, 'MountVolume.SetUp', volume.name, at.signal, async (signal) =>
        type.refresh?.({ ...target, signal }),
      );
    return grown;
  }

  async #expand(type: VolumeType, record: PublishRecord, target: PodVolume): Promise<PublishRecord> {
    const { expansion } = type;
    const { capacityBytes: held } = record;
    if (!expansion || held === undefined) return record;
    const { pod, volume } = target;
    const step = 'NodeExpand.NodeExpandVolume';
    const capacityBytes = await this.#step(type, step, volume.name, target.signal, (signal) =>
      expansion.wanted(volume, pod, signal),
    );
    if (capacityBytes <= held) return record;
    const isGrown = await this.#step(type, step, volume.name, target.signal, (signal) =>
      expansion.grow({ ...target, signal }, capacityBytes),
    );
    if (!isGrown) return record;
    const grown = { ...record, capacityBytes };
    await this.#records.writePublished(grown);
    return grown;
  }

  /** The usage of a published volume; undefined when it cannot be measured. */
  async stats(volume: Volume, record: PublishRecord, at: StepContext): Promise<VolumeUsage | undefined> {
    const type = this.typeOf(volume);
    const target = this.#target(type, record, at);
    return this.#step(type, 'NodeGetVolumeStats', volume.name, at.signal, async (signal) =>
      type.stats?.({ ...target, signal }),
    );
  }

  /**
   * Unpublishes and unstages the recorded volumes of a pod. All are tried; then the first failure is thrown. Mounts without a record, and
   * the pod's directory, are left to the caller.
   */
  async unpublish(podUid: string, at: StepContext): Promise<void> {
    const outcomes = await Promise.allSettled(
      (await this.#records.published(podUid)).map((record) => this.#unpublish(record, at)),
    );
    at.signal.throwIfAborted();
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }

  async #unpublish(record: PublishRecord, at: StepContext): Promise<void> {
    const type = this.#types.get(record.type);
    if (!type) {
      const { volume, podUID } = record;
      this.#options.logger.warn({ volume, podUID, type: record.type }, 'mount record is of an unknown type of volume');
      return;
    }
    await this.#step(type, 'UnmountVolume.TearDown', record.volume, at.signal, async (signal) =>
      type.unpublish?.({ ...this.#target(type, record, at), signal }),
    );
    // Other records go with the pod's directory.
    if (record.stageKey === undefined) return;
    await this.#records.removePublished(record);
    await this.#unstageIfUnused(this.#stageId(type, record.stageKey), at);
  }

  async #resolve(pod: Pod, volume: Volume, type: VolumeType, signal: AbortSignal): Promise<PublishRecord> {
    const resolved = await this.#step(type, 'MountVolume.SetUp', volume.name, signal, async (step) =>
      type.resolve(volume, pod, step),
    );
    return { type: type.source, podUID: pod.metadata?.uid ?? '', volume: volume.name, ...resolved };
  }

  async #stage(type: VolumeType, record: PublishRecord, { helper, signal }: StepContext): Promise<void> {
    const { staging } = type;
    if (!staging || record.stageKey === undefined) return;
    const { stageKey, attributes } = record;
    const id = this.#stageId(type, stageKey);
    await this.#inTurn(id, signal, async () => {
      await this.#records.writeStaged({ type: staging.kind, key: stageKey, attributes });
      const target = await this.#stagingTarget(id, attributes, helper, signal);
      await this.#step(type, 'MountVolume.MountDevice', record.volume, signal, (step) =>
        staging.stage({ ...target, signal: step }),
      );
    });
  }

  /** What is staged, or may be. */
  async staged(): Promise<StageRecord[]> {
    const records = (await this.#records.stagedIds()).map((id) => this.#records.staged(id));
    return (await Promise.all(records)).filter((record) => record !== undefined);
  }

  /**
   * Unstages the volumes that no pod of this host has published or is about to, none of which waits for another. A failure is logged;
   * the next call tries again.
   */
  async unstageUnused(helper: VolumeHelper, signal: AbortSignal): Promise<void> {
    const ids = await this.#records.stagedIds();
    const outcomes = await Promise.allSettled(ids.map((id) => this.#unstageIfUnused(id, { helper, signal })));
    signal.throwIfAborted();
    const failed = outcomes.findIndex(({ status }) => status === 'rejected');
    const outcome = outcomes[failed];
    if (outcome?.status !== 'rejected') return this.#unstaging.ended({}, 'unstaged unused volumes');
    const fields = { path: this.#records.stagingPath(ids[failed]!) };
    this.#unstaging.failed(outcome.reason, fields, 'failed to unstage unused volume');
  }

  #stageId({ source, staging }: VolumeType, key: string): string {
    return this.#records.stageId(staging?.kind ?? source, key);
  }

  /** Whether a pod of this host has published the staged volume, or is about to. */
  async #isUsed(id: string): Promise<boolean> {
    const records = await this.#records.allPublished();
    return records.some(({ type: source, stageKey }) => {
      const type = this.#types.get(source);
      return type && stageKey !== undefined && this.#stageId(type, stageKey) === id;
    });
  }

  /**
   * A pod writes its record before it waits for its turn to stage. So the volume is either seen to be in use here, or staged again
   * afterwards. Does not wait for a turn while the volume is in use: staging it for another pod may hang.
   */
  async #unstageIfUnused(id: string, { helper, signal }: Pick<StepContext, 'helper' | 'signal'>): Promise<void> {
    if (await this.#isUsed(id)) return;
    await this.#inTurn(id, signal, async () => {
      if (await this.#isUsed(id)) return;
      const record = await this.#records.staged(id);
      this.#options.logger.debug({ path: this.#records.stagingPath(id), ...record }, 'unstaging volume');
      const staging = record && this.#stagings.get(record.type);
      if (staging) {
        const target = await this.#stagingTarget(id, record.attributes, helper, signal);
        const type = { directory: `kubernetes.io~${record.type}` };
        await this.#step(type, 'UnmountVolume.UnmountDevice', record.key, signal, (step) =>
          staging.unstage({ ...target, signal: step }),
        );
      }
      await this.unmountBelow(this.#records.stagingPath(id), signal);
      await this.#records.removeStaged(id);
    });
  }

  /**
   * Unmounts whatever is mounted at or below a directory, newest first. Throws VolumeError when something is mounted there again
   * and again.
   */
  async unmountBelow(directory: string, signal: AbortSignal): Promise<void> {
    let left = mountPointsBelow(await readMounts(), directory);
    for (let round = 0; left.length > 0 && round < MAX_UNMOUNT_ROUNDS; round++) {
      for (const mountPoint of left) await this.#unmount(mountPoint, signal);
      left = mountPointsBelow(await readMounts(), directory);
    }
    if (left.length > 0) throw new VolumeError(`failed to unmount ${left.join(', ')}`);
  }

  async #unmount(mountPoint: string, signal: AbortSignal): Promise<void> {
    const how = await unmount(mountPoint, signal);
    if (how === 'detached') this.#options.logger.warn({ mountPoint }, 'unmounted busy volume lazily');
  }

  #target(type: VolumeType, record: PublishRecord, { helper, mounted, signal }: StepContext): PublishTarget {
    const { podUID, volume, attributes, stageKey } = record;
    const stagingPath =
      type.staging && stageKey !== undefined ? this.#records.stagingPath(this.#stageId(type, stageKey)) : undefined;
    const target = this.#mountTarget(this.path(podUID, volume, type), attributes, helper, mounted, signal);
    return { ...target, podUid: podUID, stagingPath };
  }

  async #stagingTarget(
    id: string,
    attributes: Readonly<Record<string, string>>,
    helper: VolumeHelper,
    signal: AbortSignal,
  ): Promise<MountTarget> {
    const mounted = new Set((await readMounts()).map(({ mountPoint }) => mountPoint));
    return this.#mountTarget(this.#records.stagingPath(id), attributes, helper, mounted, signal);
  }

  #mountTarget(
    path: string,
    attributes: Readonly<Record<string, string>>,
    helper: VolumeHelper,
    mounted: ReadonlySet<string>,
    signal: AbortSignal,
  ): MountTarget {
    const isMounted = mounted.has(path);
    const unmountPath = async (): Promise<void> => (isMounted ? this.#unmount(path, signal) : undefined);
    return { path, attributes, isMounted, unmount: unmountPath, helper, signal };
  }

  /** `operation` is what upstream calls the step in its events. */
  async #step<T>(
    type: Pick<VolumeType, 'directory'>,
    operation: string,
    volume: string,
    signal: AbortSignal,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { stepLimitMs = STEP_LIMIT_MS } = this.#options;
    const startedAt = performance.now();
    const told = { kind: 'volume', step: operation, volume } as const;
    try {
      const result = await withDeadline({ what: operation, limitMs: stepLimitMs, signal }, run);
      const ms = since(startedAt);
      report({ ...told, ms });
      this.#options.measured?.(pluginOf(type), operation, ms / 1000, false);
      return result;
    } catch (error) {
      const ms = since(startedAt);
      report({ ...told, ms, error: reasonOf(error) });
      this.#options.measured?.(pluginOf(type), operation, ms / 1000, true);
      signal.throwIfAborted();
      throw new VolumeError(`${operation} failed for volume "${volume}" : ${reasonOf(error)}`, { cause: error });
    }
  }

  async #inTurn(id: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const entry = this.#turns.get(id) ?? { turn: new Semaphore(1), users: 0 };
    this.#turns.set(id, entry);
    entry.users++;
    try {
      await entry.turn.run(signal, work);
    } finally {
      if (--entry.users === 0) this.#turns.delete(id);
    }
  }
}

/** Whether a former agent has published the volume, and it is where it was then. */
function isStillPublished(
  type: VolumeType,
  { isPublished }: PublishRecord,
  target: Placement,
  mounted: ReadonlySet<string>,
): boolean {
  const mountPoint = isPublished ? type.mountPoint?.(target) : undefined;
  return mountPoint !== undefined && mounted.has(mountPoint);
}
