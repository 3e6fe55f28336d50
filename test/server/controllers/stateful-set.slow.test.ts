/** The StatefulSet controller against a real api-server; its pods do what the test says. */
import t from 'tap';
import { own } from '../../../api/machinery/own.ts';
import { controllerRevisions, persistentVolumeClaims, pods, statefulSets } from '../../../client/resources.gen.ts';
import { statefulSetController } from '../../../control-plane/controllers/workloads/stateful-set/stateful-set.ts';
import { eventually } from '../../support/wait.ts';
import type { StatefulSet, StatefulSetSpec } from '../../../api/types/apps/v1.gen.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import { NAMESPACE as namespace, RunningControllers } from './running-controllers.ts';

const image = (pod: Pod | undefined): string => pod?.spec?.containers[0]?.image ?? '';

const templateOf = (version: string) => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image: version }] },
});

const setOf = (more: Partial<StatefulSetSpec> = {}): StatefulSet => ({
  metadata: { namespace, name: 'web' },
  spec: {
    serviceName: 'web',
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: templateOf('v1'),
    ...more,
  },
});

const CLAIM_TEMPLATES = [
  {
    metadata: { name: 'data', labels: { tier: 'db' } },
    spec: { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage: '1Gi' } } },
  },
];

/** With what the tests ask and do. */
async function start(set: StatefulSet) {
  const running = await RunningControllers.start(statefulSetController);
  const { client } = running;
  if (set.spec) await client.create(statefulSets, set);
  const podsByName = async () => {
    const all = await client.listAll(pods, { namespace });
    return new Map(all.map((pod) => [pod.metadata?.name ?? '', pod]));
  };
  const get = () => client.get(statefulSets, namespace, 'web');
  const change = (spec: object) => client.patch(statefulSets, namespace, 'web', { spec });
  return {
    running,
    client,
    podsByName,
    get,
    change,
    /** Resolves when the set says that it has so many updated and available pods, and no others. */
    settled: (replicas: number) =>
      eventually(`${replicas} pods`, async () => {
        const { metadata, status = { replicas: 0 } } = await get();
        return (
          status.observedGeneration === metadata?.generation &&
          status.replicas === replicas &&
          (status.availableReplicas ?? 0) === replicas &&
          (status.updatedReplicas ?? 0) === replicas &&
          status.currentRevision === status.updateRevision
        );
      }),
    names: async () => [...(await podsByName()).keys()].sort().join(),
  };
}

t.test(
  'pods are created in order, each with its name, its claim and its labels, when the one before is ready',
  async (t) => {
    const ready = new Set<string>();
    const set = await start(setOf({ ordinals: { start: 5 }, volumeClaimTemplates: CLAIM_TEMPLATES }));
    await using running = set.running;
    running.becomesReady = ({ metadata }) => ready.has(metadata?.name ?? '');
    for (const [name, created] of [
      ['web-5', 'web-5'],
      ['web-6', 'web-5,web-6'],
      ['web-7', 'web-5,web-6,web-7'],
    ] as const) {
      await eventually(`${name} to be created`, async () => (await set.names()) === created);
      ready.add(name);
      running.driver.again();
    }
    await set.settled(3);
    const { status } = await set.get();
    const revision = status?.updateRevision ?? '';
    t.match(status, { currentReplicas: 3, updatedReplicas: 3, readyReplicas: 3, currentRevision: revision });
    const pod = (await set.podsByName()).get('web-6');
    t.match(pod, {
      metadata: {
        labels: {
          app: 'web',
          'statefulset.kubernetes.io/pod-name': 'web-6',
          'apps.kubernetes.io/pod-index': '6',
          'controller-revision-hash': revision,
        },
        ownerReferences: [{ kind: 'StatefulSet', name: 'web', controller: true, blockOwnerDeletion: true }],
      },
      spec: { hostname: 'web-6', subdomain: 'web' },
    });
    t.match(pod?.spec?.volumes?.[0], { name: 'data', persistentVolumeClaim: { claimName: 'data-web-6' } });
    const claim = await set.client.get(persistentVolumeClaims, namespace, 'data-web-6');
    t.match(claim.metadata?.labels, { tier: 'db', app: 'web' });
    t.notOk(claim.metadata?.ownerReferences?.length, 'claims are retained');
    t.ok((claim.metadata?.creationTimestamp ?? 'z') <= (pod?.metadata?.creationTimestamp ?? ''), 'before its pod');
    await eventually('the events', async () => (await running.events('StatefulSet')).length >= 6);
    const events = await running.events('StatefulSet');
    t.ok(events.includes('Normal SuccessfulCreate: Create Pod web-5 in StatefulSet web successful'));
    t.ok(events.includes('Normal SuccessfulCreate: Create Claim data-web-5 Pod web-5 in StatefulSet web success'));
    t.strictSame(running.driver.failures, []);
  },
);

t.test('an update goes from the highest ordinal down to the partition, and back to its earlier revision', async (t) => {
  const set = await start(setOf());
  await using running = set.running;
  await set.settled(3);
  const first = (await set.get()).status?.updateRevision;
  await set.change({ updateStrategy: { rollingUpdate: { partition: 2 } }, template: templateOf('v2') });
  const images = async () =>
    [...(await set.podsByName())]
      .sort()
      .map(([, pod]) => image(pod))
      .join();
  await eventually('one updated pod', async () => {
    const { status } = await set.get();
    return status?.updatedReplicas === 1 && status.readyReplicas === 3 && (await images()) === 'v1,v1,v2';
  });
  t.match((await set.get()).status, { currentRevision: first, currentReplicas: 2, replicas: 3 });
  await set.client.delete(pods, namespace, 'web-0', { gracePeriodSeconds: 0 });
  await eventually('it to be made anew as it was', async () => (await images()) === 'v1,v1,v2');
  await set.change({ updateStrategy: { rollingUpdate: { partition: 0 } } });
  await set.settled(3);
  t.equal(await images(), 'v2,v2,v2');

  await set.change({ template: templateOf('v1') });
  await set.settled(3);
  t.equal(await images(), 'v1,v1,v1');
  t.equal((await set.get()).status?.updateRevision, first, 'the revision is the earlier one');
  const kept = await set.client.listAll(controllerRevisions, { namespace });
  t.strictSame(kept.map(({ revision }) => revision).sort(), [2, 3]);
  t.strictSame(kept.map(({ metadata }) => metadata?.labels?.['controller.kubernetes.io/hash']).every(Boolean), true);
  t.strictSame(running.driver.failures, []);
});

t.test('revisions that no pod is of are kept up to the limit, and an orphaned history is adopted', async (t) => {
  const set = await start(setOf({ replicas: 1, revisionHistoryLimit: 1 }));
  await using running = set.running;
  await set.settled(1);
  for (const version of ['v2', 'v3', 'v4']) {
    await set.change({ template: templateOf(version) });
    await set.settled(1);
  }
  const numbers = async () =>
    (await set.client.listAll(controllerRevisions, { namespace }))
      .map(({ revision }) => revision)
      .sort()
      .join();
  await eventually('the history to be short', async () => (await numbers()) === '3,4');
  const { metadata } = await set.get();
  await set.client.delete(statefulSets, namespace, 'web', { propagationPolicy: 'Orphan' });
  await set.client.patch(statefulSets, namespace, 'web', { metadata: { finalizers: null } });
  for (const [resource, name] of [
    ...(await set.client.listAll(controllerRevisions, { namespace })).map(
      (each) => [controllerRevisions, each.metadata?.name ?? ''] as const,
    ),
    [pods, 'web-0'] as const,
  ]) {
    await set.client.patch(resource, namespace, name, { metadata: { ownerReferences: null } });
  }
  await set.client.create(statefulSets, setOf({ replicas: 1, template: templateOf('v4') }));
  await set.settled(1);
  t.equal(await numbers(), '3,4', 'no revision is made');
  const owners = async () =>
    (await set.client.listAll(controllerRevisions, { namespace })).map(
      (each) => each.metadata?.ownerReferences?.[0]?.uid,
    );
  const { metadata: now } = await set.get();
  t.strictSame(await owners(), [now?.uid, now?.uid]);
  t.not(now?.uid, metadata?.uid);
  t.equal((await set.client.get(pods, namespace, 'web-0')).metadata?.ownerReferences?.[0]?.uid, now?.uid);
  t.strictSame(running.driver.failures, []);
});

t.test('a revision whose name is taken by another gets one more, and the collision is counted', async (t) => {
  const set = await start(setOf({ replicas: 1 }));
  await using running = set.running;
  await set.settled(1);
  const [revision] = await set.client.listAll(controllerRevisions, { namespace });
  const name = revision?.metadata?.name ?? '';
  await running.restart(async () => {
    await set.client.delete(controllerRevisions, namespace, name);
    const metadata = { namespace, name };
    await set.client.create(controllerRevisions, { metadata, data: { spec: { template: 'none' } }, revision: 7 });
  });
  await eventually('a revision of another name', async () => {
    const { status } = await set.get();
    return status?.collisionCount === 1 && status.updateRevision !== name && status.availableReplicas === 1;
  });
  await set.settled(1);
  t.strictSame(running.driver.failures, []);
});

t.test('failed and succeeded pods are made anew, in their order', async (t) => {
  const set = await start(setOf());
  await using running = set.running;
  await set.settled(3);
  for (const phase of ['Failed', 'Succeeded'] as const) {
    const before = (await set.podsByName()).get('web-1')!;
    await running.driver.report(before, { phase, conditions: [{ type: 'Ready', status: 'False' }] });
    await eventually('another pod of the name', async () => {
      const uid = (await set.podsByName()).get('web-1')?.metadata?.uid;
      return uid !== undefined && uid !== before.metadata?.uid;
    });
    await set.settled(3);
  }
  t.equal(await set.names(), 'web-0,web-1,web-2');
  t.strictSame(running.driver.failures, []);
});

t.test(
  'a set that is scaled down removes the highest ordinals one by one; claims go with them if they are to',
  async (t) => {
    const whenScaled = 'Delete' as const;
    const set = await start(
      setOf({
        volumeClaimTemplates: CLAIM_TEMPLATES,
        persistentVolumeClaimRetentionPolicy: { whenScaled, whenDeleted: 'Delete' },
      }),
    );
    await using running = set.running;
    await set.settled(3);
    const ownersOf = async (name: string) =>
      (await set.client.get(persistentVolumeClaims, namespace, name)).metadata?.ownerReferences?.map(
        ({ kind }) => kind,
      );
    t.strictSame(await ownersOf('data-web-2'), ['StatefulSet']);
    await set.change({ replicas: 1 });
    await set.settled(1);
    t.equal(await set.names(), 'web-0');
    t.strictSame(await ownersOf('data-web-2'), ['Pod'], 'the garbage collector deletes it');
    t.strictSame(await ownersOf('data-web-0'), ['StatefulSet']);

    await set.change({ replicas: 2 });
    await eventually('the status of the wish', async () => (await set.get()).status?.observedGeneration === 3);
    t.equal(await set.names(), 'web-0', 'no pod gets the claim of its predecessor');
    await set.client.delete(persistentVolumeClaims, namespace, 'data-web-1');
    await set.settled(2);
    t.strictSame(await ownersOf('data-web-1'), ['StatefulSet']);
    await set.change({ persistentVolumeClaimRetentionPolicy: { whenScaled: 'Retain', whenDeleted: 'Retain' } });
    await eventually('nobody to own claims', async () => !(await ownersOf('data-web-1'))?.length);
    t.strictSame(running.driver.failures, []);
  },
);

t.test('a pod waits for a claim that is being deleted, with an event', async (t) => {
  const set = await start(setOf({ replicas: 1, volumeClaimTemplates: CLAIM_TEMPLATES }));
  await using running = set.running;
  await set.settled(1);
  const hold = (finalizers: string[]) =>
    set.client.patch(persistentVolumeClaims, namespace, 'data-web-0', { metadata: { finalizers } });
  await hold(['example.com/hold']);
  await set.client.delete(persistentVolumeClaims, namespace, 'data-web-0');
  await set.client.delete(pods, namespace, 'web-0', { gracePeriodSeconds: 0 });
  const message = 'Create Pod web-0 in StatefulSet web failed error: pvc data-web-0 is being deleted';
  await eventually('the event', async () =>
    (await running.events('StatefulSet')).includes(`Warning FailedCreate: ${message}`),
  );
  t.equal(await set.names(), '');
  await hold([]);
  await set.settled(1);
  t.strictSame(running.driver.failures, []);
});

t.test(
  'parallel sets create and remove all at once; matching orphans of their names are adopted, others let go',
  async (t) => {
    const set = await start({ metadata: {} });
    await using running = set.running;
    const { client } = set;
    running.becomesReady = () => false;
    const { metadata, spec } = templateOf('v1');
    for (const name of ['web-1', 'web-x'])
      await client.create(pods, { metadata: { ...metadata, namespace, name }, spec });
    await client.create(statefulSets, setOf({ replicas: 4, podManagementPolicy: 'Parallel' }));
    await eventually('all pods', async () => (await set.names()) === 'web-0,web-1,web-2,web-3,web-x');
    const labelled = await eventually('the adopted pod to be labelled', async () => {
      const pod = (await set.podsByName()).get('web-1');
      return own(pod?.metadata?.labels, 'statefulset.kubernetes.io/pod-name') && pod;
    });
    t.match(labelled.metadata, {
      ownerReferences: [{ kind: 'StatefulSet' }],
      labels: { 'apps.kubernetes.io/pod-index': '1' },
    });
    t.notOk((await set.podsByName()).get('web-x')?.metadata?.ownerReferences, 'a name that is none of the set');
    running.becomesReady = () => true;
    running.driver.again();
    await set.settled(4);
    await client.patch(pods, namespace, 'web-3', { metadata: { labels: { app: 'other' } } });
    await eventually('it to be let go', async () => {
      const pod = (await set.podsByName()).get('web-3');
      return !pod?.metadata?.ownerReferences?.length;
    });
    await client.delete(pods, namespace, 'web-3', { gracePeriodSeconds: 0 });
    await set.settled(4);
    await set.change({ replicas: 0 });
    await set.settled(0);
    t.equal(await set.names(), 'web-x');
  },
);

t.test('pods of strategy OnDelete are updated when they are deleted', async (t) => {
  const set = await start(setOf({ replicas: 2, updateStrategy: { type: 'OnDelete' } }));
  await using running = set.running;
  await eventually('two pods', async () => (await set.get()).status?.availableReplicas === 2);
  await set.change({ template: templateOf('v2') });
  await eventually('the change to be observed', async () => (await set.get()).status?.observedGeneration === 2);
  t.match((await set.get()).status, { replicas: 2, currentReplicas: 2 });
  await set.client.delete(pods, namespace, 'web-0', { gracePeriodSeconds: 0 });
  await eventually('an updated pod', async () => (await set.get()).status?.updatedReplicas === 1);
  const there = await set.podsByName();
  t.strictSame([image(there.get('web-0')), image(there.get('web-1'))], ['v2', 'v1']);
  t.strictSame(running.driver.failures, []);
});
