import t from 'tap';
import { planClaim } from '../../../control-plane/controllers/framework/claim.ts';
import type { PodView } from '../../../control-plane/controllers/caches/pod-view.ts';
import {
  isClaimable,
  reconcileReplicaSet,
  replicaSetStatus,
} from '../../../control-plane/controllers/workloads/replica-set-plan.ts';
import { slowStart } from '../../../control-plane/controllers/workloads/pod-control.ts';
import { podViewOf } from './pod-view.ts';
import type { ReplicaSet } from '../../../api/types/apps/v1.gen.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const replicaSet = (replicas: number, more: object = {}): ReplicaSet => ({
  metadata: { namespace: 'default', name: 'web', uid: 'rs', generation: 3, ...more },
  spec: {
    replicas,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web', tier: 'x' } } },
  },
});
const own = (name: string, more: Partial<PodView> = {}): PodView =>
  podViewOf(name, { controllerUid: 'rs', phase: 'Running', nodeName: 'n1', ready: true, ...more });
const plan = (replicas: number, pods: PodView[], more: object = {}) =>
  reconcileReplicaSet({ replicaSet: replicaSet(replicas, more), pods, relatedPods: pods, now: NOW });
const names = (pods: readonly PodView[]): string[] => pods.map(({ name }) => name);

t.test('pods are created and deleted up to spec.replicas; terminating and terminated ones do not count', async (t) => {
  t.equal(plan(3, []).create, 3);
  t.equal(plan(3, [own('a'), own('b', { deleting: true }), own('c', { phase: 'Failed' })]).create, 2);
  t.equal(plan(2000, []).create, 500, 'at most a burst at once');
  t.equal(plan(1, [own('a'), own('b')]).remove.length, 1);
  t.match(plan(3, [], { deletionTimestamp: '2026-01-01T00:00:00Z' }), { create: 0, remove: [] });
});

t.test('matching orphans are adopted, own pods that no longer match are released, others are ignored', async (t) => {
  const orphan = podViewOf('orphan', { controllerUid: '' });
  const ended = podViewOf('ended', { controllerUid: '', phase: 'Succeeded' });
  const controlledBy = (uid: string) => [
    { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'x', uid, controller: true },
  ];
  const stray = own('stray', { owners: controlledBy('rs'), labels: { app: 'other' } });
  const foreign = podViewOf('foreign', { owners: controlledBy('other'), controllerUid: 'other' });
  const kept = own('a', { owners: controlledBy('rs') });
  const claims = new Map<string, string[]>();
  for (const pod of [stray, foreign, kept, orphan, ended].filter(isClaimable)) {
    const claim = planClaim(pod, replicaSet(3), pod.labels['app'] === 'web');
    claims.set(claim, [...(claims.get(claim) ?? []), pod.name]);
  }
  t.strictSame(Object.fromEntries(claims), {
    release: ['stray'],
    ignore: ['foreign'],
    own: ['a'],
    adopt: ['orphan'],
  });
  const result = plan(3, [orphan, kept]);
  t.strictSame(names(result.active), ['orphan', 'a']);
  t.equal(result.create, 1);
});

t.test('deletion order of surplus pods', async (t) => {
  const old = NOW - 3_600_000;
  const ranked: PodView[] = [
    own('unscheduled', { nodeName: '', phase: 'Pending', ready: false }),
    own('pending', { phase: 'Pending', ready: false }),
    own('not-ready', { ready: false }),
    own('cheap', { deletionCost: -5, nodeName: 'n2' }),
    own('crowded-young', { readyChangedAt: NOW - 1000, createdAt: NOW - 1000 }),
    own('crowded-old', { readyChangedAt: old, createdAt: old }),
    own('lonely-restarted', { nodeName: 'n3', restarts: 4, readyChangedAt: NOW - 10, createdAt: NOW - 10 }),
    own('lonely', { nodeName: 'n4', readyChangedAt: NOW - 10, createdAt: NOW - 10 }),
    own('dear', { deletionCost: 10 }),
  ];
  const shuffled = [5, 2, 8, 0, 7, 4, 1, 6, 3].map((index) => ranked[index]!);
  const removed = reconcileReplicaSet({
    replicaSet: replicaSet(1),
    pods: shuffled,
    relatedPods: shuffled.filter(({ name }) => !name.startsWith('dear')),
    now: NOW,
  }).remove;
  t.strictSame(names(removed), names(ranked).slice(0, -1));
});

t.test('the status counts labels, readiness and availability, and when availability will change', async (t) => {
  const set = replicaSet(3);
  const withDelay = { ...set, spec: { ...set.spec!, minReadySeconds: 10 } };
  const pods = [
    own('long', { readyChangedAt: NOW - 60_000, labels: { app: 'web', tier: 'x' } }),
    own('fresh', { readyChangedAt: NOW - 4_000 }),
    own('not', { ready: false }),
  ];
  const { status, availabilityInMs } = replicaSetStatus(withDelay, pods, undefined, NOW);
  t.match(status, {
    replicas: 3,
    fullyLabeledReplicas: 1,
    readyReplicas: 2,
    availableReplicas: 1,
    observedGeneration: 3,
  });
  t.equal(availabilityInMs, 6_000);
  const failure = { reason: 'FailedCreate', message: 'exceeded quota' } as const;
  const failed = replicaSetStatus(set, [], failure, NOW).status;
  t.match(failed.conditions, [{ type: 'ReplicaFailure', status: 'True', ...failure }]);
  const healed = replicaSetStatus({ ...set, status: failed }, [], undefined, NOW).status;
  t.strictSame(healed.conditions, []);
});

t.test('slow start: batches double, and stop at the first failing batch', async (t) => {
  const batches: number[] = [];
  let inFlight = 0;
  const ten = await slowStart(10, async () => {
    batches.push(++inFlight);
    await Promise.resolve();
    inFlight--;
  });
  t.match(ten, { succeeded: 10 });
  t.equal(Math.max(...batches), 4);
  let calls = 0;
  const refused = await slowStart(100, async () => {
    if (++calls > 2) throw new Error('quota');
  });
  t.match(refused, { succeeded: 2, failure: new Error('quota') });
  t.equal(calls, 3);
});
