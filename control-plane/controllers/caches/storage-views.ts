/** What the controllers keep of claims and volumes. */
import type { Interner } from '../framework/interner.ts';
import { withoutManagedFields } from '../../../client/managed-fields.ts';
import { ownedView, type Owned } from '../framework/owner-references.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/types/core/v1.gen.ts';

export interface ClaimView extends Owned {
  readonly resourceVersion: string;
  /** The names of the VolumeAttributesClasses that it has, or is to get. */
  readonly attributesClasses: readonly string[];
  readonly claim: PersistentVolumeClaim;
}

export interface VolumeView extends Owned {
  readonly attributesClasses: readonly string[];
  readonly phase: string;
  readonly volume: PersistentVolume;
}

const NONE: readonly never[] = Object.freeze([]);

function named(names: readonly (string | undefined)[]): readonly string[] {
  const given = names.filter((name): name is string => Boolean(name));
  return given.length > 0 ? [...new Set(given)] : NONE;
}

export function claimView(claim: PersistentVolumeClaim, interner: Interner): ClaimView {
  const { spec, status } = claim;
  const attributesClasses = named([
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ]);
  const { resourceVersion = '' } = claim.metadata ?? {};
  return { ...ownedView(claim, interner), resourceVersion, attributesClasses, claim: withoutManagedFields(claim) };
}

export const volumeView = (volume: PersistentVolume, interner: Interner): VolumeView => ({
  ...ownedView(volume, interner),
  attributesClasses: named([volume.spec?.volumeAttributesClassName]),
  phase: volume.status?.phase ?? 'Pending',
  volume: withoutManagedFields(volume),
});
