/**
 * The conditions of a pod that the agent owns.
 * https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions
 */
import { isPodTerminal, isSidecar } from '../../../api/domain/pod-lifecycle.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import { isRestartingAll, mayRestartAll } from '../sync/restart-all.ts';
import { liveSandbox } from '../sync/observed.ts';
import type { StatusInput } from './status-input.ts';
import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../../../api/types/core/v1.gen.ts';

export function conditionsOf(
  input: StatusInput,
  phase: PodStatus['phase'],
  inits: readonly ContainerStatus[],
  containers: readonly ContainerStatus[],
  initialized: boolean,
  now: number,
): PodCondition[] {
  const { pod, previous, runtime } = input;
  const isFinished = isPodTerminal({ phase });
  const unready = containers.filter((status) => !status.ready).map(({ name }) => name);
  const sidecars = new Set((pod.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  unready.push(...inits.filter(({ name, ready }) => sidecars.has(name) && !ready).map(({ name }) => name));
  const notReady = isFinished
    ? { reason: phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' }
    : unready.length > 0
      ? { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` }
      : undefined;
  const uninitialized = inits.filter(({ name, state, started }) =>
    sidecars.has(name) ? !started : state?.terminated?.exitCode !== 0,
  );
  const notInitialized =
    initialized || (isFinished && phase === 'Succeeded')
      ? undefined
      : {
          reason: 'ContainersNotInitialized',
          message: `containers with incomplete status: [${uninitialized.map(({ name }) => name).join(' ')}]`,
        };
  const wanted: [string, { reason?: string; message?: string } | undefined][] = [
    ['PodReadyToStartContainers', liveSandbox(runtime) ? undefined : {}],
    ['Initialized', initialized && isFinished && phase === 'Succeeded' ? { reason: 'PodCompleted' } : notInitialized],
    ['Ready', notReady ?? gateProblem(pod)],
    ['ContainersReady', notReady],
    ['PodScheduled', undefined],
  ];
  const conditions = wanted.map(([type, problem]): PodCondition => {
    // A pod that has completed was initialized: only the reason says more.
    const holds = problem === undefined || (type === 'Initialized' && problem.reason === 'PodCompleted');
    const status = holds ? 'True' : 'False';
    const known = previous?.conditions?.find((condition) => condition.type === type);
    const lastTransitionTime = known?.status === status ? known.lastTransitionTime : timeOf(now);
    return {
      type,
      status,
      ...(problem?.reason && { reason: problem.reason }),
      ...(problem?.message && { message: problem.message }),
      lastTransitionTime,
      observedGeneration: pod.metadata?.generation,
    };
  });
  if (mayRestartAll(pod)) conditions.push(restartCondition(input, phase, now));
  if (!isFinished) conditions.push(...resizeConditions(input, now));
  const disruption = disruptionOf(input, now);
  return disruption ? [...conditions, disruption] : conditions;
}

/** Of pods of which a rule may restart all containers. */
function restartCondition(
  { pod, runtime, previous }: StatusInput,
  phase: PodStatus['phase'],
  now: number,
): PodCondition {
  const type = 'AllContainersRestarting';
  const isFinished = isPodTerminal({ phase });
  const status = !isFinished && isRestartingAll(pod, runtime) ? 'True' : 'False';
  const known = previous?.conditions?.find((condition) => condition.type === type);
  return {
    ...{ type, status },
    ...(isFinished && { reason: phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' }),
    ...(status === 'True' && {
      reason: 'RestartAllContainersStarted',
      message: 'container exited with restart policy rule',
    }),
    lastTransitionTime: known?.status === status ? known.lastTransitionTime : timeOf(now),
    observedGeneration: pod.metadata?.generation,
  };
}

/** They are there only while they hold. */
export const RESIZE_CONDITIONS: readonly string[] = ['PodResizePending', 'PodResizeInProgress'];

function resizeConditions({ resize, previous }: StatusInput, now: number): PodCondition[] {
  const { pending, inProgress } = resize ?? {};
  const states = [
    pending && { type: 'PodResizePending', ...pending },
    inProgress && {
      type: 'PodResizeInProgress',
      generation: inProgress.generation,
      ...(inProgress.error !== undefined && { reason: 'Error', message: inProgress.error }),
    },
  ];
  return states.flatMap((state) => {
    if (!state) return [];
    const { generation: observedGeneration, ...condition } = state;
    const known = previous?.conditions?.find(({ type }) => type === condition.type);
    const lastTransitionTime = known?.reason === condition.reason ? known?.lastTransitionTime : undefined;
    return [
      { ...condition, status: 'True', lastTransitionTime: lastTransitionTime ?? timeOf(now), observedGeneration },
    ];
  });
}

/** DisruptionTarget stays once it is set. */
function disruptionOf({ pod, previous, verdict }: StatusInput, now: number): PodCondition | undefined {
  const type = 'DisruptionTarget';
  if (!verdict?.disrupts) return previous?.conditions?.find((condition) => condition.type === type);
  const known = previous?.conditions?.find((condition) => condition.type === type);
  return {
    type,
    status: 'True',
    reason: 'TerminationByKubelet',
    message: verdict.message,
    lastTransitionTime: known?.lastTransitionTime ?? timeOf(now),
    observedGeneration: pod.metadata?.generation,
  };
}

function gateProblem({ spec, status }: Pod): { reason: string; message: string } | undefined {
  const conditions = new Map(status?.conditions?.map((condition) => [condition.type, condition.status]));
  const words = (spec?.readinessGates ?? []).flatMap(({ conditionType: type }) => {
    const holds = conditions.get(type);
    if (holds === 'True') return [];
    return holds === undefined
      ? `corresponding condition of pod readiness gate "${type}" does not exist.`
      : `the status of pod readiness gate "${type}" is not "True", but ${holds}`;
  });
  return words.length > 0 ? { reason: 'ReadinessGatesNotReady', message: words.join(', ') } : undefined;
}
