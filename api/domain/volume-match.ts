/** Which volume fits a claim: upstream's `FindMatchingVolume`. */
import { matchesTerms } from './node-selector.ts';
import { classOf } from './storage-class.ts';
import { BIND_COMPLETED, BOUND_BY_CONTROLLER } from './volume-annotations.ts';
import { own } from '../machinery/own.ts';
import { compareQuantities } from '../machinery/quantity.ts';
import { selectorFrom, type Labels } from '../machinery/selectors.ts';
import type { ObjectReference, PersistentVolume, PersistentVolumeClaim } from '../types/core/v1.gen.ts';
import type { ObjectMeta } from '../types/meta/v1.gen.ts';

/** Whether the volume is reserved for the claim: by its uid, or by a user who did not know that yet. */
export function isReservedFor({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const { claimRef } = spec ?? {};
  return claimRef !== undefined && refersTo(claimRef, metadata) && (!claimRef.uid || claimRef.uid === metadata?.uid);
}

const refersTo = ({ namespace, name }: ObjectReference, metadata: ObjectMeta | undefined): boolean =>
  name === metadata?.name && namespace === metadata?.namespace;

const attributesClassOf = (spec: { readonly volumeAttributesClassName?: string } | undefined): string =>
  spec?.volumeAttributesClassName ?? '';

const modeOf = (spec: { readonly volumeMode?: string } | undefined): string => spec?.volumeMode ?? 'Filesystem';

/** Why a volume that the claim asks for by name cannot be its volume; undefined when it can. */
export function mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (!isLargeEnough(volume, claim)) return 'requested PV is too small';
  if (classOf(volume) !== classOf(claim)) return 'storageClassName does not match';
  if (modeOf(volume.spec) !== modeOf(claim.spec)) return 'incompatible volumeMode';
  if (attributesClassOf(volume.spec) !== attributesClassOf(claim.spec))
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
 * The volumes that the claim can have, wherever their node affinity lets them be used. When one is reserved for the claim, only
 * that one.
 * @param waits the claim waits for its first consumer: only what is reserved for it is taken
 */
export function fittingVolumes(
  claim: PersistentVolumeClaim,
  volumes: Iterable<PersistentVolume>,
  waits: boolean,
): PersistentVolume[] {
  const selector = claim.spec?.selector && selectorFrom(claim.spec.selector);
  const found: PersistentVolume[] = [];
  for (const volume of volumes) {
    const { metadata, spec, status } = volume;
    if (modeOf(spec) !== modeOf(claim.spec) || !isLargeEnough(volume, claim)) continue;
    if (attributesClassOf(spec) !== attributesClassOf(claim.spec) || metadata?.deletionTimestamp) continue;
    if (isReservedFor(volume, claim)) return [volume];
    if (waits || spec?.claimRef || status?.phase !== 'Available') continue;
    if (mismatch(volume, claim) !== undefined || (selector && !selector.matches(metadata?.labels))) continue;
    found.push(volume);
  }
  return found;
}

/** The smallest of the volumes that fit; one that is reserved for the claim goes before all others. */
export function bestVolume(
  claim: PersistentVolumeClaim,
  volumes: Iterable<PersistentVolume>,
  waits: boolean,
): PersistentVolume | undefined {
  let best: PersistentVolume | undefined;
  for (const volume of fittingVolumes(claim, volumes, waits)) if (!best || bySize(volume, best) < 0) best = volume;
  return best;
}

/** Smaller ones first; of equal sizes the first by name, so that nothing depends on the order of a cache. */
export const bySize = (one: PersistentVolume, other: PersistentVolume): number =>
  compareQuantities(sizeOf(one), sizeOf(other)) || ((one.metadata?.name ?? '') < (other.metadata?.name ?? '') ? -1 : 1);

/** Whether the volume can be used on a node with these labels. */
export function isReachableFrom({ spec }: PersistentVolume, labels: Labels): boolean {
  const terms = spec?.nodeAffinity?.required?.nodeSelectorTerms;
  // Upstream looks at the labels alone: a term about fields matches no node.
  return !terms || matchesTerms(terms, { name: '', labels });
}

/** The reference by which a volume is reserved for the claim. */
export function claimReference({ metadata }: PersistentVolumeClaim): ObjectReference {
  const { namespace, name, uid, resourceVersion } = metadata ?? {};
  return { kind: 'PersistentVolumeClaim', apiVersion: 'v1', namespace, name, uid, resourceVersion };
}

/** The volume as it is reserved for the claim; a reservation that a user has made is completed. */
export function reservedFor(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume {
  const reserved: PersistentVolume = { ...volume, spec: { ...volume.spec, claimRef: claimReference(claim) } };
  return volume.spec?.claimRef ? reserved : annotate(reserved, { [BOUND_BY_CONTROLLER]: 'yes' });
}

/** A copy with the annotations. */
export function annotate<T extends PersistentVolume | PersistentVolumeClaim>(
  object: T,
  annotations: Readonly<Record<string, string>>,
): T {
  const { metadata } = object;
  return { ...object, metadata: { ...metadata, annotations: { ...metadata?.annotations, ...annotations } } };
}

/** Whether the claim has its volume, and both know it. */
export const isFullyBound = ({ metadata, spec }: PersistentVolumeClaim): boolean =>
  Boolean(spec?.volumeName) && own(metadata?.annotations, BIND_COMPLETED) !== undefined;
