/**
 * Upgrades that this node is asked for by an annotation of its Node (`api/domain/node-upgrade.ts`). The package comes from an api-server and
 * is verified by the checksum in the request; the unit kedge-upgrade does the rest, and restarts this agent. What is known of it is on disk
 * and in the annotations: an agent that is killed goes on where the one before was.
 */
import { mkdir, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  isProgramOf,
  NODE_PACKAGES_PATH,
  NODE_PROGRAM,
  PACKAGE_PART_BYTES,
  readUpgradeRequest,
  readUpgradeState,
  UPGRADE_REQUEST,
  UPGRADE_STATE,
  type UpgradePhase,
  type UpgradeRequest,
} from '../../api/domain/node-upgrade.ts';
import { own } from '../../api/machinery/own.ts';
import { isNotFound, StatusError } from '../../api/machinery/status-error.ts';
import type { Node } from '../../api/types/core/v1.gen.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { backoffMs } from '../../client/backoff.ts';
import { ConnectionError } from '../../client/connection-error.ts';
import type { Logger } from '../../client/logger.ts';
import { excerptOf } from '../host/excerpt.ts';
import { HostError } from '../host/host-error.ts';
import type { OwnAnnotations } from '../node/own-annotations.ts';
import { outcomeSentence, UPGRADE_UNIT, type UpgradeOutcome, type Versions } from './versions.ts';

/** A node that was off when it was asked is not surprised with an upgrade days later. */
const REQUEST_LIFE_MS = 3600_000;
/** A server may be upgraded itself meanwhile. */
const FETCH_LIMIT_MS = 600_000;
const RETRY = { initialMs: 500, maxMs: 10_000 };
const LOOK_MS = 500;
/** Besides twice the time that a version is given: what `kedge upgrade` waits. */
const BACK_MS = 300_000;
const MAX_REASON = 500;
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

type PackageSource = Pick<ApiClient, 'bytes'>;

export interface NodeUpgradesOptions {
  readonly annotations: Pick<OwnAnnotations, 'set'>;
  readonly client: PackageSource;
  /** The other api-servers of the cluster; they are disposed of. */
  readonly openOthers: () => Promise<readonly (PackageSource & AsyncDisposable)[]>;
  readonly dataDir: string;
  /** The version of this agent. */
  readonly program: string;
  readonly versions: Pick<Versions, 'record' | 'outcome'>;
  /** Verifies the package and has it installed. Throws HostError. */
  readonly begin: (file: string, request: UpgradeRequest, signal: AbortSignal) => Promise<void>;
  readonly logger: Logger;
  readonly times?: { readonly lookMs?: number; readonly fetchLimitMs?: number };
  readonly now?: () => number;
}

export class NodeUpgrades {
  readonly #options: NodeUpgradesOptions;
  readonly #now: () => number;
  #annotations: Readonly<Record<string, string>> | undefined;
  /** What has been done with, or is. */
  #attempt = '';
  #wake = Promise.withResolvers<void>();

  constructor(options: NodeUpgradesOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** The Node as the api-server has it. */
  readonly see = (node: Node): void => {
    this.#annotations = node.metadata?.annotations ?? {};
    this.#wake.resolve();
  };

  /** Until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    this.#options.annotations.set(NODE_PROGRAM, this.#options.program);
    signal.addEventListener('abort', () => this.#wake.resolve(), { once: true });
    while (!signal.aborted) {
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
      const request = readUpgradeRequest(own(this.#annotations, UPGRADE_REQUEST));
      if (signal.aborted || !request || request.attempt === this.#attempt) continue;
      this.#attempt = request.attempt;
      await this.#handle(request, signal);
    }
  }

  async #handle(request: UpgradeRequest, signal: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    try {
      await this.#upgrade(request, signal);
    } catch (error) {
      if (signal.aborted) return;
      logger.warn({ err: error, attempt: request.attempt }, 'failed to upgrade this node');
      this.#tell(request, 'failed', (error as Error).message);
    }
  }

  async #upgrade(request: UpgradeRequest, signal: AbortSignal): Promise<void> {
    const { versions, begin, program, dataDir, logger } = this.#options;
    const [record, outcome] = [await versions.record(), await versions.outcome()];
    if (record?.attempt === request.attempt) return this.#awaitEnd(request, signal);
    if (outcome?.attempt === request.attempt) return this.#tellOutcome(request, outcome);
    // After a restart: it has been told already.
    const told = readUpgradeState(own(this.#annotations, UPGRADE_STATE));
    if (told?.attempt === request.attempt && (told.phase === 'done' || told.phase === 'failed')) return;
    if (isProgramOf(program, request.sha256)) return this.#tell(request, 'done');
    if (this.#now() - request.atMs > REQUEST_LIFE_MS)
      throw new HostError('the node was asked more than an hour ago, and has not heard of it in time');
    if (record)
      throw new HostError(`another upgrade is being carried out: journalctl -u ${UPGRADE_UNIT} says what it does`);
    logger.info({ attempt: request.attempt, package: request.sha256 }, 'upgrading this node');
    this.#tell(request, 'fetching');
    const directory = path.join(dataDir, 'upgrade');
    await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
    const file = path.join(directory, 'package.tar.gz');
    try {
      await this.#fetch(request, file, signal);
      this.#tell(request, 'installing');
      await begin(file, request, signal);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
    await this.#awaitEnd(request, signal);
  }

  /** Begins anew when a server goes away meanwhile. */
  async #fetch(request: UpgradeRequest, file: string, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + (this.#options.times?.fetchLimitMs ?? FETCH_LIMIT_MS);
    for (let failures = 1; ; failures++) {
      try {
        return await this.#fetchFromAny(request, file, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof ConnectionError) && !(error instanceof StatusError)) throw error;
        if (performance.now() > deadline)
          throw new HostError(`no api-server has handed out the package: ${error.message}`, { cause: error });
        this.#options.logger.info({ err: error }, 'failed to fetch a package, trying again');
        await delay(backoffMs(RETRY, failures), undefined, { signal });
      }
    }
  }

  async #fetchFromAny(request: UpgradeRequest, file: string, signal: AbortSignal): Promise<void> {
    try {
      return await fetchFrom(this.#options.client, request, file, signal);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await using others = new AsyncDisposableStack();
      for (const other of (await this.#options.openOthers()).map((one) => others.use(one)))
        try {
          return await fetchFrom(other, request, file, signal);
        } catch (failure) {
          signal.throwIfAborted();
          if (!(failure instanceof ConnectionError) && !(failure instanceof StatusError)) throw failure;
          this.#options.logger.debug({ err: failure }, 'another api-server does not hand out the package');
        }
      throw error;
    }
  }

  async #awaitEnd(request: UpgradeRequest, signal: AbortSignal): Promise<void> {
    const { versions, times } = this.#options;
    this.#tell(request, 'installing');
    const deadline = performance.now() + 2 * request.healthySeconds * 1000 + BACK_MS;
    for (;;) {
      if (!(await versions.record())) {
        const outcome = await versions.outcome();
        if (outcome?.attempt === request.attempt) return this.#tellOutcome(request, outcome);
        // It runs already, from a package of other bytes.
        if (!outcome) return this.#tell(request, 'done');
        throw new HostError('another upgrade has taken the place of this one');
      }
      if (performance.now() > deadline)
        throw new HostError(`the upgrade has not come to an end: journalctl -u ${UPGRADE_UNIT} says why`);
      await delay(times?.lookMs ?? LOOK_MS, undefined, { signal });
    }
  }

  #tellOutcome(request: UpgradeRequest, outcome: UpgradeOutcome): void {
    if (outcome.reason === undefined) return this.#tell(request, 'done');
    this.#tell(request, 'failed', outcomeSentence(outcome));
  }

  #tell({ attempt }: UpgradeRequest, phase: UpgradePhase, reason?: string): void {
    const state = { attempt, phase, ...(reason !== undefined && { reason: excerptOf(reason, MAX_REASON) }) };
    this.#options.annotations.set(UPGRADE_STATE, JSON.stringify(state));
  }
}

/** Throws ConnectionError, StatusError, and HostError for a package of another length. */
async function fetchFrom(
  source: PackageSource,
  { sha256, bytes }: UpgradeRequest,
  file: string,
  signal: AbortSignal,
): Promise<void> {
  await rm(file, { force: true });
  await using written = await open(file, 'wx', FILE_MODE);
  for (let offset = 0; offset < bytes;) {
    const part = await source.bytes(`${NODE_PACKAGES_PATH}${sha256}`, { query: { offset }, signal });
    if (part.length === 0 || part.length > PACKAGE_PART_BYTES || offset + part.length > bytes)
      throw new HostError(`the server has handed out a package of another length than ${bytes} bytes`);
    // Not `write`, which may write a part of it where the disk is nearly full.
    await written.appendFile(part);
    offset += part.length;
  }
}
