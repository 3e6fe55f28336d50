/** The objects that quotas count: which of them there are, in caches that exist only while a quota counts them. */
import { groupResource } from '../../../api/machinery/define-kind.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { deepEqual } from '../../../api/machinery/deep-equal.ts';
import { serviceUnavailable } from '../../../api/machinery/status-error.ts';
import type { GroupResource, Measure, QuotaEvaluator } from '../../../api/domain/quota.ts';
import { areEqual } from '../../../api/domain/quota-amounts.ts';
import { Informer } from '../../../client/informer.ts';
import type { ControllerContext, ControllerRun } from '../framework/controller.ts';
import { discoverResources, type DiscoveredResource } from '../framework/discovery.ts';
import { watch } from '../framework/watch.ts';

/** How often discovery is asked for a kind that a quota counts and that was not served. */
export const DISCOVERY_PERIOD_MS = 60_000;

export const idOf = ({ resource }: { readonly resource: GroupResource }): string => groupResource(resource);

/** Called when an object uses other amounts than before; `now` is undefined when it is gone. */
export type OnReplenish = (
  evaluator: QuotaEvaluator,
  namespace: string,
  old: Measure,
  now: Measure | undefined,
) => void;

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
export class CountedObjects {
  readonly #context: ControllerContext;
  readonly #run: ControllerRun;
  readonly #onReplenish: OnReplenish;
  readonly #followed = new Map<string, Followed>();
  readonly #running = new Set<Promise<void>>();
  readonly #failure = Promise.withResolvers<never>();
  #served = new Map<string, DiscoveredResource>();
  /** The paths of groups for which the last discovery failed. */
  #failed: readonly string[] = [];
  #discovering: Promise<void> | undefined;
  #discoveredAt = -Infinity;

  constructor(context: ControllerContext, run: ControllerRun, onReplenish: OnReplenish) {
    this.#context = context;
    this.#run = run;
    this.#onReplenish = onReplenish;
  }

  /** Resolves when every informer has stopped, after the signal of the run is aborted. Rejects when one fails. */
  async stopped(): Promise<void> {
    const { signal } = this.#run;
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    if (!signal.aborted) await Promise.race([aborted, this.#failure.promise]);
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
    const { client, logger } = this.#context;
    const { signal, watch: attach } = this.#run;
    const stop = new AbortController();
    const informer = new Informer<KubeObject, Counted>({
      client,
      logger,
      resource,
      metadataOnly: !evaluator.needsWholeObject,
      select: (object) => ({ namespace: object.metadata?.namespace ?? '', measure: evaluator.measure(object) }),
      indexes: { namespace: ({ namespace }) => [namespace] },
    });
    attach(
      watch(informer, {
        // Admission has charged what is added.
        onUpdate: (old, { namespace, measure }) => {
          if (!countsAlike(old.measure, measure)) this.#onReplenish(evaluator, namespace, old.measure, measure);
        },
        onDelete: ({ namespace, measure }) => this.#onReplenish(evaluator, namespace, measure, undefined),
      }),
    );
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
    try {
      const { resources, failed } = await discoverResources(this.#context.client, this.#run.signal);
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
