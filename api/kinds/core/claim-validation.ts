/**
 * Validation of what a claim asks for: of PersistentVolumeClaims, of the templates of StatefulSets, and of ephemeral volumes.
 * Upstream's `ValidatePersistentVolumeClaimSpec`.
 */
import { addErrors, type FieldError, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { validateLabelName, validateSubdomainName } from '../../machinery/names.ts';
import { own } from '../../machinery/own.ts';
import { canonicalQuantity, isPositiveQuantity, quantityMilliValue } from '../../machinery/quantity.ts';
import { validateLabelSelector } from '../../machinery/selectors.ts';
import type { PersistentVolumeClaimSpec, TypedObjectReference } from '../../types/core/v1.gen.ts';

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
const VOLUME_MODES = ['Block', 'Filesystem'];

export const NOT_POSITIVE = 'must be greater than zero';

/** Upstream reports the list, not its item. */
export function validateAccessModes(modes: readonly string[], path: string, errors: FieldError[]): void {
  for (const mode of modes) if (!ACCESS_MODES.includes(mode)) errors.push(notSupported(path, mode, ACCESS_MODES));
  const isExclusive = modes.includes('ReadWriteOncePod');
  if (isExclusive && modes.some((mode) => mode !== 'ReadWriteOncePod' && ACCESS_MODES.includes(mode))) {
    errors.push(forbidden(path, 'may not use ReadWriteOncePod with other access modes'));
  }
}

export function validateVolumeMode(mode: string | undefined, path: string, errors: FieldError[]): void {
  if (mode !== undefined && !VOLUME_MODES.includes(mode)) errors.push(notSupported(path, mode, VOLUME_MODES));
}

/** The name of a StorageClass or a VolumeAttributesClass. */
export function validateClassName(name: string | undefined, path: string, errors: FieldError[]): void {
  for (const problem of name ? validateSubdomainName(name) : []) errors.push(invalid(path, name, problem));
}

function validateDataSource(
  { name, kind, apiGroup, namespace }: TypedObjectReference,
  path: string,
  isOld: boolean,
  errors: FieldError[],
): void {
  if (name === '') errors.push(required(`${path}.name`));
  if (kind === '') errors.push(required(`${path}.kind`));
  if (!apiGroup && kind !== 'PersistentVolumeClaim') {
    errors.push(invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup"));
  }
  for (const problem of apiGroup && !isOld ? validateSubdomainName(apiGroup) : []) {
    errors.push(invalid(`${path}.apiGroup`, apiGroup, problem));
  }
  for (const problem of namespace ? validateLabelName(namespace) : []) {
    errors.push(invalid(`${path}.namespace`, namespace, problem));
  }
}

/** They say the same while both are there; a source in another namespace can only be said in `dataSourceRef`. */
function validateDataSources(
  { dataSource, dataSourceRef }: PersistentVolumeClaimSpec,
  path: string,
  isOld: boolean,
  errors: FieldError[],
): void {
  if (dataSource) validateDataSource(dataSource, `${path}.dataSource`, isOld, errors);
  if (dataSourceRef) validateDataSource(dataSourceRef, `${path}.dataSourceRef`, isOld, errors);
  if (!dataSource || !dataSourceRef) return;
  // Upstream shows a path here, which has no form in JSON.
  if (dataSourceRef.namespace) {
    errors.push(invalid(path, {}, 'may not be specified when dataSourceRef.namespace is specified'));
  } else if (
    (dataSource.apiGroup ?? null) !== (dataSourceRef.apiGroup ?? null) ||
    dataSource.kind !== dataSourceRef.kind ||
    dataSource.name !== dataSourceRef.name
  ) {
    errors.push(invalid(path, {}, 'must match dataSourceRef'));
  }
}

/** @param old what is stored of it: an API group that it has may be invalid, as may its label selector */
export function validateClaimSpec(
  spec: PersistentVolumeClaimSpec,
  path: string,
  old?: PersistentVolumeClaimSpec,
): FieldError[] {
  const errors: FieldError[] = [];
  const { accessModes = [], selector, resources, storageClassName, volumeMode, volumeAttributesClassName } = spec;
  if (accessModes.length === 0) errors.push(required(`${path}.accessModes`, 'at least 1 access mode is required'));
  if (selector) addErrors(errors, validateLabelSelector(selector, `${path}.selector`));
  validateAccessModes(accessModes, `${path}.accessModes`, errors);
  const storage = own(resources?.requests, 'storage');
  const at = `${path}.resources[storage]`;
  if (storage === undefined) errors.push(required(at));
  else if (!isPositiveQuantity(storage)) errors.push(invalid(at, storage, NOT_POSITIVE));
  validateClassName(storageClassName, `${path}.storageClassName`, errors);
  validateVolumeMode(volumeMode, `${path}.volumeMode`, errors);
  const hadGroup = [old?.dataSource, old?.dataSourceRef].some((source) => typeof source?.apiGroup === 'string');
  validateDataSources(spec, path, hadGroup, errors);
  validateClassName(volumeAttributesClassName, `${path}.volumeAttributesClassName`, errors);
  return errors;
}

/** Warns of amounts that are no whole number of bytes. */
export function claimWarnings({ resources }: PersistentVolumeClaimSpec, path: string): string[] {
  return (['requests', 'limits'] as const).flatMap((side) => {
    const amount = own(resources?.[side], 'storage');
    if (amount === undefined || quantityMilliValue(amount) % 1000 === 0) return [];
    const why = `fractional byte value ${JSON.stringify(canonicalQuantity(amount))} is invalid, must be an integer`;
    return [`${path}.resources.${side}[storage]: ${why}`];
  });
}
