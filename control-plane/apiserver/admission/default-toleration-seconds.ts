import { NOT_READY_TAINT, UNREACHABLE_TAINT } from '../../../api/domain/taints.ts';
import type { AdmissionPlugin } from './plugin.ts';
import { podOf } from './pod-request.ts';
import type { Toleration } from '../../../api/types/core/v1.gen.ts';

/** How long pods stay on a node that does not report: upstream's --default-not-ready-toleration-seconds. */
const TOLERATION_SECONDS = 300;
const TAINTS = [NOT_READY_TAINT, UNREACHABLE_TAINT];

const tolerates = ({ key, effect }: Toleration, taint: string): boolean =>
  (!key || key === taint) && (!effect || effect === 'NoExecute');

/** Pods that say nothing about it are evicted from a node that is lost for five minutes. */
export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  mutate(request) {
    const spec = podOf(request)?.spec;
    if (!spec) return;
    for (const key of TAINTS) {
      if (spec.tolerations?.some((toleration) => tolerates(toleration, key))) continue;
      const toleration: Toleration = {
        key,
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: TOLERATION_SECONDS,
      };
      spec.tolerations = [...(spec.tolerations ?? []), toleration];
    }
  },
};
