/**
 * The quota controller: recalculates the usage of ResourceQuotas, which admission only ever raises. Upstream: pkg/controller/resourcequota.
 * https://kubernetes.io/docs/concepts/policy/resource-quotas/
 */
import { isNotFound } from '../../../api/machinery/status-error.ts';
import { evaluatorsOf, isBuiltIn, type QuotaEvaluator } from '../../../api/domain/quota.ts';
import { amountsOf, areEqual, excess, type Amounts } from '../../../api/domain/quota-amounts.ts';
import { countUsage, planStatus } from '../../../api/domain/quota-status.ts';
import type { ResourceQuota } from '../../../api/types/core/v1.gen.ts';
import type { Informer } from '../../../client/informer.ts';
import { resourceQuotas } from '../../../client/resources.gen.ts';
import type { Controller, ControllerContext, ControllerDescriptor, ControllerRun } from '../framework/controller.ts';
import { wholeObjects } from '../framework/informer-factory.ts';
import { watch, type Watch } from '../framework/watch.ts';
import { CountedObjects, DISCOVERY_PERIOD_MS, idOf } from './counted-objects.ts';

/** How often each quota is recalculated in any case; upstream's default. */
const RESYNC_MS = 5 * 60_000;
/** When a quota is recalculated after a charge: the write that was charged for may have failed. */
const RECHECK_MS = 30_000;
/** How long after a charge the charged object may not be in the informer's cache yet: usage is not lowered meanwhile. */
const SETTLE_MS = 2_000;
/** Deletes within this time cause one recalculation. */
const BATCH_MS = 50;

const quotasByNamespace = wholeObjects(resourceQuotas, { namespace: ({ metadata }) => [metadata?.namespace ?? ''] });

const limitedBy = ({ spec }: ResourceQuota): string[] => Object.keys(spec?.hard ?? {});
const usedOf = ({ status }: ResourceQuota): Amounts => amountsOf(status?.used);

export const resourceQuotaController: ControllerDescriptor = {
  name: 'resourcequota-controller',
  workers: 5,
  create: (context) => new ResourceQuotaController(context),
};

class ResourceQuotaController implements Controller {
  readonly #context: ControllerContext;
  readonly #quotas: Informer<ResourceQuota>;
  #objects: CountedObjects | undefined;
  /** By key of the quota and name of the resource: until when (ms since the epoch) its usage is not lowered. */
  readonly #unsettled = new Map<string, Map<string, number>>();

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#quotas = context.informer(quotasByNamespace);
  }

  watches(): Watch[] {
    const { queue } = this.#context;
    return [
      watch(this.#quotas, {
        onAdd: (quota, key) => {
          this.#noteCharges(key, usedOf(quota));
          queue.add(key);
        },
        onUpdate: (old, quota, key) => {
          this.#noteCharges(key, excess(usedOf(quota), usedOf(old)));
          const isSame =
            old.metadata?.uid === quota.metadata?.uid &&
            areEqual(amountsOf(old.spec?.hard), amountsOf(quota.spec?.hard));
          if (isSame) return;
          this.#followWanted();
          queue.add(key);
        },
        onDelete: (_, key) => {
          this.#unsettled.delete(key);
          this.#followWanted();
        },
      }),
    ];
  }

  async background(run: ControllerRun): Promise<void> {
    this.#objects = new CountedObjects(this.#context, run, (...change) => this.#onReplenish(...change));
    await this.#objects.stopped();
  }

  #onReplenish(evaluator: QuotaEvaluator, namespace: string): void {
    for (const quota of this.#quotas.byIndex('namespace', namespace)) {
      if (!limitedBy(quota).some(evaluator.counts)) continue;
      this.#context.queue.addAfter(`${namespace}/${quota.metadata?.name}`, BATCH_MS);
    }
  }

  #noteCharges(key: string, charged: Amounts): void {
    if (charged.size === 0) return;
    const until = Date.now() + SETTLE_MS;
    const ofQuota = this.#unsettled.get(key) ?? new Map<string, number>();
    for (const name of charged.keys()) ofQuota.set(name, until);
    this.#unsettled.set(key, ofQuota);
    this.#context.queue.addAfter(key, RECHECK_MS);
  }

  #followWanted(): void {
    this.#objects?.followOnly(evaluatorsOf(new Set([...this.#quotas.values()].flatMap(limitedBy))));
  }

  async reconcile(key: string, signal: AbortSignal): Promise<number | undefined> {
    const objects = this.#objects;
    const limited = this.#quotas.getByKey(key);
    if (!limited || !objects) return undefined;
    for (const evaluator of evaluatorsOf(limitedBy(limited))) await objects.follow(evaluator);
    const quota = this.#quotas.getByKey(key);
    if (quota !== limited) this.#followWanted();
    if (!quota) return undefined;
    const evaluators = evaluatorsOf(limitedBy(quota));
    // Its limits have changed while the caches were filled.
    if (!evaluators.every((evaluator) => objects.isKnown(evaluator))) return 0;
    const namespace = quota.metadata?.namespace ?? '';
    const measures = new Map(evaluators.map((each) => [idOf(each), objects.measuresIn(each, namespace)]));
    const isUnserved = evaluators.some((each) => !isBuiltIn(each) && !measures.get(idOf(each)));
    const now = Date.now();
    const counted = countUsage(quota.spec ?? {}, (evaluator) => measures.get(idOf(evaluator)), now);
    const isSettled = (name: string): boolean => (this.#unsettled.get(key)?.get(name) ?? 0) <= now;
    const { status, waits } = planStatus(quota, counted, isSettled);
    const isWritten = status !== undefined && (await this.#writeStatus({ ...quota, status }, signal));
    // Requests that were admitted before the status was written are finished by then.
    if (waits || isWritten) return SETTLE_MS;
    return isUnserved ? DISCOVERY_PERIOD_MS : RESYNC_MS;
  }

  /** False when the quota is gone. */
  async #writeStatus(quota: ResourceQuota, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#context.client.updateStatus(resourceQuotas, quota, { signal });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}
