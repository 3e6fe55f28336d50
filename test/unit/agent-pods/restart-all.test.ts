import { test } from 'tap';
import { containerHash } from '../../../agent/pods/labels.ts';
import { podStatus } from '../../../agent/pods/status/pod-status.ts';
import type { ObservedContainer, PodRuntime } from '../../../agent/pods/sync/observed.ts';
import { planPod } from '../../../agent/pods/sync/plan.ts';
import { isRestartingAll, withFormer } from '../../../agent/pods/sync/restart-all.ts';
import type { Container, Pod } from '../../../api/types/core/v1.gen.ts';

const NOW = Date.parse('2026-01-01T01:00:00Z');
const BEFORE = NOW - 60_000;
/** When the source of the restart ended. */
const END = NOW - 30_000;

const rules: Partial<Container> = {
  restartPolicy: 'Never',
  restartPolicyRules: [
    { action: 'Restart', exitCodes: { operator: 'In', values: [7] } },
    { action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [7, 42] } },
  ],
};
const named = (name: string, more: Partial<Container> = {}): Container => ({ name, image: 'app:1', ...more });
const pod: Pod = {
  metadata: { name: 'web', namespace: 'default', uid: 'u1' },
  spec: {
    initContainers: [named('setup'), named('side', { restartPolicy: 'Always' })],
    containers: [named('main'), named('watcher', rules)],
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 30,
  },
};
const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];

const seen = (name: string, run: number, more: Partial<ObservedContainer> = {}): ObservedContainer => ({
  ...{ id: `${name}-${run}`, name, sandboxId: 's0', state: 'running', restartCount: run },
  ...{ createdAt: BEFORE, startedAt: BEFORE, finishedAt: 0, exitCode: 0, reason: '', message: '' },
  ...{ image: 'app:1', imageId: 'sha256:1', hash: containerHash(all.find((one) => one.name === name) ?? named(name)) },
  ...{ backOffSeconds: 0, ...more },
});
const ended = (name: string, run: number, exitCode: number, more: Partial<ObservedContainer> = {}) =>
  seen(name, run, { state: 'exited', exitCode, finishedAt: END - 1_000, ...more });
const runtimeOf = (containers: ObservedContainer[]): PodRuntime =>
  withFormer(pod, { sandboxes: [{ id: 's0', attempt: 0, ready: true, createdAt: BEFORE, ips: [] }], containers });

const started = new Set(['side-0', 'side-1']);
const planOf = (containers: ObservedContainer[]) =>
  planPod(
    {
      ...{ pod, runtime: runtimeOf(containers), isSetUp: true, isTornDown: false, holdsDevices: false, isStale: false },
      ...{ isFinished: false, restartOrders: new Map(), started },
    },
    NOW,
  );
const actionsOf = (containers: ObservedContainer[]): string[] =>
  planOf(containers).actions.map((action) => {
    if (action.kind === 'startContainer') return `start ${action.container.name}#${action.restartCount}`;
    if (action.kind === 'stopContainer') return `stop ${action.observed.id} ${action.graceSeconds}s`;
    return action.kind === 'removeContainer' ? `remove ${action.observed.id}` : action.kind;
  });
const statusOf = (containers: ObservedContainer[], isEnding = false) =>
  podStatus(
    {
      ...{ pod, runtime: runtimeOf(containers), previous: undefined, waiting: new Map(), started, ready: new Set() },
      ...{ hostIPs: ['192.0.2.1'], isEnding, holdsDevices: false },
    },
    NOW,
  );
const condition = (containers: ObservedContainer[]) =>
  statusOf(containers).conditions?.find(({ type }) => type === 'AllContainersRestarting');

const source = ended('watcher', 0, 42, { finishedAt: END });
const fresh = { createdAt: END + 1_000, startedAt: END + 1_000 };

test('a rule for an exit code restarts all containers, from the first init container on', (t) => {
  const former = [ended('setup', 0, 0), seen('side', 0), seen('main', 0), source];
  t.same(actionsOf(former), ['stop side-0 0s', 'stop main-0 0s'], 'nothing starts before all have ended');
  t.match(condition(former), { status: 'True', reason: 'RestartAllContainersStarted' });
  t.equal(statusOf(former).phase, 'Pending', 'it is initialized again');

  // Stopped for it, whatever they end with: an agent that was started since does not know that it has stopped them.
  const stopped = [ended('side', 0, 137), ended('main', 0, 137)];
  const clean = [ended('setup', 0, 0), ...stopped, source];
  t.same(actionsOf(clean), ['start setup#1']);
  t.same(planOf(clean).isGone, false);
  const afterSetup = [ended('setup', 1, 0, { ...fresh, finishedAt: NOW }), ...clean];
  t.same(actionsOf(afterSetup), ['start side#1']);
  const afterSide = [seen('side', 1, fresh), ...afterSetup];
  t.same(actionsOf(afterSide), ['start main#1', 'start watcher#1']);
  t.ok(isRestartingAll(pod, runtimeOf(afterSide)));
  const whole = [seen('main', 1, fresh), seen('watcher', 1, fresh), ...afterSide];
  t.same(actionsOf(whole), []);
  t.match(condition(whole), { status: 'False', reason: undefined });
  t.equal(statusOf(whole).phase, 'Running');
  t.end();
});

test('the first rule that matches decides, and other exit codes are left to the policy', (t) => {
  const others = [ended('setup', 0, 0), seen('side', 0), seen('main', 0)];
  t.same(actionsOf([...others, ended('watcher', 0, 7)]), ['start watcher#1']);
  t.same(actionsOf([...others, ended('watcher', 0, 1)]), []);
  t.match(condition([...others, ended('watcher', 0, 1)]), { status: 'False' });
  t.end();
});

test('the one that asked again and again waits longer and longer, those that were stopped for it do not', (t) => {
  const again = ended('watcher', 1, 42, { ...fresh, finishedAt: NOW - 1_000, backOffSeconds: 10 });
  const containers = [
    again,
    ended('setup', 1, 0, fresh),
    ended('setup', 2, 0, { createdAt: NOW - 500, finishedAt: NOW - 400 }),
    seen('side', 2, { createdAt: NOW - 300, id: 'side-1' }),
    ended('main', 1, 137, { ...fresh, backOffSeconds: 10, finishedAt: NOW - 700 }),
  ].toSorted((a, b) => b.createdAt - a.createdAt);
  t.same(actionsOf(containers), ['start main#2']);
  t.equal(planOf(containers).waiting.get('watcher')?.reason, 'CrashLoopBackOff');
  t.end();
});

test('two that ask in turns wait, too', (t) => {
  const two: Pod = {
    ...pod,
    spec: { ...pod.spec, initContainers: [], containers: [named('a', rules), named('b', rules)] },
  };
  const crashed = (name: string, at: number): ObservedContainer => ({
    ...ended(name, 3, 42, { createdAt: at - 500, finishedAt: at, backOffSeconds: 40 }),
    hash: containerHash(named(name, rules)),
  });
  const sandbox = { id: 's0', attempt: 0, ready: true, createdAt: BEFORE, ips: [] };
  const runtime = withFormer(two, {
    sandboxes: [sandbox],
    containers: [crashed('b', NOW - 100), crashed('a', NOW - 700)],
  });
  const { actions, waiting } = planPod(
    {
      ...{ pod: two, runtime, isSetUp: true, isTornDown: false, holdsDevices: false, isStale: false },
      ...{ isFinished: false, restartOrders: new Map(), started },
    },
    NOW,
  );
  t.same(actions, []);
  t.same([...waiting.keys()].toSorted(), ['a', 'b']);
  t.end();
});

test('what says that all are restarted stays until all have run again', (t) => {
  const restarting = [
    ended('watcher', 2, 1, { createdAt: NOW - 2_000, finishedAt: NOW - 1_000 }),
    ended('watcher', 1, 1, { createdAt: NOW - 4_000, finishedAt: NOW - 3_000 }),
    source,
    ended('setup', 1, 0, fresh),
    seen('side', 1, fresh),
    ended('main', 0, 137),
  ];
  t.notOk(actionsOf(restarting).includes('remove watcher-0'));
  const done = [seen('main', 1, fresh), ...restarting];
  t.ok(actionsOf(done).includes('remove watcher-0'));
  t.end();
});

test('a pod that ends does so, and one without such a rule is not looked at', (t) => {
  const ended42 = [ended('setup', 0, 0), ended('main', 0, 0), source];
  t.equal(statusOf(ended42, true).phase, 'Failed');
  const plain: Pod = { ...pod, spec: { ...pod.spec, initContainers: [], containers: [named('main')] } };
  const runtime: PodRuntime = { sandboxes: [], containers: [ended('main', 0, 42)] };
  t.equal(withFormer(plain, runtime), runtime);
  t.end();
});
