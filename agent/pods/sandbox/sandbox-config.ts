/** The PodSandboxConfig of a pod. Pure. */
import { isSidecar } from '../../../api/domain/pod-lifecycle.ts';
import type { DNSConfig, NamespaceOption, PodSandboxConfig, PortMapping } from '../../cri/types.ts';
import { podLimits } from '../../resources/compute.ts';
import { podLogDirectory } from '../logs/log-paths.ts';
import { podLabels } from '../labels.ts';
import { apparmorProfile, seccompProfile } from './security-profiles.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export interface SandboxSettings {
  /** Where pods' logs go: `/var/log/pods`. */
  readonly logDirectory: string;
  readonly clusterDomain: string;
}

/** The kernel's limit of a host name. */
const MAX_HOST_NAME = 63;

/** The pod's host name, and its domain when it has one. */
export function podHostName(pod: Pod, clusterDomain: string): { hostname: string; domain: string } {
  const { hostname, subdomain, setHostnameAsFQDN, hostnameOverride } = pod.spec ?? {};
  if (hostnameOverride) return { hostname: hostnameOverride, domain: '' };
  const short = (hostname || (pod.metadata?.name ?? '')).slice(0, MAX_HOST_NAME).replace(/[-.]+$/, '');
  const domain = subdomain ? `${subdomain}.${pod.metadata?.namespace}.svc.${clusterDomain}` : '';
  return { hostname: setHostnameAsFQDN && domain ? `${short}.${domain}` : short, domain };
}

export function namespaceOptions(pod: Pod): NamespaceOption {
  const { hostNetwork, hostPID, hostIPC, shareProcessNamespace } = pod.spec ?? {};
  return {
    network: hostNetwork ? 'NODE' : 'POD',
    pid: hostPID ? 'NODE' : shareProcessNamespace ? 'POD' : 'CONTAINER',
    ipc: hostIPC ? 'NODE' : 'POD',
  };
}

/** Host ports of every container that keeps running. */
function portMappings(pod: Pod): PortMapping[] {
  if (pod.spec?.hostNetwork) return [];
  const sidecars = (pod.spec?.initContainers ?? []).filter(isSidecar);
  return [...(pod.spec?.containers ?? []), ...sidecars].flatMap(({ ports = [] }) =>
    ports.map(({ protocol = 'TCP', containerPort, hostPort = 0, hostIP = '' }) => ({
      protocol,
      containerPort,
      hostPort,
      hostIp: hostIP,
    })),
  );
}

/** Throws for a pod that requires what this node does not support. */
export function sandboxConfig(
  pod: Pod,
  attempt: number,
  cgroupParent: string,
  dnsConfig: DNSConfig | undefined,
  settings: SandboxSettings,
): PodSandboxConfig {
  const { metadata, spec } = pod;
  if (spec?.hostUsers === false) throw new Error('user namespaces (hostUsers: false) are not supported on this node');
  const security = spec?.securityContext;
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const limits = podLimits(pod);
  return {
    metadata: {
      name: metadata?.name ?? '',
      uid: metadata?.uid ?? '',
      namespace: metadata?.namespace ?? '',
      attempt,
    },
    // Pods on the host's network have the host's name.
    hostname: spec?.hostNetwork ? '' : podHostName(pod, settings.clusterDomain).hostname,
    logDirectory: podLogDirectory(settings.logDirectory, pod),
    dnsConfig,
    portMappings: portMappings(pod),
    labels: podLabels(pod),
    annotations: metadata?.annotations ?? {},
    linux: {
      cgroupParent,
      securityContext: {
        namespaceOptions: namespaceOptions(pod),
        privileged: containers.some(({ securityContext }) => securityContext?.privileged === true),
        supplementalGroups: [
          ...(security?.fsGroup === undefined ? [] : [security.fsGroup]),
          ...(security?.supplementalGroups ?? []),
        ],
        supplementalGroupsPolicy: security?.supplementalGroupsPolicy ?? 'Merge',
        ...(security?.runAsUser !== undefined && { runAsUser: { value: security.runAsUser } }),
        ...(security?.runAsUser !== undefined &&
          security.runAsGroup !== undefined && { runAsGroup: { value: security.runAsGroup } }),
        ...(security?.seLinuxOptions && { selinuxOptions: security.seLinuxOptions }),
        seccomp: seccompProfile(security?.seccompProfile) ?? { profileType: 'RuntimeDefault' },
        apparmor: apparmorProfile(security?.appArmorProfile),
      },
      sysctls: Object.fromEntries((security?.sysctls ?? []).map(({ name, value }) => [name, value])),
      resources: {
        cpuShares: limits.cpuShares,
        cpuPeriod: limits.cpuPeriod,
        ...(limits.cpuQuota !== undefined && { cpuQuota: limits.cpuQuota }),
        ...(limits.memoryBytes !== undefined && { memoryLimitInBytes: limits.memoryBytes }),
      },
    },
  };
}
