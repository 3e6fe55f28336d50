/** Binds claims to volumes: carries out what `plan.ts` decides. Upstream: pkg/controller/volume/persistentvolume. */
import type { PodClaim } from '../../../../api/domain/pod-claims.ts';
import { newestName } from '../../../../api/domain/default-class.ts';
import { classOf } from '../../../../api/domain/storage-class.ts';
import { isDefaultClass } from '../../../../api/kinds/storage/storage-class.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../../api/types/core/v1.gen.ts';
import type { StorageClass } from '../../../../api/types/storage/v1.gen.ts';
import { referenceTo } from '../../../../client/event-recorder.ts';
import { objectKey } from '../../../../client/informer.ts';
import { persistentVolumeClaims, persistentVolumes } from '../../../../client/resources.gen.ts';
import { claimCache, podCache, storageClassCache, volumeCache } from '../../caches/definitions.ts';
import type { ClaimView, VolumeView } from '../../caches/storage-views.ts';
import type { Controller, ControllerContext, ControllerDescriptor } from '../../framework/controller.ts';
import { unlessNotFound } from '../../framework/outcomes.ts';
import { apiVersionOf } from '../../framework/owner-references.ts';
import { watch } from '../../framework/watch.ts';
import { claimStep, volumeStep, type Step, type StepEvent, type Storage } from './plan.ts';

export const volumeBinderController: ControllerDescriptor = {
  name: 'persistentvolume-binder-controller',
  workers: 5,
  create,
};

const CLAIM = 'claim/';
const VOLUME = 'volume/';
const claimKey = (key: string): string => `${CLAIM}${key}`;
const volumeKey = (name: string): string => `${VOLUME}${name}`;

function create({ client, informer, recorder, queue }: ControllerContext): Controller {
  const claims = informer(claimCache);
  const volumes = informer(volumeCache);
  const classes = informer(storageClassCache);
  const pods = informer(podCache);
  const events = recorder('persistentvolume-controller');
  /** Volumes that were written for a claim and are not in the cache yet, by the claim's uid: another must not be chosen. */
  const reserved = new Map<string, { readonly name: string; readonly resourceVersion: string }>();

  const storage: Storage = {
    volume: (name) => volumes.getByKey(name)?.volume,
    *volumesFor(claim) {
      for (const { volume } of volumes.byIndex('class', classOf(claim))) yield volume;
    },
    claim: (namespace, name) => claims.get(namespace, name)?.claim,
    storageClass: (name) => classes.getByKey(name),
    unscheduledPods: ({ metadata }) =>
      pods
        .byIndex('claim', objectKey(metadata?.namespace, metadata?.name ?? ''))
        .flatMap(({ name, nodeName }) => (nodeName ? [] : [name])),
    get defaultClass() {
      const defaults = [...classes.values()].filter(isDefaultClass);
      return newestName(defaults.map(({ metadata }) => [metadata?.name ?? '', metadata?.creationTimestamp ?? '']));
    },
  };

  async function reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const step = key.startsWith(CLAIM)
      ? nextClaimStep(key.slice(CLAIM.length))
      : nextVolumeStep(key.slice(VOLUME.length));
    if (!step) return undefined;
    if (step.write === 'nothing') record(claims.getByKey(key.slice(CLAIM.length))?.claim, step.event);
    else await carryOut(step, signal);
    return undefined;
  }

  function nextClaimStep(key: string): Step | undefined {
    const view = claims.getByKey(key);
    if (!view) return undefined;
    const write = reserved.get(view.uid);
    // The event of that write wakes the claim again.
    if (write && volumes.getByKey(write.name)?.volume.metadata?.resourceVersion === write.resourceVersion)
      return undefined;
    reserved.delete(view.uid);
    return claimStep(view.claim, storage);
  }

  function nextVolumeStep(name: string): Step | undefined {
    const view = volumes.getByKey(name);
    return view && volumeStep(view.volume, storage);
  }

  async function carryOut(step: Exclude<Step, { write: 'nothing' }>, signal: AbortSignal): Promise<void> {
    switch (step.write) {
      case 'volume': {
        const { object } = step;
        const claim = object.spec?.claimRef?.uid;
        const { name = '', resourceVersion = '' } = object.metadata ?? {};
        // Set before the request, which may be carried out although it fails.
        if (claim) reserved.set(claim, { name, resourceVersion });
        try {
          await unlessNotFound(client.update(persistentVolumes, object, { signal }));
        } catch (error) {
          if (claim) reserved.delete(claim);
          throw error;
        }
        return;
      }
      case 'volume-status':
        await unlessNotFound(client.updateStatus(persistentVolumes, step.object, { signal }));
        return record(step.object, step.event);
      case 'claim':
        await unlessNotFound(client.update(persistentVolumeClaims, step.object, { signal }));
        return record(step.object, step.event);
      case 'claim-status':
        await unlessNotFound(client.updateStatus(persistentVolumeClaims, step.object, { signal }));
        return record(step.object, step.event);
    }
  }

  function record(object: PersistentVolume | PersistentVolumeClaim | undefined, event: StepEvent | undefined): void {
    if (!object || !event) return;
    const resource = object.metadata?.namespace ? persistentVolumeClaims : persistentVolumes;
    events.event(referenceTo(apiVersionOf(resource), resource.kind, object), event.type, event.reason, event.message);
  }

  const wakeClaim = ({ claim }: ClaimView, key: string): void => {
    queue.add(claimKey(key));
    const { volumeName } = claim.spec ?? {};
    if (volumeName) queue.add(volumeKey(volumeName));
  };
  const wakeEach = (views: readonly ClaimView[]): void => {
    for (const { namespace, name } of views) queue.add(claimKey(objectKey(namespace, name)));
  };
  const wakeClaimOf = ({ volume: { spec } }: VolumeView): void => {
    const { namespace, name = '' } = spec?.claimRef ?? {};
    if (name) queue.add(claimKey(objectKey(namespace, name)));
  };
  const wakeVolume = (view: VolumeView): void => {
    queue.add(volumeKey(view.name));
    wakeClaimOf(view);
    if (!view.volume.spec?.claimRef) wakeEach(claims.byIndex('classWithoutVolume', classOf(view.volume)));
    wakeEach(claims.byIndex('volume', view.name));
  };
  const wakeUnbound = (namespace: string, used: readonly PodClaim[]): void => {
    for (const { name } of used)
      if (!claims.get(namespace, name)?.claim.spec?.volumeName) queue.add(claimKey(objectKey(namespace, name)));
  };
  const wakeClass = ({ metadata }: StorageClass): void => {
    // Also claims that were made when there was no default class.
    for (const name of [metadata?.name ?? '', '']) wakeEach(claims.byIndex('classWithoutVolume', name));
  };
  return {
    watches: () => [
      watch(claims, {
        onAdd: wakeClaim,
        onUpdate: (_, view, key) => wakeClaim(view, key),
        onDelete: (view) => {
          reserved.delete(view.uid);
          for (const { name } of volumes.byIndex('claim', view.uid)) queue.add(volumeKey(name));
        },
      }),
      watch(volumes, {
        onAdd: wakeVolume,
        onUpdate: (old, view) => {
          wakeVolume(view);
          wakeClaimOf(old);
        },
        onDelete: (view) => {
          wakeClaimOf(view);
          wakeEach(claims.byIndex('volume', view.name));
        },
      }),
      watch(pods, { onAdd: ({ namespace, claims: used }) => wakeUnbound(namespace, used) }),
      watch(classes, { onAdd: wakeClass, onUpdate: (_, storageClass) => wakeClass(storageClass) }),
    ],
    reconcile,
  };
}
