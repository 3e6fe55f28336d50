/** The garbage collector beside a real api-server, with lists that come late. */
import t from 'tap';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { WatchEvent, WatchOptions } from '../../../client/api-calls.ts';
import { ApiClient } from '../../../client/api-client.ts';
import type { Resource } from '../../../client/resource.ts';
import { configMaps, pods, secrets } from '../../../client/resources.gen.ts';
import { runDescriptors } from '../../../control-plane/controllers/framework/runner.ts';
import { garbageCollector } from '../../../control-plane/controllers/garbage/garbage-collector.ts';
import { replicaSetController } from '../../../control-plane/controllers/workloads/replica-set.ts';
import { eventually } from '../../support/wait.ts';
import { pod, silent, TestServer } from '../apiserver/server.ts';

/** Holds the list of one resource back until it is told, and notes which Secrets have come by watch. */
class SlowClient extends ApiClient {
  readonly held = Promise.withResolvers<void>();
  readonly release = Promise.withResolvers<void>();
  readonly seen = new Set<string>();

  override async listPages<T extends KubeObject>(
    resource: Resource<T>,
    onPage: (items: T[]) => void,
    options = {},
  ): Promise<string> {
    if (resource.plural === configMaps.plural) {
      this.held.resolve();
      await this.release.promise;
    }
    return await super.listPages(resource, onPage, options);
  }

  override watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
    onEvent: (event: WatchEvent<T>) => void,
  ): Promise<void> {
    return super.watch(resource, options, (event) => {
      onEvent(event);
      if (resource.plural === secrets.plural) this.seen.add(event.object.metadata?.name ?? '');
    });
  }
}

const inApps = (name: string) => ({ namespace: 'apps', name });
const isThere = (request: Promise<unknown>) =>
  request.then(
    () => true,
    () => false,
  );

t.test('nothing is collected or orphaned before all that is served has been listed', async (t) => {
  await using server = await TestServer.start();
  const stop = new AbortController();
  await using client = new SlowClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
  await server.core.api.create(namespaces, { metadata: { name: 'apps' } });
  const dependents: string[] = [];
  for (const propagationPolicy of ['Orphan', 'Foreground'] as const) {
    const owner = `to-${propagationPolicy.toLowerCase()}`;
    const { metadata } = await client.create(secrets, { metadata: inApps(owner) });
    const reference = {
      apiVersion: 'v1',
      kind: 'Secret',
      name: owner,
      uid: metadata?.uid ?? '',
      blockOwnerDeletion: true,
    };
    await client.create(configMaps, { metadata: { ...inApps(owner), ownerReferences: [reference] } });
    await client.delete(secrets, 'apps', owner, { propagationPolicy });
    dependents.push(owner);
  }
  const running = runDescriptors([garbageCollector], { client, logger: silent, signal: stop.signal });
  await client.held.promise;
  // Long enough for a collector that does not wait: each of these comes after what it would have done with the last.
  for (let index = 0; index < 20; index++) {
    await client.create(secrets, { metadata: inApps(`later-${index}`) });
    await eventually('the event', () => client.seen.has(`later-${index}`));
  }
  for (const owner of dependents) t.ok(await isThere(client.get(secrets, 'apps', owner)), `${owner} waits`);
  client.release.resolve();
  for (const owner of dependents) {
    await eventually(`${owner} to go`, async () => !(await isThere(client.get(secrets, 'apps', owner))));
  }
  const { metadata } = await client.get(configMaps, 'apps', 'to-orphan');
  t.notOk(metadata?.ownerReferences?.length, 'it is orphaned, not collected');
  t.notOk(await isThere(client.get(configMaps, 'apps', 'to-foreground')), 'it went before its owner');
  stop.abort(new Error('the test is over'));
  await running;
});

t.test('what lost its owner while no controller ran is collected, though it is seen before discovery', async (t) => {
  await using server = await TestServer.start();
  const stop = new AbortController();
  await using client = new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
  await server.core.api.create(namespaces, { metadata: { name: 'apps' } });
  const owner = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: 'gone',
    uid: '00000000-0000-4000-8000-000000000000',
  };
  await client.create(pods, { ...pod('left'), metadata: { ...inApps('left'), ownerReferences: [owner] } });
  // The cache of pods is another controller's: it is in sync before the collector knows which kinds are served.
  const running = runDescriptors([replicaSetController, garbageCollector], {
    ...{ client, logger: silent, signal: stop.signal },
  });
  await eventually('the pod to go', async () => !(await isThere(client.get(pods, 'apps', 'left'))), 20);
  t.pass('it has gone');
  stop.abort(new Error('the test is over'));
  await running;
});
