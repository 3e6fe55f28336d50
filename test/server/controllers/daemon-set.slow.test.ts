/** The DaemonSet controller against a real api-server; its pods do what the test says. */
import t from 'tap';
import { own } from '../../../api/machinery/own.ts';
import { controllerRevisions, daemonSets, nodes, pods } from '../../../client/resources.gen.ts';
import { daemonSetController } from '../../../control-plane/controllers/workloads/daemon-set/daemon-set.ts';
import { eventually } from '../../support/wait.ts';
import type { DaemonSet, DaemonSetSpec } from '../../../api/types/apps/v1.gen.ts';
import type { Pod, PodSpec, Taint } from '../../../api/types/core/v1.gen.ts';
import { NAMESPACE as namespace, RunningControllers } from './running-controllers.ts';

const templateOf = (version: string, spec: Partial<PodSpec> = {}) => ({
  metadata: { labels: { app: 'logs' } },
  spec: { containers: [{ name: 'c', image: version }], ...spec },
});

const setOf = (more: Partial<DaemonSetSpec> = {}): DaemonSet => ({
  metadata: { namespace, name: 'logs' },
  spec: { selector: { matchLabels: { app: 'logs' } }, template: templateOf('v1'), ...more },
});

const image = (pod: Pod | undefined): string => pod?.spec?.containers[0]?.image ?? '';

async function start(set: DaemonSet, nodeNames: readonly string[] = ['n1', 'n2', 'n3']) {
  const running = await RunningControllers.start(daemonSetController);
  const { client } = running;
  for (const name of nodeNames) await client.create(nodes, { metadata: { name } });
  await client.create(daemonSets, set);
  const all = () => client.listAll(pods, { namespace });
  const get = () => client.get(daemonSets, namespace, 'logs');
  const change = (spec: object) => client.patch(daemonSets, namespace, 'logs', { spec });
  return {
    running,
    client,
    all,
    get,
    change,
    /** `NODE IMAGE`, of all pods. */
    placed: async () => (await all()).map((pod) => `${pod.spec?.nodeName} ${image(pod)}`).sort(),
    settled: (count: number) =>
      eventually(`${count} pods`, async () => {
        const { metadata, status } = await get();
        return (
          status?.observedGeneration === metadata?.generation &&
          status?.desiredNumberScheduled === count &&
          (status.updatedNumberScheduled ?? 0) === count &&
          (status.numberAvailable ?? 0) === count &&
          (await all()).length === count
        );
      }),
  };
}

t.test('each node has one pod, pinned to it; nodes that come, go or change are followed', async (t) => {
  const set = await start(setOf({ template: templateOf('v1', { nodeSelector: { kind: 'edge' } }) }));
  await using running = set.running;
  const label = (name: string, kind: string | null) =>
    set.client.patch(nodes, '', name, { metadata: { labels: { kind } } });
  await set.settled(0);
  await label('n1', 'edge');
  await label('n2', 'edge');
  await set.settled(2);
  t.strictSame(await set.placed(), ['n1 v1', 'n2 v1']);
  const [pod] = await set.all();
  const [revision] = await set.client.listAll(controllerRevisions, { namespace });
  const hash = revision?.metadata?.labels?.['controller-revision-hash'];
  t.ok(hash);
  t.match(pod, {
    metadata: {
      generateName: 'logs-',
      labels: { app: 'logs', 'controller-revision-hash': hash, 'pod-template-generation': '1' },
      ownerReferences: [{ kind: 'DaemonSet', name: 'logs', controller: true }],
    },
  });
  const required = pod?.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  t.strictSame(required?.nodeSelectorTerms, [
    { matchFields: [{ key: 'metadata.name', operator: 'In', values: [pod?.spec?.nodeName ?? ''] }] },
  ]);

  await label('n1', null);
  await set.settled(1);
  await set.client.create(nodes, { metadata: { name: 'n4', labels: { kind: 'edge' } } });
  await set.settled(2);
  t.strictSame(await set.placed(), ['n2 v1', 'n4 v1']);
  await set.client.delete(nodes, '', 'n4');
  await eventually('one node', async () => (await set.get()).status?.desiredNumberScheduled === 1);
  const messages = async () => (await running.events('DaemonSet')).map((event) => event.split(':')[0]);
  await eventually('the events', async () => (await messages()).includes('Normal SuccessfulDelete'));
  t.ok((await messages()).includes('Normal SuccessfulCreate'));
  t.strictSame(running.driver.failures, []);
});

t.test('taints that its pods do not tolerate keep new pods away, and NoExecute those that are there', async (t) => {
  const set = await start(setOf());
  await using running = set.running;
  await set.settled(3);
  const taint = (name: string, taints: Taint[]) => set.client.patch(nodes, '', name, { spec: { taints } });
  await taint('n1', [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }]);
  await taint('n2', [{ key: 'dedicated', effect: 'NoSchedule' }]);
  await eventually('one pod that does not belong there', async () => {
    const { status } = await set.get();
    return status?.numberMisscheduled === 1 && status.desiredNumberScheduled === 2;
  });
  t.equal((await set.all()).length, 3);
  await taint('n2', [{ key: 'dedicated', effect: 'NoExecute' }]);
  await set.settled(2);
  t.strictSame(await set.placed(), ['n1 v1', 'n3 v1']);
  await taint('n2', []);
  await set.settled(3);
  t.strictSame(running.driver.failures, []);
});

t.test(
  'a rolling update takes no more pods away than may be unavailable, and goes back to an earlier revision',
  async (t) => {
    const set = await start(setOf());
    await using running = set.running;
    await set.settled(3);
    running.becomesReady = () => false;
    await set.change({ template: templateOf('v2') });
    await eventually('one updated pod', async () => (await set.placed()).join() === 'n1 v2,n2 v1,n3 v1');
    await eventually('its status', async () => {
      const { status } = await set.get();
      return status?.updatedNumberScheduled === 1 && status.numberUnavailable === 1 && status.numberReady === 2;
    });
    running.becomesReady = () => true;
    running.driver.again();
    await set.settled(3);
    t.strictSame(await set.placed(), ['n1 v2', 'n2 v2', 'n3 v2']);
    await set.change({ template: templateOf('v1') });
    await set.settled(3);
    const kept = await set.client.listAll(controllerRevisions, { namespace });
    t.strictSame(kept.map(({ revision }) => revision).sort(), [2, 3]);
  },
);

t.test('with a surge the new pod comes first, and the old one goes when it is available', async (t) => {
  const set = await start(setOf({ updateStrategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } }));
  await using running = set.running;
  await set.settled(3);
  running.becomesReady = () => false;
  await set.change({ template: templateOf('v2') });
  await eventually('one more pod', async () => (await set.placed()).join() === 'n1 v1,n1 v2,n2 v1,n3 v1');
  t.match((await set.get()).status, { numberAvailable: 3 });
  running.becomesReady = () => true;
  running.driver.again();
  await set.settled(3);
  t.strictSame(await set.placed(), ['n1 v2', 'n2 v2', 'n3 v2']);
  t.strictSame(running.driver.failures, []);
});

t.test('failed pods are made anew, after a while that grows, and duplicates go', async (t) => {
  const set = await start(setOf(), ['n1']);
  await using running = set.running;
  await set.settled(1);
  const uids = new Set<string | undefined>();
  const startedAt = Date.now();
  for (let failures = 0; failures < 3; failures++) {
    const [pod] = await set.all();
    uids.add(pod?.metadata?.uid);
    await running.driver.report(pod!, { phase: 'Failed', conditions: [{ type: 'Ready', status: 'False' }] });
    await eventually('another pod', async () => {
      const [next] = await set.all();
      return next && !uids.has(next.metadata?.uid);
    });
    await set.settled(1);
  }
  t.ok(Date.now() - startedAt >= 3000, 'the second waits for 1 s, the third for 2 s');
  await eventually('an event', async () =>
    (await running.events('DaemonSet')).some((each) =>
      each.startsWith('Warning FailedDaemonPod: Found failed daemon pod'),
    ),
  );
  const [kept] = await set.all();
  const { labels, ownerReferences } = kept?.metadata ?? {};
  const { spec } = templateOf('v1', { nodeName: 'n1' });
  await set.client.create(pods, { metadata: { namespace, name: 'twin', labels, ownerReferences }, spec });
  await set.settled(1);
  t.equal((await set.all())[0]?.metadata?.uid, kept?.metadata?.uid, 'the older one stays');
  t.strictSame(running.driver.failures, []);
});

t.test('pods of strategy OnDelete are updated when they are deleted; orphans are adopted by node', async (t) => {
  const set = await start(setOf({ updateStrategy: { type: 'OnDelete' } }), ['n1', 'n2']);
  await using running = set.running;
  await set.settled(2);
  await set.change({ template: templateOf('v2') });
  await eventually('the change to be observed', async () => (await set.get()).status?.observedGeneration === 2);
  t.strictSame(await set.placed(), ['n1 v1', 'n2 v1']);
  const first = (await set.all()).find(({ spec }) => spec?.nodeName === 'n1');
  await set.client.delete(pods, namespace, first?.metadata?.name ?? '');
  await eventually('one updated pod', async () => (await set.placed()).join() === 'n1 v2,n2 v1');
  t.match((await set.get()).metadata?.annotations, { 'deprecated.daemonset.template.generation': '2' });
  const updated = (await set.all()).find(({ spec }) => spec?.nodeName === 'n1');
  t.equal(own(updated?.metadata?.labels, 'pod-template-generation'), '2');
  await running.restart(async () => {
    for (const { metadata } of await set.all()) {
      await set.client.patch(pods, namespace, metadata?.name ?? '', { metadata: { ownerReferences: null } });
    }
  });
  await eventually('them to be adopted', async () =>
    (await set.all()).every(({ metadata }) => metadata?.ownerReferences?.length === 1),
  );
  t.strictSame(await set.placed(), ['n1 v2', 'n2 v1']);
  t.strictSame(running.driver.failures, []);
});
