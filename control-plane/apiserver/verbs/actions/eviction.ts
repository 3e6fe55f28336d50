/**
 * `pods/eviction`: a delete under the right to evict, which the budgets of the pod have to allow. Upstream's `EvictionREST`.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
 */
import { pods } from '../../../../api/kinds/core/pod.ts';
import { podDisruptionBudgets } from '../../../../api/kinds/policy/pod-disruption-budget.ts';
import { conflict, isConflict, notFound, timeout, unclassified } from '../../../../api/machinery/status-error.ts';
import { timeOf } from '../../../../api/machinery/time.ts';
import type { Pod } from '../../../../api/types/core/v1.gen.ts';
import type { DeleteOptions } from '../../../../api/types/meta/v1.gen.ts';
import type { Eviction, PodDisruptionBudget } from '../../../../api/types/policy/v1.gen.ts';
import type { WriteContext } from '../../admission/pipeline.ts';
import type { LocalApi } from '../../catalogue/local-api.ts';
import { placeObject } from '../../catalogue/object-meta.ts';
import type { Registry } from '../../catalogue/registry.ts';
import { validateDeleteOptions } from '../../storage/deletion.ts';
import type { ObjectWriter } from '../../storage/write.ts';
import { SUCCESS, type Action } from '../handlers.ts';
import { budgetsOf, charge, isUncounted, isUnprotected, stillProcessed } from './disruption-budget.ts';

/** Of an eviction that others' writes to the pod or to its budget get in the way of. */
const MAX_ATTEMPTS = 20;

export interface EvictionOptions {
  readonly registry: Registry;
  readonly writer: ObjectWriter;
  /** For what the server writes on its own account: the budget, and the pod's condition. */
  readonly api: LocalApi;
}

export function evictPod(options: EvictionOptions): Action {
  return async (admitted) => {
    const { request, object } = admitted;
    const { namespace, info } = request;
    const eviction = object as Eviction;
    placeObject(pods, eviction, namespace, info.name);
    const { deleteOptions = {} } = eviction;
    validateDeleteOptions(deleteOptions);
    const context = admitted.writeContext(deleteOptions.dryRun?.includes('All'));
    await new PodEviction(options, namespace, info.name, context).run(deleteOptions);
    return { code: 201, object: SUCCESS };
  };
}

const versionOf = ({ preconditions }: DeleteOptions): string | undefined => preconditions?.resourceVersion;

/** The options, for this version of the pod only. */
const atVersion = (options: DeleteOptions, { metadata }: Pod): DeleteOptions => ({
  ...options,
  preconditions: { ...options.preconditions, resourceVersion: metadata?.resourceVersion },
});

class PodEviction {
  readonly #registry: Registry;
  readonly #writer: ObjectWriter;
  readonly #api: LocalApi;
  readonly #namespace: string;
  readonly #name: string;
  readonly #context: WriteContext;

  constructor({ registry, writer, api }: EvictionOptions, namespace: string, name: string, context: WriteContext) {
    this.#registry = registry;
    this.#writer = writer;
    this.#api = api;
    this.#namespace = namespace;
    this.#name = name;
    this.#context = context;
  }

  async run(options: DeleteOptions): Promise<void> {
    const pod = await this.#removeUnprotected(options);
    if (!pod) return;
    const [budget, ...more] = budgetsOf(pod, this.#api.list(podDisruptionBudgets, this.#namespace));
    if (more.length > 0) {
      throw unclassified(
        'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
      );
    }
    if (!budget) return this.#remove(pod, options);
    if (!isUncounted(pod, budget)) {
      await this.#charge(budget);
      return this.#remove(pod, options);
    }
    try {
      // It must not have become ready meanwhile.
      await this.#remove(pod, atVersion(options, pod));
    } catch (error) {
      if (!isConflict(error) || versionOf(options) !== undefined) throw error;
      throw stillProcessed(budget.metadata?.name ?? '');
    }
  }

  #pod(): Pod {
    const pod = this.#api.get(pods, this.#namespace, this.#name);
    if (!pod) throw notFound(pods, this.#name);
    return pod;
  }

  /** Returns the pod instead when budgets protect it. A Pending one must not have started meanwhile. */
  async #removeUnprotected(options: DeleteOptions): Promise<Pod | undefined> {
    for (let attempt = 1; ; attempt++) {
      await this.#api.fresh();
      const pod = this.#pod();
      if (!isUnprotected(pod)) return pod;
      const mayStart = pod.status?.phase === 'Pending' && !pod.metadata?.deletionTimestamp;
      try {
        const isGuarded = mayStart && versionOf(options) === undefined;
        await this.#remove(pod, isGuarded ? atVersion(options, pod) : options);
        return undefined;
      } catch (error) {
        if (!isConflict(error) || versionOf(options) !== undefined || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /** Notes the disruption in the status of the budget, by compare-and-write. Throws a 429 StatusError when it allows none. */
  async #charge(first: PodDisruptionBudget): Promise<void> {
    const name = first.metadata?.name ?? '';
    let budget: PodDisruptionBudget | undefined = first;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      if (!budget) throw notFound(podDisruptionBudgets, name);
      const status = charge(budget, this.#name, Date.now());
      if (this.#context.dryRun) return;
      try {
        await this.#api.updateStatus(podDisruptionBudgets, { ...budget, status });
        return;
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
      await this.#api.fresh();
      budget = this.#api.get(podDisruptionBudgets, this.#namespace, name);
    }
    throw timeout(`couldn't update PodDisruptionBudget ${JSON.stringify(name)} due to conflicts`, 10);
  }

  /** Tells by a condition why the pod goes, and deletes it. */
  async #remove(pod: Pod, options: DeleteOptions): Promise<void> {
    const wanted = this.#context.dryRun ? options : await this.#mark(pod, options);
    await this.#writer.delete(this.#registry.of(pods), this.#namespace, this.#name, wanted, this.#context);
  }

  /** Returns the options for the pod that has the condition. Throws a Conflict when their preconditions are not met. */
  async #mark(first: Pod, options: DeleteOptions): Promise<DeleteOptions> {
    let pod = first;
    for (let attempt = 1; ; attempt++) {
      this.#check(pod, options);
      try {
        const marked = await this.#api.updateStatus(pods, withDisruptionTarget(pod, Date.now()));
        return versionOf(options) === undefined ? options : atVersion(options, marked);
      } catch (error) {
        if (!isConflict(error) || versionOf(options) !== undefined || attempt === MAX_ATTEMPTS) throw error;
      }
      await this.#api.fresh();
      pod = this.#pod();
    }
  }

  #check({ metadata }: Pod, { preconditions }: DeleteOptions): void {
    for (const [shown, wanted, actual, cause] of [
      ['UID', preconditions?.uid, metadata?.uid, 'deleted and then recreated'],
      ['ResourceVersion', preconditions?.resourceVersion, metadata?.resourceVersion, 'modified'],
    ]) {
      if (!wanted || wanted === actual) continue;
      const why = `the ${shown} in the precondition (${wanted}) does not match the ${shown} in record (${actual}).`;
      throw conflict({ group: '', plural: 'Pod' }, this.#name, `${why} The object might have been ${cause}`);
    }
  }
}

function withDisruptionTarget(pod: Pod, now: number): Pod {
  const conditions = pod.status?.conditions ?? [];
  const before = conditions.find(({ type }) => type === 'DisruptionTarget');
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    observedGeneration: before?.observedGeneration,
    lastTransitionTime: before?.status === 'True' ? before.lastTransitionTime : timeOf(now),
  };
  const others = conditions.filter((each) => each !== before);
  return { ...pod, status: { ...pod.status, conditions: [...others, condition] } };
}
