/**
 * One `kedge upgrade nodes` at a time in a cluster, by a Lease: two would hand nodes each other's package. A command that was killed is followed by
 * the next one when its Lease has not been renewed for as long as it is good for.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { UPGRADE_LEASE } from '../../api/domain/node-upgrade.ts';
import { isAlreadyExists, isConflict, isNotFound, StatusError } from '../../api/machinery/status-error.ts';
import type { Lease } from '../../api/types/coordination/v1.gen.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { ConnectionError } from '../../client/connection-error.ts';
import { holding, planElection } from '../../client/leader-election.ts';
import { leases } from '../../client/resources.gen.ts';
import { RolloutError } from './rollout-error.ts';

/** The command looks at the nodes every second, also while one is drained. */
const LEASE_SECONDS = 15;
const RENEW_MS = 5_000;
const LOOK_MS = 1_000;

export interface TurnOptions {
  readonly client: Pick<ApiClient, 'get' | 'create' | 'update'>;
  /** Who holds it, as others are told; unique among commands. */
  readonly identity: string;
  /** Told why it is waited. */
  readonly tell: (sentence: string) => void;
  readonly signal: AbortSignal;
  /** Milliseconds; for tests. */
  readonly times?: { readonly lookMs: number; readonly renewMs: number };
}

export class Turn {
  readonly #options: TurnOptions;
  #held: Lease;
  /** When what holds it now was sent, in milliseconds of `performance.now()`. */
  #renewedAtMs: number;

  private constructor(options: TurnOptions, held: Lease, sentAtMs: number) {
    this.#options = options;
    this.#held = held;
    this.#renewedAtMs = sentAtMs;
  }

  /**
   * Resolves when it is this command's turn. Throws RolloutError with who is at work when somebody is, StatusError, ConnectionError, or the
   * signal's reason.
   */
  static async take(options: TurnOptions): Promise<Turn> {
    const { client, identity, tell, signal, times } = options;
    let observed: { readonly version: string; readonly atMs: number } | undefined;
    for (;;) {
      signal.throwIfAborted();
      const sentAtMs = performance.now();
      const lease = await readLease(client, signal);
      const version = lease?.metadata?.resourceVersion ?? '';
      const holder = lease?.spec?.holderIdentity ?? '';
      const since = lease?.spec?.acquireTime ?? '';
      // It has been renewed while this one has looked.
      if (observed && version !== observed.version && holder !== '') throw new RolloutError(busy(holder, since));
      if (!observed && holder !== '')
        tell(`waiting for ${LEASE_SECONDS} s whether ${holder}, which began an upgrade at ${since}, is still there`);
      observed ??= { version, atMs: sentAtMs };
      if (planElection(lease, identity, sentAtMs - observed.atMs) !== 'wait') {
        const held = await write(client, lease, identity, signal);
        if (held) return new Turn(options, held, sentAtMs);
      }
      await delay(times?.lookMs ?? LOOK_MS, undefined, { signal });
    }
  }

  /**
   * To be called before each step: nobody else has the turn when it resolves. Throws RolloutError when somebody has taken it, which is when the
   * servers have not heard of this command for long; StatusError or ConnectionError when they do not answer.
   */
  readonly hold = async (): Promise<void> => {
    const { client, identity, signal, times } = this.#options;
    const sentAtMs = performance.now();
    if (sentAtMs - this.#renewedAtMs < (times?.renewMs ?? RENEW_MS)) return;
    for (let lease: Lease | undefined = this.#held; ;) {
      signal.throwIfAborted();
      const held = await write(client, lease, identity, signal);
      if (held) {
        this.#held = held;
        this.#renewedAtMs = sentAtMs;
        return;
      }
      lease = await readLease(client, signal);
      const { holderIdentity: holder = '', acquireTime: since = '' } = lease?.spec ?? {};
      if (holder !== '' && holder !== identity) throw new RolloutError(`paused: ${busy(holder, since)}`);
    }
  };

  /** Lets the next one begin at once. One that cannot be told so waits. */
  async release(): Promise<void> {
    const { client, tell } = this.#options;
    const spec = { ...this.#held.spec, holderIdentity: '', leaseDurationSeconds: 1 };
    try {
      await client.update(leases, { ...this.#held, spec }, { timeoutMs: RENEW_MS });
    } catch (error) {
      if (!(error instanceof StatusError || error instanceof ConnectionError)) throw error;
      if (!isConflict(error) && !isNotFound(error))
        tell(`another upgrade can begin in ${LEASE_SECONDS} s (${error.message})`);
    }
  }
}

const busy = (holder: string, since: string): string =>
  `another kedge upgrade nodes is at work since ${since}: ${holder}. Wait until it has ended, or end it: nodes that have been asked go on`;

const readLease = async (client: TurnOptions['client'], signal: AbortSignal): Promise<Lease | undefined> => {
  try {
    return await client.get<Lease>(leases, UPGRADE_LEASE.namespace, UPGRADE_LEASE.name, { signal });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
};

/** Undefined when somebody else has written it meanwhile. */
async function write(
  client: TurnOptions['client'],
  lease: Lease | undefined,
  identity: string,
  signal: AbortSignal,
): Promise<Lease | undefined> {
  const wanted = holding(lease, identity, LEASE_SECONDS, Date.now());
  try {
    return lease
      ? await client.update(leases, wanted, { signal })
      : await client.create(leases, { ...wanted, metadata: UPGRADE_LEASE }, { signal });
  } catch (error) {
    if (isConflict(error) || isAlreadyExists(error) || isNotFound(error)) return undefined;
    throw error;
  }
}
