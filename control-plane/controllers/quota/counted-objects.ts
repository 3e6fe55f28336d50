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
import { RunningInformers } from '../framework/running-informers.ts';
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

type Followed = Informer<KubeObject, Counted>;

/** Informers for the kinds that some quota counts, and for no others. */
export class CountedObjects {
  readonly #context: ControllerContext;
  readonly #run: ControllerRun;
  readonly #onReplenish: OnReplenish;
  readonly #followed: RunningInformers<Followed>;
  #served = new Map<string, DiscoveredResource>();
  /** The paths of groups for which the last discovery failed. */
  #failed: readonly string[] = [];
  #discovering: Promise<void> | undefined;
  #discoveredAt = -Infinity;

  constructor(context: ControllerContext, run: ControllerRun, onReplenish: OnReplenish) {
    this.#context = context;
    this.#run = run;
    this.#onReplenish = onReplenish;
    this.#followed = new RunningInformers(run.signal);
  }

  /** Resolves when every informer has stopped, after the signal of the run is aborted. Rejects when one fails. */
  stopped(): Promise<void> {
    return this.#followed.stopped();
  }

  /** Resolves when the cache has synced, or the kind is not served. Throws StatusError when discovery has failed. */
  async follow(evaluator: QuotaEvaluator): Promise<void> {
    const followed = this.#followed.get(idOf(evaluator)) ?? (await this.#followServed(evaluator));
    try {
      await followed?.hasSynced();
    } catch (error) {
      // Otherwise it was stopped, because no quota counts the kind any more.
      if (this.#followed.get(idOf(evaluator)) === followed) throw error;
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
    return followed ? followed.isSynced : this.#failed.length === 0 && !this.#served.has(idOf(evaluator));
  }

  /** Undefined for kinds that are not served. */
  measuresIn(evaluator: QuotaEvaluator, namespace: string): Measure[] | undefined {
    return this.#followed
      .get(idOf(evaluator))
      ?.byIndex('namespace', namespace)
      .map(({ measure }) => measure);
  }

  followOnly(evaluators: readonly QuotaEvaluator[]): void {
    this.#followed.stopAllBut(new Set(evaluators.map(idOf)));
  }

  #start(evaluator: QuotaEvaluator, resource: DiscoveredResource): Followed {
    const { client, logger } = this.#context;
    const informer = new Informer<KubeObject, Counted>({
      client,
      logger,
      resource,
      metadataOnly: !evaluator.needsWholeObject,
      select: (object) => ({ namespace: object.metadata?.namespace ?? '', measure: evaluator.measure(object) }),
      indexes: { namespace: ({ namespace }) => [namespace] },
    });
    this.#run.watch(
      watch(informer, {
        // Admission has charged what is added.
        onUpdate: (old, { namespace, measure }) => {
          if (!countsAlike(old.measure, measure)) this.#onReplenish(evaluator, namespace, old.measure, measure);
        },
        onDelete: ({ namespace, measure }) => this.#onReplenish(evaluator, namespace, measure, undefined),
      }),
    );
    this.#followed.start(idOf(evaluator), informer);
    return informer;
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
