/**
 * Makes this host ready to run its member of etcd, and says with what etcd is to be started. May be killed at any moment and run again: what is
 * done is found in the cluster and on disk, and gone on with.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { IpAddress } from '../../../../api/domain/address.ts';
import { backoffMs } from '../../../../client/backoff.ts';
import type { Logger } from '../../../../client/logger.ts';
import { StoreUnavailableError } from '../../store.ts';
import { EndpointError } from '../endpoint.ts';
import type { Member } from '../messages.ts';
import { etcdArguments, peerUrl, type Beginning } from './arguments.ts';
import { clientFiles, ETCD_CA, hasEtcdCa, memberFiles, openEtcdPki, type NamesOfHost } from './certificates.ts';
import { EtcdCluster } from './etcd-cluster.ts';
import {
  dataDirectory,
  hasData,
  readEndpoints,
  readMemberRecord,
  removeData,
  updateMemberRecord,
  whileChanging,
  writeMemberRecord,
  type MemberRecord,
} from './member-record.ts';

export interface BeginOptions extends NamesOfHost {
  readonly dataDir: string;
  readonly pkiDirectory: string;
  /** Of this host for others; asked for when the host has no member yet. */
  readonly address: () => Promise<string>;
  readonly quotaBytes: number;
  /** Of the etcd that will be started, as 3.4.23. */
  readonly version: string;
  /** Called when a member that has data is about to be started by a newer etcd than any before: an older one changes nothing. */
  readonly versionChanges: (from: string, to: string) => Promise<void>;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** The member of this host was removed: it is of no use to try again. */
export class LeftError extends StoreUnavailableError {
  override readonly name = 'LeftError';
}

/** etcd takes one learner at a time, and none while a member is not well: this is waited for. */
const ADD_LIMIT_MS = 60_000;
const ADD_AGAIN = { initialMs: 500, maxMs: 5_000 };
const PASSING = /too many learner members|unhealthy cluster|no leader|leader changed|request timed out/;

/** Returns etcd's arguments. Throws StoreUnavailableError or PkiError with a sentence for the operator. */
export async function beginMember(options: BeginOptions): Promise<string[]> {
  const { dataDir, pkiDirectory, quotaBytes, version, versionChanges, logger } = options;
  const record = (await readMemberRecord(dataDir)) ?? (await firstRecord(options));
  const { state, address } = record;
  if (state === 'left')
    throw new LeftError('this host has left the cluster: kedge server join makes it another server again');
  if (state === 'recovering') throw new Error('a member that is being recovered is not begun');
  const isThere = await hasData(dataDir);
  const newest = isThere && isNewer(record.version, version) ? record.version : version;
  if (state === 'member' && !isThere) throw new StoreUnavailableError(lostSentence(record, dataDir));
  // The server of this host renews them, too.
  await whileChanging(dataDir, () =>
    openEtcdPki(pkiDirectory, address, options, { mayMakeCa: state === 'new' && !isThere }),
  );
  const beginning = await beginningOf(options, record, isThere);
  if (isThere && record.version !== '' && record.version !== newest) await versionChanges(record.version, version);
  // The server may have found meanwhile that it is a full member.
  if (record.version !== newest) await updateMemberRecord(dataDir, (latest) => ({ ...latest, version: newest }));
  const isNew = beginning !== undefined;
  logger.info({ address, version, state, isNew, of: beginning?.members.length }, 'starting etcd');
  return etcdArguments({
    ...{ address, dataDirectory: dataDirectory(dataDir), tls: memberFiles(pkiDirectory), quotaBytes, beginning },
  });
}

/** @param a as 3.4.23 */
function isNewer(a: string, b: string): boolean {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  const at = left?.findIndex((number, index) => number !== right?.[index]) ?? -1;
  return at >= 0 && (left?.[at] ?? 0) > (right?.[at] ?? 0);
}

const lostSentence = ({ address }: MemberRecord, dataDir: string): string =>
  `the data of this member of etcd are gone from ${dataDirectory(dataDir)}: on another server, kedge server leave --name ${address}, ` +
  'and then kedge server join on this one; without another server, kedge etcd recover --snapshot, or restore a backup (docs/etcd.md)';

async function firstRecord({ dataDir, pkiDirectory, address }: BeginOptions): Promise<MemberRecord> {
  const isJoining = (await readEndpoints(dataDir)).length > 0;
  if (!isJoining && (await hasEtcdCa(pkiDirectory)))
    throw new StoreUnavailableError(
      `${pkiDirectory} has the CA of an etcd that this host has no member of: ` +
        'join its cluster (kedge server join), or remove etcd-ca.* there to begin a new one',
    );
  const given = await address();
  // As a command has it that is given the same address in other words.
  const text = IpAddress.parse(given)?.text ?? given;
  const record: MemberRecord = { state: isJoining ? 'joining' : 'new', address: text, version: '' };
  await writeMemberRecord(dataDir, record);
  return record;
}

async function beginningOf(
  options: BeginOptions,
  { state, address }: MemberRecord,
  isThere: boolean,
): Promise<Beginning | undefined> {
  if (state === 'member' || (state === 'new' && isThere)) return undefined;
  const token = await tokenOf(options);
  if (state === 'new') return { state: 'new', members: [[address, peerUrl(address)]], token };
  const { members, hasData: isStillThere } = await becomeMember(options, address, isThere);
  if (isStillThere) return undefined;
  const url = peerUrl(address);
  return {
    state: 'existing',
    members: members.flatMap(({ name, peerURLs }) =>
      peerURLs.map((peer) => [peer === url ? address : name, peer] as const),
    ),
    token,
  };
}

/** Of the CA, which no other cluster has. */
async function tokenOf({ pkiDirectory }: BeginOptions): Promise<string> {
  const ca = await readFile(path.join(pkiDirectory, `${ETCD_CA}.crt`));
  return `kedge-${createHash('sha256').update(ca).digest('hex').slice(0, 32)}`;
}

interface Membership {
  readonly members: readonly Member[];
  /** False once those of a member of before have been removed. */
  readonly hasData: boolean;
}

/** Adds this host as a learner, unless a former attempt has. */
async function becomeMember(options: BeginOptions, address: string, wasThere: boolean): Promise<Membership> {
  const { dataDir, pkiDirectory, signal, logger } = options;
  using cluster = await EtcdCluster.open(await readEndpoints(dataDir), await clientFiles(pkiDirectory), signal);
  const url = peerUrl(address);
  const startedAt = performance.now();
  let isThere = wasThere;
  for (let failures = 1; ; failures++) {
    try {
      const members = await cluster.list();
      const own = members.find(({ peerURLs }) => peerURLs.includes(url));
      if (own && (isThere || own.name === '')) return { members, hasData: isThere };
      if (own && !own.isLearner)
        throw new StoreUnavailableError(lostSentence({ state: 'member', address, version: '' }, dataDir));
      // A learner has no vote: one without its data is added again. And data of no member are of a former one.
      if (own) await cluster.remove(own.ID);
      else if (isThere) {
        // Who was asked may not know the latest yet.
        if (!(await cluster.listLatest()).every(({ peerURLs }) => !peerURLs.includes(url))) continue;
        await removeData(dataDir);
      }
      isThere = false;
      return { members: await cluster.addLearner(url), hasData: false };
    } catch (error) {
      const isLate = performance.now() - startedAt > ADD_LIMIT_MS;
      if (!(error instanceof EndpointError) || isLate || !isPassing(error)) throw asUnavailable(error);
      logger.info({ err: error }, 'waiting to be added to etcd');
      await delay(backoffMs(ADD_AGAIN, failures), undefined, { signal });
    }
  }
}

const isPassing = ({ kind, details }: EndpointError): boolean =>
  kind === 'unsent' || kind === 'lost' || PASSING.test(details);

const asUnavailable = (error: unknown): unknown =>
  error instanceof EndpointError
    ? new StoreUnavailableError(`this host was not added to the members of etcd: ${error.message}`)
    : error;
