/** Validation of a pod's volumes. */
import { ephemeralClaimName } from '../../domain/pod-claims.ts';
import { constraintsOf } from '../../machinery/constraints.ts';
import {
  addErrors,
  type FieldError,
  duplicate,
  forbidden,
  invalid,
  notSupported,
  required,
} from '../../machinery/field-error.ts';
import { lazy } from '../../machinery/lazy.ts';
import { validateTemplateMetadata } from '../../machinery/metadata.ts';
import { validateSubdomainName } from '../../machinery/names.ts';
import { isNegativeQuantity } from '../../machinery/quantity.ts';
import {
  type CSIVolumeSource,
  type EphemeralVolumeSource,
  type StorageOSVolumeSource,
  Volume,
} from '../../types/core/v1.gen.ts';
import { validateDriverName } from '../storage/driver-parameters.ts';
import { validateClaimSpec } from './claim-validation.ts';
import { FILE_SOURCES, validateDescendingPath } from './volume-file-validation.ts';
import {
  isIscsiNameTooLong,
  ISCSI_NAME_TOO_LONG,
  requireFields,
  SHARED_SOURCES,
  sourceTable,
  validateIscsi,
  validateOneSource,
  validateStorageOS,
} from './volume-source-validation.ts';

function validateCsi({ driver, nodePublishSecretRef }: CSIVolumeSource, path: string, errors: FieldError[]): void {
  addErrors(errors, validateDriverName(driver, `${path}.driver`));
  if (!nodePublishSecretRef) return;
  const { name = '' } = nodePublishSecretRef;
  if (name === '') errors.push(required(`${path}.nodePublishSecretRef.name`));
  else for (const problem of validateSubdomainName(name)) errors.push(invalid(`${path}.name`, name, problem));
}

function validateSecretName(source: StorageOSVolumeSource, path: string, errors: FieldError[]): void {
  if (source.secretRef && !source.secretRef.name) errors.push(required(`${path}.secretRef.name`));
}

function validateEphemeral({ volumeClaimTemplate }: EphemeralVolumeSource, path: string, errors: FieldError[]): void {
  const at = `${path}.volumeClaimTemplate`;
  if (!volumeClaimTemplate) {
    errors.push(required(at));
    return;
  }
  const { metadata, spec } = volumeClaimTemplate;
  addErrors(errors, validateTemplateMetadata(metadata, `${at}.metadata`));
  addErrors(errors, validateClaimSpec(spec, `${at}.spec`));
}

const IMAGE_PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];

const SOURCES = sourceTable<Omit<Volume, 'name'>>({
  emptyDir({ sizeLimit }, path, errors) {
    if (sizeLimit === undefined || !isNegativeQuantity(sizeLimit)) return;
    errors.push(forbidden(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity'));
  },
  hostPath: SHARED_SOURCES.hostPath,
  gitRepo(source, path, errors) {
    requireFields(source, ['repository'], path, errors);
    validateDescendingPath(source.directory ?? '', `${path}.directory`, errors);
  },
  gcePersistentDisk: SHARED_SOURCES.gcePersistentDisk,
  awsElasticBlockStore: SHARED_SOURCES.awsElasticBlockStore,
  secret: FILE_SOURCES.secret,
  nfs: SHARED_SOURCES.nfs,
  iscsi(source, path, errors) {
    requireFields(source, ['targetPortal'], path, errors);
    validateIscsi(source, 'must be valid format starting with iqn, eui, or naa', path, errors);
  },
  glusterfs: (source, path, errors) => requireFields(source, ['endpoints', 'path'], path, errors),
  flocker: SHARED_SOURCES.flocker,
  persistentVolumeClaim: (source, path, errors) => requireFields(source, ['claimName'], path, errors),
  rbd: SHARED_SOURCES.rbd,
  cinder(source, path, errors) {
    requireFields(source, ['volumeID'], path, errors);
    validateSecretName(source, path, errors);
  },
  cephfs: SHARED_SOURCES.cephfs,
  quobyte: SHARED_SOURCES.quobyte,
  downwardAPI: FILE_SOURCES.downwardAPI,
  fc: SHARED_SOURCES.fc,
  flexVolume: SHARED_SOURCES.flexVolume,
  configMap: FILE_SOURCES.configMap,
  azureFile: (source, path, errors) => requireFields(source, ['secretName', 'shareName'], path, errors),
  vsphereVolume: SHARED_SOURCES.vsphereVolume,
  photonPersistentDisk: SHARED_SOURCES.photonPersistentDisk,
  portworxVolume: SHARED_SOURCES.portworxVolume,
  azureDisk: SHARED_SOURCES.azureDisk,
  storageos(source, path, errors) {
    validateStorageOS(source, path, errors);
    validateSecretName(source, path, errors);
  },
  projected: FILE_SOURCES.projected,
  scaleIO: SHARED_SOURCES.scaleIO,
  csi: validateCsi,
  ephemeral: validateEphemeral,
  image: ({ pullPolicy }, path, errors) => {
    if (pullPolicy !== undefined && !IMAGE_PULL_POLICIES.includes(pullPolicy)) {
      errors.push(notSupported(`${path}.pullPolicy`, pullPolicy, IMAGE_PULL_POLICIES));
    }
  },
});

/** What of a volume depends on its name, and on the pod's. */
function validateNames({ name, iscsi, ephemeral }: Volume, pod: string, path: string, errors: FieldError[]): void {
  if (iscsi && isIscsiNameTooLong(name, iscsi)) errors.push(invalid(`${path}.name`, name, ISCSI_NAME_TOO_LONG));
  if (!ephemeral || !pod || !name) return;
  const claim = ephemeralClaimName(pod, name);
  for (const problem of validateSubdomainName(claim)) {
    errors.push(invalid(`${path}.name`, name, `PVC name ${JSON.stringify(claim)}: ${problem}`));
  }
}

/** The constraints of one volume. Those of all fields are checked elsewhere; here it matters whether a volume is valid. */
const constraints = lazy(() => constraintsOf(Volume, () => true));

/**
 * @param pod the name of the pod, '' for a template
 * @returns the valid ones by name: those that containers can mount
 */
export function validateVolumes(
  volumes: readonly Volume[],
  pod: string,
  path: string,
  errors: FieldError[],
): ReadonlyMap<string, Volume> {
  const valid = new Map<string, Volume>();
  let created: Set<string> | undefined;
  for (const { name, ephemeral } of pod ? volumes : [])
    if (ephemeral) (created ??= new Set()).add(ephemeralClaimName(pod, name));
  for (const [index, volume] of volumes.entries()) {
    const at = `${path}[${index}]`;
    const before = errors.length;
    validateOneSource(volume, SOURCES, at, errors);
    if (volume.image && pod && !volume.image.reference && errors.length === before)
      errors.push(required(`${at}.image.reference`));
    validateNames(volume, pod, at, errors);
    if (volume.name && valid.has(volume.name)) errors.push(duplicate(`${at}.name`, volume.name));
    if (errors.length === before && !constraints()?.(volume).length) valid.set(volume.name, volume);
    const claim = volume.persistentVolumeClaim?.claimName;
    if (claim === undefined || !created?.has(claim)) continue;
    const why = 'must not reference a PVC that gets created for an ephemeral volume';
    errors.push(invalid(`${at}.persistentVolumeClaim.claimName`, claim, why));
  }
  return valid;
}
