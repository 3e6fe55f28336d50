/** What a backup says of itself: the header is its first part, the manifest, which names all other parts, its last. */
import { isJsonObject, own } from '../../api/machinery/own.ts';
import { BackupError } from './backup-error.ts';
import type { Home } from './store-pages.ts';

export const FORMAT_VERSION = 1;

export interface BackupHeader {
  readonly formatVersion: typeof FORMAT_VERSION;
  /** Of the program that has made it. */
  readonly kedgeVersion: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** Of the cluster's CA: `sha256:` and hex digits. */
  readonly caHash: string;
  readonly home: Home;
  /** What all keys begin with. */
  readonly root: string;
}

export interface PartSum {
  readonly name: string;
  readonly bytes: number;
  /** Hex digits. */
  readonly sha256: string;
}

export interface BackupManifest extends BackupHeader {
  /** The UID of the namespace kube-system; '' when it cannot be read. */
  readonly clusterId: string;
  /** All objects are as of this revision of the store. */
  readonly revision: number;
  readonly objects: number;
  /** Of their values. */
  readonly bytes: number;
  /** How many of the values are encrypted by an EncryptionConfiguration. */
  readonly encryptedValues: number;
  /** Objects by resource: `pods`, `deployments.apps`. */
  readonly kinds: Readonly<Record<string, number>>;
  /** Settings that are files, and are not in the backup. */
  readonly missing: readonly string[];
  /** All parts but the manifest, in their order. */
  readonly parts: readonly PartSum[];
}

/** So that what is above it after a restore can be counted, too. */
const MAX_REVISION = 2 ** 52;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= 1024;

function parsed(name: string, content: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(content.toString());
    if (isJsonObject(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new BackupError(`the backup is damaged: its ${name} cannot be read`);
}

/** Throws BackupError, also for a format of a later version. */
export function readHeader(content: Buffer): BackupHeader {
  const value = parsed('header', content);
  const { formatVersion, kedgeVersion, createdAt, caHash, home, root } = value;
  if (isCount(formatVersion) && formatVersion > FORMAT_VERSION)
    throw new BackupError(`the backup has format ${formatVersion}, which only a later kedge reads`);
  const isRight =
    formatVersion === FORMAT_VERSION &&
    [kedgeVersion, createdAt, caHash].every(isText) &&
    (home === 'embedded' || home === 'etcd') &&
    isText(root) &&
    /^(\/[A-Za-z0-9._-]+)+\/$/.test(root);
  if (!isRight) throw new BackupError('the backup is damaged: its header is none');
  return value as unknown as BackupHeader;
}

/** Throws BackupError. */
export function readManifest(content: Buffer): BackupManifest {
  const value = parsed('manifest', content);
  readHeader(content);
  const { clusterId, revision, objects, bytes, encryptedValues, kinds, missing, parts } = value;
  const isRight =
    isText(clusterId) &&
    [revision, objects, bytes, encryptedValues].every(isCount) &&
    Number(revision) <= MAX_REVISION &&
    isJsonObject(kinds) &&
    Object.values(kinds).every(isCount) &&
    Array.isArray(missing) &&
    missing.every(isText) &&
    Array.isArray(parts) &&
    parts.every((part) => isJsonObject(part) && isText(own(part, 'name')) && isText(own(part, 'sha256')));
  if (!isRight) throw new BackupError('the backup is damaged: its manifest is none');
  return value as unknown as BackupManifest;
}
