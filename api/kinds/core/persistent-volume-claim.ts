import { ageColumn, nameColumn, text, wide } from '../../machinery/columns.ts';
import { semanticallyEqual } from '../../machinery/deep-equal.ts';
import { defineKind } from '../../machinery/define-kind.ts';
import {
  addErrors,
  type FieldError,
  forbidden,
  immutableField,
  invalid,
  notSupported,
} from '../../machinery/field-error.ts';
import { validateQualifiedName } from '../../machinery/names.ts';
import { own } from '../../machinery/own.ts';
import { compareQuantities, isNegativeQuantity, quantityValue } from '../../machinery/quantity.ts';
import { isNative } from '../../domain/resource-names.ts';
import { statusSubresource } from '../../machinery/subresources.ts';
import { PersistentVolumeClaim, type PersistentVolumeClaimSpec } from '../../types/core/v1.gen.ts';
import { claimWarnings, validateClaimSpec } from './claim-validation.ts';
import { CLASS_ANNOTATION, classOf, shortAccessModes } from './volume-access.ts';

const SNAPSHOT_GROUP = 'snapshot.storage.k8s.io';
const RESIZE_STATUSES = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
].sort();

/** Defaults of a claim, and of the templates of StatefulSets and ephemeral volumes. */
export function applyClaimDefaults(claim: Omit<PersistentVolumeClaim, 'kind' | 'apiVersion'>): void {
  (claim.spec ??= {}).volumeMode ??= 'Filesystem';
  (claim.status ??= {}).phase ||= 'Pending';
}

/**
 * `dataSource` is the older of two fields for the same. Of it, only claims and snapshots have ever been taken, and each is filled in
 * from the other: https://github.com/kubernetes/enhancements/tree/master/keps/sig-storage/1495-volume-populators
 */
function joinDataSources(spec: PersistentVolumeClaimSpec, old?: PersistentVolumeClaimSpec): void {
  // Sources in other namespaces are alpha upstream.
  if (spec.dataSourceRef?.namespace && !old?.dataSourceRef) delete spec.dataSourceRef;
  const { dataSource } = spec;
  if (dataSource && !spec.dataSourceRef && !old?.dataSource && !old?.dataSourceRef) {
    const { kind } = dataSource;
    const apiGroup = dataSource.apiGroup ?? '';
    const isKnown = apiGroup === '' ? kind === 'PersistentVolumeClaim' : kind === 'VolumeSnapshot';
    if (!isKnown || (apiGroup !== '' && apiGroup !== SNAPSHOT_GROUP)) delete spec.dataSource;
  }
  if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = { ...spec.dataSource };
  else if (spec.dataSourceRef && !spec.dataSource && !spec.dataSourceRef.namespace) {
    const { apiGroup, kind, name } = spec.dataSourceRef;
    spec.dataSource = { apiGroup: apiGroup ?? null, kind, name };
  }
}

const storageOf = (spec: PersistentVolumeClaimSpec): string => own(spec.resources?.requests, 'storage') ?? '0';

/** Whether the field takes over from the annotation, or a class is given to a claim that has none. */
function mayTakeClass(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): boolean {
  const [name, before] = [claim.spec?.storageClassName, own(old.metadata?.annotations, CLASS_ANNOTATION)];
  if (name === undefined || old.spec?.storageClassName !== undefined) return false;
  return before === undefined || before === name;
}

/** The spec with what an update may change as it was before. */
function frozenSpec(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): PersistentVolumeClaimSpec {
  const [spec = {}, before = {}] = [claim.spec, old.spec];
  const frozen = { ...spec };
  // A volume is bound once.
  if (!before.volumeName) frozen.volumeName = before.volumeName;
  if (mayTakeClass(claim, old)) frozen.storageClassName = before.storageClassName;
  if (old.status?.phase !== 'Bound') return frozen;
  if (spec.resources?.requests) {
    frozen.resources = { ...spec.resources, requests: { ...spec.resources.requests, storage: storageOf(before) } };
  }
  frozen.volumeAttributesClassName = before.volumeAttributesClassName;
  return frozen;
}

function validateAttributesClass({ spec }: PersistentVolumeClaim, { spec: before, status }: PersistentVolumeClaim) {
  const name = spec?.volumeAttributesClassName;
  if (name || name === before?.volumeAttributesClassName) return [];
  if (status?.currentVolumeAttributesClassName === undefined) return [];
  const what = name === undefined ? 'nil' : 'empty string';
  const why = `update to ${what} is forbidden when status.currentVolumeAttributesClassName is not nil`;
  return [forbidden('spec.volumeAttributesClassName', why)];
}

/** Claims are immutable, since they are counted by quotas; only what they ask for may grow. */
function validateUpdate(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const errors: FieldError[] = [];
  const [spec = {}, before = {}] = [claim.spec, old.spec];
  const annotation = own(claim.metadata?.annotations, CLASS_ANNOTATION);
  const oldAnnotation = own(old.metadata?.annotations, CLASS_ANNOTATION);
  const isReplaced = annotation === undefined && oldAnnotation !== undefined && mayTakeClass(claim, old);
  if (!isReplaced && (annotation ?? '') !== (oldAnnotation ?? '')) {
    errors.push(immutableField(`metadata.annotations.${CLASS_ANNOTATION}`, annotation ?? ''));
  }
  if (!semanticallyEqual(frozenSpec(claim, old), before)) {
    const why =
      'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n';
    errors.push(forbidden('spec', why));
  }
  const capacity = own(old.status?.capacity, 'storage') ?? '0';
  // After an expansion has failed, less may be asked for, but not what is there already.
  if (compareQuantities(storageOf(spec), storageOf(before)) < 0 && compareQuantities(storageOf(spec), capacity) <= 0) {
    errors.push(forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'));
  }
  if (spec.volumeMode !== before.volumeMode) errors.push(immutableField('volumeMode', spec.volumeMode));
  addErrors(errors, validateAttributesClass(claim, old));
  return errors;
}

/** Of resources that are not Kubernetes' own, any may be named. */
function resourceProblems(name: string, path: string): FieldError[] {
  const problems = validateQualifiedName(name);
  if (problems.length > 0) return problems.map((problem) => invalid(path, name, problem));
  return isNative(name) && name !== 'storage' ? [notSupported(path, name, ['storage'])] : [];
}

function validateStatus({ status = {} }: PersistentVolumeClaim): FieldError[] {
  const errors: FieldError[] = [];
  const isPresent = (amount: string, path: string): boolean => {
    if (isNegativeQuantity(amount))
      errors.push(invalid(path, quantityValue(amount), 'must be a valid resource quantity'));
    return !isNegativeQuantity(amount);
  };
  for (const [name, amount] of Object.entries(status.capacity ?? {})) isPresent(amount, `status.capacity[${name}]`);
  for (const [name, state] of Object.entries(status.allocatedResourceStatuses ?? {})) {
    const path = 'status.allocatedResourceStatuses';
    addErrors(errors, resourceProblems(name, path));
    if (!RESIZE_STATUSES.includes(state)) errors.push(notSupported(path, name, RESIZE_STATUSES));
  }
  for (const [name, amount] of Object.entries(status.allocatedResources ?? {})) {
    const path = 'status.allocatedResources';
    const problems = resourceProblems(name, path);
    addErrors(errors, problems);
    if (problems.length === 0) isPresent(amount, `${path}[${name}]`);
  }
  return errors;
}

function warnings({ metadata, spec = {} }: PersistentVolumeClaim): string[] {
  const found = claimWarnings(spec, 'spec');
  if (own(metadata?.annotations, CLASS_ANNOTATION) === undefined) return found;
  const why = 'deprecated since v1.8; use "storageClassName" attribute instead';
  return [`metadata.annotations[${CLASS_ANNOTATION}]: ${why}`, ...found];
}

const whenBound = (cell: (claim: PersistentVolumeClaim) => string) => (claim: PersistentVolumeClaim) =>
  claim.spec?.volumeName ? cell(claim) : '';

/** https://kubernetes.io/docs/concepts/storage/persistent-volumes/ */
export const persistentVolumeClaims = defineKind<PersistentVolumeClaim>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  shortNames: ['pvc'],
  namespaced: true,
  schema: PersistentVolumeClaim,
  returnDeletedObject: true,
  subresources: [statusSubresource({ validate: validateStatus })],
  columns: [
    nameColumn(),
    text('Status', ({ metadata, status }) => (metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''))),
    text('Volume', ({ spec }) => spec?.volumeName ?? ''),
    text(
      'Capacity',
      whenBound(({ status }) => own(status?.capacity, 'storage') ?? '0'),
    ),
    text(
      'Access Modes',
      whenBound(({ status }) => shortAccessModes(status?.accessModes)),
    ),
    text('StorageClass', ({ metadata, spec }) => classOf(metadata, spec?.storageClassName)),
    text('VolumeAttributesClass', ({ spec }) => spec?.volumeAttributesClassName ?? '<unset>'),
    ageColumn(),
    wide('VolumeMode', ({ spec }) => spec?.volumeMode ?? '<unset>'),
  ],
  // A mistake of old, says upstream, that clients rely on.
  selectableFields: { name: ({ metadata }) => metadata?.name ?? '' },
  applyDefaults: applyClaimDefaults,
  prepareForCreate: (claim) => {
    claim.status = { phase: 'Pending' };
    if (claim.spec) joinDataSources(claim.spec);
  },
  prepareForUpdate: ({ spec }, old) => {
    if (spec) joinDataSources(spec, old.spec);
  },
  validate: ({ spec = {} }, old) => validateClaimSpec(spec, 'spec', old && (old.spec ?? {})),
  validateUpdate,
  warnings,
});
