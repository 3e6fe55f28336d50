/**
 * How a member of etcd becomes the only one, before it is started as usual. `kedge etcd recover` asks for it by the state `recovering`; `kedge etcd
 * run` carries it out and may be killed at any moment: it begins again with what it finds on disk.
 *
 * 1. `restored`, the data of a snapshot, take the place of the member's own; without a snapshot, a copy of the member's own data is made. Either
 *    way, what the member had is in `before-recovery` before anything changes.
 * 2. etcd runs with `--force-new-cluster`, which takes all other members out of its log, until it answers alone and its revisions have been raised
 *    above those that clients know; then it is stopped.
 * 3. The host remembers that it is the only member. From then on, etcd never runs with that flag: it would take members away that have joined since.
 */
import { constants } from 'node:fs';
import { cp, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../client/logger.ts';
import { isProgramMissing, run } from '../agent/host/run.ts';
import type { ServerConfig } from '../control-plane/config.ts';
import { syncFolder } from '../control-plane/pki/pem-files.ts';
import { clientUrl, etcdArguments, peerUrl } from '../control-plane/store/etcd/managed/arguments.ts';
import { clientFiles, memberFiles, openEtcdPki } from '../control-plane/store/etcd/managed/certificates.ts';
import {
  dataDirectory,
  etcdDirectory,
  readEndpoints,
  readMemberRecord,
  whileChanging,
  writeEndpoints,
  writeMemberRecord,
  type MemberRecord,
} from '../control-plane/store/etcd/managed/member-record.ts';
import { pkiDirectoryOf, settingsFor } from '../control-plane/store/etcd/managed/settings.ts';
import { StoreUnavailableError } from '../control-plane/store/store.ts';
import { etcdsEnvironment } from './etcd-program.ts';
import { raiseRevisions } from './raise-revisions.ts';
import { SettingsError } from './settings.ts';

const MEGABYTE = 2 ** 20;
/** etcd reads its whole log first. */
const ALONE_LIMIT_MS = 10 * 60_000;
const LOOK_MS = 200;
const GONE_LIMIT_MS = 30_000;
const RESTORE_LIMIT_MS = 10 * 60_000;

const beforeRecovery = (dataDir: string): string => path.join(etcdDirectory(dataDir), 'before-recovery');
const restored = (dataDir: string): string => path.join(etcdDirectory(dataDir), 'restored');
const incomplete = (directory: string): string => `${directory}.incomplete`;

async function isThere(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Before another recovery is asked for: what is kept of one before, and what a command that was killed has left. */
export async function forgetFormerRecovery(dataDir: string): Promise<void> {
  for (const directory of [restored(dataDir), beforeRecovery(dataDir)])
    for (const one of [directory, incomplete(directory)]) await rm(one, { recursive: true, force: true });
}

/** Makes `restored` of a snapshot, with this member as the only one. Throws SettingsError or ProgramError. */
export async function restoreSnapshot(
  { dataDir }: ServerConfig,
  { address }: MemberRecord,
  snapshot: string,
): Promise<void> {
  const directory = incomplete(restored(dataDir));
  const url = peerUrl(address);
  const member = [`--name=${address}`, `--initial-cluster=${address}=${url}`, `--initial-advertise-peer-urls=${url}`];
  // Of a token that no cluster has had: members of the one before are told by it that this is another.
  const token = `kedge-recovered-${Date.now()}`;
  const args = [
    'snapshot',
    'restore',
    snapshot,
    `--data-dir=${directory}`,
    ...member,
    `--initial-cluster-token=${token}`,
  ];
  const env = { ...etcdsEnvironment(), ETCDCTL_API: '3' };
  // From etcd 3.6 on, etcdctl does not restore.
  for (const program of ['etcdutl', 'etcdctl']) {
    try {
      await run(program, args, { timeoutMs: RESTORE_LIMIT_MS, env });
      await syncTree(directory);
      await rename(directory, restored(dataDir));
      return await syncFolder(etcdDirectory(dataDir));
    } catch (error) {
      if (!isProgramMissing(error)) throw error;
    }
  }
  throw new SettingsError('a snapshot is read by etcdctl, which is not installed: apt-get install etcd-client');
}

export interface RecoveryOptions {
  readonly config: ServerConfig;
  /** The etcd of this host. */
  readonly program: string;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/**
 * Makes the member of this host the only one, where that has been asked for. Throws StoreUnavailableError with a sentence for the operator when etcd
 * does not come to that, PkiError, the error of the file system, or the signal's reason.
 */
export async function finishRecovery(options: RecoveryOptions): Promise<void> {
  const { config, logger } = options;
  const { dataDir } = config;
  const record = await readMemberRecord(dataDir);
  if (record?.state !== 'recovering') return;
  await whileChanging(dataDir, () => openEtcdPki(pkiDirectoryOf(config), record.address, config));
  const isBegun = await isThere(beforeRecovery(dataDir));
  if (!isBegun && (await othersAgree(options, record))) {
    logger.warn({}, 'most members of etcd answer: this one is not made the only one');
    await forgetFormerRecovery(dataDir);
    return writeMemberRecord(dataDir, { ...record, state: 'member' });
  }
  await keepOrReplaceData(dataDir);
  logger.warn({ kept: beforeRecovery(dataDir) }, 'making this member of etcd the only one');
  await runAlone(options, record);
  await writeEndpoints(dataDir, [clientUrl(record.address)]);
  await writeMemberRecord(dataDir, { ...record, state: 'member' });
}

/** Whether the others have come back since it was asked for: then nothing is to be recovered. */
async function othersAgree({ config, signal }: RecoveryOptions, { address }: MemberRecord): Promise<boolean> {
  const { EtcdCluster } = await import('../control-plane/store/etcd/managed/etcd-cluster.ts');
  const { EndpointError } = await import('../control-plane/store/etcd/endpoint.ts');
  const others = (await readEndpoints(config.dataDir)).filter((url) => url !== clientUrl(address));
  if (others.length === 0) return false;
  using cluster = await EtcdCluster.open(others, await clientFiles(pkiDirectoryOf(config)), signal);
  try {
    await cluster.agree();
    return true;
  } catch (error) {
    if (error instanceof EndpointError) return false;
    throw error;
  }
}

async function keepOrReplaceData(dataDir: string): Promise<void> {
  const [data, kept, replacement] = [dataDirectory(dataDir), beforeRecovery(dataDir), restored(dataDir)];
  if (await isThere(replacement)) {
    // A killed attempt may have kept them already; a member that has lost its data has none to keep.
    if (!(await isThere(kept)) && (await isThere(data))) await rename(data, kept);
    await syncFolder(etcdDirectory(dataDir));
    await rename(replacement, data);
  } else if (!(await isThere(kept)) && (await isThere(data))) {
    const part = incomplete(kept);
    await rm(part, { recursive: true, force: true });
    await cp(data, part, { recursive: true, mode: constants.COPYFILE_FICLONE });
    await syncTree(part);
    await rename(part, kept);
  }
  await syncFolder(etcdDirectory(dataDir));
}

/** Returns once all that is in it will survive a crash. */
async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    await using file = await open(path.join(entry.parentPath, entry.name));
    await file.sync();
  }
  await syncFolder(directory);
}

async function runAlone(options: RecoveryOptions, record: MemberRecord): Promise<void> {
  const { config, program, signal, logger } = options;
  const { address } = record;
  const tls = memberFiles(pkiDirectoryOf(config));
  // A database that has reached its quota takes the one write that this needs.
  const quotaBytes = 2 * config.etcdQuotaMegabytes * MEGABYTE;
  const args = etcdArguments({
    ...{ address, dataDirectory: dataDirectory(config.dataDir), tls, quotaBytes, beginning: undefined },
  });
  // It is not ready for systemd until it is started as usual.
  const env = Object.fromEntries(Object.entries(etcdsEnvironment()).filter(([name]) => name !== 'NOTIFY_SOCKET'));
  const done = new AbortController();
  // Killed when it is done, and with this process: what it has agreed to is on disk. It must not be there when it is started as usual.
  const etcd = run('setpriv', ['--pdeathsig=KILL', program, ...args, '--force-new-cluster'], {
    ...{ env, timeoutMs: ALONE_LIMIT_MS, signal: AbortSignal.any([signal, done.signal]) },
  }).then(
    () => 'it has ended',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  try {
    const failure = await Promise.race([etcd, untilAlone(options, address, done.signal)]);
    signal.throwIfAborted();
    if (failure !== undefined) throw new StoreUnavailableError(`etcd was not made the only member: ${failure}`);
    await makeRoom(options, address);
    const alone = { ...(await settingsFor(config, record)), etcdServers: [clientUrl(address)] };
    await raiseRevisions(alone, 'kedge etcd recover', signal, logger);
  } finally {
    done.abort();
    await etcd;
  }
  await untilGone(options, address);
}

/** Until it is started as usual, and is as full as before. */
async function makeRoom({ config, signal, logger }: RecoveryOptions, address: string): Promise<void> {
  const { EtcdCluster } = await import('../control-plane/store/etcd/managed/etcd-cluster.ts');
  const { disarmAlarms } = await import('../control-plane/store/etcd/managed/maintenance.ts');
  const files = await clientFiles(pkiDirectoryOf(config));
  using cluster = await EtcdCluster.open([clientUrl(address)], files, signal);
  await disarmAlarms(cluster, (sentence) => logger.info({}, sentence));
}

/** Its ports are free then. */
async function untilGone({ config, signal }: RecoveryOptions, address: string): Promise<void> {
  const { EtcdCluster } = await import('../control-plane/store/etcd/managed/etcd-cluster.ts');
  const url = clientUrl(address);
  using cluster = await EtcdCluster.open([url], await clientFiles(pkiDirectoryOf(config)), signal);
  const startedAt = performance.now();
  while ((await cluster.statusesOf([url]))[0]?.status) {
    if (performance.now() - startedAt > GONE_LIMIT_MS)
      throw new StoreUnavailableError('etcd was made the only member, and does not end after SIGKILL');
    await delay(LOOK_MS, undefined, { signal });
  }
}

/** Resolves when it answers as the only member. Returns why not after the limit. */
async function untilAlone(
  { config }: RecoveryOptions,
  address: string,
  ended: AbortSignal,
): Promise<string | undefined> {
  const { EtcdCluster } = await import('../control-plane/store/etcd/managed/etcd-cluster.ts');
  const { EndpointError } = await import('../control-plane/store/etcd/endpoint.ts');
  using cluster = await EtcdCluster.open([clientUrl(address)], await clientFiles(pkiDirectoryOf(config)), ended);
  const startedAt = performance.now();
  for (;;) {
    const reason = await cluster
      .agree()
      .then(() => cluster.list())
      .then(
        (members) => (members.length === 1 ? undefined : `there are ${members.length} members`),
        (error: unknown) => {
          if (error instanceof EndpointError) return error.message;
          throw error;
        },
      );
    if (reason === undefined || performance.now() - startedAt > ALONE_LIMIT_MS) return reason;
    await delay(LOOK_MS, undefined, { signal: ended });
  }
}
