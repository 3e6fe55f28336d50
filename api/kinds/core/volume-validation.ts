/** Validation of a pod's volumes. */
import { DEFAULT_TOKEN_SECONDS, tokenSecondsProblem } from '../../domain/service-accounts.ts';
import { type FieldError, duplicate, forbidden, invalid, required } from '../../machinery/field-error.ts';
import { validateSubdomainName } from '../../machinery/names.ts';
import { isNegativeQuantity } from '../../machinery/quantity.ts';
import { validateFieldRef, validateResourceFieldRef } from './env-validation.ts';
import { own } from '../../machinery/own.ts';
import type {
  DownwardAPIVolumeFile,
  EphemeralVolumeSource,
  KeyToPath,
  ProjectedVolumeSource,
  Volume,
  VolumeProjection,
} from '../../types/core/v1.gen.ts';

const MAX_MODE = 0o777;
const DOWNWARD_FIELDS = new Set([
  'metadata.name',
  'metadata.namespace',
  'metadata.labels',
  'metadata.annotations',
  'metadata.uid',
]);

/** In the order in which upstream checks the sources: those after the first are reported. */
const SOURCES = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'flocker',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'flexVolume',
  'configMap',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
] as const satisfies readonly (keyof Volume)[];

/** Required fields of sources. */
const NEEDED: ReadonlyMap<string, readonly string[]> = new Map<keyof Volume, readonly string[]>([
  ['gitRepo', ['repository']],
  ['gcePersistentDisk', ['pdName']],
  ['awsElasticBlockStore', ['volumeID']],
  ['secret', ['secretName']],
  ['nfs', ['server', 'path']],
  ['iscsi', ['targetPortal', 'iqn']],
  ['glusterfs', ['endpoints', 'path']],
  ['persistentVolumeClaim', ['claimName']],
  ['rbd', ['monitors', 'image']],
  ['cinder', ['volumeID']],
  ['cephfs', ['monitors']],
  ['quobyte', ['registry', 'volume']],
  ['flexVolume', ['driver']],
  ['configMap', ['name']],
  ['azureFile', ['secretName', 'shareName']],
  ['vsphereVolume', ['volumePath']],
  ['photonPersistentDisk', ['pdID']],
  ['portworxVolume', ['volumeID']],
  ['azureDisk', ['diskName', 'diskURI']],
  ['storageos', ['volumeName']],
  ['scaleIO', ['gateway', 'system', 'volumeName']],
  ['csi', ['driver']],
]);

export function validateVolumes(volumes: readonly Volume[], path: string, errors: FieldError[]): void {
  const names = new Set<string>();
  for (const [index, volume] of volumes.entries()) {
    const at = `${path}[${index}]`;
    validateSource(volume, at, errors);
    if (volume.name && names.has(volume.name)) errors.push(duplicate(`${at}.name`, volume.name));
    names.add(volume.name);
  }
}

/** The sources of a volume, which are all fields but its name; in upstream's order when there are several. */
function sourcesOf(volume: Volume): readonly string[] {
  const given = Object.keys(volume).filter((field) => field !== 'name');
  return given.length < 2 ? given : SOURCES.filter((source) => given.includes(source));
}

function validateSource(volume: Volume, path: string, errors: FieldError[]): void {
  const [first, ...others] = sourcesOf(volume);
  if (first === undefined) errors.push(required(path, 'must specify a volume type'));
  for (const other of others) {
    errors.push(forbidden(`${path}.${other}`, 'may not specify more than 1 volume type'));
  }
  const source = own<unknown>(volume, first ?? '') as Record<string, unknown> | undefined;
  for (const field of NEEDED.get(first ?? '') ?? []) {
    const needed = own(source, field);
    if (!needed || (Array.isArray(needed) && !needed.length)) errors.push(required(`${path}.${first}.${field}`));
  }
  const { emptyDir, hostPath, secret, configMap, downwardAPI, projected, nfs, ephemeral } = volume;
  if (emptyDir?.sizeLimit !== undefined && isNegativeQuantity(emptyDir.sizeLimit)) {
    errors.push(forbidden(`${path}.emptyDir.sizeLimit`, 'SizeLimit field must be a valid resource quantity'));
  }
  if (hostPath) validateNoBacksteps(hostPath.path, `${path}.hostPath.path`, errors);
  if (secret) validateFiles(secret, `${path}.secret`, errors);
  if (configMap) validateFiles(configMap, `${path}.configMap`, errors);
  if (downwardAPI) {
    validateMode(downwardAPI.defaultMode, `${path}.downwardAPI.defaultMode`, errors);
    validateDownwardFiles(downwardAPI.items, `${path}.downwardAPI`, errors);
  }
  if (projected) validateProjected(projected, `${path}.projected`, errors);
  if (nfs?.path && !nfs.path.startsWith('/')) {
    errors.push(invalid(`${path}.nfs.path`, nfs.path, 'must be an absolute path'));
  }
  if (ephemeral) validateEphemeral(ephemeral, `${path}.ephemeral`, errors);
}

function validateNoBacksteps(value: string, path: string, errors: FieldError[]): void {
  if (value.split('/').includes('..')) errors.push(invalid(path, value, "must not contain '..'"));
}

/** A path below another one: relative, and without `..`. */
export function validateDescendingPath(value: string, path: string, errors: FieldError[]): void {
  if (value.startsWith('/')) errors.push(invalid(path, value, 'must be a relative path'));
  validateNoBacksteps(value, path, errors);
}

/** The path of a file that is written atomically: names that begin with `..` are reserved for that. */
function validateFilePath(value: string, path: string, errors: FieldError[]): void {
  validateDescendingPath(value, path, errors);
  if (value.startsWith('..') && !value.startsWith('../')) errors.push(invalid(path, value, "must not start with '..'"));
}

function validateMode(mode: number | undefined, path: string, errors: FieldError[]): void {
  if (mode !== undefined && (mode < 0 || mode > MAX_MODE)) {
    errors.push(invalid(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive'));
  }
}

interface Files {
  readonly defaultMode?: number;
  readonly items?: readonly KeyToPath[];
}

function validateFiles({ defaultMode, items }: Files, path: string, errors: FieldError[]): void {
  validateMode(defaultMode, `${path}.defaultMode`, errors);
  for (const [index, item] of (items ?? []).entries()) {
    const at = `${path}.items[${index}]`;
    validateFilePath(item.path, `${at}.path`, errors);
    validateMode(item.mode, `${at}.mode`, errors);
  }
}

function validateDownwardFiles(
  items: readonly DownwardAPIVolumeFile[] | undefined,
  path: string,
  errors: FieldError[],
): void {
  for (const item of items ?? []) {
    if (item.path === '') errors.push(required(`${path}.path`));
    else validateFilePath(item.path, `${path}.path`, errors);
    if (item.fieldRef) {
      validateFieldRef(item.fieldRef, DOWNWARD_FIELDS, `${path}.fieldRef`, errors);
      if (item.resourceFieldRef) {
        errors.push(invalid(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
      }
    } else if (item.resourceFieldRef) {
      validateResourceFieldRef(item.resourceFieldRef, true, `${path}.resourceFieldRef`, errors);
    } else {
      errors.push(required(path, 'one of fieldRef and resourceFieldRef is required'));
    }
    validateMode(item.mode, `${path}.mode`, errors);
  }
}

function validateProjected({ defaultMode, sources }: ProjectedVolumeSource, path: string, errors: FieldError[]): void {
  validateMode(defaultMode, `${path}.defaultMode`, errors);
  const paths = new Set<string>();
  const add = ({ path: file }: { readonly path: string }): void => {
    if (file === '') return;
    if (paths.has(file)) errors.push(invalid(path, file, 'conflicting duplicate paths'));
    paths.add(file);
  };
  for (const [index, source] of (sources ?? []).entries()) {
    validateProjection(source, `${path}.sources[${index}]`, errors);
    source.secret?.items?.forEach(add);
    source.configMap?.items?.forEach(add);
    source.downwardAPI?.items?.forEach(add);
    if (source.serviceAccountToken) add(source.serviceAccountToken);
    if (source.clusterTrustBundle) add(source.clusterTrustBundle);
  }
}

function validateProjection(source: VolumeProjection, path: string, errors: FieldError[]): void {
  const kinds = Object.keys(source);
  for (const extra of kinds.slice(1)) {
    errors.push(forbidden(`${path}.${extra}`, 'may not specify more than 1 volume type'));
  }
  if (kinds.length === 0) errors.push(required(path, 'must specify a volume type'));
  const { secret, configMap, downwardAPI, serviceAccountToken } = source;
  if (secret) {
    if (!secret.name) errors.push(required(`${path}.secret.name`));
    validateFiles(secret, `${path}.secret`, errors);
  }
  if (configMap) {
    if (!configMap.name) errors.push(required(`${path}.configMap.name`));
    validateFiles(configMap, `${path}.configMap`, errors);
  }
  if (downwardAPI) validateDownwardFiles(downwardAPI.items, `${path}.downwardAPI`, errors);
  if (!serviceAccountToken) return;
  const at = `${path}.serviceAccountToken`;
  const { expirationSeconds = DEFAULT_TOKEN_SECONDS } = serviceAccountToken;
  const problem = tokenSecondsProblem(expirationSeconds);
  if (problem !== undefined) errors.push(invalid(`${at}.expirationSeconds`, expirationSeconds, problem));
  validateFilePath(serviceAccountToken.path, `${at}.path`, errors);
}

function validateEphemeral({ volumeClaimTemplate }: EphemeralVolumeSource, path: string, errors: FieldError[]): void {
  const at = `${path}.volumeClaimTemplate`;
  if (!volumeClaimTemplate) {
    errors.push(required(at));
    return;
  }
  const { accessModes, resources, storageClassName } = volumeClaimTemplate.spec;
  if (!accessModes?.length) errors.push(required(`${at}.spec.accessModes`, 'at least 1 access mode is required'));
  if (resources?.requests?.storage === undefined) errors.push(required(`${at}.spec.resources[storage]`));
  if (storageClassName) {
    for (const error of validateSubdomainName(storageClassName)) {
      errors.push(invalid(`${at}.spec.storageClassName`, storageClassName, error));
    }
  }
}
