/** Validation of PersistentVolumes, and of the volume specs in VolumeAttachments: upstream's `ValidatePersistentVolumeSpec`. */
import path from 'node:path/posix';
import { addErrors, type FieldError, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { validateLabelName, validateSubdomainName } from '../../machinery/names.ts';
import { own } from '../../machinery/own.ts';
import { isNegativeQuantity, isPositiveQuantity, quantityValue } from '../../machinery/quantity.ts';
import type {
  CSIPersistentVolumeSource,
  ISCSIPersistentVolumeSource,
  PersistentVolumeSpec,
  SecretReference,
} from '../../types/core/v1.gen.ts';
import { validateDriverName } from '../storage/driver-parameters.ts';
import { validateNodeSelector } from './affinity-validation.ts';
import { NOT_POSITIVE, validateAccessModes, validateClassName, validateVolumeMode } from './claim-validation.ts';
import {
  isIscsiNameTooLong,
  ISCSI_NAME_TOO_LONG,
  requireFields,
  SHARED_SOURCES,
  type SourceValidators,
  sourceTable,
  validateIscsi,
  validateNoBacksteps,
  validateOneSource,
  validateStorageOS,
} from './volume-source-validation.ts';

const RECLAIM_POLICIES = ['Delete', 'Recycle', 'Retain'];
const INLINE = 'in the context of inline volumes';

/** The fields that say where a volume is. */
type PersistentVolumeSource = Pick<
  PersistentVolumeSpec,
  | 'hostPath'
  | 'gcePersistentDisk'
  | 'awsElasticBlockStore'
  | 'glusterfs'
  | 'flocker'
  | 'nfs'
  | 'rbd'
  | 'quobyte'
  | 'cephfs'
  | 'iscsi'
  | 'cinder'
  | 'fc'
  | 'flexVolume'
  | 'azureFile'
  | 'vsphereVolume'
  | 'photonPersistentDisk'
  | 'portworxVolume'
  | 'azureDisk'
  | 'scaleIO'
  | 'local'
  | 'storageos'
  | 'csi'
>;

/** Volumes are of no namespace, so they say that of their secrets. */
function requireSecret(secret: SecretReference | undefined, at: string, errors: FieldError[]): void {
  if (secret) requireFields(secret, ['name', 'namespace'], at, errors);
}

function validateSecret(secret: SecretReference | undefined, at: string, errors: FieldError[]): void {
  if (!secret) return;
  for (const [field, validate] of [
    ['name', validateSubdomainName],
    ['namespace', validateLabelName],
  ] as const) {
    const value = secret[field] ?? '';
    if (value === '') errors.push(required(`${at}.${field}`));
    else for (const problem of validate(value)) errors.push(invalid(`${at}.${field}`, value, problem));
  }
}

function validateCsi(csi: CSIPersistentVolumeSource, at: string, errors: FieldError[]): void {
  addErrors(errors, validateDriverName(csi.driver, `${at}.driver`));
  requireFields(csi, ['volumeHandle'], at, errors);
  for (const field of [
    'controllerPublishSecretRef',
    'controllerExpandSecretRef',
    'nodePublishSecretRef',
    'nodeExpandSecretRef',
  ] as const) {
    validateSecret(csi[field], `${at}.${field}`, errors);
  }
}

function validatePersistentIscsi(source: ISCSIPersistentVolumeSource, at: string, errors: FieldError[]): void {
  requireFields(source, ['targetPortal'], at, errors);
  validateIscsi(source, 'must be valid format', at, errors);
  if (source.secretRef) requireFields(source.secretRef, ['name'], `${at}.secretRef`, errors);
}

const VALIDATORS: SourceValidators<PersistentVolumeSource> = {
  hostPath: SHARED_SOURCES.hostPath,
  gcePersistentDisk: SHARED_SOURCES.gcePersistentDisk,
  awsElasticBlockStore: SHARED_SOURCES.awsElasticBlockStore,
  glusterfs(source, at, errors) {
    requireFields(source, ['endpoints', 'path'], at, errors);
    const { endpointsNamespace: namespace } = source;
    if (namespace === undefined) return;
    const problems =
      namespace === ''
        ? ['if the endpointnamespace is set, it must be a valid namespace name']
        : validateLabelName(namespace);
    for (const problem of problems) errors.push(invalid(`${at}.endpointsNamespace`, namespace, problem));
  },
  flocker: SHARED_SOURCES.flocker,
  nfs: SHARED_SOURCES.nfs,
  rbd: SHARED_SOURCES.rbd,
  quobyte: SHARED_SOURCES.quobyte,
  cephfs: SHARED_SOURCES.cephfs,
  iscsi: validatePersistentIscsi,
  cinder(source, at, errors) {
    requireFields(source, ['volumeID'], at, errors);
    requireSecret(source.secretRef, `${at}.secretRef`, errors);
  },
  fc: SHARED_SOURCES.fc,
  flexVolume: SHARED_SOURCES.flexVolume,
  azureFile(source, at, errors) {
    requireFields(source, ['secretName', 'shareName'], at, errors);
    if (source.secretNamespace === '') errors.push(required(`${at}.secretNamespace`));
  },
  vsphereVolume: SHARED_SOURCES.vsphereVolume,
  photonPersistentDisk: SHARED_SOURCES.photonPersistentDisk,
  portworxVolume: SHARED_SOURCES.portworxVolume,
  azureDisk: SHARED_SOURCES.azureDisk,
  scaleIO: SHARED_SOURCES.scaleIO,
  local(source, at, errors) {
    requireFields(source, ['path'], at, errors);
    validateNoBacksteps(source.path, `${at}.path`, errors);
  },
  storageos(source, at, errors) {
    validateStorageOS(source, at, errors);
    requireSecret(source.secretRef, `${at}.secretRef`, errors);
  },
  csi: validateCsi,
};
const SOURCES = sourceTable(VALIDATORS);

/** What of a spec says where the volume is: it is immutable. */
export const sourceOf = (spec: PersistentVolumeSpec): PersistentVolumeSource =>
  Object.fromEntries(Object.entries(spec).filter(([field]) => SOURCES.has(field)));

type Capacity = Readonly<Record<string, string>>;

function validateCapacity(capacity: Capacity | undefined, at: string, errors: FieldError[]): void {
  const amounts = Object.entries(capacity ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  if (amounts.length === 0) errors.push(required(at));
  if (own(capacity, 'storage') === undefined || amounts.length > 1)
    errors.push(notSupported(at, capacity ? Object.fromEntries(amounts) : null, ['storage']));
  for (const [name, amount] of amounts) {
    const here = `${at}[${name}]`;
    if (isNegativeQuantity(amount))
      errors.push(invalid(here, quantityValue(amount), 'must be a valid resource quantity'));
    if (!isPositiveQuantity(amount)) errors.push(invalid(here, amount, NOT_POSITIVE));
  }
}

/** What a volume in a VolumeAttachment may not say, since it is no object of its own. */
function validateInline(spec: PersistentVolumeSpec, at: string, errors: FieldError[]): void {
  const forbid = (field: string): void => {
    errors.push(forbidden(`${at}.${field}`, `may not be specified ${INLINE}`));
  };
  const { persistentVolumeReclaimPolicy: policy, volumeMode } = spec;
  if (spec.claimRef) forbid('claimRef');
  if (Object.keys(spec.capacity ?? {}).length > 0) forbid('capacity');
  if (!spec.csi) errors.push(required(`${at}.csi`, `has to be specified ${INLINE}`));
  if (policy && policy !== 'Retain') {
    errors.push(forbidden(`${at}.persistentVolumeReclaimPolicy`, `may only be Retain ${INLINE}`));
  }
  if (spec.nodeAffinity) forbid('nodeAffinity');
  if (spec.storageClassName) forbid('storageClassName');
  if (volumeMode !== undefined && volumeMode !== 'Filesystem') {
    errors.push(forbidden(`${at}.volumeMode`, `may not specify volumeMode other than Filesystem ${INLINE}`));
  }
}

function validateNodeAffinity({ nodeAffinity, local }: PersistentVolumeSpec, at: string, errors: FieldError[]): void {
  const here = `${at}.nodeAffinity`;
  if (nodeAffinity?.required) validateNodeSelector(nodeAffinity.required, `${here}.required`, errors, true);
  else if (nodeAffinity) errors.push(required(`${here}.required`, 'must specify required node constraints'));
  else if (local) errors.push(required(here, 'Local volume requires node affinity'));
}

function validatePolicy(spec: PersistentVolumeSpec, at: string, errors: FieldError[]): void {
  const { persistentVolumeReclaimPolicy: policy, hostPath } = spec;
  const here = `${at}.persistentVolumeReclaimPolicy`;
  if (policy && !RECLAIM_POLICIES.includes(policy)) errors.push(notSupported(here, policy, RECLAIM_POLICIES));
  if (policy === 'Recycle' && hostPath && path.join(hostPath.path || '.', '.') === '/') {
    errors.push(forbidden(here, "may not be 'recycle' for a hostPath mount of '/'"));
  }
}

function validateAttributesClass(spec: PersistentVolumeSpec, at: string, errors: FieldError[]): void {
  const { volumeAttributesClassName: name, csi } = spec;
  if (name === undefined) return;
  const here = `${at}.volumeAttributesClassName`;
  if (name === '') errors.push(required(here, 'an empty string is disallowed'));
  validateClassName(name, here, errors);
  if (!csi) errors.push(required(`${at}.csi`, 'has to be specified when using volumeAttributesClassName'));
}

function validateCommon({ accessModes = [] }: PersistentVolumeSpec, at: string, errors: FieldError[]): void {
  if (accessModes.length === 0) errors.push(required(`${at}.accessModes`));
  validateAccessModes(accessModes, `${at}.accessModes`, errors);
}

/** @param name of the volume */
export function validateVolumeSpec(spec: PersistentVolumeSpec, name: string, at: string): FieldError[] {
  const errors: FieldError[] = [];
  validateCommon(spec, at, errors);
  validateCapacity(spec.capacity, `${at}.capacity`, errors);
  validateNodeAffinity(spec, at, errors);
  validateOneSource(spec, SOURCES, at, errors);
  if (spec.iscsi && isIscsiNameTooLong(name, spec.iscsi)) {
    errors.push(invalid(`${at}.iscsi.targetportal`, spec.iscsi.targetPortal, ISCSI_NAME_TOO_LONG));
  }
  validatePolicy(spec, at, errors);
  validateClassName(spec.storageClassName, `${at}.storageClassName`, errors);
  validateVolumeMode(spec.volumeMode, `${at}.volumeMode`, errors);
  validateAttributesClass(spec, at, errors);
  return errors;
}

/** For the spec in a VolumeAttachment. */
export function validateInlineVolumeSpec(spec: PersistentVolumeSpec, at: string): FieldError[] {
  const errors: FieldError[] = [];
  validateInline(spec, at, errors);
  validateCommon(spec, at, errors);
  validateOneSource(spec, SOURCES, at, errors);
  return errors;
}
