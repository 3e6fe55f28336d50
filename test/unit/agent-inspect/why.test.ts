/** The first thing that `kedge why` finds wrong, by what is known. */
import { test } from 'tap';
import type { Node, Pod, PodStatus } from '../../../api/types/core/v1.gen.ts';
import { exitText } from '../../../agent/inspect/why/exit-code.ts';
import { judgeNode } from '../../../agent/inspect/why/judge-node.ts';
import { judgePod, type KnownEvent, type PodEvidence } from '../../../agent/inspect/why/judge-pod.ts';
import type { Step, Verdict } from '../../../agent/inspect/why/verdict.ts';
import type { PodView } from '../../../agent/inspect/pod-view.ts';
import { whyText } from '../../../cli/node/why.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const at = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

const event = (reason: string, message: string, more: Partial<KnownEvent> = {}): KnownEvent => ({
  ...{ type: 'Warning', reason, message, count: 1, lastAt: NOW - 5_000, fieldPath: 'spec.containers{c}', ...more },
});
const status = { name: 'c', image: 'img:1', imageID: '', ready: false, restartCount: 0 };
const container = (state: object, more: object = {}): PodStatus => ({
  phase: 'Running',
  startTime: at(60),
  containerStatuses: [{ ...status, state, ...more }],
});
const pod = (
  podStatus: PodStatus,
  spec: Partial<NonNullable<Pod['spec']>> = {},
  metadata: Pod['metadata'] = {},
): Pod => ({
  metadata: { namespace: 'shop', name: 'web', uid: 'u', ...metadata },
  spec: { nodeName: 'n', containers: [{ name: 'c', image: 'img:1' }], ...spec },
  status: podStatus,
});
const running = { running: { startedAt: at(30) } };
const creating = { waiting: { reason: 'ContainerCreating' } };
const ended = { exitCode: 3, reason: 'Error', startedAt: at(20), finishedAt: at(18) };
const backOff = { waiting: { reason: 'CrashLoopBackOff' } };

const judged = (given: Pod | undefined, more: Partial<PodEvidence> = {}): Verdict =>
  judgePod({
    ...{ name: 'shop/web', nowMs: NOW, nodeName: 'n', pod: given, view: undefined, events: [] },
    ...{ logs: new Map(), kernel: [], agentRuns: true, ...more },
  });

const is = (name: string, verdict: Verdict, step: Step | undefined, text: RegExp, ...evidence: RegExp[]): void =>
  void test(name, (t) => {
    t.equal(verdict.step, step, verdict.text);
    t.match(verdict.text, text);
    for (const words of evidence)
      t.ok(
        verdict.evidence.some((one) => words.test(one)),
        `${words}: ${verdict.evidence.join('; ')}`,
      );
    t.end();
  });

is('a pod that is well', judged(pod(container(running, { ready: true }))), undefined, /nothing is wrong/);
is('a pod that is done', judged(pod({ phase: 'Succeeded' })), undefined, /has done its work/);
is('no such pod', judged(undefined), 'existence', /no pod shop\/web in the cluster/);
is(
  'no such pod, as far as can be known',
  judged(undefined, { agentRuns: false, serverError: 'refused', runtimeError: 'gone' }),
  'existence',
  /no pod shop\/web on node n/,
  /agent .* does not answer/,
  /api-server does not say: refused/,
  /containerd does not answer: gone/,
);

const unscheduled = { nodeName: undefined };
const rejected = { type: 'PodScheduled', status: 'False', message: '0/1 nodes are available' };
is(
  'scheduling gates',
  judged(pod({}, { ...unscheduled, schedulingGates: [{ name: 'quota' }] })),
  'scheduling',
  /gates are quota/,
);
is(
  'no node',
  judged(pod({ conditions: [rejected] }, unscheduled), {
    events: [event('FailedScheduling', 'no room', { count: 3 })],
  }),
  'scheduling',
  /no node takes it: 0\/1 nodes/,
  /event FailedScheduling, 5s ago, 3 times: no room/,
);
is(
  'a scheduler that is not there',
  judged(pod({}, { ...unscheduled, schedulerName: 'mine' })),
  'scheduling',
  /scheduler mine has not/,
);
is('another node', judged(pod(container(running), { nodeName: 'm' })), 'node', /on node m, and this is n/);
is(
  'an eviction',
  judged(pod({ phase: 'Failed', reason: 'Evicted', message: 'low on memory' }), { events: [event('Evicted', 'low')] }),
  'admission',
  /has evicted it: low on memory/,
  /event Evicted/,
);
is(
  'a pod that the node has refused',
  judged(pod({ phase: 'Failed', reason: 'OutOfcpu', message: 'm' })),
  'admission',
  /\(OutOfcpu\): m/,
);
is(
  'no runtime',
  judged(pod(container(running)), { runtimeError: 'ENOENT' }),
  'runtime',
  /containerd does not answer/,
  /ENOENT/,
);
is('no agent', judged(pod(container(creating)), { agentRuns: false }), 'agent', /agent of this node does not answer/);

const deleted = (seconds: number, more: object = {}): Pod['metadata'] => ({ deletionTimestamp: at(seconds), ...more });
is('a grace period', judged(pod(container(running), {}, deleted(-20))), 'deletion', /c may run for another 20s/);
is(
  'a process that does not end',
  judged(pod(container(running), {}, deleted(20))),
  'deletion',
  /c still runs after its grace period/,
);
is(
  'finalizers',
  judged(pod(container({ terminated: ended }), {}, deleted(20, { finalizers: ['a/b'] }))),
  'deletion',
  /finalizers: a\/b/,
);
is('volumes that go', judged(pod(container({ terminated: ended }), {}, deleted(20))), 'deletion', /being removed/);

is(
  'a missing volume',
  judged(pod(container(creating)), { events: [event('FailedMount', 'configmap "x" not found', { fieldPath: '' })] }),
  'volumes',
  /volumes are not there: configmap "x" not found/,
);
is(
  'a volume that was missing for a while',
  judged(pod(container(running, { ready: true })), { events: [event('FailedMount', 'x')] }),
  undefined,
  /nothing is wrong/,
);
const sandbox = (message: string): Verdict =>
  judged(pod(container(creating)), { events: [event('FailedCreatePodSandBox', message)] });
is('a network', sandbox('plugin type="bridge" failed: cni'), 'network', /network cannot be made/);
is('a sandbox', sandbox('runc create failed'), 'sandbox', /sandbox cannot be made: runc/);
is(
  'a pull',
  judged(pod(container(creating)), { events: [event('Pulling', 'Pulling image "img:1"')] }),
  'image',
  /is being pulled/,
);
is('a start', judged(pod(container(creating))), 'sandbox', /being started, for 60s/);

is(
  'an image that is not there',
  judged(pod(container({ waiting: { reason: 'ImagePullBackOff', message: 'Back-off' } })), {
    events: [
      event('Failed', 'Error: ImagePullBackOff', { lastAt: NOW }),
      event('Failed', 'Failed to pull image "img:1": not found'),
    ],
  }),
  'image',
  /img:1 of container c cannot be had \(ImagePullBackOff\): Failed to pull image "img:1": not found/,
);
is(
  'a missing key',
  judged(pod(container({ waiting: { reason: 'CreateContainerConfigError', message: 'secret "s" not found' } }))),
  'configuration',
  /CreateContainerConfigError\): secret "s" not found/,
);

const crashed = (last: object, more: Partial<PodEvidence> = {}): Verdict =>
  judged(
    pod(
      container(backOff, {
        lastState: { terminated: { ...ended, ...last } },
        restartCount: 4,
        resources: { limits: { memory: '32Mi' } },
      }),
    ),
    more,
  );
is(
  'a program that fails',
  crashed({ message: 'said at the end' }, { logs: new Map([['c', ['panic: no']]]) }),
  'start',
  /has ended with exit code 3 2s after its start; it has been restarted 4 times/,
  /termination message: said at the end/,
  /log: panic: no/,
);
is(
  'a program that is done',
  crashed({ exitCode: 0, reason: 'Completed' }),
  'start',
  /ends with 0, and is started again/,
);
is(
  'no memory',
  crashed({ exitCode: 137, reason: 'OOMKilled' }, { kernel: ['oom-kill: sh'] }),
  'start',
  /used more memory than its limit, 32Mi/,
  /kernel: oom-kill: sh/,
);
is(
  'a liveness probe',
  crashed(
    { exitCode: 137 },
    {
      events: [
        event('Killing', 'Container c failed liveness probe, will be restarted'),
        event('Unhealthy', 'Liveness probe failed: 500'),
      ],
    },
  ),
  'start',
  /stopped because its probe failed: Container c failed liveness probe/,
  /event Unhealthy, 5s ago: Liveness probe failed: 500/,
);
is(
  'the probe of another container',
  crashed({}, { events: [event('Killing', 'failed liveness probe', { fieldPath: 'spec.containers{d}' })] }),
  'start',
  /exit code 3/,
);

const init = (state: object, spec: object = {}): Verdict =>
  judged(
    pod(
      {
        ...container({ waiting: { reason: 'PodInitializing' } }),
        initContainerStatuses: [{ ...status, name: 'i', state }],
      },
      { initContainers: [{ name: 'i', ...spec }] },
    ),
  );
is('an init container that fails', init({ terminated: ended }), 'start', /init container i has ended with exit code 3/);
is('an init container that runs', init(running), 'start', /waits for its init container i, which has run for 30s/);
is('a sidecar that runs', init(running, { restartPolicy: 'Always' }), undefined, /nothing is wrong/);

is(
  'a readiness probe',
  judged(pod(container(running, { started: true })), {
    events: [event('Unhealthy', 'Readiness probe failed: refused')],
  }),
  'probes',
  /not ready: Readiness probe failed: refused/,
);
is(
  'a startup probe',
  judged(pod(container(running, { started: false }))),
  'probes',
  /startup probe has not succeeded yet/,
);
is(
  'a readiness gate',
  judged(pod(container(running, { ready: true }), { readinessGates: [{ conditionType: 'lb/ready' }] })),
  'probes',
  /readiness gates are not met: lb\/ready/,
);

const view = (state: 'running' | 'exited', phase = 'Ready'): PodView => ({
  ...{ namespace: 'shop', name: 'web', uid: 'u', phase, ip: '' },
  containers: [
    {
      ...{ name: 'c', kind: 'unknown', state, restarts: 1, reason: 'Error', message: '', image: '', id: 'x' },
      ...(state === 'exited' && { exitCode: 1 }),
    },
  ],
});
const alone = { agentRuns: false, serverError: 'gone' };
is(
  'the runtime alone',
  judged(undefined, { ...alone, view: view('running') }),
  'agent',
  /runtime alone knows of pod shop\/web; c runs/,
);
is(
  'the runtime alone, and an end',
  judged(undefined, { ...alone, view: view('exited'), logs: new Map([['c', ['bye']]]) }),
  'start',
  /c has ended with exit code 1/,
  /log: bye/,
);
is(
  'the runtime alone, without a sandbox',
  judged(undefined, { ...alone, view: view('running', 'NotReady') }),
  'sandbox',
  /sandbox is gone/,
);

test('exit codes are explained by convention', (t) => {
  t.equal(exitText(1), 'exit code 1');
  t.match(exitText(127), /command was not found/);
  t.match(exitText(137), /SIGKILL: killed from outside/);
  t.equal(exitText(130), 'exit code 130 (SIGINT)');
  t.end();
});

const good = { check: 'kernel', level: 'ok', found: 'Linux' } as const;
const bad = (check: string, level: 'failure' | 'warning') =>
  ({ check, level, found: `${check} is bad`, wanted: 'w', mend: 'do' }) as const;
const node = (conditions: object[], spec: object = {}): Node => ({ spec, status: { conditions } }) as Node;
const readyNode = { type: 'Ready', status: 'True', reason: 'KubeletReady', message: '' };
is(
  'a node that is well',
  judgeNode({ name: 'n', findings: [good], node: node([readyNode]) }),
  undefined,
  /nothing is wrong/,
);
is(
  'of several failures the cause comes first',
  judgeNode({
    name: 'n',
    findings: [bad('node', 'failure'), bad('containerd', 'failure'), bad('disk', 'warning')],
    node: undefined,
  }),
  'node',
  /containerd is bad/,
);
is(
  'a condition that no check explains',
  judgeNode({
    name: 'n',
    findings: [bad('dns', 'warning')],
    node: node([{ ...readyNode, status: 'Unknown', reason: 'NodeStatusUnknown', message: 'stopped posting' }]),
  }),
  'node',
  /Ready=Unknown \(NodeStatusUnknown\): stopped posting/,
);
is(
  'pressure',
  judgeNode({
    name: 'n',
    findings: [good],
    node: node([readyNode, { type: 'DiskPressure', status: 'True', reason: 'r', message: 'm' }]),
  }),
  'node',
  /DiskPressure=True/,
);
is(
  'a warning',
  judgeNode({ name: 'n', findings: [bad('dns', 'warning')], node: node([readyNode]) }),
  'node',
  /dns is bad/,
);
is(
  'a cordon',
  judgeNode({ name: 'n', findings: [good], node: node([readyNode], { unschedulable: true }) }),
  'node',
  /cordoned/,
);

test('the verdict follows from the evidence, and moves no cursor', (t) => {
  t.equal(
    whyText({ step: 'start', text: 'it ended', evidence: ['log: \u001b[2Jx'], advice: 'look' }),
    '  log:  [2Jx\n=> start: it ended\n   to go on: look',
  );
  t.equal(whyText({ text: 'nothing is wrong', evidence: [] }), '=> nothing is wrong');
  t.end();
});
