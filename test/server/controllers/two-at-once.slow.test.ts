/** Two controllers of StatefulSets and DaemonSets at work at the same time, stopped at any moment: what they update keeps its bounds. */
import t from 'tap';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { Informer } from '../../../client/informer.ts';
import type { Resource } from '../../../client/resource.ts';
import { daemonSets, nodes, pods, statefulSets } from '../../../client/resources.gen.ts';
import { daemonSetController } from '../../../control-plane/controllers/workloads/daemon-set/daemon-set.ts';
import { statefulSetController } from '../../../control-plane/controllers/workloads/stateful-set/stateful-set.ts';
import { eventually } from '../../support/wait.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import { silent } from '../apiserver/server.ts';
import { NAMESPACE as namespace, RunningControllers } from './running-controllers.ts';

const COUNT = 4;
/** One of the two is stopped and started anew after so many events. */
const EVENTS_BETWEEN_STOPS = 7;

const templateOf = (app: string, image: string) => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: 'c', image }] },
});
const selectorOf = (app: string) => ({ matchLabels: { app } });

const isAvailable = ({ metadata, status }: Pod): boolean =>
  !metadata?.deletionTimestamp &&
  (status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');

t.test('no more pods are unavailable than one controller would have', { timeout: 180_000 }, async (t) => {
  await using running = await RunningControllers.start(statefulSetController, daemonSetController);
  const { client } = running;
  running.runAnother();
  for (let index = 0; index < COUNT; index++) await client.create(nodes, { metadata: { name: `n${index}` } });
  await client.create(statefulSets, {
    metadata: { namespace, name: 'db' },
    spec: { serviceName: 'db', replicas: COUNT, selector: selectorOf('db'), template: templateOf('db', 'v0') },
  });
  await client.create(daemonSets, {
    metadata: { namespace, name: 'logs' },
    spec: { selector: selectorOf('logs'), template: templateOf('logs', 'v0') },
  });

  // The cache sees every state that the api-server has been in.
  const all = new Informer<Pod>({ client, logger: silent, resource: pods, namespace });
  let [events, stops] = [0, 0];
  let stopping = Promise.resolve();
  /** The fewest available pods of each set. */
  const fewest = new Map<string, number>();
  const look = (): void => {
    for (const app of ['db', 'logs']) {
      const available = [...all.values()].filter((pod) => pod.metadata?.labels?.['app'] === app && isAvailable(pod));
      // For a DaemonSet nodes count.
      const count = new Set(available.map(({ metadata, spec }) => (app === 'logs' ? spec?.nodeName : metadata?.name)))
        .size;
      fewest.set(app, Math.min(fewest.get(app) ?? COUNT, count));
    }
    if (++events % EVENTS_BETWEEN_STOPS > 0) return;
    const index = stops++ % 2;
    stopping = stopping.then(() => running.restart(undefined, index));
  };
  const stop = new AbortController();
  const watching = all.run(stop.signal);

  const settled = (resource: Resource<KubeObject & { status?: object }>, name: string, wanted: object) =>
    eventually(`${name} to be updated`, async () => {
      const { metadata, status } = await client.get(resource, namespace, name);
      return Object.entries({ ...wanted, observedGeneration: metadata?.generation }).every(
        ([field, value]) => (status as Record<string, unknown> | undefined)?.[field] === value,
      );
    });
  const bothSettled = () =>
    Promise.all([
      settled(statefulSets, 'db', { replicas: COUNT, updatedReplicas: COUNT, availableReplicas: COUNT }),
      settled(daemonSets, 'logs', { updatedNumberScheduled: COUNT, numberAvailable: COUNT, numberMisscheduled: 0 }),
    ]);
  await bothSettled();
  const unhook = all.addHandlers({ onAdd: look, onUpdate: look, onDelete: look });
  for (const image of ['v1', 'v2', 'v0']) {
    await Promise.all([
      client.patch(statefulSets, namespace, 'db', { spec: { template: templateOf('db', image) } }),
      client.patch(daemonSets, namespace, 'logs', { spec: { template: templateOf('logs', image) } }),
    ]);
    await bothSettled();
    const images = (await client.listAll(pods, { namespace })).map(({ spec }) => spec?.containers[0]?.image);
    t.strictSame(images, Array(2 * COUNT).fill(image), 'each pod once');
  }
  unhook();
  t.ok(stops > 5, `${stops} stops`);
  t.strictSame(Object.fromEntries(fewest), { db: COUNT - 1, logs: COUNT - 1 });
  await stopping;
  stop.abort(new Error('the test is over'));
  await watching;
  t.strictSame(running.driver.failures, []);
});
