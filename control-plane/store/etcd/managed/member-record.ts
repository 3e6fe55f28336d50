/**
 * What a host remembers of its member of the etcd that Kedge runs, in `etcd/` of the server's data directory: how far the member is, and at which
 * URLs members listen to clients. Servers, etcd's unit and commands write them: each file is replaced as a whole, and what depends on what was there is
 * done by one of them at a time (`whileChanging`).
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { IpAddress } from '../../../../api/domain/address.ts';
import { isJsonObject } from '../../../../api/machinery/own.ts';
import { PkiError, readIfThere, writeAtomically } from '../../../pki/pem-files.ts';
import { whileLocked } from '../../embedded/directory-lock.ts';
import { StoreUnavailableError } from '../../store.ts';
import { serversProblem } from '../servers.ts';

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/**
 * - `new`: the first member of a cluster, which has not been seen to run.
 * - `joining`: is to be added to a cluster, or has been and was not seen to be promoted.
 * - `member`: its data are the cluster's. Without them it must not start: it would be another cluster with the same name.
 * - `recovering`: is to be the only member, from its own data or a snapshot's, and has not been seen to be.
 * - `left`: has been removed from the cluster.
 */
const STATES = ['new', 'joining', 'member', 'recovering', 'left'] as const;
export type MemberState = (typeof STATES)[number];

export interface MemberRecord {
  readonly state: MemberState;
  /** The IP address of this host for the other members; its name in the cluster, too. */
  readonly address: string;
  /** Of the newest etcd that has been started, as 3.4.23; '' when none was. */
  readonly version: string;
}

export const etcdDirectory = (dataDir: string): string => path.join(dataDir, 'etcd');
/** etcd's own `--data-dir`. */
export const dataDirectory = (dataDir: string): string => path.join(etcdDirectory(dataDir), 'data');
const recordFile = (dataDir: string): string => path.join(etcdDirectory(dataDir), 'member.json');
const endpointsFile = (dataDir: string): string => path.join(etcdDirectory(dataDir), 'endpoints.json');

/** Undefined on a host that has no member. Throws StoreUnavailableError or PkiError when there is one that cannot be read. */
export async function readMemberRecord(dataDir: string): Promise<MemberRecord | undefined> {
  const file = recordFile(dataDir);
  const value = await readJson(file);
  if (value === undefined) return undefined;
  if (isJsonObject(value)) {
    const { state, address, version } = value;
    const known = STATES.find((one) => one === state);
    if (known && typeof address === 'string' && IpAddress.parse(address) && typeof version === 'string')
      return { state: known, address, version };
  }
  throw new StoreUnavailableError(`${file} is not one that kedge has written`);
}

export async function writeMemberRecord(dataDir: string, record: MemberRecord): Promise<void> {
  await mkdir(etcdDirectory(dataDir), { recursive: true, mode: DIRECTORY_MODE });
  await writeAtomically(recordFile(dataDir), `${JSON.stringify(record)}\n`, FILE_MODE);
}

/**
 * Runs `act` while nobody else on this host changes what is known of its member, its certificates among it. Not to be nested. Throws
 * StoreUnavailableError when somebody else takes too long.
 */
export async function whileChanging<T>(dataDir: string, act: () => Promise<T>): Promise<T> {
  await mkdir(etcdDirectory(dataDir), { recursive: true, mode: DIRECTORY_MODE });
  return whileLocked(etcdDirectory(dataDir), act);
}

/** Changes a record that is there. Returns the new one. */
export function updateMemberRecord(
  dataDir: string,
  change: (record: MemberRecord) => MemberRecord,
): Promise<MemberRecord | undefined> {
  return whileChanging(dataDir, async () => {
    const record = await readMemberRecord(dataDir);
    if (!record) return undefined;
    const changed = change(record);
    if (changed !== record) await writeMemberRecord(dataDir, changed);
    return changed;
  });
}

/** The client URLs of members as they were known last; none on a host that has known none. Throws StoreUnavailableError or PkiError. */
export async function readEndpoints(dataDir: string): Promise<readonly string[]> {
  const file = endpointsFile(dataDir);
  const value = await readJson(file);
  if (value === undefined) return [];
  const isUrls = Array.isArray(value) && value.every((url): url is string => typeof url === 'string');
  if (isUrls && serversProblem(value) === undefined) return value;
  throw new StoreUnavailableError(`${file} is not one that kedge has written`);
}

export async function writeEndpoints(dataDir: string, urls: readonly string[]): Promise<void> {
  await mkdir(etcdDirectory(dataDir), { recursive: true, mode: DIRECTORY_MODE });
  await writeAtomically(endpointsFile(dataDir), `${JSON.stringify(urls)}\n`, FILE_MODE);
}

/** Whether etcd has data there, as it sees that itself: it takes no notice of how its cluster was to begin, then. */
export async function hasData(dataDir: string): Promise<boolean> {
  try {
    const names = await readdir(path.join(dataDirectory(dataDir), 'member', 'wal'));
    return names.some((name) => name.endsWith('.wal'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Data of a member that the cluster does not have any more. */
export const removeData = (dataDir: string): Promise<void> =>
  rm(dataDirectory(dataDir), { recursive: true, force: true });

/** All that a host has of a cluster that it has left, the copies of before a recovery and an upgrade among it. What it remembers of its member stays. */
export async function removeAllData(dataDir: string): Promise<void> {
  const kept = new Set([recordFile(dataDir), endpointsFile(dataDir)]);
  for (const name of await readdir(etcdDirectory(dataDir))) {
    const file = path.join(etcdDirectory(dataDir), name);
    if (!kept.has(file)) await rm(file, { recursive: true, force: true });
  }
}

async function readJson(file: string): Promise<unknown> {
  const text = await readIfThere(file);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new PkiError(`${file} is damaged: ${String(error)}`, { cause: error });
  }
}
