/**
 * What each object uses of the resources that quotas limit, and which quotas match it by their scopes.
 * https://kubernetes.io/docs/concepts/policy/resource-quotas/
 */
import { isPodTerminal } from './pod-lifecycle.ts';
import { groupResource } from '../machinery/define-kind.ts';
import type { KubeObject } from '../machinery/kind.ts';
import { own } from '../machinery/own.ts';
import { compareQuantities, formatQuantity, NANO, parseQuantity } from '../machinery/quantity.ts';
import type {
  PersistentVolumeClaim,
  Pod,
  PodAffinityTerm,
  ResourceQuotaSpec,
  ScopedResourceSelectorRequirement,
  Service,
} from '../types/core/v1.gen.ts';
import type { DeviceRequest, DeviceSubRequest, ExactDeviceRequest, ResourceClaim } from '../types/resource/v1.gen.ts';
import { heldSpec } from './held-resources.ts';
import { podQuantity, qosClassOf, requestedResources, type Side } from './pod-resources.ts';
import type { Amounts } from './quota-amounts.ts';
import { isExtendedResource, isHugePages, isNative, REQUESTS_PREFIX } from './resource-names.ts';

export interface GroupResource {
  readonly group: string;
  readonly plural: string;
}

/** What quotas need to know of an object. */
export interface Measure {
  readonly usage: Amounts;
  /** When its usage falls to `endedUsage`, in milliseconds since the epoch. */
  readonly endsAt: number;
  readonly endedUsage: Amounts;
  /** For each scope that applies to this kind: whether the object is in it, or the names that a selector compares with. */
  readonly scopes: ReadonlyMap<string, boolean | readonly string[]>;
}

/** Measures the objects of one resource. */
export interface QuotaEvaluator {
  readonly resource: GroupResource;
  /** Whether a quota's resource of this name is used by these objects. */
  readonly counts: (name: string) => boolean;
  readonly measure: (object: KubeObject) => Measure;
  /** Whether more than the metadata of an object is needed to measure it. */
  readonly needsWholeObject: boolean;
}

const COUNT = 'count/';
const DEVICE_CLASS = 'deviceclass.resource.kubernetes.io/';
const STORAGE_CLASS = '.storageclass.storage.k8s.io/';
const COMPUTE: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage']);
const NO_SCOPES: Measure['scopes'] = new Map();

const constantMeasure = (usage: Amounts, scopes = NO_SCOPES): Measure => ({
  usage,
  endsAt: Infinity,
  endedUsage: usage,
  scopes,
});

export const usageAt = ({ usage, endsAt, endedUsage }: Measure, now: number): Amounts =>
  now > endsAt ? endedUsage : usage;

const POD_RESOURCES: ReadonlySet<string> = new Set([
  'pods',
  `${COUNT}pods`,
  ...[...COMPUTE].flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
]);

function countsPods(name: string): boolean {
  if (POD_RESOURCES.has(name) || isHugePages(name)) return true;
  if (!name.startsWith(REQUESTS_PREFIX)) return false;
  const requested = name.slice(REQUESTS_PREFIX.length);
  return isHugePages(requested) || requested.startsWith(DEVICE_CLASS) || !isNative(name);
}

/** The names under which quotas limit the requests, or limits, of a resource. */
export function quotaNames(side: Side, name: string): string[] {
  if (side === 'limits') return COMPUTE.has(name) ? [`limits.${name}`] : [];
  if (COMPUTE.has(name) || isHugePages(name)) return [name, `${REQUESTS_PREFIX}${name}`];
  if (isExtendedResource(name) || name.startsWith(DEVICE_CLASS)) return [`${REQUESTS_PREFIX}${name}`];
  return [];
}

const COUNTED_POD: Amounts = new Map([[`${COUNT}pods`, '1']]);

function podUsage(pod: Pod): Amounts {
  const spec = heldSpec(pod);
  const usage = new Map(COUNTED_POD).set('pods', '1');
  if (!spec) return usage;
  for (const name of requestedResources(spec)) {
    for (const side of ['requests', 'limits'] as const) {
      const names = quotaNames(side, name);
      const amount = names.length > 0 ? podQuantity(spec, side, name) : undefined;
      if (amount !== undefined) for (const counted of names) usage.set(counted, amount);
    }
  }
  return usage;
}

export const hasDeadline = ({ spec }: Pod): boolean => (spec?.activeDeadlineSeconds ?? -1) >= 0;

const reachesOut = ({ namespaces, namespaceSelector }: PodAffinityTerm): boolean =>
  (namespaces?.length ?? 0) > 0 || namespaceSelector !== undefined;

function hasCrossNamespaceAffinity({ spec }: Pod): boolean {
  const { podAffinity, podAntiAffinity } = spec?.affinity ?? {};
  return [podAffinity, podAntiAffinity].some(
    (affinity) =>
      affinity?.requiredDuringSchedulingIgnoredDuringExecution?.some(reachesOut) === true ||
      affinity?.preferredDuringSchedulingIgnoredDuringExecution?.some((term) => reachesOut(term.podAffinityTerm)) ===
        true,
  );
}

/** Of terminated pods, and of pods that are stuck terminating, only the objects count. */
function measurePod(pod: Pod): Measure {
  const { metadata, spec, status } = pod;
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata ?? {};
  const hasEnded = isPodTerminal(status);
  const isBestEffort = (status?.qosClass ?? qosClassOf(spec)) === 'BestEffort';
  const scopes = new Map<string, boolean | readonly string[]>([
    ['Terminating', hasDeadline(pod)],
    ['NotTerminating', !hasDeadline(pod)],
    ['BestEffort', isBestEffort],
    ['NotBestEffort', !isBestEffort],
    ['PriorityClass', spec?.priorityClassName ? [spec.priorityClassName] : []],
    ['CrossNamespacePodAffinity', hasCrossNamespaceAffinity(pod)],
  ]);
  return {
    usage: hasEnded ? COUNTED_POD : podUsage(pod),
    endsAt:
      deletionTimestamp !== undefined && deletionGracePeriodSeconds !== undefined
        ? Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1000
        : Infinity,
    endedUsage: COUNTED_POD,
    scopes,
  };
}

const SERVICE_RESOURCES: ReadonlySet<string> = new Set([
  `${COUNT}services`,
  'services',
  'services.nodeports',
  'services.loadbalancers',
]);

/** Node ports count before they are allocated: as many as the Service will have. */
function measureService({ spec }: Service): Measure {
  const ports = spec?.ports ?? [];
  const isBalanced = spec?.type === 'LoadBalancer';
  let nodePorts = 0;
  if (isBalanced && spec.allocateLoadBalancerNodePorts === false) {
    nodePorts = ports.filter(({ nodePort }) => nodePort).length;
  } else if (isBalanced || spec?.type === 'NodePort') {
    nodePorts = ports.length;
  }
  return constantMeasure(
    new Map([
      [`${COUNT}services`, '1'],
      ['services', '1'],
      ['services.nodeports', String(nodePorts)],
      ['services.loadbalancers', isBalanced ? '1' : '0'],
    ]),
  );
}

const CLAIM_RESOURCES = ['persistentvolumeclaims', `${REQUESTS_PREFIX}storage`];

/** To whole bytes. */
function roundedUp(quantity: string): string {
  const { nano, format } = parseQuantity(quantity);
  const rest = nano % NANO;
  return rest === 0n ? quantity : formatQuantity({ nano: nano - rest + NANO, format });
}

/** Also counts per storage class. While a claim is expanded, it uses what is allocated. */
function measureClaim({ metadata, spec, status }: PersistentVolumeClaim): Measure {
  const usage = new Map([
    [`${COUNT}persistentvolumeclaims`, '1'],
    ['persistentvolumeclaims', '1'],
  ]);
  const requested = own(spec?.resources?.requests, 'storage');
  if (requested !== undefined) {
    const allocated = own(status?.allocatedResources, 'storage') ?? '0';
    const storage = compareQuantities(allocated, requested) > 0 ? allocated : requested;
    usage.set(`${REQUESTS_PREFIX}storage`, roundedUp(storage));
  }
  const storageClass =
    own(metadata?.annotations, 'volume.beta.kubernetes.io/storage-class') ?? spec?.storageClassName ?? '';
  for (const name of storageClass ? CLAIM_RESOURCES : []) {
    const amount = usage.get(name);
    if (amount !== undefined) usage.set(`${storageClass}${STORAGE_CLASS}${name}`, amount);
  }
  const attributes = [
    ...[spec?.volumeAttributesClassName, status?.currentVolumeAttributesClassName],
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ].filter((name): name is string => Boolean(name));
  return constantMeasure(usage, new Map([['VolumeAttributesClass', attributes]]));
}

const countsClaims = (name: string): boolean =>
  name === `${COUNT}persistentvolumeclaims` ||
  CLAIM_RESOURCES.some((resource) => name === resource || name.endsWith(`${STORAGE_CLASS}${resource}`));

const RESOURCE_CLAIMS: GroupResource = { group: 'resource.k8s.io', plural: 'resourceclaims' };
const COUNTED_CLAIMS = `${COUNT}resourceclaims.resource.k8s.io`;
const DEVICES_OF_CLASS = '.deviceclass.resource.k8s.io/devices';
/** The most devices that can be allocated to a claim: upstream's `AllocationResultsMaxSize`. */
const MAX_DEVICES = 32;

function devicesOf({ allocationMode, count = 0 }: ExactDeviceRequest | DeviceSubRequest): number {
  if (allocationMode === 'All') return MAX_DEVICES;
  return allocationMode === 'ExactCount' ? count : 0;
}

/** How many devices of each class the request takes; of its alternatives, the most. */
function devicesByClass({ exactly, firstAvailable = [] }: DeviceRequest): Map<string, number> {
  const devices = new Map<string, number>();
  if (firstAvailable.length === 0 && exactly) return devices.set(exactly.deviceClassName, devicesOf(exactly));
  for (const alternative of firstAvailable) {
    const { deviceClassName } = alternative;
    devices.set(deviceClassName, Math.max(devices.get(deviceClassName) ?? 0, devicesOf(alternative)));
  }
  return devices;
}

function measureResourceClaim({ spec }: ResourceClaim): Measure {
  const devices = new Map<string, number>();
  for (const request of spec.devices?.requests ?? []) {
    for (const [name, count] of devicesByClass(request)) devices.set(name, (devices.get(name) ?? 0) + count);
  }
  const usage = new Map([[COUNTED_CLAIMS, '1']]);
  for (const [name, count] of devices) usage.set(`${name}${DEVICES_OF_CLASS}`, String(count));
  return constantMeasure(usage);
}

const evaluator = <T extends KubeObject>(
  resource: GroupResource,
  counts: QuotaEvaluator['counts'],
  measure: (object: T) => Measure,
): QuotaEvaluator => ({
  resource,
  counts,
  // Callers use the evaluator of the object's own resource.
  measure: (object) => measure(object as T),
  needsWholeObject: true,
});

/** For objects that are only counted. */
function countEvaluator(resource: GroupResource, ...aliases: string[]): QuotaEvaluator {
  const names = [`${COUNT}${groupResource(resource)}`, ...aliases];
  const measured = constantMeasure(new Map(names.map((name) => [name, '1'])));
  return { resource, counts: (name) => names.includes(name), measure: () => measured, needsWholeObject: false };
}

const core = (plural: string): GroupResource => ({ group: '', plural });
/** Resources that are limited under other names than `count/...`. */
const EVALUATORS: ReadonlyMap<string, QuotaEvaluator> = new Map(
  [
    evaluator(core('pods'), countsPods, measurePod),
    evaluator(core('services'), (name) => SERVICE_RESOURCES.has(name), measureService),
    evaluator(core('persistentvolumeclaims'), countsClaims, measureClaim),
    evaluator(
      RESOURCE_CLAIMS,
      (name) => name === COUNTED_CLAIMS || name.endsWith(DEVICES_OF_CLASS),
      measureResourceClaim,
    ),
    ...['configmaps', 'resourcequotas', 'replicationcontrollers', 'secrets'].map((plural) =>
      countEvaluator(core(plural), plural),
    ),
  ].map((each) => [groupResource(each.resource), each]),
);
/** What is not stored, and events: upstream's ignored resources. */
const UNCOUNTED: ReadonlySet<string> = new Set([
  ...['bindings', 'componentstatuses', 'events', 'events.events.k8s.io'],
  ...['tokenreviews', 'selfsubjectreviews'].map((plural) => `${plural}.authentication.k8s.io`),
  ...['subjectaccessreviews', 'selfsubjectaccessreviews', 'localsubjectaccessreviews', 'selfsubjectrulesreviews'].map(
    (plural) => `${plural}.authorization.k8s.io`,
  ),
]);

/** The evaluator of a resource; undefined for those that quotas ignore. */
export function evaluatorOf(resource: GroupResource): QuotaEvaluator | undefined {
  const name = groupResource(resource);
  if (UNCOUNTED.has(name)) return undefined;
  return EVALUATORS.get(name) ?? countEvaluator({ group: resource.group, plural: resource.plural });
}

/** The evaluators of all resources that are needed to calculate the usage of these names, each once. */
export function evaluatorsOf(names: Iterable<string>): QuotaEvaluator[] {
  const found = new Map<string, QuotaEvaluator>();
  for (const name of names) {
    let known = [...EVALUATORS.values()].find(({ counts }) => counts(name));
    if (!known && name.startsWith(COUNT)) {
      const [plural = '', ...group] = name.slice(COUNT.length).split('.');
      known = evaluatorOf({ group: group.join('.'), plural });
    }
    if (known) found.set(groupResource(known.resource), known);
  }
  return [...found.values()];
}

/** Whether this resource has names of its own in quotas: their usage is 0 where it is not served. */
export const isBuiltIn = ({ resource }: QuotaEvaluator): boolean => EVALUATORS.has(groupResource(resource));

type Selector = Pick<ScopedResourceSelectorRequirement, 'scopeName' | 'operator' | 'values'>;

function selectsName({ operator, values = [] }: Selector, name: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return name !== undefined && values.includes(name);
    case 'NotIn':
      return name === undefined || !values.includes(name);
    case 'Exists':
      return name !== undefined;
    case 'DoesNotExist':
      return name === undefined;
  }
}

function selects(selector: Selector, scopes: Measure['scopes']): boolean {
  const scope = scopes.get(selector.scopeName) ?? false;
  if (typeof scope === 'boolean') return scope;
  return scope.length === 0 ? selectsName(selector, undefined) : scope.some((name) => selectsName(selector, name));
}

/** Whether the object is within all scopes of the quota. */
export function isInScopes({ scopes, scopeSelector }: ResourceQuotaSpec, measure: Measure): boolean {
  return (
    (scopes ?? []).every((scopeName) => selects({ scopeName, operator: 'Exists' }, measure.scopes)) &&
    (scopeSelector?.matchExpressions ?? []).every((selector) => selects(selector, measure.scopes))
  );
}
