/**
 * The first thing that is wrong with a pod, from scheduling to its probes. Pure: `gather.ts` collects what is known, which is less
 * when the agent or the api-server is gone.
 */
import type { ContainerState, ContainerStatus, Pod } from '../../../api/types/core/v1.gen.ts';
import { humanDuration } from '../../../api/machinery/duration.ts';
import type { ContainerView, PodView } from '../pod-view.ts';
import { exitText } from './exit-code.ts';
import { fine, wrong, type Verdict } from './verdict.ts';

export interface KnownEvent {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  /** In ms since the epoch. */
  readonly lastAt: number;
  /** `spec.containers{NAME}` of those about a container. */
  readonly fieldPath: string;
}

export interface PodEvidence {
  /** NAMESPACE/NAME, as far as it is known. */
  readonly name: string;
  readonly nowMs: number;
  readonly nodeName: string;
  /** With its status, from the agent or else from the api-server. */
  readonly pod: Pod | undefined;
  /** What the runtime of this host has of it. */
  readonly view: PodView | undefined;
  readonly events: readonly KnownEvent[];
  /** The last lines of containers that have ended, by name. */
  readonly logs: ReadonlyMap<string, readonly string[]>;
  /** Lines of the kernel about memory that ran out in its containers. */
  readonly kernel: readonly string[];
  readonly agentRuns: boolean;
  /** Why they do not answer; undefined when they do, or were not asked. */
  readonly runtimeError?: string;
  readonly serverError?: string;
}

/** One part of the way; undefined when nothing is wrong in it. */
type Judge = (evidence: PodEvidence, pod: Pod) => Verdict | undefined;

const JUDGES: readonly Judge[] = [
  judgeScheduling,
  judgePlace,
  judgePhase,
  judgeRuntime,
  judgeAgent,
  judgeDeletion,
  judgeVolumes,
  judgeSandbox,
  judgeContainers,
  judgeReadiness,
];

export function judgePod(evidence: PodEvidence): Verdict {
  const { pod, view } = evidence;
  if (!pod) return view ? judgeView(evidence, view) : missing(evidence);
  for (const judge of JUDGES) {
    const verdict = judge(evidence, pod);
    if (verdict) return verdict;
  }
  return fine(`nothing is wrong with pod ${evidence.name}: it runs, and is ready`);
}

function missing({ name, nodeName, agentRuns, runtimeError, serverError }: PodEvidence): Verdict {
  const evidence = [
    ...(agentRuns ? [] : ['the agent of this host does not answer']),
    ...(runtimeError === undefined ? [] : [`containerd does not answer: ${runtimeError}`]),
    ...(serverError === undefined ? [] : [`the api-server does not say: ${serverError}`]),
  ];
  const where = serverError === undefined ? 'in the cluster' : `on node ${nodeName}`;
  return wrong(
    'existence',
    `there is no pod ${name} ${where}`,
    evidence,
    'kubectl get pods -A, and kedge ps on the node that it is on',
  );
}

/** The Events with one of these reasons, the latest first. */
const eventsOf = ({ events }: PodEvidence, ...reasons: readonly string[]): KnownEvent[] =>
  events.filter(({ reason }) => reasons.includes(reason)).sort((a, b) => b.lastAt - a.lastAt);

function saidBy(events: readonly KnownEvent[], { nowMs }: PodEvidence): string[] {
  const [last] = events;
  if (!last) return [];
  const times = last.count > 1 ? `, ${last.count} times` : '';
  return [`event ${last.reason}, ${humanDuration(nowMs - last.lastAt)} ago${times}: ${last.message}`];
}

function judgeScheduling(evidence: PodEvidence, { spec, status }: Pod): Verdict | undefined {
  if (spec?.nodeName) return undefined;
  const gates = (spec?.schedulingGates ?? []).map(({ name }) => name).join(', ');
  if (gates !== '')
    return wrong(
      'scheduling',
      `it is not to be scheduled yet: its scheduling gates are ${gates}`,
      [],
      'whoever has set them removes them',
    );
  const condition = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  const said = saidBy(eventsOf(evidence, 'FailedScheduling'), evidence);
  if (condition?.status === 'False')
    return wrong(
      'scheduling',
      `no node takes it: ${condition.message ?? condition.reason ?? 'the scheduler does not say why'}`,
      said,
      'its requests, nodeSelector, affinity and tolerations, or more nodes: kubectl describe nodes shows what is free',
    );
  const scheduler = spec?.schedulerName ?? 'default-scheduler';
  return wrong(
    'scheduling',
    `the scheduler ${scheduler} has not looked at it yet`,
    said,
    'is that scheduler running? journalctl -u kedge-server',
  );
}

function judgePlace({ nodeName, name }: PodEvidence, { spec, status }: Pod): Verdict | undefined {
  if (spec?.nodeName === nodeName) return undefined;
  const phase = status?.reason ?? status?.phase ?? 'Pending';
  return wrong(
    'node',
    `pod ${name} (${phase}) is on node ${spec?.nodeName}, and this is ${nodeName}`,
    [],
    `run kedge why pod ${name} there`,
  );
}

/** What the node has refused or evicted, and what is over. */
function judgePhase(evidence: PodEvidence, { status, metadata }: Pod): Verdict | undefined {
  const { phase, reason, message } = status ?? {};
  if (phase === 'Succeeded')
    return fine(`pod ${evidence.name} has done its work: all of its containers have ended with 0`);
  if (phase !== 'Failed' || metadata?.deletionTimestamp) return undefined;
  if (reason === undefined) return undefined;
  const text = `the node ${reason === 'Evicted' ? 'has evicted it' : `has ended or refused it (${reason})`}: ${message ?? 'it does not say why'}`;
  return wrong('admission', text, saidBy(eventsOf(evidence, reason, 'Evicted'), evidence));
}

function judgeRuntime({ runtimeError }: PodEvidence): Verdict | undefined {
  if (runtimeError === undefined) return undefined;
  return wrong(
    'runtime',
    'containerd does not answer on this node, so nothing is started or stopped',
    [runtimeError],
    'systemctl status kedge-containerd; kedge doctor',
  );
}

function judgeAgent({ agentRuns, view }: PodEvidence): Verdict | undefined {
  if (agentRuns || view?.containers.some(({ state }) => state === 'running')) return undefined;
  return wrong(
    'agent',
    'the agent of this node does not answer, so nothing is started',
    [],
    'systemctl status kedge-agent; journalctl -u kedge-agent says why it has ended',
  );
}

function judgeDeletion(evidence: PodEvidence, { metadata, status }: Pod): Verdict | undefined {
  if (!metadata?.deletionTimestamp) return undefined;
  // It is the end of the grace period.
  const leftMs = Date.parse(metadata.deletionTimestamp) - evidence.nowMs;
  const running = statusesOf(status).filter(({ state }) => state?.running);
  const names = running.map(({ name }) => name).join(', ');
  const said = saidBy(
    eventsOf(evidence, 'FailedKillPod', 'FailedPreStopHook', 'FailedUnmount', 'FailedMount'),
    evidence,
  );
  if (leftMs > 0 && names !== '')
    return wrong(
      'deletion',
      `it is being deleted: ${names} may run for another ${humanDuration(leftMs)}, its grace period`,
      said,
    );
  if (names !== '')
    return wrong(
      'deletion',
      `it is being deleted, and ${names} still runs after its grace period`,
      said,
      'kedge logs, and the log of the agent: a process that the kernel does not let go, or a hook',
    );
  const { finalizers = [] } = metadata;
  if (finalizers.length > 0)
    return wrong(
      'deletion',
      `it is being deleted, and waits for whoever has set its finalizers: ${finalizers.join(', ')}`,
      said,
    );
  return wrong(
    'deletion',
    'it is being deleted: its containers have ended, and its volumes and network are being removed',
    said,
  );
}

/** Containers that wait for what comes before their own start. */
const WAITING_FOR_POD: readonly (string | undefined)[] = ['ContainerCreating', 'PodInitializing', undefined, ''];

const statusesOf = (status: Pod['status']): ContainerStatus[] => [
  ...(status?.initContainerStatuses ?? []),
  ...(status?.containerStatuses ?? []),
];

const hasStarted = ({ status }: Pod): boolean =>
  statusesOf(status).some(({ state, lastState }) => state?.running ?? state?.terminated ?? lastState?.terminated);

const isWaitingForPod = (pod: Pod): boolean => {
  const all = statusesOf(pod.status);
  return !hasStarted(pod) && all.every(({ state }) => WAITING_FOR_POD.includes(state?.waiting?.reason));
};

function judgeVolumes(evidence: PodEvidence, pod: Pod): Verdict | undefined {
  if (!isWaitingForPod(pod)) return undefined;
  const failed = eventsOf(
    evidence,
    'FailedMount',
    'FailedAttachVolume',
    'FailedMapVolume',
    'FailedPrepareDynamicResources',
  );
  const [last] = failed;
  if (!last) return undefined;
  return wrong(
    'volumes',
    `its volumes are not there: ${last.message}`,
    saidBy(failed, evidence),
    'make what is missing: the pod goes on by itself',
  );
}

const OF_NETWORK = /network|cni|netns|ipam/i;

function judgeSandbox(evidence: PodEvidence, pod: Pod): Verdict | undefined {
  if (!isWaitingForPod(pod)) return undefined;
  const failed = eventsOf(evidence, 'FailedCreatePodSandBox', 'FailedSync', 'FailedCreatePodContainer');
  const [last] = failed;
  if (last) {
    const step = OF_NETWORK.test(last.message) ? 'network' : 'sandbox';
    const what = step === 'network' ? 'its network cannot be made' : 'its sandbox cannot be made';
    return wrong(
      step,
      `${what}: ${last.message}`,
      saidBy(failed, evidence),
      'kedge doctor looks at containerd and CNI; journalctl -u kedge-containerd has more',
    );
  }
  const sinceMs = evidence.nowMs - Date.parse(pod.status?.startTime ?? new Date(evidence.nowMs).toISOString());
  const pulling = eventsOf(evidence, 'Pulling')[0];
  if (pulling && !eventsOf(evidence, 'Pulled').some(({ lastAt }) => lastAt >= pulling.lastAt))
    return wrong('image', `an image is being pulled: ${pulling.message}`, saidBy([pulling], evidence));
  return wrong(
    'sandbox',
    `it is being started, for ${humanDuration(sinceMs)} now`,
    [],
    'look again in a moment; journalctl -u kedge-agent',
  );
}

const IMAGE = [
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
];
const CONFIGURATION = [
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'PostStartHookError',
  'StartError',
];

/** The first container, in the order of their starts, that is not as it should be. */
function judgeContainers(evidence: PodEvidence, { spec, status }: Pod): Verdict | undefined {
  const { initContainerStatuses = [], containerStatuses = [] } = status ?? {};
  for (const one of [...initContainerStatuses, ...containerStatuses]) {
    const isInit = initContainerStatuses.includes(one);
    const verdict = judgeWaiting(evidence, one) ?? judgeEnd(evidence, one, isInit);
    if (verdict) return verdict;
    const restarts = spec?.initContainers?.find(({ name }) => name === one.name)?.restartPolicy === 'Always';
    if (isInit && !restarts && one.state?.running)
      return wrong(
        'start',
        `it waits for its init container ${one.name}, which has run for ${humanDuration(evidence.nowMs - Date.parse(one.state.running.startedAt ?? ''))}`,
        [],
        `kedge logs ${evidence.name} -c ${one.name}`,
      );
  }
  return undefined;
}

function judgeWaiting(evidence: PodEvidence, { name, image, state }: ContainerStatus): Verdict | undefined {
  const { reason = '', message = '' } = state?.waiting ?? {};
  if (IMAGE.includes(reason)) {
    const failed = eventsOf(evidence, 'Failed', 'InspectFailed', 'ErrImageNeverPull').filter(
      ({ message: text }) => /image/i.test(text) && !text.startsWith('Error: '),
    );
    const words = failed[0]?.message ?? message;
    const advice = 'the name of the image, the registry, and imagePullSecrets; kedge images lists what is here';
    return wrong(
      'image',
      `the image ${image || 'of'} of container ${name} cannot be had (${reason}): ${words}`,
      saidBy(failed, evidence),
      advice,
    );
  }
  if (CONFIGURATION.includes(reason))
    return wrong(
      'configuration',
      `container ${name} cannot be made (${reason}): ${message}`,
      saidBy(eventsOf(evidence, 'Failed', 'FailedPostStartHook'), evidence),
    );
  return undefined;
}

type Ended = NonNullable<ContainerState['terminated']>;

function judgeEnd(evidence: PodEvidence, status: ContainerStatus, isInit: boolean): Verdict | undefined {
  const { name, state, lastState, restartCount } = status;
  const ended =
    state?.terminated ?? (state?.waiting?.reason === 'CrashLoopBackOff' ? lastState?.terminated : undefined);
  if (!ended || (ended.exitCode === 0 && (isInit || state?.waiting?.reason !== 'CrashLoopBackOff'))) return undefined;
  const what = `${isInit ? 'init container' : 'container'} ${name}`;
  const again = restartCount > 0 ? `; it has been restarted ${restartCount} times` : '';
  return wrong(
    'start',
    `${what} ${howItEnded(evidence, status, ended)}${again}`,
    wordsOf(evidence, name, ended),
    `kedge logs ${evidence.name} -c ${name} --previous has the run before`,
  );
}

function howItEnded(evidence: PodEvidence, { name, resources }: ContainerStatus, ended: Ended): string {
  if (ended.reason === 'OOMKilled') {
    const limit = resources?.limits?.['memory'];
    return `was killed by the kernel: it used more memory than ${limit === undefined ? 'there is' : `its limit, ${limit}`}`;
  }
  const killed = eventsOf(evidence, 'Killing').find(({ fieldPath }) => fieldPath.endsWith(`{${name}}`));
  if (killed && /liveness|startup/.test(killed.message))
    return `was stopped because its probe failed: ${killed.message}`;
  if (ended.exitCode === 0)
    return 'ends with 0, and is started again each time: its command is done, and the pod is to keep running';
  const ranMs = Date.parse(ended.finishedAt ?? '') - Date.parse(ended.startedAt ?? '');
  const after = Number.isNaN(ranMs) || ended.reason === 'StartError' ? '' : ` ${humanDuration(ranMs)} after its start`;
  return `has ended with ${exitText(ended.exitCode)}${after}`;
}

/** What is known of the end of a container: its own words first. */
function wordsOf(evidence: PodEvidence, name: string, ended: Pick<Ended, 'reason' | 'message'>): string[] {
  const { kernel, logs } = evidence;
  const probe = eventsOf(evidence, 'Unhealthy').filter(({ fieldPath }) => fieldPath.endsWith(`{${name}}`));
  return [
    ...(ended.message ? [`termination message: ${ended.message.trim()}`] : []),
    ...(logs.get(name) ?? []).map((line) => `log: ${line}`),
    ...(ended.reason === 'OOMKilled' ? kernel.map((line) => `kernel: ${line}`) : []),
    ...saidBy(probe, evidence),
  ];
}

function judgeReadiness(evidence: PodEvidence, { metadata, spec, status }: Pod): Verdict | undefined {
  if (metadata?.deletionTimestamp) return undefined;
  for (const { name, ready, started, state } of status?.containerStatuses ?? []) {
    if (ready || !state?.running) continue;
    const probe = started === false ? 'startup' : 'readiness';
    const failed = eventsOf(evidence, 'Unhealthy', 'ProbeError').filter(({ fieldPath }) =>
      fieldPath.endsWith(`{${name}}`),
    );
    const words = failed[0]?.message ?? `its ${probe} probe has not succeeded yet`;
    return wrong(
      'probes',
      `container ${name} runs, and is not ready: ${words}`,
      saidBy(failed, evidence),
      `kedge exec ${evidence.name} -c ${name} -- COMMAND to try what the probe does`,
    );
  }
  const met = (type: string): boolean =>
    status?.conditions?.some((one) => one.type === type && one.status === 'True') === true;
  const gates = (spec?.readinessGates ?? []).map(({ conditionType }) => conditionType).filter((type) => !met(type));
  if (gates.length === 0) return undefined;
  return wrong(
    'probes',
    `its containers are ready, and its readiness gates are not met: ${gates.join(', ')}`,
    [],
    'whoever sets these conditions of the pod',
  );
}

/** Neither agent nor api-server knows it: the runtime has what it has started. */
function judgeView(evidence: PodEvidence, { containers, phase }: PodView): Verdict {
  const ended = containers.find(({ state, exitCode }) => state === 'exited' && exitCode !== 0);
  if (ended) return judgeEndedView(evidence, ended);
  const running = containers.filter(({ state }) => state === 'running').map(({ name }) => name);
  const known = `the runtime alone knows of pod ${evidence.name}`;
  const rest = ['the agent of this host does not answer, so nobody probes it, and what ends is not started again'];
  if (phase !== 'Ready')
    return wrong('sandbox', `${known}, and its sandbox is gone`, rest, 'systemctl status kedge-agent');
  return wrong('agent', `${known}; ${running.join(', ') || 'nothing'} runs`, rest, 'systemctl status kedge-agent');
}

function judgeEndedView(
  evidence: PodEvidence,
  { name, reason, message, exitCode = 0, restarts }: ContainerView,
): Verdict {
  const killed =
    reason === 'OOMKilled' ? 'was killed by the kernel for want of memory' : `has ended with ${exitText(exitCode)}`;
  const again = restarts > 0 ? `; it has been restarted ${restarts} times` : '';
  return wrong(
    'start',
    `container ${name} ${killed}${again}`,
    wordsOf(evidence, name, { reason, message }),
    'the agent does not answer, and it alone starts it again: systemctl status kedge-agent',
  );
}
