/**
 * Rules of containers that restart their whole pod in place (`RestartAllContainers`): which containers are of before such a restart.
 * The runtime is the only memory: a container that has ended as its rule says stays there until all others have run again. Pure.
 * https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-all-containers
 */
import type { AnyContainer } from './actions.ts';
import type { ObservedContainer, PodRuntime } from './observed.ts';
import type { ContainerRestartRule, Pod } from '../../../api/types/core/v1.gen.ts';

/** The first rule for an exit code decides. */
export const ruleFor = (
  { restartPolicyRules = [] }: Pick<AnyContainer, 'restartPolicyRules'>,
  exitCode: number,
): ContainerRestartRule | undefined =>
  restartPolicyRules.find(
    ({ exitCodes }) =>
      exitCodes !== undefined && (exitCodes.operator === 'In') === (exitCodes.values ?? []).includes(exitCode),
  );

const restartable = ({ spec }: Pod): readonly AnyContainer[] => [
  ...(spec?.initContainers ?? []),
  ...(spec?.containers ?? []),
];

/** Whether a rule of the pod may restart all of its containers. */
export const mayRestartAll = (pod: Pod): boolean =>
  restartable(pod).some(({ restartPolicyRules = [] }) =>
    restartPolicyRules.some(({ action }) => action === 'RestartAllContainers'),
  );

/** Whether the end of a container restarts all. */
const restartsAll = (
  container: AnyContainer | undefined,
  { state, exitCode, isReplaced }: ObservedContainer,
): boolean =>
  container !== undefined &&
  state === 'exited' &&
  !isReplaced &&
  ruleFor(container, exitCode)?.action === 'RestartAllContainers';

/**
 * The runtime with a mark at each container of before the last restart of all: it is to be stopped, or another one is to be started in
 * its place, whatever its exit code. Ephemeral containers are left alone.
 */
export function withFormer(pod: Pod, runtime: PodRuntime): PodRuntime {
  if (!mayRestartAll(pod)) return runtime;
  const containers = new Map(restartable(pod).map((container) => [container.name, container]));
  const sources = runtime.containers.filter((observed) => restartsAll(containers.get(observed.name), observed));
  if (sources.length === 0) return runtime;
  const since = Math.max(...sources.map(({ finishedAt }) => finishedAt));
  const last = sources.find(({ finishedAt }) => finishedAt === since)?.id;
  // Two that ask in turns would restart each other without end if it counted only who has asked last.
  const asked = new Set(sources.map(({ id }) => id));
  const marked = runtime.containers.map((observed): ObservedContainer => {
    if (!containers.has(observed.name) || observed.createdAt > since) return observed;
    return {
      ...observed,
      isReplaced: true,
      former: observed.id === last ? 'source' : asked.has(observed.id) ? 'earlier source' : 'other',
    };
  });
  return { ...runtime, containers: marked };
}

/** Whether some container has not run again since a restart of all. */
export const isRestartingAll = (pod: Pod, { containers }: PodRuntime): boolean =>
  restartable(pod).some(({ name }) => containers.find((observed) => observed.name === name)?.former !== undefined);
