/** What the level `restricted` requires besides: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted */
import type { Volume } from '../../../../api/types/core/v1.gen.ts';
import { isBadProfile, procMount, seccompProfile } from './baseline-checks.ts';
import {
  containersNamed,
  containersWhere,
  exceptForWindows,
  exceptInUserNamespaces,
  plural,
  quoted,
  setters,
  sorted,
  type Check,
  type CheckedPod,
  type Violation,
} from './check.ts';

function allowPrivilegeEscalation(pod: CheckedPod): Violation | undefined {
  const bad = containersWhere(pod, ({ allowPrivilegeEscalation }) => allowPrivilegeEscalation !== false);
  if (bad.length === 0) return undefined;
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containersNamed(bad)} must set securityContext.allowPrivilegeEscalation=false`,
  };
}

function capabilities(pod: CheckedPod): Violation | undefined {
  const added = new Set<string>();
  const keeping = containersWhere(pod, ({ capabilities }) => !(capabilities?.drop ?? []).includes('ALL'));
  const adding = containersWhere(pod, ({ capabilities }) => {
    const others = (capabilities?.add ?? []).filter((capability) => capability !== 'NET_BIND_SERVICE');
    for (const capability of others) added.add(capability);
    return others.length > 0;
  });
  const details: string[] = [];
  if (keeping.length > 0) {
    details.push(`${containersNamed(keeping)} must set securityContext.capabilities.drop=["ALL"]`);
  }
  if (adding.length > 0) {
    const which = quoted(sorted(added));
    details.push(`${containersNamed(adding)} must not include ${which} in securityContext.capabilities.add`);
  }
  return details.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: details.join('; ') };
}

const ALLOWED_VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
] as const satisfies readonly (keyof Volume)[];
const RESTRICTED_VOLUMES = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'gitRepo',
  'nfs',
  'iscsi',
  'glusterfs',
  'rbd',
  'flexVolume',
  'cinder',
  'cephfs',
  'flocker',
  'fc',
  'azureFile',
  'vsphereVolume',
  'quobyte',
  'azureDisk',
  'photonPersistentDisk',
  'portworxVolume',
  'scaleIO',
  'storageos',
] as const satisfies readonly (keyof Volume)[];

function volumeTypes({ spec }: CheckedPod): Violation | undefined {
  const bad = (spec.volumes ?? []).filter((volume) => ALLOWED_VOLUMES.every((type) => volume[type] === undefined));
  if (bad.length === 0) return undefined;
  const types = sorted(bad.map((volume) => RESTRICTED_VOLUMES.find((type) => volume[type] !== undefined) ?? 'unknown'));
  const uses = bad.length === 1 ? 'uses' : 'use';
  const names = quoted(bad.map(({ name }) => name));
  return {
    reason: 'restricted volume types',
    detail: `${plural('volume', bad.length)} ${names} ${uses} ${plural('restricted volume type', types.length)} ${quoted(types)}`,
  };
}

function runAsNonRoot(pod: CheckedPod): Violation | undefined {
  const ofPod = pod.spec.securityContext?.runAsNonRoot;
  const reason = 'runAsNonRoot != true';
  const who = setters(
    ofPod === false,
    containersWhere(pod, ({ runAsNonRoot }) => runAsNonRoot === false),
  );
  if (who) return { reason, detail: `${who} must not set securityContext.runAsNonRoot=false` };
  const silent = ofPod === true ? [] : containersWhere(pod, ({ runAsNonRoot }) => runAsNonRoot === undefined);
  if (silent.length === 0) return undefined;
  return { reason, detail: `pod or ${containersNamed(silent)} must set securityContext.runAsNonRoot=true` };
}

function runAsUser(pod: CheckedPod): Violation | undefined {
  const who = setters(
    pod.spec.securityContext?.runAsUser === 0,
    containersWhere(pod, ({ runAsUser }) => runAsUser === 0),
  );
  return who ? { reason: 'runAsUser=0', detail: `${who} must not set runAsUser=0` } : undefined;
}

function seccomp(pod: CheckedPod): Violation | undefined {
  const ofPod = pod.spec.securityContext?.seccompProfile;
  const wrong = seccompProfile(pod);
  if (wrong) return wrong;
  const isSet = ofPod !== undefined && !isBadProfile(ofPod);
  const silent = isSet ? [] : containersWhere(pod, ({ seccompProfile }) => seccompProfile === undefined);
  if (silent.length === 0) return undefined;
  return {
    reason: 'seccompProfile',
    detail: `pod or ${containersNamed(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  };
}

const restricted = (id: string, ...versions: Check['versions']): Check => ({ id, level: 'restricted', versions });

const OWN_CAPABILITIES = ['capabilities_baseline'];
const OWN_SECCOMP = ['seccompProfile_baseline'];

/** In the order in which upstream names violations. */
export const restrictedChecks: readonly Check[] = [
  restricted(
    'allowPrivilegeEscalation',
    { since: 8, check: allowPrivilegeEscalation },
    { since: 25, check: exceptForWindows(allowPrivilegeEscalation) },
  ),
  restricted(
    'capabilities_restricted',
    { since: 22, check: capabilities, overrides: OWN_CAPABILITIES },
    { since: 25, check: exceptForWindows(capabilities), overrides: OWN_CAPABILITIES },
  ),
  // Since v1.35 `baseline` lets pods in a user namespace unmask /proc.
  restricted('procMount_restricted', { since: 35, check: procMount, overrides: ['procMount'] }),
  restricted('restrictedVolumes', { since: 0, check: volumeTypes, overrides: ['hostPathVolumes'] }),
  restricted(
    'runAsNonRoot',
    { since: 0, check: runAsNonRoot },
    { since: 35, check: exceptInUserNamespaces(runAsNonRoot) },
  ),
  restricted('runAsUser', { since: 23, check: runAsUser }, { since: 35, check: exceptInUserNamespaces(runAsUser) }),
  restricted(
    'seccompProfile_restricted',
    { since: 19, check: seccomp, overrides: OWN_SECCOMP },
    { since: 25, check: exceptForWindows(seccomp), overrides: OWN_SECCOMP },
  ),
];
