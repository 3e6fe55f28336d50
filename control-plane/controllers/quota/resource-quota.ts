/**
 * The quota controller: recalculates the usage of ResourceQuotas, which admission only ever raises. Upstream: pkg/controller/resourcequota.
 * https://kubernetes.io/docs/concepts/policy/resource-quotas/
 */
import { isNotFound } from '../../../api/machinery/status-error.ts';
import { evaluatorsOf, isBuiltIn, type Measure } from '../../../api/domain/quota.ts';
import { amountsOf, areEqual, excess, type Amounts } from '../../../api/domain/quota-amounts.ts';
import { countUsage, planStatus } from '../../../api/domain/quota-status.ts';
import type { ResourceQuota } from '../../../api/types/core/v1.gen.ts';
import { objectKey, type Informer } from '../../../client/informer.ts';
import { resourceQuotas } from '../../../client/resources.gen.ts';
import type { Controller, ControllerContext, ControllerDescriptor, ControllerRun } from '../framework/controller.ts';
import { wholeObjects } from '../framework/informer-factory.ts';
import { watch, type Watch } from '../framework/watch.ts';
import { CountedObjects, DISCOVERY_PERIOD_MS, idOf, type OnReplenish } from './counted-objects.ts';
import { UsageLedger, WRITE_LIMIT_MS } from './usage-ledger.ts';

/** How often each quota is recalculated in any case; upstream's default. */
const RESYNC_MS = 5 * 60_000;
/** When a quota is recalculated after a charge: the write that was charged for may have failed. */
const RECHECK_MS = 30_000;
/** Deletes within this time cause one recalculation. */
const BATCH_MS = 50;

const quotasByNamespace = wholeObjects(resourceQuotas, { namespace: ({ metadata }) => [metadata?.namespace ?? ''] });

const limitedBy = ({ spec }: ResourceQuota): string[] => Object.keys(spec?.hard ?? {});
const keyOf = ({ metadata }: ResourceQuota): string => objectKey(metadata?.namespace, metadata?.name ?? '');
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
  readonly #ledger = new UsageLedger();

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
          const isReplaced = old.metadata?.uid !== quota.metadata?.uid;
          if (isReplaced) this.#ledger.forget(key);
          this.#noteCharges(key, isReplaced ? usedOf(quota) : excess(usedOf(quota), usedOf(old)));
          if (!isReplaced && areEqual(amountsOf(old.spec?.hard), amountsOf(quota.spec?.hard))) return;
          this.#followWanted();
          queue.add(key);
        },
        onDelete: (_, key) => {
          this.#ledger.forget(key);
          this.#followWanted();
        },
      }),
    ];
  }

  async background(run: ControllerRun): Promise<void> {
    this.#objects = new CountedObjects(this.#context, run, this.#onReplenish);
    await this.#objects.stopped();
  }

  readonly #onReplenish: OnReplenish = (evaluator, namespace, old, now) => {
    const at = Date.now();
    for (const quota of this.#quotas.byIndex('namespace', namespace)) {
      if (!limitedBy(quota).some(evaluator.counts)) continue;
      const key = keyOf(quota);
      const usageOf = (measure: Measure | undefined): Amounts =>
        countUsage(quota.spec ?? {}, (each) => (measure && idOf(each) === idOf(evaluator) ? [measure] : []), at);
      this.#ledger.free(key, excess(usageOf(old), usageOf(now)));
      this.#context.queue.addAfter(key, BATCH_MS);
    }
  };

  #noteCharges(key: string, charged: Amounts): void {
    if (charged.size === 0) return;
    this.#ledger.charge(key, charged, performance.now());
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
    const counted = countUsage(quota.spec ?? {}, (evaluator) => measures.get(idOf(evaluator)), Date.now());
    const now = performance.now();
    const freed = this.#ledger.takeFreed(key);
    const { status, waits } = planStatus(quota, counted, (name, used) =>
      this.#ledger.floor(key, name, used, freed, now),
    );
    const isWritten = status !== undefined && (await this.#writeStatus({ ...quota, status }, freed, signal));
    // Requests that were admitted before the status was written are finished by then.
    if (waits || isWritten) return WRITE_LIMIT_MS;
    return isUnserved ? DISCOVERY_PERIOD_MS : RESYNC_MS;
  }

  /** False when the quota is gone. @param freed what the status leaves out; it is kept when the write fails. */
  async #writeStatus(quota: ResourceQuota, freed: Amounts, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#context.client.updateStatus(resourceQuotas, quota, { signal });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      this.#ledger.free(keyOf(quota), freed);
      throw error;
    }
  }
}
