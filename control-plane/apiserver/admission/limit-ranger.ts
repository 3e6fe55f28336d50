import type { ResourceList } from '../../../api/domain/resource-names.ts';
import { limitRanges } from '../../../api/kinds/core/limit-range.ts';
import { containersQuantity, type Side } from '../../../api/domain/pod-resources.ts';
import { MAX_ERRORS } from '../../../api/machinery/limits.ts';
import { own, setOwn } from '../../../api/machinery/own.ts';
import { compareQuantities, quantityMilliValue } from '../../../api/machinery/quantity.ts';
import { forbidden } from '../../../api/machinery/status-error.ts';
import { persistentVolumeClaims } from '../../../api/kinds/core/persistent-volume-claim.ts';
import type { Container, LimitRangeItem, PersistentVolumeClaim, Pod, PodSpec } from '../../../api/types/core/v1.gen.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';
import { podOf } from './pod-request.ts';

const ANNOTATION = 'kubernetes.io/limit-ranger';
/** What a pod can say for itself as a whole, in place of its containers' sum. */
const POD_LEVEL = new Set(['cpu', 'memory']);

/** The request or limit of one resource. */
type AmountOf = (side: Side, resource: string) => string | undefined;

/** Sets what is missing; returns the names of what it has set. */
function setMissing(container: Container, side: Side, amounts: ReadonlyMap<string, string>): string[] {
  const set: string[] = [];
  for (const [name, amount] of amounts) {
    const present = container.resources?.[side];
    if (present && Object.hasOwn(present, name)) continue;
    setOwn(((container.resources ??= {})[side] ??= {}), name, amount);
    set.push(name);
  }
  return set.sort();
}

/** Gives the containers what the namespace has for those that do not say, and notes it on the pod. */
function applyDefaults(pod: Pod, items: readonly LimitRangeItem[]): void {
  const requests = new Map<string, string>();
  const limits = new Map<string, string>();
  for (const { type, default: limited, defaultRequest } of items) {
    if (type !== 'Container') continue;
    for (const [name, amount] of Object.entries(defaultRequest ?? {})) requests.set(name, amount);
    for (const [name, amount] of Object.entries(limited ?? {})) limits.set(name, amount);
  }
  const notes: string[] = [];
  for (const [kind, containers] of [
    ['container', pod.spec?.containers],
    ['init container', pod.spec?.initContainers],
  ] as const) {
    for (const container of containers ?? []) {
      const limited = setMissing(container, 'limits', limits);
      const requested = setMissing(container, 'requests', requests);
      if (requested.length > 0) notes.push(`${requested.join(', ')} request for ${kind} ${container.name}`);
      if (limited.length > 0) notes.push(`${limited.join(', ')} limit for ${kind} ${container.name}`);
    }
  }
  if (notes.length === 0) return;
  const metadata = (pod.metadata ??= {});
  metadata.annotations = { ...metadata.annotations, [ANNOTATION]: `LimitRanger plugin set: ${notes.join('; ')}` };
}

function belowMinimum(of: AmountOf, name: string, min: string, type: string): string | undefined {
  const [request, limit] = [of('requests', name), of('limits', name)];
  const rule = `minimum ${name} usage per ${type} is ${min}`;
  if (request === undefined) return `${rule}.  No request is specified`;
  if (compareQuantities(request, min) < 0) return `${rule}, but request is ${request}`;
  if (limit !== undefined && compareQuantities(limit, min) < 0) return `${rule}, but limit is ${limit}`;
  return undefined;
}

function aboveMaximum(of: AmountOf, name: string, max: string, type: string): string | undefined {
  const [request, limit] = [of('requests', name), of('limits', name)];
  const rule = `maximum ${name} usage per ${type} is ${max}`;
  if (limit === undefined) return `${rule}.  No limit is specified`;
  if (compareQuantities(limit, max) > 0) return `${rule}, but limit is ${limit}`;
  if (request !== undefined && compareQuantities(request, max) > 0) return `${rule}, but request is ${request}`;
  return undefined;
}

function aboveRatio(of: AmountOf, name: string, max: string, type: string): string | undefined {
  const request = quantityMilliValue(of('requests', name) ?? '0');
  const limit = quantityMilliValue(of('limits', name) ?? '0');
  const rule = `${name} max limit to request ratio per ${type} is ${max}`;
  if (request === 0) return `${rule}, but no request is specified or request is 0`;
  if (limit === 0) return `${rule}, but no limit is specified or limit is 0`;
  const ratio = limit / request;
  return ratio * 1000 > quantityMilliValue(max) ? `${rule}, but provided ratio is ${ratio.toFixed(6)}` : undefined;
}

function requestAboveMaximum(of: AmountOf, name: string, max: string, type: string): string | undefined {
  const request = of('requests', name);
  const rule = `maximum ${name} usage per ${type} is ${max}`;
  if (request === undefined) return `${rule}.  No request is specified`;
  return compareQuantities(request, max) > 0 ? `${rule}, but request is ${request}` : undefined;
}

/** Adds the rules of one sort that are violated, each once. */
function check(
  { type }: LimitRangeItem,
  amounts: ResourceList | undefined,
  breaks: typeof belowMinimum,
  of: AmountOf,
  broken: Set<string>,
): void {
  for (const [name, amount] of Object.entries(amounts ?? {})) {
    if (broken.size >= MAX_ERRORS) return;
    const problem = breaks(of, name, amount, type);
    if (problem !== undefined) broken.add(problem);
  }
}

function checkItem(item: LimitRangeItem, of: AmountOf, broken: Set<string>): void {
  check(item, item.min, belowMinimum, of, broken);
  check(item, item.max, aboveMaximum, of, broken);
  check(item, item.maxLimitRequestRatio, aboveRatio, of, broken);
}

/** Claims have no limits. */
function rulesBrokenByClaim({ spec }: PersistentVolumeClaim, items: readonly LimitRangeItem[]): Set<string> {
  const broken = new Set<string>();
  const of: AmountOf = (side, name) => (side === 'requests' ? own(spec?.resources?.requests, name) : undefined);
  for (const item of items) {
    if (item.type !== 'PersistentVolumeClaim') continue;
    check(item, item.min, belowMinimum, of, broken);
    check(item, item.max, requestAboveMaximum, of, broken);
  }
  return broken;
}

function brokenRules(spec: PodSpec, items: readonly LimitRangeItem[]): Set<string> {
  const broken = new Set<string>();
  for (const item of items) {
    if (item.type === 'Container') {
      for (const { resources } of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
        checkItem(item, (side, name) => own(resources?.[side], name), broken);
      }
    } else if (item.type === 'Pod') {
      const ofPod: AmountOf = (side, name) =>
        (POD_LEVEL.has(name) ? own(spec.resources?.[side], name) : undefined) ?? containersQuantity(spec, side, name);
      checkItem(item, ofPod, broken);
    }
  }
  return broken;
}

/** The pod whose resources the request sets: a new one, or one that is resized. */
const sizedPod = (request: AdmissionRequest): Pod | undefined => {
  const { operation, subresource } = request;
  if (operation === 'UPDATE') return subresource === 'resize' ? podOf({ ...request, subresource: '' }) : undefined;
  return operation === 'CREATE' ? podOf(request) : undefined;
};

const claimOf = ({ operation, kind, subresource, object }: AdmissionRequest): PersistentVolumeClaim | undefined =>
  kind === persistentVolumeClaims && subresource === '' && (operation === 'CREATE' || operation === 'UPDATE')
    ? object
    : undefined;

/**
 * Holds pods and claims to the LimitRanges of their namespace: containers without requests and limits get the range's defaults, and
 * what is outside the range is refused.
 */
export function limitRanger(api: Pick<LocalApi, 'subscribe'>): AdmissionPlugin {
  const namespaces = new Map<string, Map<string, readonly LimitRangeItem[]>>();
  api.subscribe(limitRanges, ({ namespace, name, object }) => {
    const ranges = namespaces.get(namespace) ?? new Map<string, readonly LimitRangeItem[]>();
    if (object) ranges.set(name, object.spec?.limits ?? []);
    else ranges.delete(name);
    if (ranges.size > 0) namespaces.set(namespace, ranges);
    else namespaces.delete(namespace);
  });
  // What is being deleted may still change.
  const rangesFor = ({ namespace, old }: AdmissionRequest): Iterable<readonly LimitRangeItem[]> =>
    (old?.metadata?.deletionTimestamp ? undefined : namespaces.get(namespace)?.values()) ?? [];

  return {
    name: 'LimitRanger',
    mutate(request) {
      if (!namespaces.has(request.namespace)) return;
      const pod = sizedPod(request);
      if (!pod?.spec) return;
      for (const items of rangesFor(request)) applyDefaults(pod, items);
    },
    validate(request) {
      if (!namespaces.has(request.namespace)) return;
      const [spec, claim] = [sizedPod(request)?.spec, claimOf(request)];
      if (!spec && !claim) return;
      for (const items of rangesFor(request)) {
        const broken = [...(spec ? brokenRules(spec, items) : rulesBrokenByClaim(claim ?? {}, items))];
        if (broken.length === 0) continue;
        const problem = broken.length === 1 ? broken.join() : `[${broken.join(', ')}]`;
        throw forbidden(request.kind, request.name, problem);
      }
    },
  };
}
