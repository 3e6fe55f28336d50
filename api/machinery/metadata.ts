/** Validation of `metadata`, which is the same for every kind. */
import { FOREGROUND_FINALIZER, NAMESPACE_FINALIZER, ORPHAN_FINALIZER } from './finalizers.ts';
import { addErrors, type FieldError, forbidden, immutableField, invalid, required, tooLong } from './field-error.ts';
import { MAX_ERRORS } from './limits.ts';
import { validateLabelName, validateLabelValue, validateQualifiedName } from './names.ts';
import type { ObjectMeta } from '../types/meta/v1.gen.ts';

/** 256 KiB, for the keys and values of all annotations of an object. */
const MAX_ANNOTATIONS_BYTES = 262_144;
/** Of a field manager's name: upstream's `FieldManagerMaxLength`. */
export const MAX_MANAGER_BYTES = 128;
/** The only finalizers without a domain. */
const STANDARD_FINALIZERS = new Set([NAMESPACE_FINALIZER, ORPHAN_FINALIZER, FOREGROUND_FINALIZER]);
const UNQUALIFIED_FINALIZER = 'name is neither a standard finalizer name nor is it fully qualified';

/** What validation needs to know of a kind. */
export interface Named {
  readonly namespaced: boolean;
  validateName(name: string, prefix: boolean): readonly string[];
  /** As `Kind.freeFinalizers`. */
  readonly freeFinalizers?: boolean;
}

export function validateLabels(labels: Readonly<Record<string, string>> | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const key in labels) {
    if (errors.length >= MAX_ERRORS) break;
    const value = labels[key] ?? '';
    for (const error of validateQualifiedName(key)) errors.push(invalid(path, key, error));
    for (const error of validateLabelValue(value)) errors.push(invalid(path, value, error));
  }
  return errors;
}

export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const key in annotations) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(annotations[key] ?? '');
    if (errors.length >= MAX_ERRORS) break;
    // Upper case is accepted, as it always was.
    for (const error of validateQualifiedName(key.toLowerCase())) errors.push(invalid(path, key, error));
  }
  if (bytes > MAX_ANNOTATIONS_BYTES) errors.push(tooLong(path, MAX_ANNOTATIONS_BYTES));
  return errors;
}

function validateOwnerReferences(meta: ObjectMeta, path: string): FieldError[] {
  const errors: FieldError[] = [];
  let controller: string | undefined;
  // As upstream, the errors do not say which of them it is.
  const at = `${path}.ownerReferences`;
  for (const owner of meta.ownerReferences ?? []) {
    if (errors.length >= MAX_ERRORS) break;
    const version = owner.apiVersion.slice(owner.apiVersion.indexOf('/') + 1);
    if (version === '') errors.push(invalid(`${at}.apiVersion`, owner.apiVersion, 'version must not be empty'));
    if (owner.kind === '') errors.push(invalid(`${at}.kind`, '', 'must not be empty'));
    if (owner.name === '') errors.push(invalid(`${at}.name`, '', 'must not be empty'));
    if (owner.uid === '') errors.push(invalid(`${at}.uid`, '', 'must not be empty'));
    if (owner.apiVersion === 'v1' && owner.kind === 'Event') {
      errors.push(invalid(at, owner, '/v1, Kind=Event is disallowed from being an owner'));
    }
    if (owner.controller !== true) continue;
    if (controller !== undefined) {
      errors.push(
        invalid(
          at,
          meta.ownerReferences,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${owner.name}`,
        ),
      );
    }
    controller = owner.name;
  }
  return errors;
}

export const isQualifiedFinalizer = (name: string): boolean => name.includes('/') || STANDARD_FINALIZERS.has(name);

function validateFinalizers(meta: ObjectMeta, path: string, areFree: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const at = `${path}.finalizers`;
  for (const finalizer of meta.finalizers ?? []) {
    if (errors.length >= MAX_ERRORS) break;
    for (const error of validateQualifiedName(finalizer)) errors.push(invalid(at, finalizer, error));
  }
  if (meta.finalizers?.includes(ORPHAN_FINALIZER) && meta.finalizers.includes(FOREGROUND_FINALIZER)) {
    errors.push(invalid(at, meta.finalizers, 'finalizers orphan and foregroundDeletion cannot be both set'));
  }
  for (const [index, finalizer] of areFree ? [] : (meta.finalizers ?? []).entries()) {
    if (errors.length >= MAX_ERRORS) break;
    if (!isQualifiedFinalizer(finalizer)) errors.push(invalid(`${at}[${index}]`, finalizer, UNQUALIFIED_FINALIZER));
  }
  return errors;
}

function validateManagedFields(meta: ObjectMeta, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, entry] of (meta.managedFields ?? []).entries()) {
    if (errors.length >= MAX_ERRORS) break;
    const at = `${path}.managedFields[${index}]`;
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') {
      errors.push(invalid(`${at}.operation`, entry.operation ?? '', 'must be `Apply` or `Update`'));
    }
    if (entry.fieldsType && entry.fieldsType !== 'FieldsV1') {
      errors.push(invalid(`${at}.fieldsType`, entry.fieldsType, 'must be `FieldsV1`'));
    }
    if (Buffer.byteLength(entry.manager ?? '') > MAX_MANAGER_BYTES)
      errors.push(tooLong(`${at}.manager`, MAX_MANAGER_BYTES));
  }
  return errors;
}

/** Validation that create and update share: everything but the name. */
function validateCommon(
  meta: ObjectMeta,
  path: string,
  { freeFinalizers = false }: Pick<Named, 'freeFinalizers'>,
): FieldError[] {
  const errors: FieldError[] = [];
  if ((meta.generation ?? 0) < 0) {
    errors.push(invalid(`${path}.generation`, meta.generation, 'must be greater than or equal to 0'));
  }
  if (meta.labels) addErrors(errors, validateLabels(meta.labels, `${path}.labels`));
  if (meta.annotations) addErrors(errors, validateAnnotations(meta.annotations, `${path}.annotations`));
  if (meta.ownerReferences) addErrors(errors, validateOwnerReferences(meta, path));
  if (meta.finalizers) addErrors(errors, validateFinalizers(meta, path, freeFinalizers));
  if (meta.managedFields) addErrors(errors, validateManagedFields(meta, path));
  return errors;
}

const validateGenerateName = (
  { generateName }: ObjectMeta,
  kind: Pick<Named, 'validateName'>,
  path: string,
): FieldError[] =>
  generateName
    ? kind.validateName(generateName, true).map((error) => invalid(`${path}.generateName`, generateName, error))
    : [];

/** For create, after the name was generated. */
export function validateObjectMeta(meta: ObjectMeta, kind: Named, path = 'metadata'): FieldError[] {
  const errors = validateGenerateName(meta, kind, path);
  if (!meta.name) errors.push(required(`${path}.name`, 'name or generateName is required'));
  else for (const error of kind.validateName(meta.name, false)) errors.push(invalid(`${path}.name`, meta.name, error));
  if (kind.namespaced) {
    if (!meta.namespace) errors.push(required(`${path}.namespace`));
    else {
      for (const error of validateLabelName(meta.namespace)) {
        errors.push(invalid(`${path}.namespace`, meta.namespace, error));
      }
    }
  } else if (meta.namespace) {
    errors.push(forbidden(`${path}.namespace`, 'not allowed on this type'));
  }
  addErrors(errors, validateCommon(meta, path, kind));
  return errors;
}

/** The fields of the metadata that the template of an object may have. */
const TEMPLATE_FIELDS = ['annotations', 'labels'];

/** Of the template in a spec from which others make objects: only labels and annotations may be set. */
export function validateTemplateMetadata(meta: ObjectMeta = {}, path: string): FieldError[] {
  const errors = [...validateAnnotations(meta.annotations, `${path}.annotations`)];
  addErrors(errors, validateLabels(meta.labels, `${path}.labels`));
  for (const field of Object.keys(meta)) {
    if (!TEMPLATE_FIELDS.includes(field)) errors.push(forbidden(`${path}.${field}`, 'cannot be set'));
  }
  return errors;
}

/**
 * Fills in what an update may omit: uid and the grace period of a deletion; and restores the timestamps that it cannot change. To be
 * called before `validateObjectMetaUpdate`.
 */
export function inheritMetadata(meta: ObjectMeta, old: ObjectMeta): void {
  if (!meta.uid) meta.uid = old.uid;
  if (old.creationTimestamp) meta.creationTimestamp = old.creationTimestamp;
  if (old.deletionTimestamp) meta.deletionTimestamp = old.deletionTimestamp;
  if (meta.deletionGracePeriodSeconds === undefined) meta.deletionGracePeriodSeconds = old.deletionGracePeriodSeconds;
  if (!meta.generateName) meta.generateName = old.generateName;
  delete meta.selfLink;
}

/** For update, after `inheritMetadata`. */
export function validateObjectMetaUpdate(
  meta: ObjectMeta,
  old: ObjectMeta,
  kind: Pick<Named, 'freeFinalizers' | 'validateName'>,
  path = 'metadata',
): FieldError[] {
  const errors = meta.generateName === old.generateName ? [] : validateGenerateName(meta, kind, path);
  addErrors(errors, validateCommon(meta, path, kind));
  if (old.deletionTimestamp) {
    const before = new Set(old.finalizers);
    const added = (meta.finalizers ?? []).filter((finalizer) => !before.has(finalizer));
    if (added.length) {
      const list = added.map((finalizer) => JSON.stringify(finalizer)).join(', ');
      errors.push(
        forbidden(
          `${path}.finalizers`,
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
        ),
      );
    }
  }
  if (!meta.resourceVersion) {
    errors.push(invalid(`${path}.resourceVersion`, meta.resourceVersion ?? '', 'must be specified for an update'));
  }
  if ((meta.generation ?? 0) < (old.generation ?? 0)) {
    errors.push(invalid(`${path}.generation`, meta.generation ?? 0, 'must not be decremented'));
  }
  const immutable = [
    'name',
    'namespace',
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ];
  for (const field of immutable as (keyof ObjectMeta)[]) {
    if ((meta[field] ?? '') !== (old[field] ?? '')) errors.push(immutableField(`${path}.${field}`, meta[field]));
  }
  return errors;
}
