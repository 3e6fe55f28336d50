/** Changes of the CPU and memory of containers that run: what is given, when, and what the status says of it. */
import { test } from 'tap';
import { resourcesIn } from '../../../agent/pods/labels.ts';
import { planResize, type AppliedSizes } from '../../../agent/pods/resize/resize-plan.ts';
import { PodSizes } from '../../../agent/pods/resize/pod-sizes.ts';
import { inOrderOfResize, resizeRefusal, type PendingResize } from '../../../agent/pods/resize/resize-review.ts';
import { podStatus } from '../../../agent/pods/status/pod-status.ts';
import { statusPatch } from '../../../agent/pods/status/status-manager.ts';
import type { ObservedContainer, PodRuntime } from '../../../agent/pods/sync/observed.ts';
import { planPod } from '../../../agent/pods/sync/plan.ts';
import { podLimits } from '../../../agent/resources/compute.ts';
import type { Container, Pod, PodSpec, ResourceRequirements } from '../../../api/types/core/v1.gen.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');

const both = (cpu: string, memory: string): ResourceRequirements => ({
  requests: { cpu, memory },
  limits: { cpu, memory },
});
const SMALL = both('100m', '64Mi');
const LARGE = both('200m', '128Mi');

const named = (name: string, resources: ResourceRequirements, more: Partial<Container> = {}): Container => ({
  name,
  image: 'app:1',
  resources,
  ...more,
});
const podOf = (containers: Container[], more: Partial<PodSpec> = {}, generation = 1): Pod => ({
  metadata: { name: 'web', namespace: 'default', uid: 'u1', generation },
  spec: { containers, restartPolicy: 'Always', terminationGracePeriodSeconds: 30, ...more },
});
const observed = (name: string, more: Partial<ObservedContainer> = {}): ObservedContainer => ({
  id: `${name}-0`,
  name,
  sandboxId: 's0',
  state: 'running',
  restartCount: 0,
  createdAt: NOW - 60_000,
  startedAt: NOW - 60_000,
  finishedAt: 0,
  exitCode: 0,
  reason: '',
  message: '',
  image: 'app:1',
  imageId: 'sha256:1',
  hash: '',
  backOffSeconds: 0,
  ...more,
});
const runtimeOf = (...containers: ObservedContainer[]): PodRuntime => ({
  sandboxes: [{ id: 's0', attempt: 0, ready: true, createdAt: NOW - 60_000, ips: ['10.42.0.5'] }],
  containers,
});
/** What a pod with one container runs with. */
const appliedTo = (
  resources: ResourceRequirements,
  limits = podLimits(podOf([named('main', resources)])),
): AppliedSizes => ({
  containers: new Map([['main-0', resources]]),
  pod: undefined,
  limits,
});
const restarts = (...names: string[]): Partial<Container> => ({
  resizePolicy: names.map((resourceName) => ({ resourceName, restartPolicy: 'RestartContainer' })),
});

test('a container that runs is updated, or replaced where its policy for what has changed says so', (t) => {
  const memoryOnly = { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '100m', memory: '128Mi' } };
  const rows: [
    string,
    ResourceRequirements,
    Partial<Container>,
    { updates?: number; restarts?: number; room?: boolean },
  ][] = [
    ['nothing has changed', SMALL, {}, {}],
    ['the same in other words', both('0.1', '65536Ki'), {}, {}],
    ['more', LARGE, {}, { updates: 1, room: true }],
    ['less', both('50m', '32Mi'), {}, { updates: 1 }],
    ['a request alone', { ...SMALL, requests: { cpu: '50m', memory: '64Mi' } }, {}, { updates: 1 }],
    ['another amount of the same weight', both('100m', '32Mi'), restarts('cpu'), { updates: 1 }],
    ['memory, by restart', memoryOnly, restarts('memory'), { restarts: 1, room: true }],
    ['memory, where CPU takes a restart', memoryOnly, restarts('cpu'), { updates: 1, room: true }],
    ['both, where one takes a restart', LARGE, restarts('cpu'), { restarts: 1, room: true }],
  ];
  for (const [what, resources, more, { updates = 0, restarts = 0, room = false }] of rows) {
    const plan = planResize(podOf([named('main', resources, more)]), runtimeOf(observed('main')), appliedTo(SMALL));
    const found = { updates: plan.updates.length, restarts: plan.restarts.size, room: plan.needsRoom };
    t.same(found, { updates, restarts, room }, what);
    t.equal(plan.isDone, updates + restarts === 0, `${what}: whether it is done`);
  }
  t.end();
});

test('a container without limits of its own follows those of the pod', (t) => {
  const main = named('main', { requests: { cpu: '10m' } });
  const pod = podOf([main], { resources: LARGE });
  const applied: AppliedSizes = { ...appliedTo(main.resources ?? {}), pod: SMALL };
  t.equal(planResize(pod, runtimeOf(observed('main')), applied).updates.length, 1);
  t.equal(planResize(pod, runtimeOf(observed('main')), { ...applied, pod: LARGE }).updates.length, 0);
  t.end();
});

test("the pod's cgroup grows before a larger container starts, and shrinks when none needs it any more", (t) => {
  const plan = (resources: ResourceRequirements, container: ObservedContainer, applied: AppliedSizes) =>
    planPod(
      {
        pod: podOf([named('main', resources, restarts('cpu'))]),
        runtime: runtimeOf(container),
        isSetUp: true,
        isTornDown: false,
        holdsDevices: false,
        isStale: false,
        isFinished: false,
        restartOrders: new Map(),
        started: new Set(),
        applied,
      },
      NOW,
    ).actions.map((action) => (action.kind === 'resize' ? ['resize', action.limits.cpuQuota] : action.kind));
  const dead = observed('main', { state: 'exited', finishedAt: NOW });
  t.same(plan(LARGE, observed('main'), appliedTo(SMALL)), ['stopContainer', ['resize', 20_000]]);
  t.same(plan(LARGE, dead, appliedTo(SMALL)), [['resize', 20_000]]);
  t.same(plan(LARGE, dead, appliedTo(SMALL, appliedTo(LARGE).limits)), ['startContainer']);
  t.same(plan(SMALL, observed('main'), appliedTo(LARGE)), ['stopContainer'], 'while the larger one runs');
  t.same(plan(SMALL, dead, appliedTo(LARGE)), ['startContainer', ['resize', 10_000]]);
  t.end();
});

test('the node gives what the other pods leave, and says whether waiting can help', (t) => {
  const allocatable = { cpu: '1', memory: '1Gi' };
  const resize = (from: ResourceRequirements, to: ResourceRequirements) => ({
    allocated: podOf([named('main', from)]),
    wanted: podOf([named('main', to)]),
  });
  const others = [podOf([named('other', both('700m', '512Mi'))])];
  t.equal(resizeRefusal(resize(SMALL, LARGE), others, allocatable), undefined);
  t.same(resizeRefusal(resize(SMALL, both('400m', '64Mi')), others, allocatable), {
    reason: 'Deferred',
    message: "Node didn't have enough resource: cpu, requested: 400, used: 700, capacity: 1000",
  });
  t.match(resizeRefusal(resize(SMALL, both('400m', '2Gi')), others, allocatable), {
    reason: 'Infeasible',
    message: "Node didn't have enough capacity: memory, requested: 2147483648, capacity: 1073741824",
  });
  const crowded = [...others, podOf([named('more', both('900m', '900Mi'))])];
  t.equal(resizeRefusal(resize(LARGE, SMALL), crowded, allocatable), undefined, 'less is always given');
  t.end();
});

test('resizes are answered by what they give back, priority, class and time', (t) => {
  const of = (
    name: string,
    to: ResourceRequirements,
    more: Partial<PodSpec>,
    since: number,
  ): PendingResize & { name: string } => ({
    name,
    allocated: podOf([named('main', SMALL)]),
    wanted: podOf([named('main', to)], more),
    since,
  });
  const burstable = { ...LARGE, requests: { cpu: '150m', memory: '64Mi' } };
  const pending = [
    of('late', LARGE, {}, 3),
    of('burstable', burstable, {}, 0),
    of('early', LARGE, {}, 2),
    of('important', burstable, { priority: 5 }, 9),
    of('smaller', both('50m', '64Mi'), {}, 9),
  ];
  const order = pending.sort(inOrderOfResize).map(({ name }) => name);
  t.same(order, ['smaller', 'important', 'early', 'late', 'burstable']);
  t.end();
});

test('what is asked for waits, is allocated, and is done when everything runs with it', (t) => {
  const runtime = runtimeOf(observed('main', { resources: SMALL }));
  const sizes = new PodSizes(podOf([named('main', SMALL)]));
  t.equal(sizes.pending, undefined);
  sizes.update(podOf([named('main', LARGE)], {}, 2));
  t.same(sizes.pod.spec?.containers[0]?.resources, SMALL);
  t.equal(sizes.pod.metadata?.generation, 2);
  const refusal = { reason: 'Deferred', message: 'no room' } as const;
  t.equal(sizes.refuse(refusal), true);
  t.equal(sizes.refuse(refusal), false, 'it is said once');
  t.match(sizes.state, { pending: { ...refusal, generation: 2 }, inProgress: undefined });
  sizes.allocate();
  t.same(sizes.pod.spec?.containers[0]?.resources, LARGE);
  t.match(sizes.state, { pending: undefined, inProgress: { generation: 2 } });
  t.same(sizes.applied(runtime).containers.get('main-0'), SMALL);
  sizes.hasApplied('main-0', LARGE);
  sizes.hasSetLimits(podLimits(sizes.pod));
  t.equal(planResize(sizes.pod, runtime, sizes.applied(runtime)).isDone, true);
  t.equal(sizes.isDone(runtime), true);
  t.same(sizes.state, { pending: undefined, inProgress: undefined });
  t.equal(sizes.isDone(runtime), false, 'it ends once');
  t.end();
});

test('what is asked for and taken back does not wait', (t) => {
  const sizes = new PodSizes(podOf([named('main', SMALL)]));
  sizes.update(podOf([named('main', LARGE)], {}, 2));
  sizes.refuse({ reason: 'Infeasible', message: 'too much' });
  sizes.update(podOf([named('main', SMALL)], {}, 3));
  t.equal(sizes.pending, undefined);
  t.equal(sizes.state.pending, undefined);
  t.end();
});

test('an agent after a crash finds what runs in the status, or on the container', (t) => {
  const containerStatuses = [
    {
      ...{ name: 'main', image: 'app:1', imageID: '', ready: true, restartCount: 0 },
      containerID: 'containerd://main-0',
      state: { running: { startedAt: '2026-01-01T11:59:00Z' } },
      resources: SMALL,
    },
  ];
  const known = new PodSizes({ ...podOf([named('main', LARGE)], {}, 2), status: { containerStatuses } });
  t.ok(known.pending, 'it may have been waiting: it is asked for again');
  t.same(known.pod.spec?.containers[0]?.resources, SMALL);
  const unknown = new PodSizes(podOf([named('main', LARGE)], {}, 2));
  const runtime = runtimeOf(observed('main', { resources: SMALL }));
  t.equal(planResize(unknown.pod, runtime, unknown.applied(runtime)).updates.length, 1);
  const older = runtimeOf(observed('main'));
  t.equal(planResize(unknown.pod, older, unknown.applied(older)).updates.length, 0, 'an older agent resized nothing');
  t.end();
});

test('an agent after a crash does not give a container in back-off what the node had no room for', (t) => {
  const containerStatuses = [
    {
      ...{ name: 'main', image: 'app:1', imageID: '', ready: false, restartCount: 3 },
      containerID: 'containerd://main-2',
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      resources: SMALL,
    },
  ];
  const sizes = new PodSizes({ ...podOf([named('main', LARGE)], {}, 2), status: { containerStatuses } });
  t.same(sizes.pod.spec?.containers[0]?.resources, SMALL);
  t.ok(sizes.pending, 'it is asked for again');
  t.end();
});

test('the status shows what is allocated, what runs, and why they differ', (t) => {
  const pod = podOf([named('main', LARGE)], {}, 2);
  const input = {
    pod,
    runtime: runtimeOf(observed('main')),
    previous: undefined,
    waiting: new Map(),
    started: new Set(['main-0']),
    ready: new Set(['main-0']),
    hostIPs: [],
    isEnding: false,
    holdsDevices: false,
    applied: appliedTo(SMALL),
  };
  const during = podStatus({ ...input, resize: { inProgress: { generation: 2, error: 'no way' } } }, NOW);
  t.match(during.containerStatuses, [{ allocatedResources: LARGE.requests, resources: SMALL }]);
  const condition = during.conditions?.find(({ type }) => type === 'PodResizeInProgress');
  t.match(condition, { status: 'True', reason: 'Error', message: 'no way', observedGeneration: 2 });
  const pending = { reason: 'Deferred', message: 'no room', generation: 3 } as const;
  const waiting = podStatus({ ...input, resize: { pending } }, NOW);
  t.match(
    waiting.conditions?.find(({ type }) => type === 'PodResizePending'),
    { reason: 'Deferred', status: 'True' },
  );
  const after = podStatus({ ...input, applied: appliedTo(LARGE) }, NOW);
  t.match(after.containerStatuses, [{ resources: LARGE }]);
  const patched = statusPatch(during, after) as { conditions: { type: string }[] };
  t.notOk(
    patched.conditions.some(({ type }) => type.startsWith('PodResize')),
    'the condition goes with its cause',
  );
  t.end();
});

test('what a container was created with is read back, and is unknown where the annotation is damaged', async (t) => {
  t.strictSame(resourcesIn(JSON.stringify(SMALL)), SMALL);
  for (const annotation of [undefined, '', '{', 'null', '[]', '7']) t.equal(resourcesIn(annotation), undefined);
});
