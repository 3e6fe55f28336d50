/** The resource quota controller: recalculates the usage of quotas, which admission only ever raises. */
import { groupResource } from '../../api/machinery/define-kind.ts';
import type { KubeObject } from '../../api/machinery/kind.ts';
import { deepEqual } from '../../api/machinery/deep-equal.ts';
import { isNotFound, serviceUnavailable } from '../../api/machinery/status-error.ts';
import {
  evaluatorsOf,
  isBuiltIn,
  type GroupResource,
  type Measure,
  type QuotaEvaluator,
} from '../../api/domain/quota.ts';
import { amountsOf, areEqual, excess, type Amounts } from '../../api/domain/quota-amounts.ts';
import { countUsage, planStatus } from '../../api/domain/quota-status.ts';
import type { ResourceQuota } from '../../api/types/core/v1.gen.ts';
import { Informer } from '../../client/informer.ts';
import { resourceQuotas } from '../../client/resources.gen.ts';
import { createQueue, type ControllerContext } from './context.ts';
import { discoverResources, type DiscoveredResource } from './discovery.ts';

/** How often each quota is recalculated in any case; upstream's default. */
const RESYNC_MS = 5 * 60_000;
/** When a quota is recalculated after a charge: the write that was charged for may have failed. */
const RECHECK_MS = 30_000;
/** How long after a charge the charged object may not be in the informer's cache yet: usage is not lowered meanwhile. */
const SETTLE_MS = 2_000;
/** Deletes within this time cause one recalculation. */
const BATCH_MS = 50;
/** How often discovery is asked for a kind that a quota counts and that was not served. */
const DISCOVERY_PERIOD_MS = 60_000;

const limitedBy = ({ spec }: ResourceQuota): string[] => Object.keys(spec?.hard ?? {});
const usedOf = ({ status }: ResourceQuota): Amounts => amountsOf(status?.used);

/** Watches quotas, and the objects that they count, until the signal is aborted. */
export async function runResourceQuotaController(context: ControllerContext): Promise<void> {
  const { client, logger, signal } = context;
  const queue = createQueue(context, 'resource-quota');
  const quotas = new Informer<ResourceQuota>({
    client,
    logger,
    resource: resourceQuotas,
    indexes: { namespace: ({ metadata }) => [metadata?.namespace ?? ''] },
  });
  const objects = new CountedObjects(context, (evaluator, namespace) => {
    for (const quota of quotas.byIndex('namespace', namespace)) {
      if (limitedBy(quota).some(evaluator.counts)) queue.addAfter(`${namespace}/${quota.metadata?.name}`, BATCH_MS);
    }
  });
  /** By key of the quota and name of the resource: until when (ms since the epoch) its usage is not lowered. */
  const unsettled = new Map<string, Map<string, number>>();
  const noteCharges = (key: string, charged: Amounts): void => {
    if (charged.size === 0) return;
    const until = Date.now() + SETTLE_MS;
    const ofQuota = unsettled.get(key) ?? new Map<string, number>();
    for (const name of charged.keys()) ofQuota.set(name, until);
    unsettled.set(key, ofQuota);
    queue.addAfter(key, RECHECK_MS);
  };
  const followWanted = (): void => objects.followOnly(evaluatorsOf(new Set([...quotas.values()].flatMap(limitedBy))));
  quotas.addHandlers({
    onAdd: (quota, key) => {
      noteCharges(key, usedOf(quota));
      queue.add(key);
    },
    onUpdate: (old, quota, key) => {
      noteCharges(key, excess(usedOf(quota), usedOf(old)));
      const isSame =
        old.metadata?.uid === quota.metadata?.uid && areEqual(amountsOf(old.spec?.hard), amountsOf(quota.spec?.hard));
      if (isSame) return;
      followWanted();
      queue.add(key);
    },
    onDelete: (_, key) => {
      unsettled.delete(key);
      followWanted();
    },
  });

  async function sync(key: string): Promise<void> {
    const limited = quotas.getByKey(key);
    if (!limited) return;
    queue.addAfter(key, RESYNC_MS);
    for (const evaluator of evaluatorsOf(limitedBy(limited))) await objects.follow(evaluator);
    const quota = quotas.getByKey(key);
    if (quota !== limited) followWanted();
    if (!quota) return;
    const evaluators = evaluatorsOf(limitedBy(quota));
    // Its limits have changed while the caches were filled.
    if (!evaluators.every((evaluator) => objects.isKnown(evaluator))) return queue.add(key);
    const namespace = quota.metadata?.namespace ?? '';
    const measures = new Map(evaluators.map((each) => [idOf(each), objects.measuresIn(each, namespace)]));
    if (evaluators.some((evaluator) => !isBuiltIn(evaluator) && !measures.get(idOf(evaluator)))) {
      queue.addAfter(key, DISCOVERY_PERIOD_MS);
    }
    const now = Date.now();
    const counted = countUsage(quota.spec ?? {}, (evaluator) => measures.get(idOf(evaluator)), now);
    const isSettled = (name: string): boolean => (unsettled.get(key)?.get(name) ?? 0) <= now;
    const { status, waits } = planStatus(quota, counted, isSettled);
    if (waits) queue.addAfter(key, SETTLE_MS);
    if (!status) return;
    try {
      await client.updateStatus(resourceQuotas, { ...quota, status }, { signal });
      // Requests that were admitted before this status was written are finished by then.
      queue.addAfter(key, SETTLE_MS);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  const running = quotas.run(signal);
  await quotas.hasSynced();
  await Promise.race([queue.run(sync, signal), objects.failed]);
  await Promise.all([running, objects.stopped()]);
}

const idOf = ({ resource }: { readonly resource: GroupResource }): string => groupResource(resource);

/** What is kept of an object that quotas count. */
interface Counted {
  readonly namespace: string;
  readonly measure: Measure;
}

interface Followed {
  readonly informer: Informer<KubeObject, Counted>;
  readonly stop: AbortController;
}

/** Informers for the kinds that some quota counts, and for no others. */
class CountedObjects {
  readonly #context: ControllerContext;
  readonly #onReplenish: (evaluator: QuotaEvaluator, namespace: string) => void;
  readonly #followed = new Map<string, Followed>();
  readonly #running = new Set<Promise<void>>();
  readonly #failure = Promise.withResolvers<never>();
  #served = new Map<string, DiscoveredResource>();
  /** The paths of groups for which the last discovery failed. */
  #failed: readonly string[] = [];
  #discovering: Promise<void> | undefined;
  #discoveredAt = -Infinity;

  constructor(context: ControllerContext, onReplenish: (evaluator: QuotaEvaluator, namespace: string) => void) {
    this.#context = context;
    this.#onReplenish = onReplenish;
  }

  /** Rejects when an informer fails for good. */
  get failed(): Promise<never> {
    return this.#failure.promise;
  }

  /** Resolves when every informer has stopped. */
  async stopped(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Resolves when the cache has synced, or the kind is not served. Throws StatusError when discovery has failed. */
  async follow(evaluator: QuotaEvaluator): Promise<void> {
    const followed = this.#followed.get(idOf(evaluator)) ?? (await this.#followServed(evaluator));
    if (!followed) return;
    try {
      await followed.informer.hasSynced();
    } catch (error) {
      // Stopped, because no quota counts the kind any more.
      if (!followed.stop.signal.aborted) throw error;
    }
  }

  async #followServed(evaluator: QuotaEvaluator): Promise<Followed | undefined> {
    await this.#discover(evaluator);
    const resource = this.#served.get(idOf(evaluator));
    if (resource) return this.#followed.get(idOf(evaluator)) ?? this.#start(evaluator, resource);
    if (this.#failed.length === 0) return undefined;
    throw serviceUnavailable(`failed to discover resources of ${this.#failed.join(', ')}`);
  }

  /** Whether the cache has synced, or the kind is not served. */
  isKnown(evaluator: QuotaEvaluator): boolean {
    const followed = this.#followed.get(idOf(evaluator));
    return followed ? followed.informer.isSynced : this.#failed.length === 0 && !this.#served.has(idOf(evaluator));
  }

  /** Undefined for kinds that are not served. */
  measuresIn(evaluator: QuotaEvaluator, namespace: string): Measure[] | undefined {
    return this.#followed
      .get(idOf(evaluator))
      ?.informer.byIndex('namespace', namespace)
      .map(({ measure }) => measure);
  }

  followOnly(evaluators: readonly QuotaEvaluator[]): void {
    const wanted = new Set(evaluators.map(idOf));
    for (const [id, { stop }] of this.#followed) {
      if (wanted.has(id)) continue;
      stop.abort(new Error(`no quota counts ${id} any more`));
      this.#followed.delete(id);
    }
  }

  #start(evaluator: QuotaEvaluator, resource: DiscoveredResource): Followed {
    const { client, logger, signal } = this.#context;
    const stop = new AbortController();
    const informer = new Informer<KubeObject, Counted>({
      client,
      logger,
      resource,
      metadataOnly: !evaluator.needsWholeObject,
      select: (object) => ({ namespace: object.metadata?.namespace ?? '', measure: evaluator.measure(object) }),
      indexes: { namespace: ({ namespace }) => [namespace] },
    });
    informer.addHandlers({
      // Admission has charged what is added.
      onUpdate: (old, { namespace, measure }) => {
        if (!countsAlike(old.measure, measure)) this.#onReplenish(evaluator, namespace);
      },
      onDelete: ({ namespace }) => this.#onReplenish(evaluator, namespace),
    });
    const followed = { informer, stop };
    this.#followed.set(idOf(evaluator), followed);
    const running = informer.run(AbortSignal.any([signal, stop.signal])).catch(this.#failure.reject);
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
    return followed;
  }

  /** Reads which kinds are served, unless this one is known to be, or that was read lately. */
  async #discover(evaluator: QuotaEvaluator): Promise<void> {
    const isKnown = this.#served.has(idOf(evaluator)) || performance.now() - this.#discoveredAt < DISCOVERY_PERIOD_MS;
    if (!isKnown) await (this.#discovering ??= this.#readServed());
  }

  async #readServed(): Promise<void> {
    const { client, signal } = this.#context;
    try {
      const { resources, failed } = await discoverResources(client, signal);
      const countable = resources.filter(
        ({ namespaced, verbs }) => namespaced && verbs.includes('list') && verbs.includes('watch'),
      );
      this.#served = new Map(countable.map((resource) => [groupResource(resource), resource]));
      this.#failed = failed;
      if (failed.length === 0) this.#discoveredAt = performance.now();
    } finally {
      this.#discovering = undefined;
    }
  }
}

const countsAlike = (a: Measure, b: Measure): boolean =>
  a === b || (areEqual(a.usage, b.usage) && deepEqual([...a.scopes], [...b.scopes]));
