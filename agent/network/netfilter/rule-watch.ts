/**
 * Notices at once when any program removes rules from the kernel. nft(8) reports that: of its own tables, and of those of iptables
 * where that is iptables-nft. Whoever needs rules looks from time to time all the same.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../../../client/backoff.ts';
import { withDeadline } from '../../../client/deadline.ts';
import type { Logger } from '../../../client/logger.ts';
import { ResidentProgram } from '../../host/resident-program.ts';
import type { Nft, NftFamily, NftTable } from './nft.ts';

/** A chain in the kernel whose rules nobody removes while they are wanted, save to write them anew. */
export interface WatchedChain {
  readonly family: NftFamily;
  readonly table: string;
  readonly chain: string;
}

export interface RuleWatch {
  /** Whether removals are noticed: it is enough to look rarely then. */
  readonly isWatching: boolean;
  /** The listener is called soon after rules of one of the chains may have been removed, by this process, too. */
  onRemoved(chains: readonly WatchedChain[], listener: () => void): void;
}

export const NO_WATCH: RuleWatch = { isWatching: false, onRemoved: () => undefined };

/**
 * The program keeps all that the kernel has of nftables in memory, whatever it is to report: 42 MB with 5,000 Services in mode
 * nftables, and 155 MB in mode iptables. With more than this of addresses it ends, and rules are looked at each minute instead.
 */
const MAX_MEMORY_BYTES = 128 * 1024 * 1024;
/** The removal of rules alone: sets that change all the time are of no interest. */
const COMMAND = ['nft', 'monitor', 'destroy', 'rules'];
/**
 * Made and removed in one transaction, which the program must report: so it is known that it listens. It is also how those notice
 * that processes killed before this one have left: nobody reads what they write.
 */
const PROBE: NftTable = { family: 'inet', name: 'kedge-watch' };
const PROBE_CHAIN = 'probe';
/** The program reads all tables at its start: with 50,000 Services, some seconds. */
const START_LIMIT_MS = 30_000;
const PROBE_LIMIT_MS = 5_000;
const PROBE_AGAIN_MS = 500;
/** How often it is made sure that the program still listens. */
const PROBE_INTERVAL_MS = 300_000;
const RETRY = { initialMs: 1_000, maxMs: 300_000 };
/** Longer than any name of a chain: what has no line end by then is no report. */
const MAX_LINE = 4096;
const LOST = '# ERROR';

export class NftWatch implements RuleWatch {
  readonly #nft: Pick<Nft, 'applyCommands'>;
  readonly #logger: Logger;
  readonly #tellsAll: boolean;
  readonly #listeners = new Map<string, Set<() => void>>();
  #isWatching = false;
  #heard: () => void = () => undefined;
  #rest = '';

  /** @param tellsAll whether nft(8) is told of the rules of iptables, too: see `isLegacyIptables` */
  constructor(nft: Pick<Nft, 'applyCommands'>, logger: Logger, tellsAll = true) {
    this.#nft = nft;
    this.#logger = logger;
    this.#tellsAll = tellsAll;
    this.onRemoved([{ family: PROBE.family, table: PROBE.name, chain: PROBE_CHAIN }], () => this.#heard());
  }

  get isWatching(): boolean {
    return this.#isWatching && this.#tellsAll;
  }

  onRemoved(chains: readonly WatchedChain[], listener: () => void): void {
    for (const chain of chains)
      this.#listeners.getOrInsertComputed(keyOf(chain), () => new Set<() => void>()).add(listener);
  }

  /** Until the signal is aborted. Does not throw: without it, rules that were removed are noticed later. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#watch(signal, () => {
          // What was removed before it listened is to be looked for: not at first, when everything is read anyway.
          if (failures > 0) this.#notify();
          failures = 0;
          this.#logger.debug({}, 'nft monitor reports removed rules');
        });
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.debug({ err: error }, 'nft monitor does not run, removed rules are noticed later');
      }
      await delay(backoffMs(RETRY, ++failures), undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #watch(signal: AbortSignal, onListening: () => void): Promise<void> {
    const ended = Promise.withResolvers<never>();
    ended.promise.catch(() => undefined);
    this.#rest = '';
    using program = new ResidentProgram('prlimit', [`--as=${MAX_MEMORY_BYTES}`, '--', ...COMMAND], {
      onStdout: (text) => this.#read(text),
      onEnd: ended.reject,
    });
    const stop = (): void => program[Symbol.dispose]();
    signal.addEventListener('abort', stop, { once: true });
    try {
      await Promise.race([this.#probe(START_LIMIT_MS, signal), ended.promise]);
      this.#isWatching = true;
      onListening();
      for (;;) {
        await Promise.race([delay(PROBE_INTERVAL_MS, undefined, { signal, ref: false }), ended.promise]);
        await Promise.race([this.#probe(PROBE_LIMIT_MS, signal), ended.promise]);
      }
    } finally {
      this.#isWatching = false;
      signal.removeEventListener('abort', stop);
    }
  }

  /** Resolves when the program reports what this removes. */
  async #probe(limitMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#heard = resolve;
    const over = new AbortController();
    const stop = AbortSignal.any([signal, over.signal]);
    try {
      await withDeadline({ what: 'nft monitor', limitMs, signal }, async () => {
        while (!stop.aborted) {
          await this.#nft.applyCommands(PROBE_COMMANDS);
          const again = delay(PROBE_AGAIN_MS, undefined, { signal: stop, ref: false }).catch(() => undefined);
          await Promise.race([promise.then(() => over.abort()), again]);
        }
      });
    } finally {
      over.abort();
    }
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) {
      if (line.startsWith(LOST)) this.#notify();
      // `delete rule ip kube-proxy services handle 4`
      const [verb, what, ...chain] = line.split(' ', 5);
      if (verb !== 'delete' || what !== 'rule') continue;
      for (const listener of this.#listeners.get(chain.join(' ')) ?? []) listener();
    }
  }

  #notify(): void {
    for (const listeners of this.#listeners.values()) for (const listener of listeners) listener();
  }
}

const keyOf = ({ family, table, chain }: WatchedChain): string => `${family} ${table} ${chain}`;

const PROBE_COMMANDS: readonly string[] = [
  `add table ${PROBE.family} ${PROBE.name}`,
  `add chain ${PROBE.family} ${PROBE.name} ${PROBE_CHAIN}`,
  `add rule ${PROBE.family} ${PROBE.name} ${PROBE_CHAIN} return`,
  `delete table ${PROBE.family} ${PROBE.name}`,
];
