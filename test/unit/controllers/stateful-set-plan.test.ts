import t from 'tap';
import type { PodView } from '../../../control-plane/controllers/caches/pod-view.ts';
import type { ClaimView } from '../../../control-plane/controllers/caches/storage-views.ts';
import { claimOwnership } from '../../../control-plane/controllers/workloads/stateful-set/claims.ts';
import { ordinalOf, ordinalOfClaim } from '../../../control-plane/controllers/workloads/stateful-set/identity.ts';
import {
  planStatefulSet,
  type StatefulSetAction,
} from '../../../control-plane/controllers/workloads/stateful-set/plan.ts';
import { availabilityInMs } from '../../../control-plane/controllers/workloads/stateful-set/status.ts';
import type { StatefulSet, StatefulSetSpec } from '../../../api/types/apps/v1.gen.ts';
import type { OwnerReference } from '../../../api/types/meta/v1.gen.ts';
import { podViewOf } from './pod-view.ts';
import { revisionOf, statefulSetOf } from './sets.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const NEW = revisionOf('v2', 2);
const OLD = revisionOf('v1', 1);
const nameOf = (revision: typeof OLD): string => revision.metadata?.name ?? '';

/** A pod as its shorthand says: `0` an updated one that is available, `1old`, `2unready`, `3failed`, `1old going`, ... */
function podOf(shorthand: string): PodView {
  const ordinal = /^\d+/.exec(shorthand)?.[0] ?? '';
  const has = (word: string): boolean => shorthand.includes(word);
  const name = `web-${ordinal}`;
  const labels = {
    app: 'web',
    'statefulset.kubernetes.io/pod-name': name,
    'controller-revision-hash': nameOf(has('old') ? OLD : NEW),
  };
  const phase = has('failed') ? 'Failed' : has('succeeded') ? 'Succeeded' : has('pending') ? 'Pending' : 'Running';
  const ready = phase === 'Running' && !has('unready');
  return podViewOf(name, {
    ...{ labels: has('stranger') ? { app: 'web' } : labels, phase, ready, deleting: has('going') },
    readyChangedAt: has('fresh') ? NOW - 1000 : NOW - 3_600_000,
  });
}

const shown = (action: StatefulSetAction): string => {
  switch (action.type) {
    case 'createPod':
      return `create ${action.pod.metadata?.name} ${action.pod.metadata?.labels?.['controller-revision-hash'] === nameOf(OLD) ? 'old' : 'new'}`;
    case 'createClaims':
      return `claims of ${action.podName}`;
    case 'awaitClaim':
      return `${action.podName} waits for ${action.claimName}`;
    case 'ownClaim':
      return `own ${action.claim.name}`;
    case 'updatePod':
      return `label ${action.pod.name}`;
    case 'deletePod':
    case 'recreatePod':
      return `delete ${action.pod.name}`;
  }
};

const planOf = (
  set: StatefulSet,
  pods: readonly string[],
  claims: readonly ClaimView[] = [],
  backoff: Record<string, number> = {},
) =>
  planStatefulSet({
    set,
    pods: pods.map(podOf),
    claim: (name) => claims.find((claim) => claim.name === name),
    revisions: { current: OLD, update: NEW },
    backoffMs: (podName) => backoff[podName] ?? 0,
    now: NOW,
  });

const actionsOf = (...args: Parameters<typeof planOf>): string =>
  planOf(...args)
    .stages.flat()
    .map(shown)
    .join(', ');

const rolling = (rollingUpdate: object | undefined): Partial<StatefulSetSpec> => ({
  updateStrategy: { type: 'RollingUpdate', ...(rollingUpdate && { rollingUpdate }) },
});

t.test('a failed pod is left alone while it is backed off from', async (t) => {
  const backoff = { 'web-1': 700 };
  const waiting = planOf(statefulSetOf(), ['0', '1failed'], [], backoff);
  t.strictSame([waiting.stages.flat(), waiting.againInMs], [[], 700]);
  const parallel = statefulSetOf({ podManagementPolicy: 'Parallel' });
  t.equal(actionsOf(parallel, ['0', '1failed'], [], backoff), 'create web-2 new', 'others do not wait for it');
  t.equal(actionsOf(statefulSetOf(), ['0', '1succeeded'], [], backoff), 'delete web-1');
  t.equal(planOf(statefulSetOf(), ['0', '1failed']).againInMs, Infinity);
});

t.test('what is done next', async (t) => {
  const parallel = { podManagementPolicy: 'Parallel' as const };
  for (const [what, spec, pods, wanted] of [
    // In order.
    ['the first pod', {}, [], 'create web-0 new'],
    ['the next when the one before is available', {}, ['0'], 'create web-1 new'],
    ['none while it is not ready', {}, ['0unready'], ''],
    ['none while it is not available', { minReadySeconds: 10 }, ['0fresh'], ''],
    ['none while it terminates', {}, ['0going'], ''],
    ['a gap', {}, ['0', '2'], 'create web-1 new'],
    ['a failed one is deleted', {}, ['0', '1failed', '2'], 'delete web-1'],
    ['so is one that has succeeded', {}, ['0', '1succeeded', '2'], 'delete web-1'],
    ['once', {}, ['0', '1failed going', '2'], ''],
    ['nothing', {}, ['0', '1', '2'], ''],
    ['from another start', { ordinals: { start: 7 } }, [], 'create web-7 new'],
    // Scaled down.
    ['the highest surplus pod', { replicas: 1 }, ['0', '1', '2'], 'delete web-2'],
    ['one at a time', { replicas: 1 }, ['0', '1', '2going'], ''],
    ['not while pods that stay are not ready', { replicas: 1 }, ['0unready', '1', '2'], ''],
    ['not one that is not ready while another is not either', { replicas: 1 }, ['0', '1unready', '2unready'], ''],
    ['the one that is not ready', { replicas: 1 }, ['0', '1', '2unready'], 'delete web-2'],
    ['those below the start', { replicas: 1, ordinals: { start: 2 } }, ['0', '1', '2'], 'delete web-1'],
    ['before any update', { replicas: 1 }, ['0old', '1'], 'delete web-1'],
    // Updated.
    ['the highest outdated pod', {}, ['0old', '1old', '2old'], 'delete web-2'],
    ['the next', {}, ['0old', '1old', '2'], 'delete web-1'],
    ['not while one is not available', {}, ['0old', '1old', '2unready'], ''],
    ['not below the partition', rolling({ partition: 2 }), ['0old', '1old', '2'], ''],
    [
      'the partition counts from the start',
      { ordinals: { start: 5 }, ...rolling({ partition: 2 }) },
      ['5old', '6old', '7old'],
      'delete web-7',
    ],
    ['made anew as it was below the partition', rolling({ partition: 2 }), ['1old', '2'], 'create web-0 old'],
    ['made anew of the update above it', rolling({ partition: 1 }), ['0old'], 'create web-1 new'],
    [
      'without a partition as many as status.currentReplicas stay old',
      rolling(undefined),
      ['0old'],
      'create web-1 old',
    ],
    ['a broken rollout waits for its pod', {}, ['0old', '1old', '2pending'], ''],
    ['strategy OnDelete', { updateStrategy: { type: 'OnDelete' } }, ['0old', '1old', '2old'], ''],
    [
      'as many as may be unavailable',
      rolling({ maxUnavailable: 2 }),
      ['0old', '1old', '2old'],
      'delete web-2, delete web-1',
    ],
    [
      'a share of them, rounded down',
      rolling({ maxUnavailable: '67%' }),
      ['0old', '1old', '2old'],
      'delete web-2, delete web-1',
    ],
    ['at least one', rolling({ maxUnavailable: '1%' }), ['0old', '1old', '2old'], 'delete web-2'],
    [
      'less those that are not available',
      { ...parallel, ...rolling({ maxUnavailable: 2 }) },
      ['0old', '1old', '2unready'],
      'delete web-1',
    ],
    [
      'or not there',
      { ...parallel, ...rolling({ maxUnavailable: 2 }) },
      ['0old', '1old'],
      'create web-2 new, delete web-1',
    ],
    // Parallel.
    ['all at once', parallel, ['1unready'], 'create web-0 new, create web-2 new'],
    ['and all surplus', { ...parallel, replicas: 1 }, ['0unready', '1', '2', '3going'], 'delete web-2, delete web-1'],
    // Adopted.
    ['one that lacks its labels', {}, ['0', '1stranger', '2'], 'label web-1, delete web-1'],
  ] as const) {
    t.equal(actionsOf(statefulSetOf(spec as Partial<StatefulSetSpec>, { currentReplicas: 2 }), pods), wanted, what);
  }
});

t.test('a set that is deleted does nothing, and a huge one as much as a round holds', async (t) => {
  const going = statefulSetOf();
  going.metadata!.deletionTimestamp = '2026-01-01T00:00:00Z';
  t.equal(actionsOf(going, ['0unready', '5']), '');
  const huge = statefulSetOf({
    replicas: 2 ** 31 - 1,
    podManagementPolicy: 'Parallel',
    ordinals: { start: 2 ** 31 - 1 },
  });
  t.equal(planOf(huge, []).stages.flat().length, 500);
});

t.test('the status counts what is there, and an update ends when all pods are of it and ready', async (t) => {
  const [old, update] = [nameOf(OLD), nameOf(NEW)];
  for (const [pods, wanted] of [
    [
      ['0old', '1old', '2'],
      {
        replicas: 3,
        readyReplicas: 3,
        availableReplicas: 3,
        currentReplicas: 1,
        updatedReplicas: 1,
        currentRevision: old,
      },
    ],
    [
      ['0old', '1unready', '2going'],
      { replicas: 3, readyReplicas: 2, availableReplicas: 2, currentReplicas: 1, updatedReplicas: 1 },
    ],
    [['0', '1', '2unready'], { readyReplicas: 2, updatedReplicas: 3, currentReplicas: 0, currentRevision: old }],
    [['0', '1', '2'], { currentReplicas: 3, updatedReplicas: 3, currentRevision: update, updateRevision: update }],
    [['0', '1', '2', '3'], { replicas: 4, currentRevision: old }],
  ] as const) {
    t.match(planOf(statefulSetOf(), pods).status, { ...wanted, observedGeneration: 1 }, pods.join());
  }
  const patient = statefulSetOf({ minReadySeconds: 10 });
  t.match(planOf(patient, ['0', '1', '2fresh']).status, { readyReplicas: 3, availableReplicas: 2 });
  t.equal(availabilityInMs(patient, ['0', '1', '2fresh'].map(podOf), NOW), 9000);
  t.equal(availabilityInMs(patient, ['0', '1', '2unready'].map(podOf), NOW), Infinity);
});

t.test('names tell ordinals', async (t) => {
  const set = statefulSetOf({ volumeClaimTemplates: [{ metadata: { name: 'data' } }] });
  for (const [name, ordinal] of [
    ['web-0', 0],
    ['web-12', 12],
    ['web-2147483647', 2147483647],
    ['web-2147483648', undefined],
    ['web-01', undefined],
    ['web-', undefined],
    ['web-1-1', undefined],
    ['other-1', undefined],
    [`web-${'9'.repeat(10_000)}`, undefined],
  ] as const) {
    t.equal(ordinalOf(set, name), ordinal, name.slice(0, 20));
    t.equal(ordinalOfClaim(set, `data-${name}`), ordinal);
  }
});

const claimOf = (name: string, owners: readonly OwnerReference[] = [], deleting = false): ClaimView => ({
  ...{ namespace: 'default', name, uid: `uid-${name}`, owners, finalizers: [], deleting },
  ...{ resourceVersion: '1', attributesClasses: [], claim: {} },
});
const reference = (
  kind: string,
  name: string,
  uid = kind === 'Pod' ? `uid-${name}` : 'uid-set',
  controller = true,
) => ({
  ...{ apiVersion: kind === 'Pod' ? 'v1' : 'apps/v1', kind, name, uid },
  ...(controller && { controller }),
});
const withClaims = (
  whenScaled: 'Retain' | 'Delete',
  whenDeleted: 'Retain' | 'Delete',
  more: Partial<StatefulSetSpec> = {},
) =>
  statefulSetOf({
    volumeClaimTemplates: [{ metadata: { name: 'data' } }],
    persistentVolumeClaimRetentionPolicy: { whenScaled, whenDeleted },
    ...more,
  });

t.test('a claim is owned by who takes it along', async (t) => {
  const pod = podOf('1');
  const [ofSet, ofPod] = [reference('StatefulSet', 'web'), reference('Pod', 'web-1')];
  const other = reference('Backup', 'b', 'uid-b');
  const note = reference('Backup', 'b', 'uid-b', false);
  for (const [scaled, deleted, isCondemned, owners, wanted] of [
    ['Retain', 'Retain', false, [], undefined],
    ['Retain', 'Retain', false, [ofSet, note], [note]],
    ['Retain', 'Delete', false, [], [ofSet]],
    ['Retain', 'Delete', true, [ofPod], [ofSet]],
    ['Retain', 'Delete', true, [ofSet], undefined],
    ['Delete', 'Retain', false, [], undefined],
    ['Delete', 'Retain', true, [note], [note, ofPod]],
    ['Delete', 'Delete', false, [ofPod], [ofSet]],
    ['Delete', 'Delete', true, [ofSet], [ofPod]],
    // An owner that does not control is made the controller.
    ['Retain', 'Delete', false, [{ ...ofSet, controller: false }], [ofSet]],
    // Another controller decides.
    ['Delete', 'Delete', true, [other], undefined],
    ['Delete', 'Delete', true, [other, ofSet], [other]],
    ['Retain', 'Retain', true, [other], undefined],
    // What an earlier set or pod of the name has left is not touched.
    ['Delete', 'Delete', true, [reference('StatefulSet', 'web', 'uid-before')], undefined],
    ['Delete', 'Delete', true, [ofSet, reference('Pod', 'web-1', 'uid-before')], undefined],
  ] as const) {
    const ownership = claimOwnership(claimOf('data-web-1', owners), withClaims(scaled, deleted), pod, isCondemned);
    const what = `${scaled} ${deleted} ${isCondemned} ${JSON.stringify(owners)}`;
    if (wanted) t.match(ownership?.owners, wanted, what);
    else t.equal(ownership, undefined, what);
  }
});

t.test('claims come before their pods, and are waited for while they go', async (t) => {
  const set = withClaims('Delete', 'Retain', { replicas: 1 });
  const [create] = planOf(set, []).stages.flat();
  t.match(create, {
    type: 'createPod',
    claims: [{ metadata: { name: 'data-web-0', labels: { app: 'web' } } }],
    pod: { spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data-web-0' } }] } },
  });
  for (const [what, claims, pods, wanted] of [
    ['one that is there is used', [claimOf('data-web-0')], [], 'create web-0 new'],
    ['one that goes is waited for', [claimOf('data-web-0', [], true)], [], 'web-0 waits for data-web-0'],
    ['so is one of the pod before', [claimOf('data-web-0', [reference('Pod', 'web-0', 'uid-before')])], [], ''],
    ['a missing one is made for a pending pod', [], ['0pending'], 'claims of web-0'],
    ['not for one that runs', [], ['0unready'], ''],
    [
      'a surplus pod takes its claim along',
      [claimOf('data-web-0'), claimOf('data-web-1')],
      ['0', '1'],
      'label web-0, own data-web-1, delete web-1',
    ],
  ] as const) {
    t.equal(actionsOf(set, pods, claims), wanted, what);
  }
  const inTemplate = withClaims('Retain', 'Retain', {
    template: {
      spec: {
        containers: [],
        volumes: [
          { name: 'data', emptyDir: {} },
          { name: 'tmp', emptyDir: {} },
        ],
      },
    },
  });
  const plan = planStatefulSet({
    ...{ set: inTemplate, pods: [], claim: () => undefined, backoffMs: () => 0, now: NOW },
    revisions: { current: OLD, update: { ...OLD, data: { spec: { template: inTemplate.spec?.template } } } },
  });
  const [action] = plan.stages.flat();
  const volumes = action?.type === 'createPod' ? action.pod.spec?.volumes : undefined;
  t.strictSame(
    volumes?.map(({ name }) => name),
    ['data', 'tmp'],
    'a claim takes the place of a volume of its name',
  );
});
