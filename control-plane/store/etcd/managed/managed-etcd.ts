/** The etcd that Kedge runs, for a server and the commands of its host: where it is, when it can be used, and which members it has. */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../../../client/backoff.ts';
import type { Logger } from '../../../../client/logger.ts';
import { Outage } from '../../../../client/outage.ts';
import type { ServerConfig } from '../../../config.ts';
import { readIfThere } from '../../../pki/pem-files.ts';
import { StoreUnavailableError } from '../../store.ts';
import { readCredentials } from '../credentials.ts';
import { Endpoint, EndpointError } from '../endpoint.ts';
import type { Members } from '../members.ts';
import { METHODS, type Member, type MembersResponse } from '../messages.ts';
import { peerUrl } from './arguments.ts';
import { clientFiles, hasClient, openEtcdPki } from './certificates.ts';
import { EtcdCluster, READ_OF_ALL, votersUrls } from './etcd-cluster.ts';
import {
  readEndpoints,
  readMemberRecord,
  updateMemberRecord,
  whileChanging,
  writeEndpoints,
  type MemberState,
} from './member-record.ts';
import { NOT_STARTED, pkiDirectoryOf, settingsFor, withManagedEtcd } from './settings.ts';

/** How long etcd may take to be started and to have caught up before the server ends; it is started again then. */
const READY_LIMIT_MS = 120_000;
const AGAIN = { initialMs: 100, maxMs: 2_000 };
/** Members change when somebody runs a command. */
const FOLLOW_MS = 10_000;
const FOLLOW_LIMIT_MS = 4_000;

/** Opens what changes the members. Throws StoreUnavailableError or PkiError. */
export async function openManagedCluster(config: ServerConfig, signal: AbortSignal): Promise<EtcdCluster> {
  const { etcdServers } = await withManagedEtcd(config);
  return EtcdCluster.open(etcdServers, await clientFiles(pkiDirectoryOf(config)), signal);
}

/**
 * Resolves with the settings when this host's member is a full one: one that has been added is promoted as soon as it has caught up. Throws
 * StoreUnavailableError after two minutes, or when it is none.
 */
export async function managedEtcdReady(
  config: ServerConfig,
  signal: AbortSignal,
  logger: Logger,
  tell: (sentence: string) => void,
): Promise<ServerConfig> {
  const startedAt = performance.now();
  let said = '';
  for (let failures = 1; ; failures++) {
    const reason = await tryToBeReady(config, signal);
    if (typeof reason !== 'string') return reason;
    if (reason !== said) logger.info({ reason }, 'waiting for etcd');
    said = reason;
    tell(reason);
    if (performance.now() - startedAt > READY_LIMIT_MS) throw new StoreUnavailableError(reason);
    await delay(backoffMs(AGAIN, failures), undefined, { signal });
  }
}

/** The settings, or why etcd cannot be used yet. */
async function tryToBeReady(config: ServerConfig, signal: AbortSignal): Promise<ServerConfig | string> {
  const { dataDir } = config;
  const record = await readMemberRecord(dataDir);
  if (!record || !(await hasClient(pkiDirectoryOf(config)))) return NOT_STARTED;
  if (record.state === 'left') throw new StoreUnavailableError(removedSentence(record.address));
  if (record.state === 'recovering') return 'etcd of this host is to be the only member: kedge-etcd makes it that';
  try {
    using cluster = await openManagedCluster(config, signal);
    let members = await cluster.list();
    // Who was asked may not know the latest yet.
    if (!ownMember(members, record.address)) members = await cluster.listLatest();
    const own = ownMember(members, record.address);
    if (!own && record.state !== 'member') return 'etcd of this host is not a member yet: kedge-etcd adds it';
    if (!own) throw new StoreUnavailableError(removedSentence(record.address));
    if (own.name === '') return 'etcd of this host has been added, and has not been started';
    if (own.isLearner) await cluster.promote(own.ID);
    if (record.state !== 'member')
      await updateMemberRecord(dataDir, (latest) =>
        HAS_VOTE_NEXT.has(latest.state) ? { ...latest, state: 'member' } : latest,
      );
    await writeEndpoints(dataDir, votersUrls(own.isLearner ? await cluster.list() : members));
    return await settingsFor(config, record);
  } catch (error) {
    if (error instanceof EndpointError) return error.message;
    throw error;
  }
}

/** Of a member that is found to have one; the others are commands', which have not ended. */
const HAS_VOTE_NEXT: ReadonlySet<MemberState> = new Set(['new', 'joining']);

const ownMember = (members: readonly Member[], address: string): Member | undefined =>
  members.find(({ peerURLs }) => peerURLs.includes(peerUrl(address)));

const removedSentence = (address: string): string =>
  `this host, ${address}, is no member of the cluster's etcd any more: kedge server leave and then kedge server join make it one again`;

export interface FollowOptions {
  readonly config: ServerConfig;
  readonly members: Members;
  /** The member of this host has been removed. */
  readonly removed: (error: StoreUnavailableError) => void;
  readonly logger: Logger;
}

/** Keeps the members that a server uses, and those that this host remembers, as they are in the cluster. */
export class MembersFollower implements AsyncDisposable {
  readonly #options: FollowOptions;
  readonly #stop = new AbortController();
  readonly #outage: Outage;
  /** What the connections were made with. */
  #credentials: string | undefined;
  #running: Promise<void>;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#outage = new Outage({ logger: options.logger });
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await delay(FOLLOW_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.#look(signal);
        this.#outage.ended({}, 'the members of etcd are known again');
      } catch (error) {
        if (!signal.aborted) this.#outage.failed(error, {}, 'failed to ask for the members of etcd, retrying');
      }
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { config, members, removed, logger } = this.#options;
    const { dataDir } = config;
    const [record, known] = [await readMemberRecord(dataDir), await readEndpoints(dataDir)];
    // Its keys are gone, too.
    if (record?.state === 'left') return removed(new StoreUnavailableError(removedSentence(record.address)));
    // What has made them may be etcd's unit, or who has copied a new CA here.
    const credentials = await credentialsOnDisk(config);
    if (this.#credentials !== undefined && credentials !== this.#credentials) await reconnect(config, members);
    this.#credentials = credentials;
    const list = async (): Promise<readonly Member[]> => {
      const call = { limitMs: FOLLOW_LIMIT_MS, signal, repeatable: true };
      return (await members.call<MembersResponse>(METHODS.listMembers, {}, { ...call, hasRevision: false })).members;
    };
    let found = await list();
    if (record && !ownMember(found, record.address)) {
      // A member answers from what it has applied, which may be old: after a read of the latest state it is not.
      await members.call(METHODS.range, READ_OF_ALL, { limitMs: FOLLOW_LIMIT_MS, signal, repeatable: true });
      found = await list();
      if (!ownMember(found, record.address)) removed(new StoreUnavailableError(removedSentence(record.address)));
    }
    const urls = votersUrls(found);
    const isSame = urls.length === known.length && urls.every((url) => known.includes(url));
    if (urls.length === 0 || isSame) return;
    await writeEndpoints(dataDir, urls);
    await useMembers(members, urls, config);
    logger.info({ members: urls }, 'the members of etcd have changed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

/** Keeps the connections to those that are used already. */
async function useMembers(members: Members, urls: readonly string[], config: ServerConfig): Promise<void> {
  const accessTo = await readCredentials(await clientFiles(pkiDirectoryOf(config)));
  const former = new Map(members.endpoints.map((endpoint) => [endpoint.url, endpoint]));
  members.replace(urls.map((url) => former.get(url) ?? new Endpoint(url, accessTo(url))));
}

/** What a server authenticates itself and members with, as it is on disk. */
async function credentialsOnDisk(config: ServerConfig): Promise<string> {
  const { caFile, certFile } = await clientFiles(pkiDirectoryOf(config));
  return `${await readIfThere(caFile)}${await readIfThere(certFile)}`;
}

/** Connections with certificates of before go on until they end; new ones are made with those on disk. */
async function reconnect(config: ServerConfig, members: Members): Promise<void> {
  const accessTo = await readCredentials(await clientFiles(pkiDirectoryOf(config)));
  members.replace(members.endpoints.map(({ url }) => new Endpoint(url, accessTo(url))));
}

/**
 * Renews the certificates of etcd that are due, and connects with the new ones.
 * @param isDue whether those are, too, that are still good
 */
export async function renewEtcdPki(
  config: ServerConfig,
  members: Members,
  options: { readonly isDue?: boolean; readonly now?: number } = {},
): Promise<void> {
  const record = await readMemberRecord(config.dataDir);
  if (!record) return;
  const former = await credentialsOnDisk(config);
  // Etcd's unit makes them when it starts.
  await whileChanging(config.dataDir, () => openEtcdPki(pkiDirectoryOf(config), record.address, config, options));
  if (former !== (await credentialsOnDisk(config))) await reconnect(config, members);
}
