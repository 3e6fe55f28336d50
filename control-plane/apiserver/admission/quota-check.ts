/** How much a request adds to the quotas of its namespace, and whether they allow it; a pure function. */
import { isPodLevelResource } from '../../../api/domain/pod-resources.ts';
import {
  evaluatorOf,
  hasDeadline,
  isInScopes,
  quotaNames,
  usageAt,
  type QuotaEvaluator,
} from '../../../api/domain/quota.ts';
import { amountsOf, excess, filterAmounts, addAmounts, type Amounts } from '../../../api/domain/quota-amounts.ts';
import { compareQuantities } from '../../../api/machinery/quantity.ts';
import { forbidden } from '../../../api/machinery/status-error.ts';
import type { Pod, ResourceQuota, ResourceRequirements } from '../../../api/types/core/v1.gen.ts';
import type { AdmissionRequest } from './plugin.ts';

/** Every container must specify those of these that a quota limits: upstream keeps that for compatibility. */
const REQUIRED_OF_CONTAINERS: ReadonlySet<string> = new Set(
  ['cpu', 'memory'].flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
);

/** Whether the request can change the usage of its object. */
function mayCharge({ operation, kind, subresource, object, old }: AdmissionRequest): boolean {
  if (operation === 'CREATE') return subresource === '';
  if (operation !== 'UPDATE' || kind.group !== '' || !object || !old) return false;
  switch (kind.plural) {
    case 'pods':
      return subresource === '' ? hasDeadline(object) !== hasDeadline(old) : subresource === 'resize';
    case 'services':
      return subresource === '';
    case 'persistentvolumeclaims':
      return subresource === '' || subresource === 'status';
    default:
      return false;
  }
}

/** The evaluator for the object of the request; undefined when quotas do not concern the request. */
export const evaluatorFor = (request: AdmissionRequest): QuotaEvaluator | undefined =>
  request.namespace !== '' && mayCharge(request) ? evaluatorOf(request.kind) : undefined;

/** A quota with its usage, including requests that have been allowed and not been written yet. */
export interface QuotaUsage {
  readonly quota: ResourceQuota;
  readonly used: Amounts;
}

/**
 * Returns the quotas with the request charged to those that match it. The limits of a quota are those in its status: one that the
 * controller has not synced yet limits nothing. Throws the 403 StatusError of the first quota that does not allow the request.
 */
export function charge(
  quotas: readonly QuotaUsage[],
  request: AdmissionRequest,
  evaluator: QuotaEvaluator,
  now: number,
): QuotaUsage[] {
  const { object, old, subresource } = request;
  if (!object) return [...quotas];
  const refuse = (why: string) => forbidden(request.kind, request.name, why);
  const measure = evaluator.measure(object);
  const usage = usageAt(measure, now);
  const before = old && evaluator.measure(old);
  const delta = before ? excess(usage, usageAt(before, now)) : usage;

  const concerned = new Set<ResourceQuota>();
  for (const { quota, used } of quotas) {
    const { spec = {}, status, metadata } = quota;
    const limited = Object.keys(status?.hard ?? {}).filter(evaluator.counts);
    if (limited.length === 0 || !isInScopes(spec, measure)) continue;
    const missing = evaluator.resource.plural === 'pods' ? missingAmounts(object, limited) : '';
    if (missing) throw refuse(`failed quota: ${metadata?.name}: must specify ${missing}`);
    if (limited.some((name) => !used.has(name))) {
      throw refuse(`status unknown for quota: ${metadata?.name}, resources: ${limited.sort().join()}`);
    }
    concerned.add(quota);
  }
  return quotas.map((entry) => {
    const { quota, used } = entry;
    if (!concerned.has(quota)) return entry;
    const hard = amountsOf(quota.status?.hard);
    // An update that moves the object into the quota's scopes is charged its whole usage.
    const isNewToQuota = before && !isInScopes(quota.spec ?? {}, before);
    const requested = filterAmounts(isNewToQuota ? usage : delta, (name) => hard.has(name));
    const charged = filterAmounts(requested, (name) => compareQuantities(requested.get(name) ?? '0', '0') > 0);
    if (charged.size === 0) return entry;
    const after = addAmounts(used, charged);
    const isExceeded = (name: string): boolean =>
      charged.has(name) && compareQuantities(after.get(name) ?? '0', hard.get(name) ?? '0') > 0;
    // A status reports what has happened already.
    const exceeded = subresource === 'status' ? [] : [...charged.keys()].filter(isExceeded);
    if (exceeded.length > 0) {
      const shown = [charged, used, hard].map((amounts) => shownAmounts(filterAmounts(amounts, isExceeded)));
      throw refuse(
        `exceeded quota: ${quota.metadata?.name}, requested: ${shown[0]}, used: ${shown[1]}, limited: ${shown[2]}`,
      );
    }
    return { quota, used: after };
  });
}

const shownAmounts = (amounts: Amounts): string =>
  [...amounts]
    .map(([name, amount]) => `${name}=${amount}`)
    .sort()
    .join();

function resourcesSetBy(resources: ResourceRequirements | undefined): Set<string> {
  const names = new Set<string>();
  for (const side of ['requests', 'limits'] as const) {
    for (const name in resources?.[side]) for (const counted of quotaNames(side, name)) names.add(counted);
  }
  return names;
}

/** As `cpu for: a,b; memory for: a`; '' when every container specifies what it must, or the pod does at pod level. */
function missingAmounts({ spec }: Pod, limited: readonly string[]): string {
  const required = limited.filter((name) => REQUIRED_OF_CONTAINERS.has(name)).sort();
  if (required.length === 0) return '';
  const whole = { ...spec?.resources?.requests, ...spec?.resources?.limits };
  if (Object.keys(whole).some(isPodLevelResource)) return '';
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map(({ name, resources }) => ({
    name,
    specified: resourcesSetBy(resources),
  }));
  const missing: string[] = [];
  for (const resource of required) {
    const lacking = containers.filter(({ specified }) => !specified.has(resource)).map(({ name }) => name);
    if (lacking.length > 0) missing.push(`${resource} for: ${[...new Set(lacking)].sort().join()}`);
  }
  return missing.join('; ');
}
