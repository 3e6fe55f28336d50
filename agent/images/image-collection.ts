/** Garbage collection of unused images when their disk fills up: the kubelet's high and low thresholds. */
import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventRecorder } from '../../client/event-recorder.ts';
import type { Logger } from '../../client/logger.ts';
import type { CriClient } from '../cri/client.ts';
import type { Image } from '../cri/types.ts';
import type { ObjectReference } from '../../api/types/core/v1.gen.ts';

export interface ImageCollectionOptions {
  readonly cri: CriClient;
  readonly logger: Logger;
  readonly events: EventRecorder;
  /** The node, for events. */
  readonly node: ObjectReference;
  /** Names of images that stay in any case: those that the package carries. */
  readonly pinned: readonly string[];
  /** Names of images that volumes of this host's pods show: no container uses them. */
  readonly ofVolumes?: () => Iterable<string>;
  /** Percent of the disk in use: removing begins above `high` and ends at `low`. */
  readonly high?: number;
  readonly low?: number;
}

const HIGH_PERCENT = 85;
const LOW_PERCENT = 80;
const PERIOD_MS = 5 * 60_000;
/** A starting pod pulls its image before it creates the container: young images are kept. */
const MIN_AGE_MS = 2 * 60_000;

export interface ImageUse {
  readonly image: Image;
  /** When it was first seen here, and when a container last used it; milliseconds since the epoch. */
  readonly detectedAt: number;
  readonly lastUsedAt: number;
}

/** The images to remove, the one that was unused longest first, until so many bytes are free. Pure. */
export function imagesToRemove(
  images: readonly ImageUse[],
  inUse: ReadonlySet<string>,
  pinned: ReadonlySet<string>,
  bytesToFree: number,
  now: number,
): Image[] {
  const chosen: Image[] = [];
  let freed = 0;
  const candidates = images
    .filter(
      ({ image, detectedAt }) =>
        !image.pinned &&
        now - detectedAt >= MIN_AGE_MS &&
        ![image.id, ...image.repoTags, ...image.repoDigests].some((name) => inUse.has(name) || pinned.has(name)),
    )
    .sort((a, b) => a.lastUsedAt - b.lastUsedAt || a.detectedAt - b.detectedAt);
  for (const { image } of candidates) {
    if (freed >= bytesToFree) break;
    chosen.push(image);
    freed += image.size;
  }
  return chosen;
}

export class ImageCollection {
  readonly #options: ImageCollectionOptions;
  #known = new Map<string, ImageUse>();

  constructor(options: ImageCollectionOptions) {
    this.#options = options;
  }

  /** Runs every five minutes until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.collect(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#options.logger.warn({ err: error }, 'image garbage collection failed');
      }
      await sleep(PERIOD_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Collects now; returns the bytes freed. Called under disk pressure. */
  async collect(signal: AbortSignal): Promise<number> {
    const { cri, high = HIGH_PERCENT, low = LOW_PERCENT } = this.#options;
    const inUse = await this.#detect(signal);
    const [filesystem] = await cri.imageFilesystems({ signal });
    if (!filesystem?.fsId) return 0;
    const { blocks, bavail, bsize } = await statfs(filesystem.fsId.mountpoint);
    const capacity = blocks * bsize;
    const used = capacity - bavail * bsize;
    if (used * 100 < high * capacity) return 0;
    return this.#free(used - (low / 100) * capacity, inUse, signal);
  }

  /** Removes every unused image, whatever the disk usage; returns the bytes freed. */
  async collectAll(signal: AbortSignal): Promise<number> {
    return this.#remove(Infinity, await this.#detect(signal), signal);
  }

  async #free(bytesToFree: number, inUse: ReadonlySet<string>, signal: AbortSignal): Promise<number> {
    const { events, node } = this.#options;
    const freed = await this.#remove(bytesToFree, inUse, signal);
    if (freed < bytesToFree) {
      const message = `Failed to garbage collect required amount of images. Attempted to free ${Math.ceil(bytesToFree)} bytes, but only found ${freed} bytes eligible to free.`;
      events.event(node, 'Warning', 'FreeDiskSpaceFailed', message);
    }
    return freed;
  }

  async #remove(bytesToFree: number, inUse: ReadonlySet<string>, signal: AbortSignal): Promise<number> {
    const { cri, logger, pinned } = this.#options;
    let freed = 0;
    for (const image of imagesToRemove([...this.#known.values()], inUse, new Set(pinned), bytesToFree, Date.now())) {
      await cri.removeImage(image.id, { signal });
      logger.info({ image: image.repoTags[0] ?? image.id, bytes: image.size }, 'removed unused image');
      this.#known.delete(image.id);
      freed += image.size;
    }
    return freed;
  }

  /** Updates the record of images; returns those that containers use. */
  async #detect(signal: AbortSignal): Promise<Set<string>> {
    const { cri, ofVolumes } = this.#options;
    const [images, containers] = await Promise.all([cri.listImages({ signal }), cri.listContainers({}, { signal })]);
    const ofContainers = containers.flatMap(({ image, imageRef }) => [imageRef, image?.image ?? '']);
    const inUse = new Set([...ofContainers, ...(ofVolumes?.() ?? [])]);
    const now = Date.now();
    const before = this.#known;
    this.#known = new Map(
      images.map((image) => {
        const known = before.get(image.id);
        const used = [image.id, ...image.repoTags, ...image.repoDigests].some((name) => inUse.has(name));
        return [
          image.id,
          { image, detectedAt: known?.detectedAt ?? now, lastUsedAt: used ? now : (known?.lastUsedAt ?? 0) },
        ];
      }),
    );
    return inUse;
  }
}
