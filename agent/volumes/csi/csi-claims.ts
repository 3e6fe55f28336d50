/** Claims whose volume is of a CSI driver: what a pod needs of both objects, and how the volume grows with them. */
import { quantityValue } from '../../../api/machinery/quantity.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import { claimOfVolume } from '../../../api/domain/pod-claims.ts';
import type {
  CSIPersistentVolumeSource,
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimCondition,
  Pod,
  Volume,
} from '../../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { persistentVolumeClaims } from '../../../client/resources.gen.ts';
import type { ClaimSource } from '../claims/claim-source.ts';
import type { Expansion, PodVolume, ResolvedVolume, Staging } from '../framework/volume-type.ts';
import { CsiError } from './csi-node-client.ts';
import type { CsiSteps } from './csi-steps.ts';
import { csiAttributes, csiVolumeIn, persistentCsiVolume, stageKeyOf } from './csi-volume.ts';

export interface CsiClaimsOptions {
  readonly client: ApiClient;
  readonly source: ClaimSource;
  readonly steps: CsiSteps;
}

/** How a claim says that it is being expanded. */
const RESIZE_CONDITIONS: ReadonlySet<string> = new Set([
  'Resizing',
  'FileSystemResizePending',
  'ControllerResizeError',
  'NodeResizeError',
]);

const storageOf = (quantities: Readonly<Record<string, string>> | undefined): string | undefined =>
  quantities?.['storage'];

export class CsiClaims {
  readonly #options: CsiClaimsOptions;
  readonly staging: Staging;
  readonly expansion: Expansion;

  constructor(options: CsiClaimsOptions) {
    this.#options = options;
    const { steps } = options;
    this.staging = {
      kind: 'csi',
      stage: (target) => steps.stage(target),
      unstage: (target) => steps.unstage(target),
    };
    this.expansion = {
      wanted: (volume, pod, signal) => this.#wanted(volume, pod, signal),
      grow: (target, capacityBytes) => this.#grow(target, capacityBytes),
    };
  }

  get steps(): CsiSteps {
    return this.#options.steps;
  }

  async resolve(
    volume: PersistentVolume,
    source: CSIPersistentVolumeSource,
    {
      claim,
      pod,
      isReadOnly,
    }: { readonly claim: PersistentVolumeClaim; readonly pod: Pod; readonly isReadOnly: boolean },
    signal: AbortSignal,
  ): Promise<ResolvedVolume> {
    const object = await this.steps.driverObject(source.driver, signal);
    const isAttached = object?.spec.attachRequired ?? true;
    const resolved = persistentCsiVolume(volume, source, pod, { isReadOnly, isAttached });
    const held = storageOf(claim.status?.capacity) ?? storageOf(volume.spec?.capacity);
    return {
      attributes: csiAttributes(resolved),
      stageKey: stageKeyOf(resolved),
      ...(held !== undefined && { capacityBytes: quantityValue(held) }),
      ...(isReadOnly && { isReadOnly }),
    };
  }

  async #objects(volume: Volume, pod: Pod, signal: AbortSignal) {
    const { source } = this.#options;
    const named = claimOfVolume(volume, pod.metadata?.name ?? '');
    const claim = named && (await source.claim(pod.metadata?.namespace ?? '', named.name, signal));
    const name = claim?.spec?.volumeName;
    return { claim, object: name ? await source.volume(name, signal) : undefined };
  }

  /** What the volume's object has grown to by the driver's controller; 0 when the driver has said that this node never can. */
  async #wanted(volume: Volume, pod: Pod, signal: AbortSignal): Promise<number> {
    const { claim, object } = await this.#objects(volume, pod, signal);
    if (claim?.status?.allocatedResourceStatuses?.['storage'] === 'NodeResizeInfeasible') return 0;
    return quantityValue(storageOf(object?.spec?.capacity) ?? '0');
  }

  async #grow(target: PodVolume, capacityBytes: number): Promise<boolean> {
    const { volume, pod, signal } = target;
    // A pod that only reads does not change the file system.
    if (csiVolumeIn(target.attributes)?.isReadOnly) return false;
    const { claim, object } = await this.#objects(volume, pod, signal);
    const capacity = storageOf(object?.spec?.capacity);
    if (!claim || capacity === undefined) return false;
    try {
      await this.steps.expand(target, capacityBytes);
    } catch (error) {
      if (!(error instanceof CsiError) || !error.isInfeasible) throw error;
      await this.#report(claim, infeasible(claim, error.message), signal);
      return false;
    }
    await this.#report(claim, expanded(claim, capacity), signal);
    return true;
  }

  /** Against the version that was read: the driver's controller writes the same status. */
  async #report(claim: PersistentVolumeClaim, status: object, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '', resourceVersion } = claim.metadata ?? {};
    const patch = { metadata: { resourceVersion }, status };
    await this.#options.client.patch(persistentVolumeClaims, namespace, name, patch, {
      ...{ type: 'merge', subresource: 'status', signal },
    });
  }
}

const otherConditions = ({ status }: PersistentVolumeClaim): PersistentVolumeClaimCondition[] =>
  (status?.conditions ?? []).filter(({ type }) => !RESIZE_CONDITIONS.has(type));

/** The patch of the status of a claim whose volume has grown; nothing is said of a volume that already was as large. */
export const expanded = (claim: PersistentVolumeClaim, capacity: string): object => ({
  capacity: { storage: capacity },
  conditions: otherConditions(claim),
  allocatedResourceStatuses: { storage: null },
});

/** The patch of the status of a claim whose volume can never grow on its node. */
export const infeasible = (claim: PersistentVolumeClaim, why: string): object => ({
  conditions: [
    ...(claim.status?.conditions ?? []).filter(({ type }) => type !== 'NodeResizeError'),
    {
      ...{ type: 'NodeResizeError', status: 'True', lastTransitionTime: timeOf(Date.now()) },
      message: `failed to expand pvc with ${why}`,
    },
  ],
  allocatedResourceStatuses: { storage: 'NodeResizeInfeasible' },
});
