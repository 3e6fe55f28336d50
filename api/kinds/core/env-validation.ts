/** Validation of environment variables, and of the references in them and in downward API volumes. */
import { type FieldError, invalid, notFound, notSupported, required } from '../../machinery/field-error.ts';
import {
  validateEnvName,
  validateLabelName,
  validateQualifiedName,
  validateSubdomainName,
} from '../../machinery/names.ts';
import type {
  EnvFromSource,
  EnvVar,
  EnvVarSource,
  FileKeySelector,
  ObjectFieldSelector,
  ResourceFieldSelector,
  Volume,
} from '../../types/core/v1.gen.ts';

const ENV_FIELDS = new Set([
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]);
/** Further pod fields that have a path; not every reference may use them. */
const OTHER_FIELDS = new Set([
  'metadata.labels',
  'metadata.annotations',
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
]);
const CONTAINER_RESOURCES = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const CPU_DIVISORS = new Set(['0', '1m', '1']);
const SIZE_DIVISORS = new Set(['0', '1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei']);
const ONE_OF_ENV =
  'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`';

/** @param volumes of the pod: variables may come from files in them */
export function validateEnv(
  env: readonly EnvVar[],
  volumes: () => ReadonlyMap<string, Volume>,
  path: string,
  errors: FieldError[],
): void {
  for (const [index, variable] of env.entries()) {
    if (!variable.valueFrom) continue;
    const at = `${path}[${index}].valueFrom`;
    validateValueFrom(variable, variable.valueFrom, at, errors);
    const { fileKeyRef } = variable.valueFrom;
    if (!fileKeyRef) continue;
    validateFileKeyRef(fileKeyRef, `${at}.fileKeyRef`, errors);
    validateFileVolume(fileKeyRef, volumes(), `${at}.fileKeyRef.volumeName`, errors);
  }
}

function validateFileKeyRef(
  { key, volumeName, path: file }: FileKeySelector,
  path: string,
  errors: FieldError[],
): void {
  if (key) for (const problem of validateEnvName(key)) errors.push(invalid(`${path}.key`, key, problem));
  if (volumeName) {
    for (const problem of validateLabelName(volumeName))
      errors.push(invalid(`${path}.volumeName`, volumeName, problem));
  }
  if (file.split('/').includes('..')) errors.push(invalid(`${path}.path`, file, "must not contain '..'"));
}

/** The volume has to be one that the containers of the pod fill. */
function validateFileVolume(
  { volumeName }: FileKeySelector,
  volumes: ReadonlyMap<string, Volume>,
  path: string,
  errors: FieldError[],
): void {
  const volume = volumes.get(volumeName);
  if (!volume) errors.push(notFound(path, volumeName));
  else if (!volume.emptyDir) errors.push(invalid(path, volumeName, 'referenced volume must be of type emptyDir'));
}

function validateValueFrom(variable: EnvVar, source: EnvVarSource, path: string, errors: FieldError[]): void {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = source;
  const sources = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef].filter(Boolean).length;
  if (fieldRef) validateFieldRef(fieldRef, ENV_FIELDS, `${path}.fieldRef`, errors);
  if (resourceFieldRef) validateResourceFieldRef(resourceFieldRef, false, `${path}.resourceFieldRef`, errors);
  if (configMapKeyRef) validateNameRef(configMapKeyRef, `${path}.configMapKeyRef`, errors);
  if (secretKeyRef) validateNameRef(secretKeyRef, `${path}.secretKeyRef`, errors);
  if (sources === 0) errors.push(invalid(path, '', ONE_OF_ENV));
  else if (variable.value) errors.push(invalid(path, '', 'may not be specified when `value` is not empty'));
  else if (sources > 1) errors.push(invalid(path, '', 'may not have more than one field specified at a time'));
}

/** A source of many variables; a name that is missing is told as such. */
function validateSourceRef(source: { readonly name?: string }, path: string, errors: FieldError[]): void {
  if (source.name) validateNameRef(source, path, errors);
  else errors.push(required(`${path}.name`));
}

/** A name that is missing is as wrong as an empty one. */
function validateNameRef({ name = '' }: { readonly name?: string }, path: string, errors: FieldError[]): void {
  for (const error of validateSubdomainName(name)) errors.push(invalid(`${path}.name`, name, error));
}

/** `metadata.labels['key']` and `metadata.annotations['key']`. */
const SUBSCRIPT = /^(metadata\.(?:labels|annotations))\['(.*)'\]$/;

export function validateFieldRef(
  { apiVersion, fieldPath }: ObjectFieldSelector,
  allowed: ReadonlySet<string>,
  path: string,
  errors: FieldError[],
): void {
  if (!apiVersion) {
    errors.push(required(`${path}.apiVersion`));
    return;
  }
  if (fieldPath === '') {
    errors.push(required(`${path}.fieldPath`));
    return;
  }
  const subscript = SUBSCRIPT.exec(fieldPath);
  if (apiVersion !== 'v1') {
    const problem = `error converting fieldPath: unsupported pod version: ${apiVersion}`;
    errors.push(invalid(`${path}.fieldPath`, fieldPath, problem));
  } else if (subscript) {
    const key = subscript[2] ?? '';
    const checked = subscript[1] === 'metadata.annotations' ? key.toLowerCase() : key;
    for (const error of validateQualifiedName(checked)) errors.push(invalid(path, key, error));
  } else if (!ENV_FIELDS.has(fieldPath) && !OTHER_FIELDS.has(fieldPath)) {
    errors.push(
      invalid(`${path}.fieldPath`, fieldPath, `error converting fieldPath: field label not supported: ${fieldPath}`),
    );
  } else if (!allowed.has(fieldPath)) {
    errors.push(notSupported(`${path}.fieldPath`, fieldPath, [...allowed].sort()));
  }
}

const isContainerResource = (resource: string): boolean =>
  CONTAINER_RESOURCES.includes(resource) || /^(limits|requests)\.hugepages-/.test(resource);

/** @param inVolume whether the container's name is required */
export function validateResourceFieldRef(
  { resource, containerName, divisor = '0' }: ResourceFieldSelector,
  inVolume: boolean,
  path: string,
  errors: FieldError[],
): void {
  if (inVolume && !containerName) errors.push(required(`${path}.containerName`));
  else if (resource === '') errors.push(required(`${path}.resource`));
  else if (!isContainerResource(resource)) {
    errors.push(notSupported(`${path}.resource`, resource, CONTAINER_RESOURCES));
  }
  if (!isContainerResource(resource)) return;
  const cpu = resource.endsWith('.cpu');
  if (!(cpu ? CPU_DIVISORS : SIZE_DIVISORS).has(divisor)) {
    const allowed = cpu
      ? "only divisor's values 1m and 1 are supported with the cpu resource"
      : "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the memory resource";
    errors.push(invalid(`${path}.divisor`, resource, allowed));
  }
}

export function validateEnvFrom(sources: readonly EnvFromSource[], path: string, errors: FieldError[]): void {
  for (const [index, { configMapRef, secretRef }] of sources.entries()) {
    const at = `${path}[${index}]`;
    if (configMapRef) validateSourceRef(configMapRef, `${at}.configMapRef`, errors);
    if (secretRef) validateSourceRef(secretRef, `${at}.secretRef`, errors);
    if (!configMapRef && !secretRef)
      errors.push(invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`'));
    else if (configMapRef && secretRef) {
      errors.push(invalid(path, '', 'may not have more than one field specified at a time'));
    }
  }
}
