/** The Node object of this host: created or adopted, its status kept up to date, created again when it is deleted. */
import { setTimeout as delay } from 'node:timers/promises';
import { isAlreadyExists, isNotFound } from '../../api/machinery/status-error.ts';
import type { ApiClient } from '../../client/api-client.ts';
import { backoffMs } from '../../client/backoff.ts';
import { Informer } from '../../client/informer.ts';
import type { Logger } from '../../client/logger.ts';
import { Outage } from '../../client/outage.ts';
import { nodes } from '../../client/resources.gen.ts';
import { report } from '../recorder/report.ts';
import { standardLabels } from './node-labels.ts';
import {
  changedConditions,
  conditionsWereChanged,
  nodeStatus,
  statusHasChanged,
  conditionTransitions,
  type NodeDescription,
  type NodeObservation,
} from './node-status.ts';
import { own } from '../../api/machinery/own.ts';
import type { Node, NodeStatus, Taint } from '../../api/types/core/v1.gen.ts';

export interface NodeRegistrationOptions {
  readonly client: ApiClient;
  readonly description: NodeDescription;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** Observes the host and the runtime; reports an unreachable runtime as a problem and does not throw for it. */
  readonly observe: (signal: AbortSignal) => Promise<NodeObservation>;
  /** An event about the Node, such as `NodeReady`. */
  readonly record: (reason: string, message: string) => void;
  /** Told how the node is, in a sentence. */
  readonly tell?: (sentence: string) => void;
  /** Calls `see` with each state of the Node until the signal is aborted. Default: a watch of its own. */
  readonly follow?: FollowNode;
  readonly logger: Logger;
}

export type FollowNode = (see: (node: Node) => void, signal: AbortSignal) => Promise<void>;

/** kubelet's `nodeStatusUpdateFrequency`: how often the node is observed. */
const LOOK_MS = 10_000;
/** A node that is not ready yet is observed more often: `make up` waits for it. */
const LOOK_UNREADY_MS = 500;
const LOOK_UNREADY_FOR_MS = 120_000;
/** kubelet's `nodeStatusReportFrequency`: how often an unchanged status is reported. */
const REPORT_MS = 5 * 60_000;
const RETRY = { initialMs: 200, maxMs: 7_000 };
/** Conditions that another writer keeps changing (a second agent of the same name) are updated no more often than this. */
const CORRECTION_PAUSE_MS = 1_000;

export class NodeRegistration {
  readonly #options: NodeRegistrationOptions;
  /** The Node as the api-server had it last. */
  #node: Node | undefined;
  #reported: NodeStatus | undefined;
  /** By the monotonic clock. */
  #reportedAtMs = -Infinity;
  #isReporting = false;
  /** The last report has failed, and may have been carried out all the same. */
  #isUncertain = false;
  #wake = Promise.withResolvers<void>();
  readonly #nodeListeners: ((node: Node) => void)[] = [];
  readonly #reportListeners: ((status: NodeStatus) => void)[] = [];

  constructor(options: NodeRegistrationOptions) {
    this.#options = options;
  }

  get uid(): string | undefined {
    return this.#node?.metadata?.uid;
  }

  /** As the api-server had it last. */
  get current(): Node | undefined {
    return this.#node;
  }

  /** The node may have changed: observe now. */
  wake(): void {
    this.#wake.resolve();
  }

  /**
   * Creates the Node, or adopts the existing one. Retries until it succeeds or the signal is aborted. Resolves with the
   * Node.
   */
  async register(signal: AbortSignal): Promise<Node> {
    const { logger, description } = this.#options;
    const outage = new Outage({ logger });
    for (let failures = 1; ; failures++) {
      try {
        const observation = await this.#options.observe(signal);
        return await this.#registerOnce(observation, signal);
      } catch (error) {
        signal.throwIfAborted();
        const retryMs = Math.round(backoffMs(RETRY, failures));
        outage.failed(error, { node: description.name, retryMs }, 'failed to register node');
        this.#tellFailure('cannot be registered', error);
        await delay(retryMs, undefined, { signal });
      }
    }
  }

  async #registerOnce(observation: NodeObservation, signal: AbortSignal): Promise<Node> {
    const { client, description, labels, annotations, taints, logger } = this.#options;
    const { name } = description;
    const wanted = { labels: { ...standardLabels(name), ...labels }, annotations: { ...annotations } };
    const status = nodeStatus(description, observation, undefined, Date.now());
    try {
      const node: Node = {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name, ...wanted },
        spec: taints.length > 0 ? { taints: [...taints] } : {},
        status,
      };
      this.#remember(await client.create(nodes, node, { signal }), status);
      logger.info({ node: name }, 'node registered');
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const there = await client.get(nodes, '', name, { signal });
      const { metadata } = there;
      const missing = (have: Record<string, string> | undefined, want: Record<string, string>): boolean =>
        Object.entries(want).some(([key, value]) => own(have, key) !== value);
      const adopted =
        missing(metadata?.labels, wanted.labels) || missing(metadata?.annotations, wanted.annotations)
          ? await client.patch<Node>(nodes, '', name, { metadata: wanted }, { signal })
          : there;
      this.#keep(adopted);
      await this.#report(observation, signal);
      logger.info({ node: name }, 'node already registered');
    }
    return this.#node as Node;
  }

  #remember(node: Node, status: NodeStatus): void {
    const { record, description } = this.#options;
    for (const reason of conditionTransitions(status, this.#reported))
      record(reason, `Node ${description.name} status is now: ${reason}`);
    for (const { type, ...condition } of changedConditions(status, this.#reported))
      report({ kind: 'node', condition: type, message: '', reason: '', ...condition });
    if (revisionOf(node) >= revisionOf(this.#node)) this.#keep(node);
    this.#reported = status;
    this.#isUncertain = false;
    this.#reportedAtMs = performance.now();
    this.#options.tell?.(readinessSentence(description.name, status));
    for (const listener of this.#reportListeners) listener(status);
  }

  #tellFailure(what: string, error: unknown): void {
    const { tell, description } = this.#options;
    tell?.(`node ${description.name} ${what}, its pods run on: ${(error as Error).message}`);
  }

  /** Keeps the status up to date until the signal is aborted. After `register`. */
  async run(signal: AbortSignal): Promise<void> {
    const { follow = this.#watchOwn } = this.#options;
    await Promise.all([follow((node) => this.#see(node, signal), signal), this.#keepReporting(signal)]);
  }

  readonly #watchOwn: FollowNode = (see, signal) => {
    const { client, description, logger } = this.#options;
    const own = new Informer({ client, logger, resource: nodes, fieldSelector: `metadata.name=${description.name}` });
    own.addHandlers({ onAdd: (node) => see(node), onUpdate: (_, node) => see(node) });
    return own.run(signal);
  };

  /** The latest Node of the api-server. A watch event may be older than the response to the agent's own write. */
  #see(node: Node, signal: AbortSignal): void {
    if (revisionOf(node) < revisionOf(this.#node)) return;
    this.#keep(node);
    if (!this.#isReporting) this.#correct(signal);
  }

  #keep(node: Node): void {
    this.#node = node;
    for (const listener of this.#nodeListeners) listener(node);
  }

  /** Calls back with each status that the api-server has taken, after the Node that it made. */
  onReported(listener: (status: NodeStatus) => void): void {
    this.#reportListeners.push(listener);
  }

  /** Calls back with each state of the Node that the api-server has. */
  onNode(listener: (node: Node) => void): void {
    this.#nodeListeners.push(listener);
  }

  /** Conditions that another writer has changed are reported again at once. */
  #correct(signal: AbortSignal): void {
    if (!this.#reported || !conditionsWereChanged(this.#reported, this.#node?.status)) return;
    const { logger, description } = this.#options;
    logger.warn({ node: description.name }, 'node conditions were changed by another writer, updating them again');
    const pauseMs = Math.max(0, this.#reportedAtMs + CORRECTION_PAUSE_MS - performance.now());
    void delay(pauseMs, undefined, { signal, ref: false })
      .then(() => this.wake())
      .catch(() => undefined);
  }

  async #keepReporting(signal: AbortSignal): Promise<void> {
    const { logger, description } = this.#options;
    const outage = new Outage({ logger });
    const about = { node: description.name };
    const startedAtMs = performance.now();
    let failures = 0;
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers<void>();
      let waitMs = LOOK_MS;
      try {
        const observation = await this.#options.observe(signal);
        this.#isReporting = true;
        await this.#report(observation, signal).finally(() => (this.#isReporting = false));
        this.#correct(signal);
        failures = 0;
        outage.ended(about, 'node status update recovered');
        const isStarting = performance.now() - startedAtMs < LOOK_UNREADY_FOR_MS;
        if (observation.problems.length > 0 && isStarting) waitMs = LOOK_UNREADY_MS;
      } catch (error) {
        if (signal.aborted) return;
        waitMs = backoffMs(RETRY, ++failures);
        outage.failed(error, { ...about, retryMs: Math.round(waitMs) }, 'failed to update node status');
        this.#tellFailure('cannot report its status', error);
      }
      const waited = new AbortController();
      const pause = delay(waitMs, undefined, { signal: AbortSignal.any([signal, waited.signal]) });
      await Promise.race([pause.catch(() => undefined), this.#wake.promise]);
      waited.abort();
    }
  }

  async #report(observation: NodeObservation, signal: AbortSignal): Promise<void> {
    const { client, description } = this.#options;
    const now = Date.now();
    const status = nodeStatus(description, observation, this.#node, now);
    const isKnown =
      this.#reported &&
      !this.#isUncertain &&
      !statusHasChanged(status, this.#reported) &&
      !conditionsWereChanged(this.#reported, this.#node?.status) &&
      performance.now() - this.#reportedAtMs < REPORT_MS;
    if (isKnown) return;
    this.#isUncertain = true;
    try {
      const node = await client.patch<Node>(
        nodes,
        '',
        description.name,
        { status: { ...status, ...(status.addresses && { addresses: [...status.addresses, REPLACE_LIST] }) } },
        { type: 'strategic', subresource: 'status', signal },
      );
      this.#remember(node, status);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#options.logger.warn({ node: description.name }, 'node was deleted, registering it again');
      await this.#registerOnce(observation, signal);
    }
  }

  /** The Node object is gone: observes and registers it again now. */
  forget(): void {
    this.#reported = undefined;
    this.wake();
  }
}

/** Addresses are merged by their type, of which a node may have two of one: the list is replaced, as by the kubelet. */
const REPLACE_LIST = { $patch: 'replace' };

function readinessSentence(name: string, { conditions = [] }: NodeStatus): string {
  const ready = conditions.find(({ type }) => type === 'Ready');
  return ready?.status === 'True'
    ? `node ${name} is Ready`
    : `node ${name} is not Ready: ${ready?.message ?? 'nothing is known yet'} (kedge why node)`;
}

const revisionOf = (node: Node | undefined): number => Number(node?.metadata?.resourceVersion ?? 0);
