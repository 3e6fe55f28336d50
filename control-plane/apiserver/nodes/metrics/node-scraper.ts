/**
 * Takes samples of all nodes every 15 s while somebody asks for metrics, and none when nobody does. Each node has a turn of its own: one
 * that does not answer delays nobody else.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { DeadlineError, withDeadline } from '../../../../client/deadline.ts';
import type { Logger } from '../../../../client/logger.ts';
import { Outage } from '../../../../client/outage.ts';
import { Semaphore } from '../../../../client/semaphore.ts';
import { readSamples } from './samples.ts';
import { addSamples, type NodeHistory } from './usage.ts';

/** `--metric-resolution` of metrics-server's manifest. */
const ROUND_MS = 15_000;
/** How long nobody may ask before scraping ends. Autoscalers ask every 15 s. */
const IDLE_MS = 60_000;
/** Between the first two samples, when scraping begins: somebody waits for them. */
const FIRST_WINDOW_MS = 2_000;
/** How long who asks first waits for nodes that do not answer. */
const FIRST_ANSWER_LIMIT_MS = 5_000;
/** How long a node may take: metrics-server's share of a round. */
const SCRAPE_LIMIT_MS = 0.9 * ROUND_MS;
/** How many nodes are asked at a time, and how many of those that did not answer the last time. */
const CONCURRENT_SCRAPES = 64;
const CONCURRENT_RETRIES = 8;

export interface NodeScraperOptions {
  /** `/metrics/resource` of a node. Rejects when it cannot be read. */
  readonly scrape: (nodeName: string, signal: AbortSignal) => Promise<string>;
  readonly nodeNames: () => Iterable<string>;
  readonly logger: Logger;
  /** Ends scraping. */
  readonly signal: AbortSignal;
  /** For tests: instead of the constants above. */
  readonly times?: { readonly roundMs: number; readonly idleMs: number; readonly firstWindowMs: number };
}

/** What is known of one node. */
interface Tracked {
  history: NodeHistory | undefined;
  isBusy: boolean;
  hasFailed: boolean;
  /** Settles when the first two samples have been tried. */
  readonly begun: Promise<void>;
}

/** From the first question to the time when nobody has asked for a while. */
class Session {
  readonly stop = new AbortController();
  readonly nodes = new Map<string, Tracked>();
  askedAt = 0;
}

export class NodeScraper {
  readonly #options: NodeScraperOptions;
  readonly #times: Required<NodeScraperOptions>['times'];
  readonly #outage: Outage;
  readonly #turns = new Semaphore(CONCURRENT_SCRAPES);
  readonly #retries = new Semaphore(CONCURRENT_RETRIES);
  #session: Session | undefined;

  constructor(options: NodeScraperOptions) {
    this.#options = options;
    this.#times = options.times ?? { roundMs: ROUND_MS, idleMs: IDLE_MS, firstWindowMs: FIRST_WINDOW_MS };
    this.#outage = new Outage({ logger: options.logger });
  }

  /** Whether samples are being taken. */
  get isScraping(): boolean {
    return this.#session !== undefined;
  }

  /**
   * What is known of nodes, by name. When scraping begins with this question, waits for the samples of the nodes that are `wanted`, but not
   * for long. Rejects when the signal is aborted.
   */
  async histories(
    wanted: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<(name: string) => NodeHistory | undefined> {
    this.#options.signal.throwIfAborted();
    const session = this.#asked(wanted);
    const begun = [...wanted].flatMap((name) => session.nodes.get(name)?.begun ?? []);
    try {
      const limit = { what: 'the first metrics of nodes', limitMs: FIRST_ANSWER_LIMIT_MS, signal };
      await withDeadline(limit, () => Promise.all(begun));
    } catch (error) {
      // The others have been heard by now.
      if (!(error instanceof DeadlineError)) throw error;
    }
    return (name) => {
      const node = session.nodes.get(name);
      return node?.hasFailed ? undefined : node?.history;
    };
  }

  #asked(wanted: ReadonlySet<string>): Session {
    const session = (this.#session ??= this.#begin(wanted));
    session.askedAt = performance.now();
    return session;
  }

  #begin(wanted: ReadonlySet<string>): Session {
    const session = new Session();
    const { signal } = this.#options;
    const end = (): void => {
      clearInterval(timer);
      signal.removeEventListener('abort', end);
      session.stop.abort();
      if (this.#session === session) this.#session = undefined;
    };
    const timer = setInterval(() => {
      if (performance.now() - session.askedAt > this.#times.idleMs) end();
      else this.#round(session);
    }, this.#times.roundMs);
    signal.addEventListener('abort', end, { once: true });
    this.#track(session, wanted);
    return session;
  }

  /** Begins with nodes that are new, those that are wanted first, and forgets those that are gone. */
  #track(session: Session, wanted: ReadonlySet<string> = new Set()): void {
    const present = new Set(this.#options.nodeNames());
    const names = new Set([...wanted.intersection(present), ...present]);
    for (const name of session.nodes.keys()) if (!names.has(name)) session.nodes.delete(name);
    for (const name of names) if (!session.nodes.has(name)) this.#welcome(session, name);
  }

  #welcome(session: Session, name: string): void {
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    const node: Tracked = { history: undefined, isBusy: false, hasFailed: false, begun };
    session.nodes.set(name, node);
    void this.#firstSamples(session, name, node).finally(resolve);
  }

  async #firstSamples(session: Session, name: string, node: Tracked): Promise<void> {
    const { signal } = session.stop;
    await this.#sample(session, name, node);
    if (signal.aborted || node.hasFailed) return;
    await delay(this.#times.firstWindowMs, undefined, { signal, ref: false }).catch(() => undefined);
    await this.#sample(session, name, node);
  }

  #round(session: Session): void {
    const known = [...session.nodes];
    this.#track(session);
    for (const [name, node] of known) if (session.nodes.get(name) === node) void this.#sample(session, name, node);
  }

  /** Never rejects. What is known of a node that does not answer is old: it is kept for the next sample, and shown to nobody. */
  async #sample(session: Session, name: string, node: Tracked): Promise<void> {
    const { signal } = session.stop;
    if (node.isBusy || signal.aborted) return;
    node.isBusy = true;
    try {
      const turns = node.hasFailed ? this.#retries : this.#turns;
      const text = await turns.run(signal, () =>
        withDeadline({ what: `metrics of node ${name}`, limitMs: SCRAPE_LIMIT_MS, signal }, (callee) =>
          this.#options.scrape(name, callee),
        ),
      );
      node.history = addSamples(node.history, readSamples(text, Date.now()), this.#times.roundMs);
      node.hasFailed = false;
      this.#outage.ended({ node: name }, 'metrics of nodes can be read again');
    } catch (error) {
      node.hasFailed = true;
      if (!signal.aborted) this.#outage.failed(error, { node: name }, 'failed to read the metrics of a node');
    } finally {
      node.isBusy = false;
    }
  }
}
