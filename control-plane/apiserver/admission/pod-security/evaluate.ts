/** What a pod violates of a level of the Pod Security Standards, in one of its versions. */
import type { PodSpec } from '../../../../api/types/core/v1.gen.ts';
import type { ObjectMeta } from '../../../../api/types/meta/v1.gen.ts';
import { baselineChecks } from './baseline-checks.ts';
import { checkedPod, type Check, type CheckVersion, type Violation } from './check.ts';
import type { LevelVersion } from './policy.ts';
import { restrictedChecks } from './restricted-checks.ts';

/** The revision of a check that holds for a version. */
const revisionFor = ({ versions }: Check, minor: number): CheckVersion | undefined =>
  versions.findLast(({ since }) => since <= minor);

/** The checks of a level, the baseline ones first: upstream's order of violations. */
function checksFor({ level, minor }: LevelVersion): CheckVersion[] {
  if (level === 'privileged') return [];
  const stricter = level === 'restricted' ? restrictedChecks.map((check) => revisionFor(check, minor)) : [];
  const overridden = new Set(stricter.flatMap((revision) => revision?.overrides ?? []));
  const base = baselineChecks.filter(({ id }) => !overridden.has(id)).map((check) => revisionFor(check, minor));
  return [...base, ...stricter].filter((revision) => revision !== undefined);
}

/** An empty list: the pod is allowed. */
export function violationsOf(policy: LevelVersion, metadata: ObjectMeta | undefined, spec: PodSpec): Violation[] {
  const pod = checkedPod(metadata?.annotations, spec);
  return checksFor(policy).flatMap(({ check }) => check(pod) ?? []);
}

/** `host namespaces (hostNetwork=true), privileged (container "c" must not set ...)` */
export const detailText = (violations: readonly Violation[]): string =>
  violations.map(({ reason, detail }) => `${reason} (${detail})`).join(', ');

/** `host namespaces, privileged` */
export const reasonText = (violations: readonly Violation[]): string =>
  violations.map(({ reason }) => reason).join(', ');
