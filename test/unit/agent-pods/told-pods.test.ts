/** What the flight recorder is told of a pod: why its plans are as they are, and what has happened to it. */
import t from 'tap';
import { changesBetween, foundAtStart } from '../../../agent/pods/sync/observed-changes.ts';
import { NOTHING_RUNS, type ObservedContainer, type PodRuntime } from '../../../agent/pods/sync/observed.ts';
import { plannedActions } from '../../../agent/pods/sync/plan-reasons.ts';
import { planPod, type PodView } from '../../../agent/pods/sync/plan.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';

const pod: Pod = {
  metadata: { name: 'web', namespace: 'shop', uid: 'u' },
  spec: { containers: [{ name: 'app', image: 'i' }], restartPolicy: 'Always' },
};
const NOW = 1_000_000;
const SANDBOX = { id: 's1', attempt: 0, ready: true, createdAt: 1, ips: ['10.0.0.1'] };
const container = (more: Partial<ObservedContainer> = {}): ObservedContainer => ({
  ...{
    id: 'c1',
    name: 'app',
    sandboxId: 's1',
    state: 'running',
    restartCount: 0,
    createdAt: NOW - 50_000,
    startedAt: NOW - 40_000,
  },
  ...{ finishedAt: 0, exitCode: 0, reason: '', message: '', image: 'i', imageId: 'i', hash: '', backOffSeconds: 0 },
  ...more,
});
const runs = (...containers: ObservedContainer[]): PodRuntime => ({ sandboxes: [SANDBOX], containers });

function planOf(runtime: PodRuntime, more: Partial<PodView> = {}) {
  const known = { isSetUp: true, isTornDown: false, holdsDevices: false, isStale: false, isFinished: false };
  const view: PodView = { pod, runtime, ...known, restartOrders: new Map(), started: new Set(), ...more };
  return planPod(view, NOW);
}
const reasons = (runtime: PodRuntime, more: Partial<PodView> = {}) =>
  plannedActions(planOf(runtime, more).actions, runtime);

t.test('each action of a plan has its reason', (t) => {
  t.strictSame(reasons(NOTHING_RUNS, { isSetUp: false }), [
    { action: 'setUp', why: 'nothing of it runs here' },
    { action: 'createSandbox', why: 'it has none' },
  ]);
  t.strictSame(reasons({ sandboxes: [{ ...SANDBOX, ready: false }], containers: [] })[0], {
    ...{ action: 'createSandbox', why: 'the one before is not ready any more' },
  });
  t.strictSame(reasons(runs()), [{ action: 'startContainer', container: 'app', why: 'it has not run yet' }]);
  const ended = container({ state: 'exited', exitCode: 137, reason: 'OOMKilled', finishedAt: NOW });
  t.strictSame(reasons(runs(ended)), [
    { action: 'startContainer', container: 'app', why: 'exited with 137 (OOMKilled) before' },
  ]);
  const restartOrders = new Map([['c1', { probe: 'liveness' as const }]]);
  t.match(reasons(runs(container()), { restartOrders }), [
    { action: 'stopContainer', container: 'app', why: /failed liveness probe/ },
  ]);
  const ending = { graceSeconds: 1, elapsedMs: 0, remove: true };
  t.match(reasons(runs(container()), { ending }), [{ action: 'stopContainer', why: 'Stopping container app' }]);
  t.end();
});

t.test('the end of a container is told once, with what follows', (t) => {
  const ended = { state: 'exited', exitCode: 3, reason: 'Error', finishedAt: NOW - 1000 } as const;
  const told = (after: PodRuntime, before = runs(container())) => changesBetween(before, after, planOf(after), NOW);
  const first = { kind: 'exit', container: 'app', id: 'c1', exitCode: 3, reason: 'Error', ranMs: 39_000 };
  t.strictSame(told(runs(container(ended))), [{ ...first, next: 'restart at once' }]);
  t.strictSame(told(runs(container({ ...ended, backOffSeconds: 10 }))), [
    { ...first, next: 'restart in 9 s because of back-off' },
  ]);
  t.strictSame(told(runs(container(ended)), runs(container(ended))), [], 'once');
  t.strictSame(told(runs(container())), [], 'nothing has happened');
  t.end();
});

t.test('what happens without the agent is told', (t) => {
  const plan = planOf(runs());
  t.match(changesBetween(runs(container()), runs(), plan, NOW), [{ what: 'container app is gone', id: 'c1' }]);
  t.match(changesBetween(runs(), { sandboxes: [], containers: [] }, plan, NOW), [{ what: 'its sandbox is gone' }]);
  const dead = { sandboxes: [{ ...SANDBOX, ready: false }], containers: [] };
  t.match(changesBetween(runs(), dead, plan, NOW), [{ what: 'its sandbox is not ready any more', id: 's1' }]);
  t.strictSame(foundAtStart(NOTHING_RUNS), []);
  t.match(foundAtStart(runs(container({ state: 'exited', exitCode: 1 }))), [
    { what: 'found its sandbox' },
    { what: 'found container app, that has exited with 1', container: 'app' },
  ]);
  t.end();
});
