/** The LinuxContainerSecurityContext of a container, from the pod's and its own security context. */
import type { Image, LinuxContainerSecurityContext } from '../../cri/types.ts';
import type { AnyContainer } from '../sync/actions.ts';
import { podFullName } from '../sync/plan.ts';
import { namespaceOptions } from '../sandbox/sandbox-config.ts';
import { apparmorProfile, seccompProfile } from '../sandbox/security-profiles.ts';
import { configError } from './start-error.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

/** Masked and read-only paths, unless the pod requests an unmasked /proc. */
const MASKED_PATHS = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** `targetId` is the container whose processes an ephemeral container shares. Throws StartError when it may not run like that. */
export function containerSecurity(
  pod: Pod,
  container: AnyContainer,
  image: Image,
  targetId: string | undefined,
): LinuxContainerSecurityContext {
  const ofPod = pod.spec?.securityContext ?? {};
  const own = container.securityContext ?? {};
  const runAsUser = own.runAsUser ?? ofPod.runAsUser;
  const runAsGroup = own.runAsGroup ?? ofPod.runAsGroup;
  const unmasked = own.procMount === 'Unmasked' || own.privileged === true;
  if (own.runAsNonRoot ?? ofPod.runAsNonRoot) checkNonRoot(pod, container, runAsUser, image);
  const user = runAsUser ?? (image.uid ? image.uid.value : undefined) ?? (image.username === '' ? 0 : undefined);
  const options = namespaceOptions(pod);
  const capabilities = own.capabilities;
  return {
    ...(capabilities && {
      capabilities: {
        addCapabilities: capabilities.add ?? [],
        dropCapabilities: capabilities.drop ?? [],
      },
    }),
    privileged: own.privileged ?? false,
    namespaceOptions: targetId === undefined ? options : { ...options, pid: 'TARGET', targetId },
    ...((own.seLinuxOptions ?? ofPod.seLinuxOptions) && {
      selinuxOptions: own.seLinuxOptions ?? ofPod.seLinuxOptions,
    }),
    ...(user === undefined ? { runAsUsername: image.username } : { runAsUser: { value: user } }),
    ...(runAsGroup !== undefined && { runAsGroup: { value: runAsGroup } }),
    readonlyRootfs: own.readOnlyRootFilesystem ?? false,
    supplementalGroups: [...(ofPod.fsGroup === undefined ? [] : [ofPod.fsGroup]), ...(ofPod.supplementalGroups ?? [])],
    supplementalGroupsPolicy: ofPod.supplementalGroupsPolicy ?? 'Merge',
    noNewPrivs: own.allowPrivilegeEscalation === false,
    maskedPaths: unmasked ? [] : MASKED_PATHS,
    readonlyPaths: unmasked ? [] : READONLY_PATHS,
    seccomp: own.privileged
      ? { profileType: 'Unconfined' }
      : (seccompProfile(own.seccompProfile ?? ofPod.seccompProfile) ?? { profileType: 'Unconfined' }),
    apparmor: apparmorProfile(own.appArmorProfile ?? ofPod.appArmorProfile),
  };
}

function checkNonRoot(pod: Pod, container: AnyContainer, runAsUser: number | undefined, image: Image): void {
  const where = `(pod: "${podFullName(pod)}", container: ${container.name})`;
  if (runAsUser !== undefined) {
    if (runAsUser === 0) throw configError(`container's runAsUser breaks non-root policy ${where}`);
    return;
  }
  if (image.uid) {
    if (image.uid.value !== 0) return;
    throw configError(`container has runAsNonRoot and image will run as root ${where}`);
  }
  if (image.username) {
    throw configError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`,
    );
  }
  throw configError(`container has runAsNonRoot and image will run as root ${where}`);
}
