/** The agent's decisions for a pod, without a runtime. */
import { test } from 'tap';
import type { PodAction } from '../../../agent/pods/sync/actions.ts';
import { containerHash } from '../../../agent/pods/labels.ts';
import type { AppliedSizes } from '../../../agent/pods/resize/resize-plan.ts';
import type { ObservedContainer, ObservedSandbox } from '../../../agent/pods/sync/observed.ts';
import { planPod, type PodView } from '../../../agent/pods/sync/plan.ts';
import { podStatus } from '../../../agent/pods/status/pod-status.ts';
import { statusPatch } from '../../../agent/pods/status/status-manager.ts';
import type { Container, Pod, PodSpec } from '../../../api/types/core/v1.gen.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const SECOND = 1000;

const named = (name: string, more: Partial<Container> = {}): Container => ({ name, image: 'app:1', ...more });
const podOf = (spec: Partial<NonNullable<Pod['spec']>>): Pod => ({
  metadata: { name: 'web', namespace: 'default', uid: 'u1', generation: 2 },
  spec: { containers: [named('main')], restartPolicy: 'Always', terminationGracePeriodSeconds: 30, ...spec },
});
const sandbox = (more: Partial<ObservedSandbox> = {}): ObservedSandbox => ({
  id: 's0',
  attempt: 0,
  ready: true,
  createdAt: NOW - 3600 * SECOND,
  ips: ['10.42.0.5'],
  ...more,
});
const observed = (name: string, more: Partial<ObservedContainer> = {}): ObservedContainer => ({
  id: `${name}-${more.restartCount ?? 0}`,
  name,
  sandboxId: 's0',
  state: 'running',
  restartCount: 0,
  createdAt: NOW - 60 * SECOND,
  startedAt: NOW - 60 * SECOND,
  finishedAt: 0,
  exitCode: 0,
  reason: '',
  message: '',
  image: 'app:1',
  imageId: 'sha256:1',
  hash: containerHash({ name, image: 'app:1' }),
  backOffSeconds: 0,
  ...more,
});
const ended = (name: string, exitCode: number, more: Partial<ObservedContainer> = {}): ObservedContainer =>
  observed(name, { state: 'exited', exitCode, finishedAt: NOW - SECOND, ...more });

const viewOf = (pod: Pod, containers: ObservedContainer[], more: Partial<PodView> = {}): PodView => ({
  pod,
  runtime: { sandboxes: [sandbox()], containers },
  isSetUp: true,
  isStale: false,
  holdsDevices: false,
  isTornDown: false,
  isFinished: false,
  restartOrders: new Map(),
  started: new Set(),
  ...more,
});
/** Actions in short: kind and subject. */
const brief = (action: PodAction): string => {
  switch (action.kind) {
    case 'startContainer':
      return `start ${action.container.name}#${action.restartCount}`;
    case 'stopContainer':
      return `stop ${action.observed.name} ${action.graceSeconds}s`;
    case 'removeContainer':
      return `remove ${action.observed.id}`;
    case 'resize':
      return `resize ${action.updates.map(({ observed }) => observed.name).join(',')}`;
    case 'createSandbox':
      return `sandbox#${action.attempt}`;
    case 'stopSandbox':
    case 'removeSandbox':
      return `${action.kind} ${action.sandboxId}`;
    case 'setUp':
    case 'refreshVolumes':
    case 'releaseDevices':
    case 'tearDown':
      return action.kind;
  }
};
const plan = (view: PodView): string[] => planPod(view, NOW).actions.map(brief);

test('a new pod gets volumes and sandbox concurrently, then its containers', (t) => {
  const pod = podOf({ containers: [named('a'), named('b')] });
  t.same(plan(viewOf(pod, [], { isSetUp: false, runtime: { sandboxes: [], containers: [] } })), ['setUp', 'sandbox#0']);
  t.same(plan(viewOf(pod, [], { isSetUp: false })), ['setUp'], 'nothing starts before the volumes are mounted');
  t.same(plan(viewOf(pod, [])), ['start a#0', 'start b#0']);
  t.same(plan(viewOf(pod, [observed('a'), observed('b')])), [], 'running containers are kept');
  t.same(plan(viewOf(pod, [observed('a'), observed('b')], { isSetUp: false })), ['setUp'], 'the same after a restart');
  t.end();
});

test('init containers run in order, sidecars keep running, failed ones are retried with back-off', (t) => {
  const pod = podOf({ initContainers: [named('one'), named('side', { restartPolicy: 'Always' }), named('two')] });
  t.same(plan(viewOf(pod, [])), ['start one#0']);
  t.same(plan(viewOf(pod, [observed('one')])), []);
  t.same(plan(viewOf(pod, [ended('one', 0)])), ['start side#0']);
  t.same(plan(viewOf(pod, [ended('one', 0), observed('side')])), [], 'an unstarted sidecar blocks the next containers');
  const started = new Set(['side-0']);
  t.same(plan(viewOf(pod, [ended('one', 0), observed('side')], { started })), ['start two#0']);
  const done = [ended('one', 0), observed('side'), ended('two', 0)];
  t.same(plan(viewOf(pod, done, { started })), ['start main#0']);
  t.same(plan(viewOf(pod, [ended('one', 1)])), ['start one#1'], 'the first failure is retried at once');
  const again = planPod(viewOf(pod, [ended('one', 1, { restartCount: 1, backOffSeconds: 10 })]), NOW);
  t.same(again.actions, []);
  t.equal(again.wakeAt, NOW + 9 * SECOND);
  t.equal(again.waiting.get('one')?.reason, 'CrashLoopBackOff');
  const never = podOf({ initContainers: [named('one')], restartPolicy: 'Never' });
  t.same(plan(viewOf(never, [ended('one', 1)])), ['stopSandbox s0'], 'the pod has failed');
  t.same(
    plan(viewOf(pod, [observed('main'), ended('side', 1)])),
    ['start side#1'],
    'init containers of a running pod are complete',
  );
  t.end();
});

test('back-off doubles up to five minutes and is reset after ten minutes of success, or by another image', (t) => {
  const pod = podOf({});
  const start = (last: ObservedContainer) => {
    const { actions, wakeAt } = planPod(viewOf(pod, [last]), NOW);
    const [action] = actions;
    return action?.kind === 'startContainer' ? { next: action.backOffSeconds } : { wakeInMs: (wakeAt ?? 0) - NOW };
  };
  t.same(start(ended('main', 1)), { next: 10 });
  t.same(start(ended('main', 1, { backOffSeconds: 10 })), { wakeInMs: 9 * SECOND });
  t.same(start(ended('main', 1, { backOffSeconds: 10, finishedAt: NOW - 10 * SECOND })), { next: 20 });
  t.same(
    start(ended('main', 1, { backOffSeconds: 300, finishedAt: NOW - 300 * SECOND, createdAt: NOW - 301 * SECOND })),
    { next: 300 },
  );
  t.same(start(ended('main', 1, { backOffSeconds: 300, createdAt: NOW - 700 * SECOND })), { next: 10 });
  t.same(start(ended('main', 1, { backOffSeconds: 300, hash: 'of another image' })), { next: 10 });
  const later = { createdAt: NOW + 3599 * SECOND, finishedAt: NOW + 3600 * SECOND };
  t.same(start(ended('main', 1, { backOffSeconds: 10, ...later })), { next: 20 }, 'the clock was set back since');
  t.end();
});

const statusOf = (pod: Pod, containers: ObservedContainer[], more: Partial<Parameters<typeof podStatus>[0]> = {}) =>
  podStatus(
    {
      pod,
      runtime: { sandboxes: [sandbox()], containers },
      previous: undefined,
      waiting: new Map(),
      started: new Set(containers.map(({ id }) => id)),
      ready: new Set(containers.map(({ id }) => id)),
      hostIPs: ['192.0.2.1'],
      isEnding: false,
      holdsDevices: false,
      ...more,
    },
    NOW,
  );

test("restart policy rules take precedence over the container's policy, and that over the pod's", (t) => {
  const restartPolicyRules = [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }];
  const butFor = [{ action: 'Restart', exitCodes: { operator: 'NotIn', values: [42] } }];
  for (const [restartPolicy, own, exitCode, phase] of [
    ['Never', { restartPolicy: 'Never', restartPolicyRules }, 42, 'Running'],
    ['Never', { restartPolicy: 'Never', restartPolicyRules }, 1, 'Failed'],
    ['Always', { restartPolicy: 'Never', restartPolicyRules: butFor }, 42, 'Failed'],
    ['Never', { restartPolicy: 'Never', restartPolicyRules: butFor }, 1, 'Running'],
    ['Never', { restartPolicy: 'OnFailure' }, 1, 'Running'],
    ['Never', { restartPolicy: 'OnFailure' }, 0, 'Succeeded'],
    ['Always', { restartPolicy: 'Never' }, 0, 'Succeeded'],
    ['Always', {}, 0, 'Running'],
  ] as const) {
    const container = named('main', own);
    const pod = podOf({ restartPolicy, containers: [container] });
    const end = ended('main', exitCode, { hash: containerHash(container) });
    const expected = phase === 'Running' ? ['start main#1'] : ['stopSandbox s0'];
    const what = JSON.stringify([restartPolicy, own, exitCode]);
    t.same(plan(viewOf(pod, [end])), expected, what);
    t.equal(statusOf(pod, [end]).phase, phase, what);
  }
  t.end();
});

test('restart policies decide what is restarted, and when the pod is complete', (t) => {
  const containers = [named('a'), named('b')];
  for (const [restartPolicy, exits, expected] of [
    ['Always', [0, 0], ['start a#1', 'start b#1']],
    ['OnFailure', [0, 1], ['start b#1']],
    ['OnFailure', [0, 0], ['stopSandbox s0']],
    ['Never', [0, 1], ['stopSandbox s0']],
  ] as const) {
    const ends = containers.map(({ name }, index) => ended(name, exits[index] ?? 0));
    t.same(plan(viewOf(podOf({ containers, restartPolicy }), ends)), expected, `${restartPolicy} ${exits.join()}`);
  }
  const pod = podOf({ restartPolicy: 'Never', initContainers: [named('side', { restartPolicy: 'Always' })] });
  t.same(
    plan(viewOf(pod, [ended('main', 0), observed('side')])),
    ['stop side 30s'],
    'sidecars stop when the containers are complete',
  );
  t.end();
});

test('a container that was stopped to be replaced comes back, even if it ends well and would not be restarted', (t) => {
  const restartOrders = new Map([['main-0', { probe: 'liveness' } as const]]);
  const resized: AppliedSizes = {
    containers: new Map([['main-0', {}]]),
    pod: undefined,
    limits: { cpuShares: 102, cpuPeriod: 100_000 },
  };
  const resources = { requests: { cpu: '100m' } };
  const resizePolicy = [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }];
  const rows: [string, PodSpec['restartPolicy'], Partial<Container>, Partial<PodView>, boolean][] = [
    ['its liveness probe failed', 'OnFailure', {}, { restartOrders }, true],
    ['its liveness probe failed, and nothing is restarted', 'Never', {}, { restartOrders }, false],
    ['its image has changed', 'Never', { image: 'app:2' }, {}, true],
    ['it is resized', 'OnFailure', { resources, resizePolicy }, { applied: resized }, true],
  ];
  for (const [why, restartPolicy, container, more, isReplaced] of rows) {
    const pod = podOf({ containers: [named('main', container)], restartPolicy });
    t.match(planPod(viewOf(pod, [observed('main')], more), NOW).actions, [{ kind: 'stopContainer', isReplaced }], why);
    const last = ended('main', 0, { isReplaced });
    const next = planPod(viewOf(pod, [last]), NOW).actions.map(({ kind }) => kind);
    t.equal(next.includes('startContainer'), isReplaced, why);
    t.equal(statusOf(pod, [last]).phase, isReplaced ? 'Running' : 'Succeeded', why);
  }
  t.end();
});

test('containers are replaced when their liveness probe fails or their image changes', (t) => {
  const restartOrders = new Map([['main-0', { probe: 'liveness', graceSeconds: 3 } as const]]);
  const { actions } = planPod(viewOf(podOf({}), [observed('main')], { restartOrders }), NOW);
  t.match(actions, [
    { kind: 'stopContainer', graceSeconds: 3, message: 'Container main failed liveness probe, will be restarted' },
  ]);
  const changed = podOf({ containers: [named('main', { image: 'app:2' })] });
  t.match(planPod(viewOf(changed, [observed('main')]), NOW).actions, [
    { kind: 'stopContainer', message: 'Container main definition changed, will be restarted' },
  ]);
  t.same(
    plan(viewOf(podOf({}), [observed('main', { state: 'created' })])),
    ['remove main-0'],
    'containers that never started are removed',
  );
  t.end();
});

test('a dead sandbox is replaced, and its containers are restarted', (t) => {
  const pod = podOf({
    initContainers: [named('one')],
    restartPolicy: 'OnFailure',
    containers: [named('main'), named('done')],
  });
  const dead = [ended('main', 137), ended('done', 0), ended('one', 0)];
  const replaced = viewOf(pod, dead, { runtime: { sandboxes: [sandbox({ ready: false })], containers: dead } });
  t.match(planPod(replaced, NOW).actions, [{ kind: 'createSandbox', attempt: 1, replaces: ['s0'] }]);
  const sandboxes = [sandbox({ id: 's1', attempt: 1 }), sandbox({ ready: false })];
  t.same(plan({ ...replaced, runtime: { sandboxes, containers: dead } }), ['start one#1']);
  const initialized = [ended('one', 0, { restartCount: 1, sandboxId: 's1' }), ...dead];
  t.same(
    plan({ ...replaced, runtime: { sandboxes, containers: initialized } }),
    ['start main#1'],
    'completed containers stay completed',
  );
  t.end();
});

test('dead containers except the last are removed, and so are empty sandboxes', (t) => {
  const containers = [
    observed('main', { restartCount: 3, sandboxId: 's1' }),
    ended('main', 1, { restartCount: 2 }),
    ended('main', 1, { restartCount: 1 }),
  ];
  const sandboxes = [sandbox({ id: 's1', attempt: 1 }), sandbox({ ready: false }), sandbox({ id: 'sx', ready: false })];
  t.same(plan(viewOf(podOf({}), [], { runtime: { sandboxes, containers } })), ['remove main-1', 'removeSandbox sx']);
  t.end();
});

test('termination order: containers, sidecars in reverse, sandbox, the rest', (t) => {
  const pod = podOf({
    initContainers: [named('s1', { restartPolicy: 'Always' }), named('s2', { restartPolicy: 'Always' })],
  });
  const ending = { graceSeconds: 30, elapsedMs: 12 * SECOND, remove: true };
  t.same(plan(viewOf(pod, [observed('main'), observed('s1'), observed('s2')], { ending })), ['stop main 18s']);
  t.same(plan(viewOf(pod, [ended('main', 0), observed('s1'), observed('s2')], { ending })), ['stop s2 18s']);
  t.same(plan(viewOf(pod, [observed('s1')], { ending })), ['stop s1 18s']);
  t.same(plan(viewOf(pod, [ended('main', 0)], { ending })), ['stopSandbox s0']);
  const stopped = { sandboxes: [sandbox({ ready: false })], containers: [ended('main', 0)] };
  t.same(plan(viewOf(pod, [], { ending, runtime: stopped })), ['tearDown', 'removeSandbox s0']);
  t.same(plan(viewOf(pod, [], { ending: { ...ending, remove: false }, runtime: stopped })), ['tearDown'], 'logs stay');
  const bare = { ending, runtime: { sandboxes: [], containers: [] }, isTornDown: true };
  t.equal(planPod(viewOf(pod, [], bare), NOW).isGone, true);
  t.same(
    plan(viewOf(pod, [observed('main')], { ending: { ...ending, graceSeconds: 0 } })),
    ['stop main 0s'],
    'by force',
  );
  t.same(
    plan(viewOf(pod, [observed('main')], { ending: { ...ending, elapsedMs: 60 * SECOND } })),
    ['stop main 2s'],
    'late',
  );
  t.end();
});

test('pod status and conditions', (t) => {
  const conditions = (status: ReturnType<typeof statusOf>) =>
    Object.fromEntries((status.conditions ?? []).map((condition) => [condition.type, condition.status]));

  const initial = statusOf(podOf({ initContainers: [named('one')] }), []);
  t.match(initial, { phase: 'Pending', startTime: '2026-01-01T12:00:00Z', qosClass: 'BestEffort', podIP: '10.42.0.5' });
  t.match(initial.containerStatuses, [{ state: { waiting: { reason: 'PodInitializing' } } }]);
  t.same(conditions(initial), {
    PodReadyToStartContainers: 'True',
    Initialized: 'False',
    Ready: 'False',
    ContainersReady: 'False',
    PodScheduled: 'True',
  });

  const gatedPod = podOf({ readinessGates: [{ conditionType: 'lb' }, { conditionType: 'dns' }] });
  gatedPod.status = { conditions: [{ type: 'dns', status: 'Unknown' }] };
  const gated = statusOf(gatedPod, [observed('main')]);
  t.match(conditions(gated), { ContainersReady: 'True', Ready: 'False' });
  t.equal(
    gated.conditions?.find(({ type }) => type === 'Ready')?.message,
    'corresponding condition of pod readiness gate "lb" does not exist., ' +
      'the status of pod readiness gate "dns" is not "True", but Unknown',
  );

  const waiting = new Map([['main', { reason: 'CrashLoopBackOff', message: 'back-off' }]]);
  const crashed = statusOf(podOf({}), [ended('main', 2, { restartCount: 4 })], { waiting });
  t.match(crashed, {
    phase: 'Running',
    containerStatuses: [
      {
        restartCount: 4,
        ready: false,
        state: { waiting: { reason: 'CrashLoopBackOff' } },
        lastState: { terminated: { exitCode: 2, reason: 'Error' } },
      },
    ],
  });

  const ready = statusOf(podOf({}), [observed('main')]);
  const later = podStatus(
    {
      ...{
        pod: podOf({}),
        runtime: { sandboxes: [sandbox()], containers: [observed('main')] },
        waiting: new Map(),
        started: new Set(['main-0']),
        ready: new Set<string>(),
        hostIPs: [],
        isEnding: false,
        holdsDevices: false,
      },
      previous: ready,
    },
    NOW + 60 * SECOND,
  );
  const transition = (type: string) =>
    later.conditions?.find((condition) => condition.type === type)?.lastTransitionTime;
  t.equal(transition('Ready'), '2026-01-01T12:01:00Z');
  t.equal(transition('Initialized'), '2026-01-01T12:00:00Z', 'an unchanged condition keeps its lastTransitionTime');
  t.end();
});

test('a status patch has the changes only and keeps conditions of others', (t) => {
  const before = {
    phase: 'Pending',
    podIP: '',
    conditions: [
      { type: 'Ready', status: 'False' },
      { type: 'lb', status: 'True' },
    ],
    nominatedNodeName: 'n',
  } as const;
  const wanted = { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] } as const;
  t.same(
    statusPatch({ ...before, conditions: [...before.conditions] }, { ...wanted, conditions: [...wanted.conditions] }),
    {
      phase: 'Running',
      podIP: '10.0.0.1',
      conditions: [
        { type: 'Ready', status: 'True' },
        { type: 'lb', status: 'True' },
      ],
    },
  );
  t.equal(
    statusPatch(
      { phase: 'Running', conditions: [...wanted.conditions] },
      { phase: 'Running', conditions: [...wanted.conditions] },
    ),
    undefined,
  );
  t.end();
});

test('devices are given back when nothing of the pod runs any more, and before it is gone', (t) => {
  const pod = podOf({ restartPolicy: 'Never' });
  const kinds = (containers: ObservedContainer[], more: Partial<PodView> = {}) =>
    planPod(viewOf(pod, containers, { holdsDevices: true, ...more }), NOW).actions.map(({ kind }) => kind);
  t.same(kinds([observed('main')]), []);
  t.same(kinds([ended('main', 0)]), ['stopSandbox']);
  const stopped = { sandboxes: [sandbox({ ready: false })], containers: [ended('main', 0)] };
  t.same(kinds([], { runtime: stopped }), ['releaseDevices', 'tearDown']);
  const ending = { graceSeconds: 0, elapsedMs: 0, remove: true };
  const nothing = { runtime: { sandboxes: [], containers: [] }, isTornDown: true, ending };
  const gone = (holdsDevices: boolean) => planPod(viewOf(pod, [], { ...nothing, holdsDevices }), NOW).isGone;
  t.same([gone(true), gone(false)], [false, true]);
  t.end();
});

test('a pod that has ended counts as before until its devices are given back', (t) => {
  const pod = podOf({ restartPolicy: 'Never' });
  const running = statusOf(pod, [observed('main')]);
  const shown = (holdsDevices: boolean, more: Partial<Parameters<typeof podStatus>[0]> = {}) => {
    const { phase, reason } = statusOf(pod, [ended('main', 0)], { previous: running, holdsDevices, ...more });
    return [phase, reason];
  };
  t.same(shown(true), ['Running', undefined]);
  t.same(shown(false), ['Succeeded', undefined]);
  const verdict = { reason: 'Evicted', message: 'no room' };
  t.same(shown(true, { verdict }), ['Running', undefined]);
  t.same(shown(false, { verdict }), ['Failed', 'Evicted']);
  t.same(shown(true, { previous: { ...running, phase: 'Failed' } })[0], 'Failed', 'what was reported stays');
  t.end();
});
