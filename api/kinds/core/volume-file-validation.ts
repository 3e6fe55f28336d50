/** Validation of volumes whose files the node writes: secret, configMap, downwardAPI and projected. */
import { DEFAULT_TOKEN_SECONDS, tokenSecondsProblem } from '../../domain/service-accounts.ts';
import { type FieldError, forbidden, invalid, required } from '../../machinery/field-error.ts';
import type {
  ConfigMapVolumeSource,
  DownwardAPIVolumeFile,
  DownwardAPIVolumeSource,
  KeyToPath,
  ProjectedVolumeSource,
  SecretVolumeSource,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '../../types/core/v1.gen.ts';
import { validateFieldRef, validateResourceFieldRef } from './env-validation.ts';
import { requireFields, validateNoBacksteps } from './volume-source-validation.ts';

const MAX_MODE = 0o777;
const DOWNWARD_FIELDS = new Set([
  'metadata.name',
  'metadata.namespace',
  'metadata.labels',
  'metadata.annotations',
  'metadata.uid',
]);

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

function validateItems(items: readonly KeyToPath[] | undefined, path: string, errors: FieldError[]): void {
  for (const [index, item] of (items ?? []).entries()) {
    const at = `${path}.items[${index}]`;
    validateFilePath(item.path, `${at}.path`, errors);
    validateMode(item.mode, `${at}.mode`, errors);
  }
}

function validateFiles({ defaultMode, items }: Files, path: string, errors: FieldError[]): void {
  validateMode(defaultMode, `${path}.defaultMode`, errors);
  validateItems(items, path, errors);
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

/** Notes a path of the volume; two sources may not write the same. */
type Claim = (file: string, shown: string) => void;

function validateProjection(
  source: VolumeProjection,
  volumePath: string,
  path: string,
  claim: Claim,
  errors: FieldError[],
): void {
  const { downwardAPI, serviceAccountToken } = source;
  for (const field of ['secret', 'configMap'] as const) {
    const projected = source[field];
    if (!projected) continue;
    if (!projected.name) errors.push(required(`${path}.${field}.name`));
    validateItems(projected.items, `${path}.${field}`, errors);
    for (const item of projected.items ?? []) claim(item.path, projected.name ?? '');
  }
  if (downwardAPI) {
    validateDownwardFiles(downwardAPI.items, `${path}.downwardAPI`, errors);
    for (const item of downwardAPI.items ?? []) claim(item.path, item.path);
  }
  if (serviceAccountToken) validateToken(serviceAccountToken, volumePath, path, errors);
  if (Object.keys(source).length > 1) {
    errors.push(forbidden(path, 'may not specify more than 1 volume type per source'));
  }
}

/** The path of the token is reported as the volume's, as upstream does. */
function validateToken(
  { expirationSeconds = DEFAULT_TOKEN_SECONDS, path: file }: ServiceAccountTokenProjection,
  volumePath: string,
  path: string,
  errors: FieldError[],
): void {
  const problem = tokenSecondsProblem(expirationSeconds);
  if (problem !== undefined) {
    errors.push(invalid(`${path}.serviceAccountToken.expirationSeconds`, expirationSeconds, problem));
  }
  if (file === '') errors.push(required(`${volumePath}.path`));
  else validateFilePath(file, `${volumePath}.path`, errors);
}

function validateProjected({ defaultMode, sources }: ProjectedVolumeSource, path: string, errors: FieldError[]): void {
  validateMode(defaultMode, `${path}.defaultMode`, errors);
  const paths = new Set<string>();
  const claim: Claim = (file, shown) => {
    if (file === '') return;
    if (paths.has(file)) errors.push(invalid(path, shown, 'conflicting duplicate paths'));
    paths.add(file);
  };
  for (const [index, source] of (sources ?? []).entries()) {
    validateProjection(source, path, `${path}.sources[${index}]`, claim, errors);
  }
}

/** The sources that are files. */
export const FILE_SOURCES = {
  secret: (source: SecretVolumeSource, path: string, errors: FieldError[]): void => {
    requireFields(source, ['secretName'], path, errors);
    validateFiles(source, path, errors);
  },
  configMap: (source: ConfigMapVolumeSource, path: string, errors: FieldError[]): void => {
    requireFields(source, ['name'], path, errors);
    validateFiles(source, path, errors);
  },
  downwardAPI: ({ defaultMode, items }: DownwardAPIVolumeSource, path: string, errors: FieldError[]): void => {
    validateMode(defaultMode, `${path}.defaultMode`, errors);
    validateDownwardFiles(items, path, errors);
  },
  projected: validateProjected,
} as const;
