/** Defaults of pods and pod templates: upstream's `core/v1` defaulting. */
import { DEFAULT_GRACE_SECONDS } from '../../domain/pod-lifecycle.ts';
import { applyContainerDefaults } from './container-defaults.ts';
import { containersQuantity, isPodLevelResource } from '../../domain/pod-resources.ts';
import { applyVolumeDefaults } from './volume-defaults.ts';
import { own, setOwn } from '../../machinery/own.ts';
import type { Container, Pod, PodSpec, PodTemplateSpec, ResourceRequirements } from '../../types/core/v1.gen.ts';

/**
 * Drops what upstream drops while the features are off that it belongs to, as they are by default (ClusterTrustBundleProjection,
 * PodCertificateRequest, GangScheduling): nothing would honour it.
 */
function dropDisabledFields(spec: PodSpec): void {
  delete spec.schedulingGroup;
  for (const { projected } of spec.volumes ?? []) {
    for (const source of projected?.sources ?? []) {
      delete source.clusterTrustBundle;
      delete source.podCertificate;
    }
  }
}

/** Defaults that pods and templates share. */
function applyPodSpecDefaults(spec: PodSpec): void {
  dropDisabledFields(spec);
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

/** Requests default to the limits. */
function requestWhatIsLimited(resources: ResourceRequirements | undefined): void {
  if (!resources?.limits) return;
  const requests = (resources.requests ??= {});
  for (const name in resources.limits) {
    if (!Object.hasOwn(requests, name)) setOwn(requests, name, resources.limits[name] ?? '0');
  }
}

function applyHostPorts(container: Container): void {
  for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
}

const isEmpty = (quantities: Readonly<Record<string, string>> | undefined): boolean =>
  Object.keys(quantities ?? {}).length === 0;

/**
 * A pod-level request defaults to the sum of the containers' requests, or to the pod-level limit when they have none. Huge pages
 * cannot be overcommitted: their pod-level limit defaults to the sum of the containers' limits.
 */
function applyPodLevelDefaults(spec: PodSpec): void {
  const { resources } = spec;
  if (!resources || (isEmpty(resources.limits) && isEmpty(resources.requests))) return;
  const named = [...(spec.containers ?? []), ...(spec.initContainers ?? [])];
  for (const name of new Set(named.flatMap((container) => Object.keys(container.resources?.limits ?? {})))) {
    if (!name.startsWith('hugepages-') || own(resources.requests, name) !== undefined) continue;
    const limit = containersQuantity(spec, 'limits', name);
    if (limit !== undefined && own(resources.limits, name) === undefined)
      setOwn((resources.limits ??= {}), name, limit);
  }
  if (isEmpty(resources.limits)) return;
  const requests = (resources.requests ??= {});
  for (const name of ['cpu', 'memory']) {
    const requested = containersQuantity(spec, 'requests', name);
    if (requested !== undefined && !Object.hasOwn(requests, name)) setOwn(requests, name, requested);
  }
  for (const name in resources.limits) {
    if (!isPodLevelResource(name) || Object.hasOwn(requests, name)) continue;
    setOwn(requests, name, resources.limits[name] ?? '0');
  }
  if (isEmpty(requests)) delete resources.requests;
}

/** `podIP` is the first of `podIPs`; clients may set either. */
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
