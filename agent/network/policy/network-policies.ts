/**
 * Keeps the policies of the cluster in force for the pods of this node: what they say is compiled anew whenever a policy, a pod or a
 * namespace has changed, and the kernel gets the difference. A pod's first container starts when that has been done with the pod's
 * address (`protect`). The table stays in force when the agent stops.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CLUSTER_DNS } from '../../../api/domain/cluster-dns.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import type { NetworkPolicy } from '../../../api/types/networking/v1.gen.ts';
import type { ApiClient } from '../../../client/api-client.ts';
import { backoffMs } from '../../../client/backoff.ts';
import { withDeadline } from '../../../client/deadline.ts';
import type { EventRecorder } from '../../../client/event-recorder.ts';
import { Informer, objectKey } from '../../../client/informer.ts';
import type { Logger } from '../../../client/logger.ts';
import { Outage } from '../../../client/outage.ts';
import { networkPolicies } from '../../../client/resources.gen.ts';
import type { SourcedPod } from '../../pods/sources/pod-source.ts';
import { NO_WATCH, type RuleWatch } from '../netfilter/rule-watch.ts';
import type { ServiceCache } from '../service-cache.ts';
import { compile } from './compile.ts';
import { PeerCache } from './peer-cache.ts';
import { dnsFacts, podFacts, type PodFacts } from './pod-facts.ts';
import { policyFacts, type PolicyFacts } from './policy-facts.ts';
import type { PolicyTable } from './policy-table.ts';
import { NO_CONTENT, type TableContent } from './table-content.ts';

export interface LocalPod {
  readonly pod: Pod;
  /** As the runtime has them, before the API does. */
  readonly addresses: readonly string[];
}

export interface NetworkPoliciesOptions {
  readonly client: ApiClient;
  readonly table: Pick<PolicyTable, 'apply' | 'verify' | 'forget' | 'watched'>;
  /** Run by others. */
  readonly watch?: RuleWatch;
  readonly nodeName: string;
  /** The pods of this node. */
  readonly localPods: () => Iterable<LocalPod>;
  /** Resolves when `localPods` has those that an earlier agent has started, with their addresses. */
  readonly localPodsKnown: () => Promise<void>;
  /** Run by others: the cluster's DNS is in it. */
  readonly services: ServiceCache['services'];
  readonly events: Pick<EventRecorder, 'event'>;
  /** Records an event on the node. */
  readonly record: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
  readonly logger: Logger;
  /** How long the start of a container waits, before it fails and is tried again; 10 s by default. */
  readonly protectionLimitMs?: number;
}

/** What pods are told by those that start them. */
export interface PodProtection {
  /**
   * Resolves when what policies say of the pod is in force for these addresses. Throws an error with a sentence for the pod's events
   * when that is not the case soon.
   */
  protect(sourced: SourcedPod, addresses: readonly string[], signal: AbortSignal): Promise<void>;
}

/** Without enforcement, pods wait for nothing. */
export const NO_PROTECTION: PodProtection = { protect: () => Promise.resolve() };

const PROTECTION_LIMIT_MS = 10_000;
/** How often it is looked whether somebody has flushed the table; a look takes some 30 ms of CPU time. */
const CHECK_INTERVAL_MS = 5_000;
/** Where removed rules are noticed at once. */
const WATCHED_CHECK_INTERVAL_MS = 60_000;
/** Programs that remove rules all the time must not keep this one looking. */
const CHECK_PAUSE_MS = 1_000;
/** How often the whole table is written: others may have changed what `verify` does not look at. */
const REWRITE_INTERVAL_MS = 300_000;
const RETRY = { initialMs: 500, maxMs: 5_000 };
/** For each millisecond that compiling takes, unless the start of a pod waits. */
const REST = 9;
const MAX_REST_MS = 10_000;

const DNS_KEY = objectKey(CLUSTER_DNS.namespace, CLUSTER_DNS.name);

interface Waiter {
  readonly addresses: readonly string[];
  readonly done: () => void;
}

export class NetworkPolicies implements PodProtection {
  readonly #options: NetworkPoliciesOptions;
  readonly #policies: Informer<NetworkPolicy, PolicyFacts>;
  readonly #outage: Outage;
  #peers: PeerCache | undefined;
  /** The addresses of the pods, by uid, that the table was made with; undefined before there is one of this agent. */
  #inForce: ReadonlyMap<string, string> | undefined;
  #waiting: Waiter[] = [];
  #isDirty = true;
  /** Whether rules may have been removed since the table was looked at. */
  #isSuspect = false;
  #checkedAtMs = performance.now();
  /** When the whole table was last written for what `verify` does not see. */
  #writtenAtMs = performance.now();
  /** Until then, changes are collected. */
  #restsUntilMs = 0;
  readonly #watch: RuleWatch;
  #wake: () => void = () => undefined;
  #isForbidden = false;
  #failure = 'the policies of the cluster are not known yet';

  constructor(options: NetworkPoliciesOptions) {
    this.#options = options;
    const { client, logger, table, watch = NO_WATCH } = options;
    this.#outage = new Outage({ logger, level: 'error' });
    this.#watch = watch;
    watch.onRemoved(table.watched, () => {
      this.#isSuspect = true;
      this.#wake();
    });
    this.#policies = new Informer({
      ...{ client, logger, resource: networkPolicies, select: policyFacts },
      onForbidden: () => this.#forbidden(),
    });
    this.#policies.addHandlers({
      onAdd: (policy) => this.#policySeen(policy),
      onUpdate: (_, policy) => this.#policySeen(policy),
      onDelete: () => this.#changed(),
      onSynced: () => this.#changed(),
    });
  }

  /** Until the signal is aborted; what is in force stays so. */
  async run(signal: AbortSignal): Promise<void> {
    const stopped = Promise.withResolvers<void>();
    const stop = (): void => {
      stopped.resolve();
      void this.#peers?.stop();
    };
    signal.addEventListener('abort', stop, { once: true });
    const onDns = (key: string): void => {
      if (key === DNS_KEY) this.#changed();
    };
    this.#options.services.addHandlers({
      onAdd: (_, key) => onDns(key),
      onUpdate: (_, __, key) => onDns(key),
      onDelete: (_, key) => onDns(key),
    });
    try {
      await Promise.all([
        this.#policies.run(signal),
        Promise.race([this.#allKnown(), stopped.promise]).then(() => this.#keep(signal)),
      ]);
    } finally {
      await this.#peers?.stop();
    }
  }

  async protect({ pod, source }: SourcedPod, addresses: readonly string[], signal: AbortSignal): Promise<void> {
    if (addresses.length === 0 || pod.spec?.hostNetwork || this.#isForbidden) return;
    if (this.#policies.isSynced && this.#policies.size === 0) return;
    if (this.#inForce?.get(pod.metadata?.uid ?? '') === addresses.join()) return;
    const { promise, resolve: done } = Promise.withResolvers<void>();
    const waiter = { addresses, done };
    const { protectionLimitMs: limitMs = PROTECTION_LIMIT_MS } = this.#options;
    this.#waiting.push(waiter);
    this.#changed();
    try {
      await withDeadline({ what: 'network policies', limitMs, signal }, () => promise);
    } catch (error) {
      signal.throwIfAborted();
      // The host's own pods run without an api-server: one may need them.
      if (source === 'file' && !this.#policies.isSynced) return this.#startsUnprotected(pod);
      throw new Error(`network policies are not in force for the pod on this node: ${this.#failure}`, { cause: error });
    } finally {
      this.#waiting = this.#waiting.filter((one) => one !== waiter);
    }
  }

  #startsUnprotected({ metadata }: Pod): void {
    const fields = { pod: `${metadata?.namespace}/${metadata?.name}` };
    this.#options.logger.warn(
      fields,
      'starting static pod before network policies are known: the api-server is unreachable',
    );
  }

  #changed(): void {
    this.#isDirty = true;
    this.#wake();
  }

  #policySeen({ namespace, name, uid, problems }: PolicyFacts): void {
    this.#changed();
    if (problems.length === 0) return;
    const { logger, events } = this.#options;
    logger.warn({ networkPolicy: `${namespace}/${name}`, problems }, 'invalid parts of NetworkPolicy allow nothing');
    const regarding = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace, name, uid };
    events.event(regarding, 'Warning', 'InvalidNetworkPolicy', `These parts allow nothing: ${problems.join('; ')}`);
  }

  /** Another control plane's nodes may not list what policies are about. */
  #forbidden(): void {
    // What has been read once is kept, and enforced.
    if (this.#isForbidden || this.#inForce) return;
    this.#isForbidden = true;
    const message =
      'nodes may not list NetworkPolicies, pods and namespaces in this cluster: NetworkPolicies are NOT in force for the pods of this ' +
      'node until an administrator lets the group system:nodes list and watch them (docs/network-policy.md)';
    this.#options.logger.error({}, message);
    this.#options.record('Warning', 'NetworkPolicyNotEnforced', message);
    for (const { done } of this.#waiting) done();
  }

  /** An earlier agent's table is in force until then. */
  async #allKnown(): Promise<void> {
    const { services, localPodsKnown } = this.#options;
    // What is stopped before rejects.
    await Promise.all([this.#policies.hasSynced(), services.hasSynced(), localPodsKnown()]).catch(() => undefined);
  }

  async #keep(signal: AbortSignal): Promise<void> {
    let failures = 0;
    this.#checkedAtMs = this.#writtenAtMs = performance.now();
    while (!signal.aborted) {
      // Pods that change all the time must not keep a table that was removed from being noticed.
      if (failures === 0 && this.#checkIsDueInMs() <= 0) await this.#check();
      const restMs = this.#isDirty && this.#waiting.length > 0 ? 0 : this.#restsUntilMs - performance.now();
      if (!this.#isDirty) await this.#pause(this.#checkIsDueInMs(), signal);
      else if (restMs > 0) await this.#pause(Math.min(restMs, this.#checkIsDueInMs()), signal);
      else
        try {
          const tookMs = await this.#sync(signal);
          this.#restsUntilMs = performance.now() + Math.min(REST * tookMs, MAX_REST_MS);
          this.#recovered();
          failures = 0;
        } catch (error) {
          if (signal.aborted) return;
          this.#isDirty = true;
          // From here on, the pause between attempts is what counts.
          this.#restsUntilMs = 0;
          this.#failed(error as Error);
          await this.#pause(backoffMs(RETRY, ++failures), signal);
        }
    }
  }

  #checkIsDueInMs(): number {
    const intervalMs = this.#watch.isWatching ? WATCHED_CHECK_INTERVAL_MS : CHECK_INTERVAL_MS;
    return this.#checkedAtMs + (this.#isSuspect ? CHECK_PAUSE_MS : intervalMs) - performance.now();
  }

  /** Until then, or until something has changed that cannot wait. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0) return;
    const isQuiet = !this.#isDirty;
    const woken = new AbortController();
    this.#wake = () => {
      if (isQuiet || this.#isSuspect || this.#waiting.length > 0) woken.abort();
    };
    const over = AbortSignal.any([signal, woken.signal]);
    await delay(ms, undefined, { signal: over, ref: false }).catch(() => undefined);
    this.#wake = () => undefined;
  }

  /** Resolves to the milliseconds that compiling took. Throws when the kernel has not got what is wanted. */
  async #sync(signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    await this.#followPeers();
    this.#isDirty = false;
    const waiting = [...this.#waiting];
    const startedAt = performance.now();
    const locals = [...this.#options.localPods()];
    const content = this.#compile(locals);
    const tookMs = performance.now() - startedAt;
    try {
      const wrote = await this.#options.table.apply(content);
      if (wrote) {
        const fields = { compileMs: Math.round(tookMs), applyMs: Math.round(performance.now() - startedAt - tookMs) };
        this.#options.logger.debug(
          { ...fields, pods: locals.length, chains: content.chains.size },
          'network policies in force',
        );
      }
    } catch (error) {
      // Whoever is not isolated needs no rule.
      for (const { addresses, done } of waiting) if (!isIsolated(content, addresses)) done();
      throw error;
    }
    this.#inForce = new Map(locals.map(({ pod, addresses }) => [pod.metadata?.uid ?? '', addresses.join()]));
    for (const { done } of waiting) done();
    return tookMs;
  }

  /** Where there are no policies, nothing else of the cluster is read. */
  async #followPeers(): Promise<void> {
    if (this.#policies.size === 0) {
      await this.#peers?.stop();
      this.#peers = undefined;
      return;
    }
    const { client, logger } = this.#options;
    this.#peers ??= new PeerCache({
      ...{ client, logger },
      onChange: () => this.#changed(),
      onForbidden: () => this.#forbidden(),
    });
    await this.#peers.hasSynced();
  }

  #compile(locals: readonly LocalPod[]): TableContent {
    const peers = this.#peers;
    if (!peers) return NO_CONTENT;
    const { nodeName, services } = this.#options;
    const dnsAddresses = services.getByKey(DNS_KEY)?.dns.dnsAddresses ?? [];
    const local = locals.map((one) => this.#factsOf(one, peers));
    const remote = [...peers.pods].filter(({ node }) => node !== nodeName);
    return compile({
      policies: this.#policies.values(),
      namespaces: peers.namespaces,
      pods: [...remote, ...local, dnsFacts(dnsAddresses)],
      local,
    });
  }

  /** Labels are the cache's, which says when they change; addresses are the node's. */
  #factsOf({ pod, addresses }: LocalPod, peers: PeerCache): PodFacts {
    const { namespace = '', name = '', uid } = pod.metadata ?? {};
    const own = podFacts(pod, addresses);
    const cached = peers.get(namespace, name);
    return cached?.uid === uid && own.addresses.length > 0 ? { ...own, group: cached!.group } : own;
  }

  #failed(error: Error): void {
    this.#failure = error.message;
    this.#outage.failed(error, {}, 'failed to put network policies in force');
    const message = `NetworkPolicies are not in force as they should be on this node: ${error.message}`;
    this.#options.record('Warning', 'NetworkPolicyNotEnforced', message);
  }

  #recovered(): void {
    this.#outage.ended({}, 'network policies are in force again');
    if (!this.#isForbidden) return;
    this.#isForbidden = false;
    this.#options.logger.info({}, 'nodes may list NetworkPolicies now: they are in force');
  }

  async #check(): Promise<void> {
    const { table, logger } = this.#options;
    this.#isSuspect = false;
    try {
      if (await table.verify()) {
        if (performance.now() - this.#writtenAtMs < REWRITE_INTERVAL_MS) return;
        table.forget();
        this.#writtenAtMs = performance.now();
      } else {
        logger.warn({}, 'the table of network policies was removed by another program, restoring it');
        // Pods that are to be isolated are not.
        this.#restsUntilMs = 0;
      }
    } catch (error) {
      this.#failed(error as Error);
    } finally {
      this.#checkedAtMs = performance.now();
    }
    this.#isDirty = true;
  }
}

const isIsolated = ({ verdicts }: TableContent, addresses: readonly string[]): boolean =>
  verdicts.values().some((map) => addresses.some((address) => map.has(address)));
