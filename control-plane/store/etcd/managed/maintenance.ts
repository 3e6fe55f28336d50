/** What the databases of the members need now and then. */
import { createHash, randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { syncFolder } from '../../../pki/pem-files.ts';
import { StoreUnavailableError } from '../../store.ts';
import type { StatusResponse } from '../messages.ts';
import type { EtcdCluster, MemberStatus } from './etcd-cluster.ts';

const FILE_MODE = 0o600;
const MEGABYTE = 2 ** 20;
/** etcd appends the SHA-256 of the database to it. */
const HASH_BYTES = 32;

const megabytes = (bytes: string): string => `${(Number(bytes) / MEGABYTE).toFixed(1)} MB`;

/**
 * Defragments all members, one after the other and the leader last: a member answers nobody meanwhile. Throws StoreUnavailableError when one is
 * away: then another one must not be, too.
 */
export async function defragmentAll(cluster: EtcdCluster, tell: (sentence: string) => void): Promise<void> {
  const members = await cluster.list();
  const found = await mustAnswer(cluster, members);
  const order = found.toSorted((a, b) => Number(isLeader(a.status)) - Number(isLeader(b.status)));
  for (const { member, status } of order) {
    await mustAnswer(cluster, members);
    await cluster.defragment(member);
    const [now] = await mustAnswer(cluster, [member]);
    tell(`${member.name}: ${megabytes(status.dbSize)} before, ${megabytes(now?.status.dbSize ?? '')} now`);
  }
}

const isLeader = ({ leader, header }: StatusResponse): boolean => leader === header.memberId;

type Answered = MemberStatus & { readonly status: StatusResponse };

async function mustAnswer(cluster: EtcdCluster, members: Parameters<EtcdCluster['statuses']>[0]): Promise<Answered[]> {
  return (await cluster.statuses(members)).map(({ member, status, problem }) => {
    if (status) return { member, status, problem };
    throw new StoreUnavailableError(`${problem}: members are defragmented while all of them are there`);
  });
}

/** Lets members accept writes again. One that still has no room raises its alarm again with the next write. */
export async function disarmAlarms(cluster: EtcdCluster, tell: (sentence: string) => void): Promise<void> {
  for (const alarm of await cluster.alarms()) {
    if (alarm.alarm !== 'NOSPACE') continue;
    await cluster.disarm(alarm);
    tell(`cleared the alarm ${alarm.alarm} of member ${BigInt(alarm.memberID).toString(16)}`);
  }
}

/**
 * Saves the database of a member as `etcdctl snapshot save` does, verified by the hash that etcd adds. Returns its size in bytes. Throws EndpointError,
 * StoreUnavailableError, or the error of the file system.
 * @param file which must not be there
 */
export async function saveSnapshot(cluster: EtcdCluster, file: string, signal: AbortSignal): Promise<number> {
  const members = await cluster.statuses(await cluster.list());
  const source = members.find(({ member, status }) => status !== undefined && !member.isLearner);
  if (!source) throw new StoreUnavailableError('no member of etcd answers');
  // Nobody else has this name, and it is never opened where something is: others may write to the folder, and the database has the cluster's Secrets.
  const part = `${file}.${randomUUID()}.incomplete`;
  // Before the database is read; who is killed meanwhile leaves no empty file that looks like a snapshot.
  await reserve(file);
  await rm(file);
  try {
    const bytes = await writeSnapshot(cluster, source, part, signal);
    await reserve(file);
    await rename(part, file);
    await syncFolder(path.dirname(file));
    return bytes;
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** Throws the error of the file system where there is such a file, or cannot be one. */
const reserve = async (file: string): Promise<void> => (await open(file, 'wx', FILE_MODE)).close();

async function writeSnapshot(
  cluster: EtcdCluster,
  { member }: MemberStatus,
  part: string,
  signal: AbortSignal,
): Promise<number> {
  await using target = await open(part, 'wx', FILE_MODE);
  const hash = createHash('sha256');
  let [tail, bytes] = [Buffer.alloc(0), 0];
  await cluster.snapshot(member, async (piece) => {
    signal.throwIfAborted();
    const known = Buffer.concat([tail, piece]);
    const end = Math.max(0, known.length - HASH_BYTES);
    hash.update(known.subarray(0, end));
    tail = known.subarray(end);
    bytes += piece.length;
    await target.writeFile(piece);
  });
  if (!hash.digest().equals(tail))
    throw new StoreUnavailableError(`the snapshot of ${member.name} is damaged or cut off`);
  await target.sync();
  return bytes;
}
