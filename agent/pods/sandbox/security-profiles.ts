/** Seccomp and AppArmor profiles as the runtime takes them. */
import type { SecurityProfile } from '../../cri/types.ts';
import type { AppArmorProfile, SeccompProfile } from '../../../api/types/core/v1.gen.ts';

/** Where a pod's `localhostProfile` is found: below the kubelet's seccomp directory. */
const SECCOMP_DIRECTORY = '/var/lib/kubelet/seccomp';

/** Undefined where the pod has none. */
export function seccompProfile(profile: SeccompProfile | undefined): SecurityProfile | undefined {
  if (profile === undefined) return undefined;
  return profile.type === 'Localhost'
    ? { profileType: 'Localhost', localhostRef: `${SECCOMP_DIRECTORY}/${profile.localhostProfile}` }
    : { profileType: profile.type };
}

export function apparmorProfile(profile: AppArmorProfile | undefined): SecurityProfile | undefined {
  if (profile === undefined) return undefined;
  return profile.type === 'Localhost'
    ? { profileType: 'Localhost', localhostRef: profile.localhostProfile }
    : { profileType: profile.type };
}
