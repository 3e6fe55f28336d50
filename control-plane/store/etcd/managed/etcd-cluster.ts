/** The members of etcd as an administrator sees and changes them: etcd's APIs Cluster and Maintenance. */
import { setTimeout as delay } from 'node:timers/promises';
import { StoreUnavailableError } from '../../store.ts';
import { readCredentials } from '../credentials.ts';
import { Endpoint, EndpointError } from '../endpoint.ts';
import { Members } from '../members.ts';
import {
  METHODS,
  type Alarm,
  type AlarmResponse,
  type Member,
  type MembersResponse,
  type Method,
  type ResponseHeader,
  type SnapshotResponse,
  type StatusResponse,
} from '../messages.ts';
import type { TlsFiles } from './arguments.ts';

/** A change of members is a write. etcd waits for as long itself (its `ReqTimeout`, 7 s with its defaults). */
const CALL_LIMIT_MS = 10_000;
/** etcd changes no members until all of the others have been connected for five seconds (its `HealthInterval`). */
const UNHEALTHY = /unhealthy cluster/;
const UNHEALTHY_LIMIT_MS = 15_000;
const AGAIN_MS = 500;
/** Whether a member is there. */
const STATUS_LIMIT_MS = 3_000;
/** A member writes its whole database again meanwhile: at 50 MB/s, 8 GB take three minutes. */
const DEFRAGMENT_LIMIT_MS = 10 * 60_000;

/** A read that the members have to agree on, of a key that need not be there: after it, who has answered is up to date. */
export const READ_OF_ALL = { key: Buffer.from('health'), countOnly: true };

type AccessTo = Awaited<ReturnType<typeof readCredentials>>;

/** One member, as it says itself. */
export interface MemberStatus {
  readonly member: Member;
  /** Undefined of one that does not answer. */
  readonly status: StatusResponse | undefined;
  /** Why it does not. */
  readonly problem: string;
}

export class EtcdCluster implements Disposable {
  readonly #members: Members;
  readonly #accessTo: AccessTo;
  readonly #signal: AbortSignal;

  private constructor(members: Members, accessTo: AccessTo, signal: AbortSignal) {
    this.#members = members;
    this.#accessTo = accessTo;
    this.#signal = signal;
  }

  /** @param urls of members' clients, the first to ask first; at least one */
  static async open(urls: readonly string[], files: TlsFiles, signal: AbortSignal): Promise<EtcdCluster> {
    return EtcdCluster.over(urls, await readCredentials(files), signal);
  }

  static over(urls: readonly string[], accessTo: AccessTo, signal: AbortSignal): EtcdCluster {
    return new EtcdCluster(new Members(urls.map((url) => new Endpoint(url, accessTo(url)))), accessTo, signal);
  }

  /**
   * All methods throw EndpointError, with etcd's words in `details`, or the signal's reason. A member answers this one from what it has applied,
   * which may be old.
   */
  async list(): Promise<readonly Member[]> {
    const { members } = await this.#read<MembersResponse>(METHODS.listMembers);
    return members;
  }

  /** The members as they are now, which takes a quorum. */
  async listLatest(): Promise<readonly Member[]> {
    await this.agree();
    return this.list();
  }

  /** A learner has all data and no vote until it is promoted. */
  async addLearner(peerUrl: string): Promise<readonly Member[]> {
    const request = { peerURLs: [peerUrl], isLearner: true };
    return (await this.#write<MembersResponse>(METHODS.addMember, request)).members;
  }

  async promote(ID: string): Promise<void> {
    await this.#write(METHODS.promoteMember, { ID });
  }

  /** Waits where one of the others has been connected for a moment only: etcd takes none away then. */
  async remove(ID: string): Promise<void> {
    const startedAt = performance.now();
    for (;;) {
      try {
        await this.#write(METHODS.removeMember, { ID });
        return;
      } catch (error) {
        const isPassing = error instanceof EndpointError && UNHEALTHY.test(error.details);
        if (!isPassing || performance.now() - startedAt > UNHEALTHY_LIMIT_MS) throw error;
        await delay(AGAIN_MS, undefined, { signal: this.#signal });
      }
    }
  }

  /** Resolves when a quorum has agreed on what is the latest state; while they elect a leader, after that. */
  async agree(): Promise<void> {
    await this.#read(METHODS.range, READ_OF_ALL);
  }

  async alarms(): Promise<readonly Alarm[]> {
    return (await this.#read<AlarmResponse>(METHODS.alarm, { action: 'GET' })).alarms;
  }

  async disarm({ memberID, alarm }: Alarm): Promise<void> {
    await this.#write(METHODS.alarm, { action: 'DEACTIVATE', memberID, alarm });
  }

  /** @param leader the member that leads: no other one may be asked */
  async moveLeader(leader: Member, targetID: string): Promise<void> {
    await this.#ask(leader, (endpoint) =>
      endpoint.call(METHODS.moveLeader, { targetID }, { limitMs: CALL_LIMIT_MS, signal: this.#signal }),
    );
  }

  /** The member answers nobody until it is done. */
  async defragment(member: Member): Promise<void> {
    await this.#ask(member, (endpoint) =>
      endpoint.call(METHODS.defragment, {}, { limitMs: DEFRAGMENT_LIMIT_MS, signal: this.#signal }),
    );
  }

  /** Hands over the database of a member as it is, in pieces. */
  async snapshot(member: Member, take: (piece: Buffer) => Promise<void>): Promise<void> {
    await this.#ask(member, async (endpoint) => {
      for await (const { blob } of endpoint.responses<SnapshotResponse>(METHODS.snapshot, {}, this.#signal))
        await take(blob);
    });
  }

  async statuses(members: readonly Member[]): Promise<readonly MemberStatus[]> {
    return Promise.all(
      members.map(async (member) => {
        if (member.clientURLs.length === 0) return { member, status: undefined, problem: 'it has not been started' };
        try {
          const status = await this.#ask(member, (endpoint) =>
            endpoint.call<StatusResponse>(
              METHODS.status,
              {},
              { limitMs: STATUS_LIMIT_MS, signal: this.#signal, needsLeader: false },
            ),
          );
          return { member, status, problem: '' };
        } catch (error) {
          if (error instanceof EndpointError) return { member, status: undefined, problem: error.message };
          throw error;
        }
      }),
    );
  }

  /** Of members by their client URLs, whether or not there is a leader. */
  statusesOf(urls: readonly string[]): Promise<readonly MemberStatus[]> {
    return this.statuses(urls.map((url) => ({ ID: '0', name: '', peerURLs: [], clientURLs: [url], isLearner: false })));
  }

  async #ask<T>({ clientURLs: [url = ''] }: Member, run: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const endpoint = new Endpoint(url, this.#accessTo(url));
    try {
      return await run(endpoint);
    } finally {
      endpoint.close();
    }
  }

  #read<T extends { readonly header: ResponseHeader | null }>(method: Method, request: object = {}): Promise<T> {
    return this.#call(method, request, true);
  }

  #write<T extends { readonly header: ResponseHeader | null }>(method: Method, request: object): Promise<T> {
    return this.#call(method, request, false);
  }

  #call<T extends { readonly header: ResponseHeader | null }>(
    method: Method,
    request: object,
    repeatable: boolean,
  ): Promise<T> {
    const call = {
      limitMs: CALL_LIMIT_MS,
      signal: this.#signal,
      repeatable,
      hasRevision: false,
      needsLeader: !repeatable,
    };
    return this.#members.call<T>(method, request, call);
  }

  [Symbol.dispose](): void {
    this.#members.close();
  }
}

/** For commands: what a member says is all that an operator needs. */
export async function inPlainWords<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw error instanceof EndpointError ? new StoreUnavailableError(error.message, { cause: error }) : error;
  }
}

/** Those whose URLs clients may use: a learner answers few requests. */
export const votersUrls = (members: readonly Member[]): readonly string[] =>
  members.flatMap(({ isLearner, clientURLs: [url] }) => (isLearner || url === undefined ? [] : [url]));
