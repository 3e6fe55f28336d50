/**
 * Which of the cluster's api-servers the agent uses. It leaves one that does not respond or is not ready when another is, within seconds, and
 * goes back to its own later, so that a server that returns gets its share of the nodes again. Where there is one server only, nothing is
 * asked and nothing changes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ApiClient } from '../../client/api-client.ts';
import { backoffMs } from '../../client/backoff.ts';
import { ConnectionError } from '../../client/connection-error.ts';
import { DeadlineError } from '../../client/deadline.ts';
import type { Logger } from '../../client/logger.ts';
import type { ServerTarget } from '../../client/transport.ts';
import { inOrderFor, targetOf } from './server-list.ts';
import type { KnownServers, ServerRecord } from './server-record.ts';

export interface ServerChoiceOptions {
  readonly client: Pick<ApiClient, 'server' | 'moveTo' | 'ping' | 'probe'>;
  /** The server of the settings, which is used when none of the list is ready. */
  readonly configured: string;
  readonly nodeName: string;
  readonly known: KnownServers | undefined;
  readonly record: Pick<ServerRecord, 'write'>;
  readonly logger: Logger;
  readonly times?: Partial<Times>;
}

/** Milliseconds. */
interface Times {
  /** Between checks of the server in use. With the limit of a ping and that of a probe it is less than 5 s. */
  readonly checkMs: number;
  readonly pingLimitMs: number;
  readonly probeLimitMs: number;
  /** How long a server has the first word before the next one is asked, too. */
  readonly staggerMs: number;
  /** Between searches while no server is ready, at first. */
  readonly searchMs: number;
  /** How long the node stays away from its own server at least; up to twice that, so that nodes do not return all at once. */
  readonly awayMs: number;
}

const TIMES: Times = {
  checkMs: 2_000,
  pingLimitMs: 1_500,
  probeLimitMs: 1_500,
  staggerMs: 200,
  searchMs: 500,
  awayMs: 60_000,
};
/** Between searches at last: all nodes look for a server then. */
const LONGEST_SEARCH_MS = 4_000;
/** Every so many checks, the server is asked whether it is ready: a ping tells only that it is there. */
const PINGS_PER_PROBE = 5;
const READY_PATH = '/readyz';
const OK = 200;

type State = 'ready' | 'alive' | 'gone';

/** Where an agent begins: with the server that it used last. */
export function firstTarget(configured: string, known: KnownServers | undefined): ServerTarget {
  const ofSettings = withoutSlash(configured);
  return targetOf(known && known.servers.includes(known.last) ? known.last : ofSettings, ofSettings);
}

const withoutSlash = (server: string): string => server.replace(/\/+$/, '');

export class ServerChoice {
  readonly #options: ServerChoiceOptions;
  readonly #times: Times;
  readonly #configured: string;
  /** Sorted. */
  #learned: readonly string[];
  #wake = Promise.withResolvers<void>();
  #suspected = false;
  #checks = 0;
  /** How often in a row none was ready. */
  #searches = 0;
  /** When the node may return to its own server; monotonic. */
  #returnAt: number;

  constructor(options: ServerChoiceOptions) {
    this.#options = options;
    this.#times = { ...TIMES, ...options.times };
    this.#configured = withoutSlash(options.configured);
    this.#learned = options.known?.servers ?? [];
    this.#returnAt = this.#nextReturn();
  }

  /** The servers of the cluster, as `serversIn` returns them. An empty list is none to be believed. */
  learn(servers: readonly string[]): void {
    if (servers.length === 0 || servers.join() === this.#learned.join()) return;
    this.#options.logger.info({ servers }, 'api-servers of the cluster');
    this.#learned = servers;
    this.#save();
    this.#wakeUp();
  }

  /** A request has failed: the server is looked at now. */
  suspect(): void {
    this.#suspected = true;
    this.#wakeUp();
  }

  /** Until the signal is aborted; does not reject. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#wakeUp(), { once: true });
    while (!signal.aborted) {
      await this.#rest(signal);
      if (signal.aborted) return;
      try {
        await this.#check(signal);
      } catch (error) {
        if (!signal.aborted) this.#options.logger.error({ err: error }, 'failed to choose an api-server');
      }
    }
  }

  #wakeUp(): void {
    this.#wake.resolve();
  }

  get #hasChoice(): boolean {
    return this.#learned.length > 1;
  }

  /** All that are known besides the one in use, as `targetOf` takes them. */
  get others(): readonly ServerTarget[] {
    const { server } = this.#options.client;
    return this.#candidates.filter((one) => one !== server).map((one) => targetOf(one, this.#configured));
  }

  /** Those of the list, in the node's order; at last that of the settings. */
  get #candidates(): readonly string[] {
    return [...new Set([...inOrderFor(this.#options.nodeName, this.#learned), this.#configured])];
  }

  /** Until it is time for a check. Without a choice, that is when something happens. */
  async #rest(signal: AbortSignal): Promise<void> {
    const timer = new AbortController();
    const time = this.#hasChoice
      ? delay(this.#times.checkMs, undefined, { signal: AbortSignal.any([signal, timer.signal]) }).catch(
          () => undefined,
        )
      : undefined;
    await Promise.race([this.#wake.promise, ...(time ? [time] : [])]);
    timer.abort();
    this.#wake = Promise.withResolvers<void>();
  }

  async #check(signal: AbortSignal): Promise<void> {
    const current = this.#options.client.server;
    const candidates = this.#candidates;
    const isSuspected = this.#suspected;
    this.#suspected = false;
    if (candidates.length < 2) return;
    const isListed = candidates.includes(current);
    const state = await this.#stateOf(current, isSuspected, signal);
    if (state === 'ready') this.#searches = 0;
    if (isListed && state === 'ready') return this.#returnHome(current, signal);
    const others = candidates.filter((server) => server !== current);
    const next = await this.#firstReady(others, signal);
    if (next !== undefined) return this.#move(next, state === 'gone', isListed ? state : 'removed');
    if (state === 'ready') return;
    // As long as none is, the one in use is asked as often as the others.
    this.#suspected = true;
    const search = { initialMs: this.#times.searchMs, maxMs: LONGEST_SEARCH_MS };
    await delay(backoffMs(search, ++this.#searches), undefined, { signal });
    this.#wakeUp();
  }

  async #stateOf(current: string, isSuspected: boolean, signal: AbortSignal): Promise<State> {
    const { client } = this.#options;
    const answered = await client.ping(this.#times.pingLimitMs, signal);
    if (answered === false) return 'gone';
    const isEnough = answered && !isSuspected && ++this.#checks % PINGS_PER_PROBE !== 0;
    return isEnough ? 'ready' : this.#probe(current, signal);
  }

  async #probe(server: string, signal: AbortSignal): Promise<State> {
    const { client, logger } = this.#options;
    try {
      const target = targetOf(server, this.#configured);
      const status = await client.probe(target, READY_PATH, this.#times.probeLimitMs, signal);
      // Who may not ask whether it is ready, knows that it responds.
      return status === OK || (status >= 400 && status < 500) ? 'ready' : 'alive';
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ConnectionError) && !(error instanceof DeadlineError)) throw error;
      logger.debug({ server, err: error }, 'api-server does not respond');
      return 'gone';
    }
  }

  /** The first that says that it is ready, where those in front have the first word; undefined when none is. */
  async #firstReady(servers: readonly string[], signal: AbortSignal): Promise<string | undefined> {
    const found = new AbortController();
    const asking = AbortSignal.any([signal, found.signal]);
    const answers = servers.map(async (server, index) => {
      await delay(index * this.#times.staggerMs, undefined, { signal: asking });
      if ((await this.#probe(server, asking)) !== 'ready') throw new Error(`${server} is not ready`);
      return server;
    });
    try {
      return await Promise.any(answers);
    } catch {
      signal.throwIfAborted();
      return undefined;
    } finally {
      found.abort();
    }
  }

  async #returnHome(current: string, signal: AbortSignal): Promise<void> {
    const [home] = this.#candidates;
    if (!this.#hasChoice || home === undefined || home === current || performance.now() < this.#returnAt) return;
    this.#returnAt = this.#nextReturn();
    if ((await this.#probe(home, signal)) === 'ready') this.#move(home, false, 'spread');
  }

  #move(server: string, isGone: boolean, reason: State | 'removed' | 'spread'): void {
    const { client, logger } = this.#options;
    const from = client.server;
    this.#returnAt = this.#nextReturn();
    this.#searches = 0;
    logger.info({ from, server, reason }, 'using another api-server');
    const moved = client.moveTo(targetOf(server, this.#configured), isGone);
    this.#save();
    // Requests that are in flight may take as long as they need.
    moved.catch((error: unknown) => logger.debug({ err: error }, 'closing connections of the former api-server'));
  }

  #save(): void {
    const { client, record } = this.#options;
    void record.write({ servers: this.#learned, last: client.server });
  }

  #nextReturn(): number {
    return performance.now() + this.#times.awayMs * (1 + Math.random());
  }
}
