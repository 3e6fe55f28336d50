/**
 * What is to be done next about a claim or a volume: one write at a time, each of which leaves both in a state that the next step
 * goes on from, whoever takes it.
 * https://kubernetes.io/docs/concepts/storage/persistent-volumes/#lifecycle-of-a-volume-and-claim
 */
import { classOf } from '../../../../api/domain/storage-class.ts';
import {
  BETA_STORAGE_CLASS,
  BETA_STORAGE_PROVISIONER,
  BIND_COMPLETED,
  BOUND_BY_CONTROLLER,
  PROVISIONED_BY,
  SELECTED_NODE,
  STORAGE_PROVISIONER,
} from '../../../../api/domain/volume-annotations.ts';
import { annotate, bestVolume, isReservedFor, mismatch, reservedFor } from '../../../../api/domain/volume-match.ts';
import { deepEqual } from '../../../../api/machinery/deep-equal.ts';
import { own } from '../../../../api/machinery/own.ts';
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimStatus,
  PersistentVolumeStatus,
} from '../../../../api/types/core/v1.gen.ts';
import type { StorageClass } from '../../../../api/types/storage/v1.gen.ts';

/** What is known of the cluster's storage. */
export interface Storage {
  volume(name: string): PersistentVolume | undefined;
  /** Volumes that may fit the claim. */
  volumesFor(claim: PersistentVolumeClaim): Iterable<PersistentVolume>;
  claim(namespace: string, name: string): PersistentVolumeClaim | undefined;
  storageClass(name: string): StorageClass | undefined;
  /** The names of pods without a node that have the claim. */
  unscheduledPods(claim: PersistentVolumeClaim): readonly string[];
  /** Its name. */
  readonly defaultClass: string | undefined;
}

export type Step =
  | { readonly write: 'volume'; readonly object: PersistentVolume }
  | { readonly write: 'volume-status'; readonly object: PersistentVolume; readonly event?: StepEvent }
  | { readonly write: 'claim'; readonly object: PersistentVolumeClaim; readonly event?: StepEvent }
  | { readonly write: 'claim-status'; readonly object: PersistentVolumeClaim; readonly event?: StepEvent }
  /** Nothing can be done now; users are told why. */
  | { readonly write: 'nothing'; readonly event: StepEvent };

export interface StepEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

const EXTERNAL = 'kubernetes.io/';
const YES = 'yes';
const annotated = (object: PersistentVolume | PersistentVolumeClaim, annotation: string): boolean =>
  own(object.metadata?.annotations, annotation) !== undefined;

const normal = (reason: string, message: string): StepEvent => ({ type: 'Normal', reason, message });
const warning = (reason: string, message: string): StepEvent => ({ type: 'Warning', reason, message });

/** The next step for a claim; undefined when there is none. */
export function claimStep(claim: PersistentVolumeClaim, storage: Storage): Step | undefined {
  return annotated(claim, BIND_COMPLETED) ? boundClaimStep(claim, storage) : unboundClaimStep(claim, storage);
}

function unboundClaimStep(claim: PersistentVolumeClaim, storage: Storage): Step | undefined {
  const { volumeName, storageClassName } = claim.spec ?? {};
  const { defaultClass } = storage;
  if (!volumeName) {
    if (storageClassName === undefined && !annotated(claim, BETA_STORAGE_CLASS) && defaultClass) {
      const spec = { ...claim.spec, storageClassName: defaultClass };
      return { write: 'claim', object: { ...claim, spec } };
    }
    const waits = storage.storageClass(classOf(claim))?.volumeBindingMode === 'WaitForFirstConsumer';
    const best = bestVolume(claim, storage.volumesFor(claim), waits);
    return best ? bindStep(best, claim) : (pendingStep(claim) ?? withoutVolume(claim, waits, storage));
  }
  const volume = storage.volume(volumeName);
  if (!volume) return pendingStep(claim);
  if (!volume.spec?.claimRef) {
    const why = mismatch(volume, claim);
    if (why === undefined) return bindStep(volume, claim);
    return (
      pendingStep(claim) ?? {
        write: 'nothing',
        event: warning('VolumeMismatch', `Cannot bind to requested volume "${volumeName}": ${why}`),
      }
    );
  }
  return isReservedFor(volume, claim) ? bindStep(volume, claim) : pendingStep(claim);
}

function withoutVolume(claim: PersistentVolumeClaim, waits: boolean, storage: Storage): Step {
  const name = classOf(claim);
  if (waits && !annotated(claim, SELECTED_NODE)) {
    return { write: 'nothing', event: waitingFor(storage.unscheduledPods(claim)) };
  }
  if (!name) {
    const message = 'no persistent volumes available for this claim and no storage class is set';
    return { write: 'nothing', event: normal('FailedBinding', message) };
  }
  const provisioner = storage.storageClass(name)?.provisioner;
  if (provisioner === undefined) {
    return {
      write: 'nothing',
      event: warning('ProvisioningFailed', `storageclass.storage.k8s.io "${name}" not found`),
    };
  }
  if (provisioner.startsWith(EXTERNAL)) {
    return { write: 'nothing', event: warning('ProvisioningFailed', `no volume plugin matched name: ${provisioner}`) };
  }
  const asked = { [STORAGE_PROVISIONER]: provisioner, [BETA_STORAGE_PROVISIONER]: provisioner };
  if (own(claim.metadata?.annotations, STORAGE_PROVISIONER) !== provisioner)
    return { write: 'claim', object: annotate(claim, asked) };
  const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
  return { write: 'nothing', event: normal('ExternalProvisioning', message) };
}

function waitingFor(pods: readonly string[]): StepEvent {
  if (pods.length === 0)
    return normal('WaitForFirstConsumer', 'waiting for first consumer to be created before binding');
  return normal(
    'WaitForPodScheduled',
    `waiting for pod${pods.length > 1 ? 's' : ''} ${pods.join(',')} to be scheduled`,
  );
}

function boundClaimStep(claim: PersistentVolumeClaim, storage: Storage): Step | undefined {
  const name = claim.spec?.volumeName;
  if (!name) {
    return lostStep(
      claim,
      'ClaimLost',
      'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!',
    );
  }
  const volume = storage.volume(name);
  if (!volume)
    return lostStep(claim, 'ClaimLost', 'Bound claim has lost its PersistentVolume. Data on the volume is lost!');
  if (!volume.spec?.claimRef || isReservedFor(volume, claim)) return bindStep(volume, claim);
  return lostStep(claim, 'ClaimMisbound', 'Two claims are bound to the same volume, this one is bound incorrectly');
}

/** The first of the four writes that bind a claim and a volume which has not been made yet. */
function bindStep(volume: PersistentVolume, claim: PersistentVolumeClaim): Step | undefined {
  if (volume.spec?.claimRef?.uid !== claim.metadata?.uid)
    return { write: 'volume', object: reservedFor(volume, claim) };
  if (volume.status?.phase !== 'Bound') return volumeStatus(volume, { phase: 'Bound' });
  const { volumeName } = claim.spec ?? {};
  if (!volumeName || !annotated(claim, BIND_COMPLETED)) {
    const spec = { ...claim.spec, volumeName: volume.metadata?.name };
    const completed = annotate({ ...claim, spec }, { [BIND_COMPLETED]: YES });
    return {
      write: 'claim',
      object: volumeName ? completed : annotate(completed, { [BOUND_BY_CONTROLLER]: YES }),
    };
  }
  return claimStatus(claim, {
    phase: 'Bound',
    accessModes: volume.spec?.accessModes,
    // An expansion that is under way says what the claim has.
    capacity: claim.status?.phase === 'Bound' ? claim.status.capacity : volume.spec?.capacity,
  });
}

const pendingStep = (claim: PersistentVolumeClaim): Step | undefined => claimStatus(claim, { phase: 'Pending' });

const lostStep = (claim: PersistentVolumeClaim, reason: string, message: string): Step | undefined =>
  claimStatus(claim, { phase: 'Lost', accessModes: undefined, capacity: undefined }, warning(reason, message));

function claimStatus(
  claim: PersistentVolumeClaim,
  change: PersistentVolumeClaimStatus,
  event?: StepEvent,
): Step | undefined {
  const status = { ...claim.status, ...change };
  return deepEqual(withoutUnset(status), withoutUnset(claim.status ?? {}))
    ? undefined
    : { write: 'claim-status', object: { ...claim, status }, event };
}

const withoutUnset = (object: object): object =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

function volumeStatus(
  volume: PersistentVolume,
  { phase, reason, message }: PersistentVolumeStatus,
  event?: StepEvent,
): Step | undefined {
  if (volume.status?.phase === phase) return undefined;
  return { write: 'volume-status', object: { ...volume, status: { ...volume.status, phase, reason, message } }, event };
}

/** The next step for a volume; undefined when there is none, or it is the claim's. */
export function volumeStep(volume: PersistentVolume, storage: Storage): Step | undefined {
  const { claimRef } = volume.spec ?? {};
  // Of a claim that does not exist yet: nobody else gets the volume.
  if (!claimRef?.uid) return volumeStatus(volume, { phase: 'Available' });
  const found = storage.claim(claimRef.namespace ?? '', claimRef.name ?? '');
  // One of the same name that came later has no right to the volume.
  const claim = found?.metadata?.uid === claimRef.uid ? found : undefined;
  if (!claim) return releasedStep(volume);
  const { volumeName } = claim.spec ?? {};
  if (volumeName === volume.metadata?.name) return volumeStatus(volume, { phase: 'Bound' });
  if (!volumeName) return undefined;
  // The claim has got another one.
  const { persistentVolumeReclaimPolicy: policy } = volume.spec ?? {};
  if (annotated(volume, PROVISIONED_BY) && policy === 'Delete') return releasedStep(volume);
  if (!annotated(volume, BOUND_BY_CONTROLLER)) return undefined;
  return { write: 'volume', object: freed(volume) };
}

/** Without its claim; what a user has reserved it for stays. */
function freed(volume: PersistentVolume): PersistentVolume {
  const annotations = { ...volume.metadata?.annotations };
  delete annotations[BOUND_BY_CONTROLLER];
  return { ...volume, metadata: { ...volume.metadata, annotations }, spec: { ...volume.spec, claimRef: undefined } };
}

function releasedStep(volume: PersistentVolume): Step | undefined {
  const { phase } = volume.status ?? {};
  if (phase !== 'Released' && phase !== 'Failed') return volumeStatus(volume, { phase: 'Released' });
  if (phase === 'Failed') return undefined;
  switch (volume.spec?.persistentVolumeReclaimPolicy) {
    case 'Delete':
      // Its provisioner deletes it.
      if (annotated(volume, PROVISIONED_BY)) return undefined;
      return failed(
        volume,
        'VolumeFailedDelete',
        'error getting deleter volume plugin for volume: no volume plugin matched',
      );
    case 'Recycle':
      return failed(
        volume,
        'VolumeFailedRecycle',
        'recycling is not supported: delete the volume, or its claimRef once it is clean',
      );
    default:
      return undefined;
  }
}

const failed = (volume: PersistentVolume, reason: string, message: string): Step | undefined =>
  volumeStatus(volume, { phase: 'Failed', reason, message }, warning(reason, message));
