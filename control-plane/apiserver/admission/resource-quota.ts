import type { QuotaEvaluator } from '../../../api/domain/quota.ts';
import { amountsOf, quantitiesOf } from '../../../api/domain/quota-amounts.ts';
import { resourceQuotas } from '../../../api/kinds/core/resource-quota.ts';
import { isConflict, isNotFound, staleObject } from '../../../api/machinery/status-error.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';
import { charge, evaluatorFor, type QuotaUsage } from './quota-check.ts';

/** How often a charge is retried after a conflict with another server or the controller. */
const MAX_ATTEMPTS = 10;

type Api = Pick<LocalApi, 'list' | 'subscribe' | 'updateStatus'>;

interface Waiter {
  readonly request: AdmissionRequest;
  readonly evaluator: QuotaEvaluator;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Enforces the ResourceQuotas of a namespace: what a request adds to their usage is charged to their status by compare-and-write
 * before the object is written, so that concurrent requests, also on several servers, never exceed a quota. Requests that arrive
 * while the quotas of their namespace are being written share the next write. The quota controller corrects what was charged for
 * a write that then failed.
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#resourcequota
 */
export function resourceQuota(api: Api): AdmissionPlugin {
  const namespaces = new Map<string, Set<string>>();
  api.subscribe(resourceQuotas, ({ namespace, name, object }) => {
    const names = namespaces.get(namespace) ?? new Set();
    if (object) names.add(name);
    else names.delete(name);
    if (names.size > 0) namespaces.set(namespace, names);
    else namespaces.delete(namespace);
  });
  /** The requests that wait while the quotas of their namespace are being written. */
  const queues = new Map<string, Waiter[]>();

  /** Never rejects: a failure goes to those who wait. */
  async function work(namespace: string, queue: Waiter[]): Promise<void> {
    while (queue.length > 0) await decide(api, namespace, queue.splice(0));
    queues.delete(namespace);
  }

  return {
    name: 'ResourceQuota',
    validate(request) {
      const { namespace } = request;
      if (!namespaces.has(namespace)) return;
      const evaluator = evaluatorFor(request);
      if (!evaluator) return;
      const done = Promise.withResolvers<void>();
      const queue = queues.get(namespace);
      if (queue) {
        queue.push({ request, evaluator, done });
      } else {
        const first = [{ request, evaluator, done }];
        queues.set(namespace, first);
        void work(namespace, first);
      }
      return done.promise;
    },
  };
}

/** Settles every waiter: resolves those that have been charged, rejects those that exceed a quota. Never rejects itself. */
async function decide(api: Api, namespace: string, waiters: readonly Waiter[]): Promise<void> {
  let open = waiters;
  try {
    /** The names of the quotas whose write conflicted; undefined at first: all quotas of the namespace. */
    let names: ReadonlySet<string> | undefined;
    for (let attempt = 1; ; attempt++) {
      const quotas = api
        .list(resourceQuotas, namespace)
        .filter(({ metadata }) => !names || names.has(metadata?.name ?? ''))
        .map((quota): QuotaUsage => ({ quota, used: amountsOf(quota.status?.used) }));
      const { allowed, charged } = chargeAll(quotas, open);
      open = allowed;
      names = await writeUsage(api, quotas, charged);
      if (names.size === 0) break;
      if (attempt === MAX_ATTEMPTS) throw staleObject(resourceQuotas, [...names].join());
    }
    for (const { done } of open) done.resolve();
  } catch (error) {
    for (const { done } of open) done.reject(error);
  }
}

/** Charges the requests one after the other; rejects those that are not allowed. */
function chargeAll(quotas: readonly QuotaUsage[], waiters: readonly Waiter[]) {
  const now = Date.now();
  let charged = quotas;
  const allowed: Waiter[] = [];
  for (const waiter of waiters) {
    const { request, evaluator, done } = waiter;
    try {
      const after = charge(charged, request, evaluator, now);
      if (!request.dryRun) charged = after;
      allowed.push(waiter);
    } catch (error) {
      done.reject(error);
    }
  }
  return { allowed, charged };
}

/** Writes the usage that has changed. Returns the names of the quotas that have been changed by others since they were read. */
async function writeUsage(
  api: Api,
  before: readonly QuotaUsage[],
  charged: readonly QuotaUsage[],
): Promise<Set<string>> {
  const conflicts = new Set<string>();
  await Promise.all(
    charged.map(async ({ quota, used }, index) => {
      if (used === before[index]?.used) return;
      try {
        await api.updateStatus(resourceQuotas, { ...quota, status: { ...quota.status, used: quantitiesOf(used) } });
      } catch (error) {
        // A quota that has been deleted is not in the next list.
        if (!isConflict(error) && !isNotFound(error)) throw error;
        conflicts.add(quota.metadata?.name ?? '');
      }
    }),
  );
  return conflicts;
}
