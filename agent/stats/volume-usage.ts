/**
 * What the volumes of pods hold. To find out takes a walk through an emptyDir, or a server that may not answer: so it is done at most
 * once a minute, all volumes at the same time, and what is not known in time is left out.
 */
import { claimOfVolume } from '../../api/domain/pod-claims.ts';
import { withDeadline } from '../../client/deadline.ts';
import type { Logger } from '../../client/logger.ts';
import type { Exposition } from '../../daemon/metrics/exposition.ts';
import type { DiskMeter } from '../host/meters.ts';
import { podFields } from '../pods/log-fields.ts';
import type { VolumeUsage } from '../volumes/framework/volume-type.ts';
import type { Pod, Volume } from '../../api/types/core/v1.gen.ts';

/** Upstream's volumeStatsAggPeriod. */
const FRESH_MS = 60_000;
/** A request waits no longer. */
const LIMIT_MS = 5_000;
/** Pods that nobody has asked about for so long have gone. */
const KEPT_MS = 10 * FRESH_MS;

/** Those of the node's own storage have what is left of that. */
export interface MeasuredVolume extends Required<VolumeUsage> {
  readonly name: string;
  /** Of the PersistentVolumeClaim, in the pod's namespace; undefined for volumes without one. */
  readonly claim: string | undefined;
  readonly atMs: number;
}

export interface VolumeMeterOptions {
  readonly volumes: {
    usage(pod: Pod, names: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, VolumeUsage>>;
  };
  /** The file system of the pods' own storage. */
  readonly disk: () => Promise<DiskMeter>;
  readonly logger: Logger;
}

interface Measurement {
  readonly atMs: number;
  readonly volumes: readonly MeasuredVolume[];
}

const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';
const isMeasured = (volume: Volume): boolean =>
  volume.emptyDir !== undefined || volume.persistentVolumeClaim !== undefined || volume.ephemeral !== undefined;

export class VolumeMeter {
  readonly #options: VolumeMeterOptions;
  /** By the uid of the pod. */
  readonly #known = new Map<string, Measurement>();
  readonly #running = new Map<string, Promise<void>>();

  constructor(options: VolumeMeterOptions) {
    this.#options = options;
  }

  /** By the uid of the pod. */
  async measure(pods: readonly Pod[]): Promise<ReadonlyMap<string, readonly MeasuredVolume[]>> {
    for (const [uid, { atMs }] of this.#known) if (performance.now() - atMs > KEPT_MS) this.#known.delete(uid);
    await Promise.all(pods.map((pod) => this.#refresh(pod)));
    return new Map([...this.#known].map(([uid, { volumes }]) => [uid, volumes]));
  }

  /** Several requests wait for one measurement. */
  #refresh(pod: Pod): Promise<void> {
    const uid = uidOf(pod);
    const volumes = (pod.spec?.volumes ?? []).filter(isMeasured);
    const { atMs = -Infinity } = this.#known.get(uid) ?? {};
    if (volumes.length === 0 || performance.now() - atMs < FRESH_MS) return Promise.resolve();
    const running = this.#running.get(uid) ?? this.#measureOne(pod, volumes).finally(() => this.#running.delete(uid));
    this.#running.set(uid, running);
    return running;
  }

  async #measureOne(pod: Pod, volumes: readonly Volume[]): Promise<void> {
    const { disk, logger } = this.#options;
    try {
      const found = await Promise.all(volumes.map((volume) => this.#usageOf(pod, volume)));
      const atMs = Date.now();
      const node = await disk();
      const whole = {
        ...{ capacityBytes: node.totalBytes, availableBytes: node.availableBytes },
        ...{ totalInodes: node.totalInodes, freeInodes: node.availableInodes },
      };
      const measured = volumes.flatMap((volume, index): MeasuredVolume[] => {
        const usage = found[index];
        const claim = claimOfVolume(volume, pod.metadata?.name ?? '')?.name;
        return usage ? [{ ...whole, ...usage, name: volume.name, claim, atMs }] : [];
      });
      this.#known.set(uidOf(pod), { atMs: performance.now(), volumes: measured });
    } catch (error) {
      // What was known before is too old to be told.
      this.#known.set(uidOf(pod), { atMs: performance.now(), volumes: [] });
      logger.warn({ ...podFields(pod), err: error }, 'failed to measure volumes of pod');
    }
  }

  /** Undefined for one that cannot be measured, which is no reason to leave the pod's others out. */
  async #usageOf(pod: Pod, { name }: Volume): Promise<VolumeUsage | undefined> {
    const { volumes: meter, logger } = this.#options;
    try {
      const found = await withDeadline({ what: 'measuring the volume', limitMs: LIMIT_MS }, (within) =>
        meter.usage(pod, [name], within),
      );
      return found.get(name);
    } catch (error) {
      logger.warn({ ...podFields(pod), volume: name, err: error }, 'failed to measure volume of pod');
      return undefined;
    }
  }
}

type Reading = (volume: MeasuredVolume) => number;

/** Upstream's names: https://kubernetes.io/docs/reference/instrumenting/metrics/ */
const METRICS: readonly (readonly [name: string, help: string, of: Reading])[] = [
  ['available_bytes', 'Number of available bytes in the volume', ({ availableBytes }) => availableBytes],
  ['capacity_bytes', 'Capacity in bytes of the volume', ({ capacityBytes }) => capacityBytes],
  ['inodes', 'Maximum number of inodes in the volume', ({ totalInodes }) => totalInodes],
  ['inodes_free', 'Number of free inodes in the volume', ({ freeInodes }) => freeInodes],
  ['inodes_used', 'Number of used inodes in the volume', ({ inodes }) => inodes],
  ['used_bytes', 'Number of used bytes in the volume', ({ bytes }) => bytes],
];

/** Of claims alone, each once, whatever pods use it. */
export function writeVolumes(
  to: Exposition,
  pods: readonly Pod[],
  measured: ReadonlyMap<string, readonly MeasuredVolume[]>,
): void {
  const claims = new Map<
    string,
    { readonly labels: Readonly<Record<string, string>>; readonly volume: MeasuredVolume }
  >();
  for (const pod of pods) {
    const { namespace = '' } = pod.metadata ?? {};
    for (const volume of measured.get(uidOf(pod)) ?? [])
      if (volume.claim !== undefined)
        claims.set(`${namespace}/${volume.claim}`, {
          labels: { namespace, persistentvolumeclaim: volume.claim },
          volume,
        });
  }
  for (const [name, help, of] of METRICS) {
    to.family(`kubelet_volume_stats_${name}`, 'gauge', help);
    for (const { labels, volume } of claims.values()) to.sample(`kubelet_volume_stats_${name}`, labels, of(volume));
  }
}
