/** Gives a running pod the sizes that are allocated to it: its cgroup has room for whatever its containers have meanwhile. */
import { containerLimits, containerResources } from '../../resources/compute.ts';
import { readUsage } from '../../host/cgroup-usage.ts';
import type { CgroupLimits } from '../../host/cgroup-tree.ts';
import type { ActionOf } from '../sync/actions.ts';
import type { PodDependencies } from '../sync/pod-dependencies.ts';
import type { PodSizes } from './pod-sizes.ts';
import type { AppliedSizes, ResizedContainer } from './resize-plan.ts';
import { resizeMessage } from './resize-review.ts';
import { areSameLimits, widerLimits } from './sizes.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

export async function resizePod(
  pod: Pod,
  action: ActionOf<'resize'>,
  sizes: PodSizes,
  dependencies: PodDependencies,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = performance.now();
  let isSuccess = false;
  try {
    await resize(pod, action, sizes, dependencies, signal);
    isSuccess = true;
  } catch (error) {
    signal.throwIfAborted();
    const { message } = error as Error;
    if (sizes.hasFailed(message))
      dependencies.record(pod, 'Warning', 'ResizeError', resizeMessage('error', pod, message));
    throw error;
  } finally {
    dependencies.resizes?.carriedOut(Math.round(performance.now() - startedAt), isSuccess);
  }
}

async function resize(
  pod: Pod,
  { updates, applied, limits }: ActionOf<'resize'>,
  sizes: PodSizes,
  { cri, cgroups, resourceHost }: PodDependencies,
  signal: AbortSignal,
): Promise<void> {
  const setLimits = async (wanted: CgroupLimits): Promise<void> => {
    await cgroups.ensurePod(pod, wanted);
    sizes.hasSetLimits(wanted);
  };
  const room = widerLimits(applied.limits, limits);
  if (!areSameLimits(room, applied.limits)) await setLimits(room);
  await checkMemory(pod, updates, applied, limits, cgroups);
  for (const { observed, container } of smallerFirst(pod, updates, applied)) {
    await cri.updateContainerResources(observed.id, containerResources(pod, container, resourceHost), { signal });
    sizes.hasApplied(observed.id, container.resources ?? {});
  }
  if (!areSameLimits(room, limits)) await setLimits(limits);
}

const limitsBefore = (pod: Pod, { observed, container }: ResizedContainer, applied: AppliedSizes): CgroupLimits =>
  containerLimits(pod, { resources: applied.containers.get(observed.id) ?? container.resources });

const isLowered = (before: number | undefined, after: number | undefined): after is number =>
  after !== undefined && (before === undefined || after < before);

/** What one container gives back another one of the pod may be given. */
function smallerFirst(
  pod: Pod,
  updates: readonly ResizedContainer[],
  applied: AppliedSizes,
): readonly ResizedContainer[] {
  const isSmaller = (update: ResizedContainer): boolean =>
    isLowered(limitsBefore(pod, update, applied).memoryBytes, containerLimits(pod, update.container).memoryBytes);
  return updates.toSorted((a, b) => Number(isSmaller(b)) - Number(isSmaller(a)));
}

/** The kernel kills processes of a cgroup whose limit is lowered below what they use. */
async function checkMemory(
  pod: Pod,
  updates: readonly ResizedContainer[],
  applied: AppliedSizes,
  limits: CgroupLimits,
  cgroups: PodDependencies['cgroups'],
): Promise<void> {
  const problems: string[] = [];
  const check = async (what: string, cgroup: string, before: number | undefined, after: number | undefined) => {
    if (!isLowered(before, after)) return;
    const used = (await readUsage(cgroups.tree, cgroup))?.memoryBytes ?? 0;
    if (used >= after) problems.push(`attempting to set ${what} memory limit (${after}) below current usage (${used})`);
  };
  await check('pod', cgroups.podPath(pod), applied.limits.memoryBytes, limits.memoryBytes);
  for (const update of updates) {
    const { observed, container } = update;
    const [before, after] = [limitsBefore(pod, update, applied), containerLimits(pod, container)];
    const cgroup = cgroups.containerPath(pod, observed.id);
    await check(`container "${container.name}"`, cgroup, before.memoryBytes, after.memoryBytes);
  }
  if (problems.length > 0) throw new Error(`cannot decrease memory limits: ${problems.join(', ')}`);
}
