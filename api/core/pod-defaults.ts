/** Defaults of pods and pod templates: upstream's `core/v1` defaulting. */
import { addQuantities, compareQuantities } from '../machinery/quantity.ts';
import type { Container, ResourceRequirements } from './container.ts';
import { applyContainerDefaults } from './container-defaults.ts';
import type { Pod } from './pod.ts';
import type { PodSpec, PodTemplateSpec } from './pod-spec.ts';
import { applyVolumeDefaults } from './volume-defaults.ts';

const DEFAULT_GRACE_SECONDS = 30;

/** What pods and templates have in common. */
export function applyPodSpecDefaults(spec: PodSpec): void {
  spec.restartPolicy ||= 'Always';
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.schedulerName ||= 'default-scheduler';
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= DEFAULT_GRACE_SECONDS;
  // The deprecated name of the field mirrors it.
  const account = spec.serviceAccountName || spec.serviceAccount;
  if (account) {
    spec.serviceAccountName = account;
    spec.serviceAccount = account;
  }
  for (const container of spec.containers ?? []) applyContainerDefaults(container);
  for (const container of spec.initContainers ?? []) applyContainerDefaults(container);
  for (const container of spec.ephemeralContainers ?? []) applyContainerDefaults(container);
  for (const volume of spec.volumes ?? []) applyVolumeDefaults(volume);
}

export function applyPodTemplateDefaults(template: PodTemplateSpec | undefined): void {
  if (template?.spec) applyPodSpecDefaults(template.spec);
}

/** Requests that are not given are as high as the limits. */
function requestWhatIsLimited(resources: ResourceRequirements | undefined): void {
  if (!resources?.limits) return;
  const requests = (resources.requests ??= {});
  for (const name in resources.limits) requests[name] ??= resources.limits[name] ?? '0';
}

function applyHostPorts(container: Container): void {
  for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
}

const isPodLevelResource = (name: string): boolean =>
  name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');

/** What the containers together request of a resource; init containers count with their largest. */
function requestedByContainers(spec: PodSpec, name: string): string | undefined {
  let sum: string | undefined;
  let sidecars: string | undefined;
  let peak: string | undefined;
  const plus = (a: string | undefined, b: string): string => (a === undefined ? b : addQuantities(a, b));
  const larger = (a: string | undefined, b: string): string => (a === undefined || compareQuantities(a, b) < 0 ? b : a);
  for (const container of spec.containers ?? []) {
    const amount = container.resources?.requests?.[name];
    if (amount !== undefined) sum = plus(sum, amount);
  }
  for (const container of spec.initContainers ?? []) {
    const amount = container.resources?.requests?.[name];
    if (amount === undefined) continue;
    if (container.restartPolicy === 'Always') {
      sum = plus(sum, amount);
      sidecars = plus(sidecars, amount);
      peak = larger(peak, sidecars);
    } else {
      peak = larger(peak, plus(sidecars, amount));
    }
  }
  return peak === undefined ? sum : larger(sum, peak);
}

function applyPodLevelDefaults(spec: PodSpec): void {
  const { resources } = spec;
  if (!resources) return;
  const requests = (resources.requests ??= {});
  for (const name of ['cpu', 'memory']) {
    const requested = requestedByContainers(spec, name);
    if (requested !== undefined) requests[name] ??= requested;
  }
  for (const name in resources.limits) {
    if (isPodLevelResource(name)) requests[name] ??= resources.limits[name] ?? '0';
  }
  if (Object.keys(requests).length === 0) delete resources.requests;
}

/** `podIP` is the first of `podIPs`; who writes one of them need not write the other. */
function applyStatusDefaults({ status }: Pod): void {
  if (!status) return;
  if (status.podIP && status.podIPs?.[0]?.ip !== status.podIP) status.podIPs = [{ ip: status.podIP }];
  else if (status.podIPs?.length) status.podIP = status.podIPs[0]?.ip;
}

export function applyPodDefaults(pod: Pod): void {
  const { spec } = pod;
  applyStatusDefaults(pod);
  if (!spec) return;
  applyPodSpecDefaults(spec);
  for (const container of spec.containers ?? []) requestWhatIsLimited(container.resources);
  for (const container of spec.initContainers ?? []) requestWhatIsLimited(container.resources);
  spec.enableServiceLinks ??= true;
  if (spec.hostNetwork) {
    for (const container of spec.containers ?? []) applyHostPorts(container);
    for (const container of spec.initContainers ?? []) applyHostPorts(container);
  }
  applyPodLevelDefaults(spec);
}
