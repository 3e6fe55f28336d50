import { kubernetesVersion } from '../../api/version.ts';
import type { Exposition } from './exposition.ts';

/** Upstream's: which version of Kubernetes a daemon speaks. */
export function writeBuildInfo(to: Exposition): void {
  const { major, minor, gitVersion } = kubernetesVersion;
  to.family('kubernetes_build_info', 'gauge', 'The version of Kubernetes that this program speaks.');
  to.sample('kubernetes_build_info', { major, minor, git_version: gitVersion }, 1);
}
