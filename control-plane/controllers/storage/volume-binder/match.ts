/** Which volume fits a claim: upstream's `FindMatchingVolume`. */
import { classOf } from '../../../../api/domain/storage-class.ts';
import { compareQuantities } from '../../../../api/machinery/quantity.ts';
import { selectorFrom } from '../../../../api/machinery/selectors.ts';
import type { ObjectReference, PersistentVolume, PersistentVolumeClaim } from '../../../../api/types/core/v1.gen.ts';
import type { ObjectMeta } from '../../../../api/types/meta/v1.gen.ts';

/** Whether the volume is reserved for the claim: by its uid, or by a user who did not know that yet. */
export function isReservedFor({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const { claimRef } = spec ?? {};
  return claimRef !== undefined && refersTo(claimRef, metadata) && (!claimRef.uid || claimRef.uid === metadata?.uid);
}

const refersTo = ({ namespace, name }: ObjectReference, metadata: ObjectMeta | undefined): boolean =>
  name === metadata?.name && namespace === metadata?.namespace;

const modeOf = (spec: { readonly volumeMode?: string } | undefined): string => spec?.volumeMode ?? 'Filesystem';

/** Why a volume that the claim asks for by name cannot be its volume; undefined when it can. */
export function mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (!isLargeEnough(volume, claim)) return 'requested PV is too small';
  if (classOf(volume) !== classOf(claim)) return 'storageClassName does not match';
  if (modeOf(volume.spec) !== modeOf(claim.spec)) return 'incompatible volumeMode';
  if ((volume.spec?.volumeAttributesClassName ?? '') !== (claim.spec?.volumeAttributesClassName ?? ''))
    return 'volumeAttributesClassName does not match';
  return hasModes(volume, claim) ? undefined : 'incompatible accessMode';
}

function hasModes(volume: PersistentVolume, claim: PersistentVolumeClaim): boolean {
  const offered = volume.spec?.accessModes ?? [];
  return (claim.spec?.accessModes ?? []).every((mode) => offered.includes(mode));
}

const isLargeEnough = (volume: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  compareQuantities(sizeOf(volume), claim.spec?.resources?.requests?.storage ?? '0') >= 0;

const sizeOf = ({ spec }: PersistentVolume): string => spec?.capacity?.storage ?? '0';

/**
 * The smallest of the free volumes that fit; one that is reserved for the claim goes before all others.
 * @param waits the claim waits for its first consumer: only what is reserved for it is taken
 */
export function bestVolume(
  claim: PersistentVolumeClaim,
  volumes: Iterable<PersistentVolume>,
  waits: boolean,
): PersistentVolume | undefined {
  const selector = claim.spec?.selector && selectorFrom(claim.spec.selector);
  let best: PersistentVolume | undefined;
  for (const volume of volumes) {
    const { metadata, spec, status } = volume;
    if (modeOf(spec) !== modeOf(claim.spec) || !isLargeEnough(volume, claim)) continue;
    if (isReservedFor(volume, claim)) return volume;
    if (waits || spec?.claimRef || metadata?.deletionTimestamp || status?.phase !== 'Available') continue;
    if (mismatch(volume, claim) !== undefined || (selector && !selector.matches(metadata?.labels))) continue;
    if (!best || isBetter(volume, best)) best = volume;
  }
  return best;
}

/** Of equal sizes the first by name, so that nothing depends on the order of a cache. */
function isBetter(one: PersistentVolume, other: PersistentVolume): boolean {
  const bySize = compareQuantities(sizeOf(one), sizeOf(other));
  return bySize < 0 || (bySize === 0 && (one.metadata?.name ?? '') < (other.metadata?.name ?? ''));
}
