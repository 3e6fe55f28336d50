/**
 * Validation of the sources that inline volumes of pods and PersistentVolumes have in common. Where they differ, what the
 * PersistentVolume says (a secret with its namespace, for one) is optional in the type here. Upstream's
 * `pkg/apis/core/validation/validation.go`.
 */
import { addErrors, type FieldError, forbidden, invalid, notSupported, required } from '../../machinery/field-error.ts';
import { MAX_ERRORS } from '../../machinery/limits.ts';
import { validateLabelName } from '../../machinery/names.ts';
import { own } from '../../machinery/own.ts';
import type {
  AWSElasticBlockStoreVolumeSource,
  AzureDiskVolumeSource,
  CephFSVolumeSource,
  FCVolumeSource,
  FlexVolumeSource,
  FlockerVolumeSource,
  GCEPersistentDiskVolumeSource,
  HostPathVolumeSource,
  ISCSIVolumeSource,
  NFSVolumeSource,
  PhotonPersistentDiskVolumeSource,
  PortworxVolumeSource,
  QuobyteVolumeSource,
  RBDVolumeSource,
  VsphereVirtualDiskVolumeSource,
} from '../../types/core/v1.gen.ts';

type Validator<T> = (source: T, path: string, errors: FieldError[]) => void;

/** The validation of each source of `T`, in the order in which upstream looks at them. */
export type SourceValidators<T> = { readonly [K in keyof T]-?: Validator<NonNullable<T[K]>> };

const MAX_LUN = 255;
const MAX_PARTITION = 255;
const MAX_TENANT = 64;
const RANGE = (min: number, max: number): string => `must be between ${min} and ${max}, inclusive`;
const CACHING_MODES = ['None', 'ReadOnly', 'ReadWrite'];
const DISK_KINDS = ['Dedicated', 'Managed', 'Shared'];
const MANAGED_DISK = '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}';
const BLOB_DISK = 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd';
const HOST_AND_PORT = 'must be a host:port pair or multiple pairs separated by commas';

/** Reports the fields of `source` that have no value. */
export function requireFields<T extends object>(
  source: T,
  fields: readonly (keyof T & string)[],
  path: string,
  errors: FieldError[],
): void {
  for (const field of fields) {
    const value = source[field];
    if (!value || (Array.isArray(value) && value.length === 0)) errors.push(required(`${path}.${field}`));
  }
}

export function validateNoBacksteps(value: string, path: string, errors: FieldError[]): void {
  if (value.split('/').includes('..')) errors.push(invalid(path, value, "must not contain '..'"));
}

const requiring =
  <T extends object>(...fields: (keyof T & string)[]): Validator<T> =>
  (source, path, errors) =>
    requireFields(source, fields, path, errors);

function validatePartition(partition = 0, path: string, errors: FieldError[]): void {
  if (partition < 0 || partition > MAX_PARTITION) {
    errors.push(invalid(`${path}.partition`, partition, RANGE(1, MAX_PARTITION)));
  }
}

function validateLun(lun: number, path: string, errors: FieldError[]): void {
  if (lun < 0 || lun > MAX_LUN) errors.push(invalid(`${path}.lun`, lun, RANGE(0, MAX_LUN)));
}

const IQN_START = /iqn\.\d{4}-\d{2}\../;

/**
 * Whether an iSCSI qualified name ends the text: `iqn.2001-04.com.example:disk`. Upstream's regular expression takes
 * quadratic time for some texts when it backtracks, so this takes the text apart instead.
 */
function endsWithIqn(text: string): boolean {
  const parts = (text.split(/[,;*&$|\t\n\f\r ]/).at(-1) ?? '').split(':');
  const named = parts.slice(0, parts.at(-1) === '' ? -2 : -1);
  return named.some((part) => IQN_START.test(part.split(/[^0-9A-Za-z.-]/).at(-1) ?? ''));
}

/** By the first three letters of a name: https://www.rfc-editor.org/rfc/rfc3720#section-3.2.6.3 */
const ISCSI_NAMES: ReadonlyMap<string, (name: string) => boolean> = new Map([
  ['iqn', endsWithIqn],
  ['eui', (name: string) => /^eui.[0-9A-Za-z]{16}$/.test(name)],
  ['naa', (name: string) => /^naa.[0-9A-Za-z]{32}$/.test(name)],
]);

/** @param ofOtherType what is wrong with a name that starts with none of the types */
function validateIscsiName(name: string, ofOtherType: string, path: string, errors: FieldError[]): void {
  const isValid = ISCSI_NAMES.get(name.slice(0, 3));
  if (!isValid) errors.push(invalid(path, name, ofOtherType));
  else if (!isValid(name)) errors.push(invalid(path, name, 'must be valid format'));
}

interface IscsiSource extends Omit<ISCSIVolumeSource, 'secretRef'> {
  readonly secretRef?: { readonly name?: string };
}

/** What of an iSCSI source does not depend on the name of its volume. */
export function validateIscsi(source: IscsiSource, ofOtherType: string, path: string, errors: FieldError[]): void {
  const { iqn, lun, chapAuthDiscovery, chapAuthSession, secretRef, initiatorName } = source;
  if (iqn === '') errors.push(required(`${path}.iqn`));
  else validateIscsiName(iqn, ofOtherType, `${path}.iqn`, errors);
  validateLun(lun, path, errors);
  if ((chapAuthDiscovery || chapAuthSession) && !secretRef) errors.push(required(`${path}.secretRef`));
  if (initiatorName !== undefined) validateIscsiName(initiatorName, ofOtherType, `${path}.initiatorname`, errors);
}

const MAX_INITIATED = 64;
/** The name of a volume and its portal are a part of a path on the node when the initiator has a name. */
export const isIscsiNameTooLong = (volume: string, { initiatorName, targetPortal }: IscsiSource): boolean =>
  initiatorName !== undefined && Buffer.byteLength(`${volume}:${targetPortal}`) > MAX_INITIATED;
export const ISCSI_NAME_TOO_LONG =
  'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.';

/** As Go's `net.SplitHostPort` reads them: `host:port`, `[::1]:port`, either of which may be empty. */
function isHostPort(text: string): boolean {
  const colon = text.lastIndexOf(':');
  if (colon < 0) return false;
  if (!text.startsWith('[')) return !/[[\]:]/.test(text.slice(0, colon)) && !/[[\]]/.test(text.slice(colon));
  const end = text.indexOf(']');
  return end >= 0 && end + 1 === colon && !text.includes('[', 1) && !text.includes(']', end + 1);
}

function validateQuobyte(source: QuobyteVolumeSource, path: string, errors: FieldError[]): void {
  const { registry, tenant = '' } = source;
  if (registry === '') errors.push(required(`${path}.registry`, HOST_AND_PORT));
  else if (tenant.length > MAX_TENANT) {
    errors.push(required(`${path}.tenant`, 'must be a UUID and may not exceed a length of 64 characters'));
  } else {
    for (const pair of registry.split(',')) {
      if (errors.length >= MAX_ERRORS) break;
      if (!isHostPort(pair)) errors.push(invalid(`${path}.registry`, registry, HOST_AND_PORT));
    }
  }
  requireFields(source, ['volume'], path, errors);
}

function validateFlocker(source: FlockerVolumeSource, path: string, errors: FieldError[]): void {
  const { datasetName = '', datasetUUID = '' } = source;
  if (!datasetName && !datasetUUID) errors.push(required(path, 'one of datasetName and datasetUUID is required'));
  if (datasetName && datasetUUID) {
    errors.push(invalid(path, 'resource', 'datasetName and datasetUUID can not be specified simultaneously'));
  }
  if (datasetName.includes('/')) errors.push(invalid(`${path}.datasetName`, datasetName, "must not contain '/'"));
}

function validateFc({ targetWWNs = [], wwids = [], lun }: FCVolumeSource, path: string, errors: FieldError[]): void {
  const at = `${path}.targetWWNs`;
  if (targetWWNs.length === 0) {
    if (wwids.length === 0) errors.push(required(at, 'must specify either targetWWNs or wwids, but not both'));
    return;
  }
  if (wwids.length > 0) {
    errors.push(invalid(at, targetWWNs, 'targetWWNs and wwids can not be specified simultaneously'));
  }
  if (lun === undefined) errors.push(required(`${path}.lun`, 'lun is required if targetWWNs is specified'));
  else validateLun(lun, path, errors);
}

/** Options may not be in a namespace of Kubernetes. */
function validateFlex(source: Pick<FlexVolumeSource, 'driver' | 'options'>, path: string, errors: FieldError[]): void {
  requireFields(source, ['driver'], path, errors);
  for (const key in source.options) {
    if (errors.length >= MAX_ERRORS) return;
    const namespace = `.${key.split('/', 1)[0]?.toLowerCase()}`;
    if (!namespace.endsWith('.kubernetes.io') && !namespace.endsWith('.k8s.io')) continue;
    errors.push(invalid(`${path}.options[${key}]`, key, 'kubernetes.io and k8s.io namespaces are reserved'));
  }
}

function validateAzureDisk(source: AzureDiskVolumeSource, path: string, errors: FieldError[]): void {
  const { diskURI, cachingMode, kind } = source;
  requireFields(source, ['diskName', 'diskURI'], path, errors);
  if (cachingMode !== undefined && !CACHING_MODES.includes(cachingMode)) {
    errors.push(notSupported(`${path}.cachingMode`, cachingMode, CACHING_MODES));
  }
  if (kind === undefined) return;
  if (!DISK_KINDS.includes(kind)) errors.push(notSupported(`${path}.kind`, kind, DISK_KINDS));
  if (kind === 'Managed' ? diskURI.startsWith('/subscriptions/') : diskURI.startsWith('https://')) return;
  errors.push(notSupported(`${path}.diskURI`, diskURI, [kind === 'Managed' ? MANAGED_DISK : BLOB_DISK]));
}

interface StorageOSSource {
  readonly volumeName?: string;
  readonly volumeNamespace?: string;
}

/** All but the secret, of which only a PersistentVolume says the namespace. */
export function validateStorageOS(source: StorageOSSource, path: string, errors: FieldError[]): void {
  const { volumeName, volumeNamespace } = source;
  if (!volumeName) errors.push(required(`${path}.volumeName`));
  for (const field of ['volumeName', 'volumeNamespace'] as const) {
    const name = field === 'volumeName' ? volumeName : volumeNamespace;
    if (name)
      addErrors(
        errors,
        validateLabelName(name).map((problem) => invalid(`${path}.${field}`, name, problem)),
      );
  }
}

/** Those that pods and PersistentVolumes have alike. */
export const SHARED_SOURCES = {
  /** An empty path and unknown types are among the facts. */
  hostPath: ({ path: directory }: HostPathVolumeSource, path: string, errors: FieldError[]) =>
    validateNoBacksteps(directory, `${path}.path`, errors),
  gcePersistentDisk: (source: GCEPersistentDiskVolumeSource, path: string, errors: FieldError[]): void => {
    requireFields(source, ['pdName'], path, errors);
    validatePartition(source.partition, path, errors);
  },
  awsElasticBlockStore: (source: AWSElasticBlockStoreVolumeSource, path: string, errors: FieldError[]): void => {
    requireFields(source, ['volumeID'], path, errors);
    validatePartition(source.partition, path, errors);
  },
  nfs: (source: NFSVolumeSource, path: string, errors: FieldError[]): void => {
    requireFields(source, ['server', 'path'], path, errors);
    if (!source.path.startsWith('/')) errors.push(invalid(`${path}.path`, source.path, 'must be an absolute path'));
  },
  flocker: validateFlocker,
  rbd: requiring<Pick<RBDVolumeSource, 'monitors' | 'image'>>('monitors', 'image'),
  quobyte: validateQuobyte,
  cephfs: requiring<Pick<CephFSVolumeSource, 'monitors'>>('monitors'),
  fc: validateFc,
  flexVolume: validateFlex,
  vsphereVolume: requiring<VsphereVirtualDiskVolumeSource>('volumePath'),
  photonPersistentDisk: requiring<PhotonPersistentDiskVolumeSource>('pdID'),
  portworxVolume: requiring<PortworxVolumeSource>('volumeID'),
  azureDisk: validateAzureDisk,
  scaleIO: requiring<{ gateway: string; system: string; volumeName?: string }>('gateway', 'system', 'volumeName'),
} as const;

/** Where upstream's errors are at another path than the field's; clients match them. */
const SOURCE_PATHS: ReadonlyMap<string, string> = new Map([['gcePersistentDisk', 'persistentDisk']]);
const EXCESS_PATHS: ReadonlyMap<string, string> = new Map([
  ['cephfs', 'cephFS'],
  ['downwardAPI', 'downwarAPI'],
]);

export type SourceTable = ReadonlyMap<string, Validator<unknown>>;

export const sourceTable = <T>(validators: SourceValidators<T>): SourceTable =>
  new Map(Object.entries(validators)) as SourceTable;

/** In the order of the table: mostly one. */
function sourcesOf(holder: object, table: SourceTable): string[] {
  const given: string[] = [];
  for (const field in holder) if (table.has(field)) given.push(field);
  return given.length < 2 ? given : [...table.keys()].filter((source) => given.includes(source));
}

/** Validates the one source that `holder` should have: a volume of a pod, or the spec of a PersistentVolume. */
export function validateOneSource(holder: object, table: SourceTable, path: string, errors: FieldError[]): void {
  const [first, ...others] = sourcesOf(holder, table);
  if (first === undefined) {
    errors.push(required(path, 'must specify a volume type'));
    return;
  }
  const source = own(holder as Readonly<Record<string, unknown>>, first);
  table.get(first)?.(source, `${path}.${SOURCE_PATHS.get(first) ?? first}`, errors);
  for (const other of others) {
    const at = `${path}.${EXCESS_PATHS.get(other) ?? other}`;
    errors.push(forbidden(at, 'may not specify more than 1 volume type'));
  }
}
