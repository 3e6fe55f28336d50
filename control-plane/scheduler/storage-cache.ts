/**
 * The scheduler's cache of claims, volumes, storage classes and what CSI drivers say. It follows the api-server from the first pod with a claim on, so that
 * clusters without claims do not pay for it.
 */
import { classOf } from '../../api/domain/storage-class.ts';
import type { KubeObject } from '../../api/machinery/kind.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types/core/v1.gen.ts';
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
} from '../../api/types/storage/v1.gen.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { Informer, objectKey } from '../../client/informer.ts';
import type { Logger } from '../../client/logger.ts';
import { withoutManagedFields } from '../../client/managed-fields.ts';
import {
  csiDrivers,
  csiNodes,
  csiStorageCapacities,
  persistentVolumeClaims,
  persistentVolumes,
  storageClasses,
  volumeAttachments,
} from '../../client/resources.gen.ts';
import type { ClusterEvent } from './framework/cluster-event.ts';
import type { Storage, StorageChanges } from './framework/storage.ts';
import { LazyInformers } from './lazy-informers.ts';

export interface StorageCacheOptions {
  readonly client: ApiClient;
  readonly logger: Logger;
  readonly onEvent: (event: ClusterEvent) => void;
  /** Everything is in the cache. */
  readonly onSynced: () => void;
}

const keyOf = ({ metadata }: KubeObject): string => objectKey(metadata?.namespace, metadata?.name ?? '');

/** Objects that are assumed, by key. */
class Assumed<T extends KubeObject> extends Map<string, T> {
  assume(objects: readonly T[]): void {
    for (const object of objects) this.set(keyOf(object), object);
  }

  /** What has been assumed anew since stays. */
  forget(objects: readonly T[]): void {
    for (const object of objects) if (this.get(keyOf(object)) === object) this.delete(keyOf(object));
  }

  /** The object as it is assumed, unless it has changed since that was decided. */
  instead<S extends T | undefined>(stored: S): S | T {
    const assumed = stored && this.get(keyOf(stored));
    return assumed?.metadata?.resourceVersion === stored?.metadata?.resourceVersion ? (assumed ?? stored) : stored;
  }
}

export class StorageCache implements Storage {
  readonly #options: StorageCacheOptions;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #volumes: Informer<PersistentVolume>;
  readonly #classes: Informer<StorageClass>;
  readonly #drivers: Informer<CSIDriver>;
  readonly #nodes: Informer<CSINode>;
  readonly #capacities: Informer<CSIStorageCapacity>;
  readonly #attachments: Informer<VolumeAttachment>;
  readonly #assumedClaims = new Assumed<PersistentVolumeClaim>();
  readonly #assumedVolumes = new Assumed<PersistentVolume>();
  readonly #lazy = new LazyInformers();
  readonly #waiting = new Set<() => void>();

  constructor(options: StorageCacheOptions) {
    this.#options = options;
    const common = { client: options.client, logger: options.logger };
    this.#claims = new Informer({ ...common, resource: persistentVolumeClaims, select: withoutManagedFields });
    this.#volumes = new Informer({
      ...common,
      resource: persistentVolumes,
      select: withoutManagedFields,
      indexes: { class: (volume) => [classOf(volume)] },
    });
    this.#classes = new Informer({ ...common, resource: storageClasses, select: withoutManagedFields });
    this.#drivers = new Informer({ ...common, resource: csiDrivers, select: withoutManagedFields });
    this.#nodes = new Informer({ ...common, resource: csiNodes, select: withoutManagedFields });
    this.#capacities = new Informer({
      ...common,
      resource: csiStorageCapacities,
      select: withoutManagedFields,
      indexes: { class: ({ storageClassName }) => [storageClassName] },
    });
    this.#attachments = new Informer({
      ...common,
      resource: volumeAttachments,
      select: withoutManagedFields,
      indexes: { node: ({ spec }) => [spec.nodeName] },
    });
  }

  /** Whether everything is in the cache. */
  get isSynced(): boolean {
    return this.#lazy.isSynced;
  }

  /** From now on claims are needed. */
  start(): void {
    this.#lazy.start();
  }

  /** Once started, follows the api-server until the signal is aborted; then resolves. */
  run(signal: AbortSignal): Promise<void> {
    const { onSynced } = this.#options;
    const listen = (): void => {
      this.#listen();
      this.#listenToDrivers();
    };
    const informers = [
      ...[this.#claims, this.#volumes, this.#classes],
      ...[this.#drivers, this.#nodes, this.#capacities, this.#attachments],
    ];
    return this.#lazy.run(informers, { listen, onSynced }, signal);
  }

  #listen(): void {
    const happened = (event?: ClusterEvent): void => {
      if (event) this.#options.onEvent(event);
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
    };
    this.#claims.addHandlers({
      onAdd: (claim) => happened({ type: 'PersistentVolumeClaimAdd', claim }),
      onUpdate: (_, claim) => happened({ type: 'PersistentVolumeClaimUpdate', claim }),
      onDelete: () => happened(),
    });
    this.#volumes.addHandlers({
      onAdd: (volume) => happened({ type: 'PersistentVolumeAdd', volume }),
      onUpdate: (old, now) => happened({ type: 'PersistentVolumeUpdate', old, now }),
      onDelete: () => happened(),
    });
    this.#classes.addHandlers({
      onAdd: (storageClass) => happened({ type: 'StorageClassAdd', storageClass }),
      onUpdate: (old, now) => happened({ type: 'StorageClassUpdate', old, now }),
    });
  }

  #listenToDrivers(): void {
    const { onEvent } = this.#options;
    this.#drivers.addHandlers({
      onAdd: (driver) => onEvent({ type: 'CSIDriverAdd', driver }),
      onUpdate: (old, now) => onEvent({ type: 'CSIDriverUpdate', old, now }),
    });
    this.#nodes.addHandlers({
      onAdd: (node) => onEvent({ type: 'CSINodeAdd', node }),
      onUpdate: (old, now) => onEvent({ type: 'CSINodeUpdate', old, now }),
    });
    this.#capacities.addHandlers({
      onAdd: (capacity) => onEvent({ type: 'CSIStorageCapacityAdd', capacity }),
      onUpdate: (old, now) => onEvent({ type: 'CSIStorageCapacityUpdate', old, now }),
    });
    this.#attachments.addHandlers({
      onDelete: (attachment) => onEvent({ type: 'VolumeAttachmentDelete', attachment }),
    });
  }

  readonly stored = {
    claim: (namespace: string, name: string): PersistentVolumeClaim | undefined => this.#claims.get(namespace, name),
    volume: (name: string): PersistentVolume | undefined => this.#volumes.get('', name),
  };

  claim(namespace: string, name: string): PersistentVolumeClaim | undefined {
    return this.#assumedClaims.instead(this.stored.claim(namespace, name));
  }

  volume(name: string): PersistentVolume | undefined {
    return this.#assumedVolumes.instead(this.stored.volume(name));
  }

  *volumesOf(storageClass: string): Iterable<PersistentVolume> {
    for (const volume of this.#volumes.byIndex('class', storageClass)) yield this.#assumedVolumes.instead(volume);
  }

  storageClass(name: string): StorageClass | undefined {
    return this.#classes.get('', name);
  }

  csiDriver(name: string): CSIDriver | undefined {
    return this.#drivers.get('', name);
  }

  csiNode(nodeName: string): CSINode | undefined {
    return this.#nodes.get('', nodeName);
  }

  capacitiesOf(storageClass: string): Iterable<CSIStorageCapacity> {
    return this.#capacities.byIndex('class', storageClass);
  }

  attachmentsOf(nodeName: string): Iterable<VolumeAttachment> {
    return this.#attachments.byIndex('node', nodeName);
  }

  assume({ volumes, claims }: StorageChanges): void {
    this.#assumedVolumes.assume(volumes);
    this.#assumedClaims.assume(claims);
  }

  forget({ volumes, claims }: StorageChanges): void {
    this.#assumedVolumes.forget(volumes);
    this.#assumedClaims.forget(claims);
  }

  updateVolume(volume: PersistentVolume, signal: AbortSignal): Promise<PersistentVolume> {
    return this.#options.client.update(persistentVolumes, volume, { signal });
  }

  updateClaim(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<PersistentVolumeClaim> {
    return this.#options.client.update(persistentVolumeClaims, claim, { signal });
  }

  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const stop = (): void => {
        this.#waiting.delete(wake);
        reject(signal.reason as Error);
      };
      const wake = (): void => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      signal.addEventListener('abort', stop, { once: true });
      this.#waiting.add(wake);
    });
  }
}
