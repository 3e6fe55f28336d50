/** The quota controller with a real api-server that enforces quotas. */
import t from 'tap';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { pods as podKind } from '../../../api/kinds/core/pod.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type { ResourceQuotaStatus } from '../../../api/types/core/v1.gen.ts';
import type { WatchEvent, WatchOptions } from '../../../client/api-calls.ts';
import { ApiClient } from '../../../client/api-client.ts';
import { configMaps, persistentVolumeClaims, pods, resourceQuotas, services } from '../../../client/resources.gen.ts';
import type { Resource } from '../../../client/resource.ts';
import type { AdmissionPlugin } from '../../../control-plane/apiserver/admission/plugin.ts';
import { resourceQuota } from '../../../control-plane/apiserver/admission/resource-quota.ts';
import { runDescriptors } from '../../../control-plane/controllers/framework/runner.ts';
import { resourceQuotaController } from '../../../control-plane/controllers/quota/resource-quota.ts';
import { eventually } from '../../support/wait.ts';
import { pod, silent, TestServer } from '../apiserver/server.ts';

t.setTimeout(120_000);

/** Records what is watched through it. */
class WatchingClient extends ApiClient {
  readonly #watched = new Map<string, number>();

  get watched(): string[] {
    return [...this.#watched.keys()].sort();
  }

  override async watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
    onEvent: (event: WatchEvent<T>) => void,
  ): Promise<void> {
    const { plural } = resource;
    this.#watched.set(plural, (this.#watched.get(plural) ?? 0) + 1);
    try {
      await super.watch(resource, options, onEvent);
    } finally {
      const left = (this.#watched.get(plural) ?? 0) - 1;
      if (left > 0) this.#watched.set(plural, left);
      else this.#watched.delete(plural);
    }
  }
}

class Cluster implements AsyncDisposable {
  readonly server: TestServer;
  readonly client: WatchingClient;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  private constructor(server: TestServer) {
    this.server = server;
    this.client = this.newClient();
    const options = { client: this.client, logger: silent, signal: this.#stop.signal };
    this.#running = runDescriptors([resourceQuotaController], options);
  }

  static async start(): Promise<Cluster> {
    const built: { plugin?: AdmissionPlugin } = {};
    const enforced: AdmissionPlugin = {
      name: 'ResourceQuota',
      validate: (request) => built.plugin?.validate?.(request),
    };
    const server = await TestServer.start({ admission: [enforced] });
    built.plugin = resourceQuota(server.core.api);
    await server.core.api.create(namespaces, { metadata: { name: 'apps' } });
    return new Cluster(server);
  }

  newClient(): WatchingClient {
    return new WatchingClient({ server: this.server.url(''), ca: this.server.ca, token: 'admin/system:masters' });
  }

  async limit(name: string, hard: Record<string, string>): Promise<void> {
    await this.client.create(resourceQuotas, { metadata: { namespace: 'apps', name }, spec: { hard } });
    await eventually(`the usage of ${name}`, async () => (await this.status(name))?.used !== undefined);
  }

  async status(name: string): Promise<ResourceQuotaStatus | undefined> {
    return (await this.client.get(resourceQuotas, 'apps', name)).status;
  }

  /** Waits for this usage. */
  async uses(name: string, wanted: Record<string, string>): Promise<void> {
    await eventually(`${name} to use ${JSON.stringify(wanted)}`, async () => {
      const { used = {} } = (await this.status(name)) ?? {};
      const isSo = Object.entries(wanted).every(
        ([resource, amount]) => new Map(Object.entries(used)).get(resource) === amount,
      );
      if (!isSo) throw new Error(JSON.stringify(used));
      return true;
    });
  }

  async createPod(name: string): Promise<void> {
    await this.client.create(pods, { ...pod(name), metadata: { namespace: 'apps', name } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the test is over'));
    await this.#running;
    await this.client[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}

const inApps = (name: string) => ({ metadata: { namespace: 'apps', name } });

t.test('usage is calculated for existing objects, and recalculated when limits change', async (t) => {
  await using cluster = await Cluster.start();
  const { client } = cluster;
  await cluster.createPod('a');
  await client.create(services, {
    ...inApps('s'),
    spec: {
      type: 'NodePort',
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 81 },
      ],
    },
  });
  const hard = {
    ...{ pods: '5', cpu: '1', 'services.nodeports': '5', 'count/replicasets.apps': '5', resourcequotas: '2' },
    ...{ persistentvolumeclaims: '5', 'requests.example.com/dongle': '3' },
  };
  await cluster.limit('all', { ...hard, 'count/widgets.example.com': '1' });
  t.strictSame(await cluster.status('all'), {
    hard: { ...hard, 'count/widgets.example.com': '1' },
    used: {
      ...{ pods: '1', cpu: '0', 'services.nodeports': '2', 'count/replicasets.apps': '0', resourcequotas: '1' },
      ...{ persistentvolumeclaims: '0', 'requests.example.com/dongle': '0' },
    },
  });
  await client.patch(resourceQuotas, 'apps', 'all', { spec: { hard: { pods: '1', services: '2', cpu: null } } });
  await eventually('the new limits', async () => (await cluster.status('all'))?.used?.['services'] === '1');
  const changed = await cluster.status('all');
  t.equal(changed?.hard?.['pods'], '1');
  t.notOk(Object.hasOwn(changed?.used ?? {}, 'cpu'));
  await t.rejects(cluster.createPod('b'), {
    message: /exceeded quota: all, requested: pods=1, used: pods=1, limited: pods=1$/,
  });
});

t.test('deleted and terminated objects and unused charges release quota', async (t) => {
  await using cluster = await Cluster.start();
  const { client } = cluster;
  await cluster.limit('few', { pods: '2', 'count/pods': '4', configmaps: '2' });
  for (const name of ['a', 'b']) await cluster.createPod(name);
  await cluster.uses('few', { pods: '2', 'count/pods': '2' });
  await t.rejects(cluster.createPod('c'), { code: 403 });
  await client.delete(pods, 'apps', 'a');
  await eventually('quota for another pod', () => cluster.createPod('c').then(() => true));

  await client.patch(pods, 'apps', 'b', { status: { phase: 'Succeeded' } }, { subresource: 'status' });
  await cluster.uses('few', { pods: '1', 'count/pods': '2' });

  await client.create(configMaps, inApps('m'));
  await t.rejects(client.create(configMaps, inApps('m')), { code: 409 });
  await cluster.uses('few', { configmaps: '2' });
  await client.delete(pods, 'apps', 'b');
  await cluster.uses('few', { configmaps: '1', 'count/pods': '1' });
});

t.test('claims are limited in number and size, together and per class', async (t) => {
  await using cluster = await Cluster.start();
  const { client } = cluster;
  const ofGold = (name: string) => `gold.storageclass.storage.k8s.io/${name}`;
  await cluster.limit('storage', {
    ...{ 'requests.storage': '10Gi', 'count/persistentvolumeclaims': '3' },
    ...{ [ofGold('requests.storage')]: '5Gi', [ofGold('persistentvolumeclaims')]: '1' },
  });
  const claim = (name: string, storage: string, storageClassName?: string) =>
    client.create(persistentVolumeClaims, {
      ...inApps(name),
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } }, storageClassName },
    });
  await t.rejects(claim('a', '6Gi', 'gold'), {
    message: /exceeded quota: storage, requested: gold.storageclass.storage.k8s.io\/requests.storage=6Gi, used: /,
  });
  await claim('a', '4Gi', 'gold');
  await t.rejects(claim('b', '1Gi', 'gold'), { message: /gold.storageclass.storage.k8s.io\/persistentvolumeclaims=1/ });
  await claim('b', '5Gi');
  await t.rejects(claim('c', '2Gi'), { message: /requested: requests.storage=2Gi, used: requests.storage=9Gi/ });
  const bound = await client.get(persistentVolumeClaims, 'apps', 'a');
  await client.updateStatus(persistentVolumeClaims, {
    ...bound,
    status: { phase: 'Bound', capacity: { storage: '4Gi' } },
  });
  const grow = { spec: { resources: { requests: { storage: '5Gi' } } } };
  await client.patch(persistentVolumeClaims, 'apps', 'a', grow);
  await cluster.uses('storage', { 'requests.storage': '10Gi', [ofGold('requests.storage')]: '5Gi' });
  await client.delete(persistentVolumeClaims, 'apps', 'b');
  await cluster.uses('storage', { 'requests.storage': '5Gi', 'count/persistentvolumeclaims': '1' });
});

t.test('concurrent creates and deletes never exceed the quota', async (t) => {
  await using cluster = await Cluster.start();
  await cluster.limit('few', { pods: '3' });
  const there = new Set<string>();
  let most = 0;
  cluster.server.core.api.subscribe(podKind, ({ name, object }) => {
    if (object) there.add(name);
    else there.delete(name);
    most = Math.max(most, there.size);
  });
  const names = Array.from({ length: 8 }, (_, index) => `p${index}`);
  await Promise.all(
    names.map(async (name) => {
      await eventually(`room for ${name}`, () => cluster.createPod(name).then(() => true));
      await cluster.client.delete(pods, 'apps', name);
    }),
  );
  t.equal(most, 3);
  await cluster.uses('few', { pods: '0' });
});

t.test('only kinds that some quota counts are watched', async (t) => {
  await using cluster = await Cluster.start();
  const { client } = cluster;
  const watched = async (...wanted: string[]): Promise<void> => {
    await eventually(`watches of ${wanted.join()}`, () => client.watched.join() === wanted.sort().join());
  };
  await watched('resourcequotas');
  await cluster.limit('maps', { configmaps: '5' });
  await watched('configmaps', 'resourcequotas');
  await cluster.limit('both', { 'count/configmaps': '5', cpu: '1' });
  await watched('configmaps', 'pods', 'resourcequotas');
  await client.delete(resourceQuotas, 'apps', 'maps');
  await client.patch(resourceQuotas, 'apps', 'both', { spec: { hard: { 'count/configmaps': null } } });
  await watched('pods', 'resourcequotas');
  await client.delete(resourceQuotas, 'apps', 'both');
  await watched('resourcequotas');
  t.pass('nothing is watched without quotas');
});
