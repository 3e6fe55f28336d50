/** Pods get the devices of their ResourceClaims, each device once. */
import t, { type Test } from 'tap';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import type { Device, DeviceClaim, ResourceClaim } from '../../../api/types/resource/v1.gen.ts';
import { ApiClient } from '../../../client/api-client.ts';
import {
  deviceClasses,
  events,
  namespaces,
  nodes,
  pods,
  resourceClaims,
  resourceClaimTemplates,
  resourceSlices,
} from '../../../client/resources.gen.ts';
import { resourceClaimController } from '../../../control-plane/controllers/devices/resource-claim.ts';
import { runDescriptors } from '../../../control-plane/controllers/framework/runner.ts';
import { Scheduler } from '../../../control-plane/scheduler/scheduler.ts';
import { stoppable } from '../../support/stoppable.ts';
import { eventually } from '../../support/wait.ts';
import { silent, TestServer } from '../apiserver/server.ts';

t.setTimeout(180_000);

const DRIVER = 'gpu.example.com';
const namespace = 'default';

class Cluster {
  readonly client: ApiClient;
  readonly #logger = { ...silent, child: () => silent };

  constructor(client: ApiClient) {
    this.client = client;
  }

  static async start(t: Test): Promise<Cluster> {
    const server = await TestServer.start();
    const client = new ApiClient({ server: server.url(''), ca: server.ca, token: 'admin/system:masters' });
    const cluster = new Cluster(client);
    t.teardown(async () => {
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    });
    for (const name of ['a', 'b']) await cluster.#addNode(name);
    const selectors = [{ cel: { expression: `device.driver == "${DRIVER}"` } }];
    await client.create(deviceClasses, { metadata: { name: 'gpu' }, spec: { selectors } });
    return cluster;
  }

  scheduler(): () => Promise<void> {
    const options = { client: this.client, logger: this.#logger, backoff: { initialMs: 50, maxMs: 200 } };
    return stoppable((signal) => new Scheduler(options).run(signal));
  }

  controller(): () => Promise<void> {
    const { client } = this;
    return stoppable((signal) => runDescriptors([resourceClaimController], { client, logger: this.#logger, signal }));
  }

  async #addNode(name: string): Promise<void> {
    await this.client.create(nodes, { metadata: { name, labels: { 'kubernetes.io/hostname': name } } });
    const status = { allocatable: { cpu: '20', memory: '40Gi', pods: '500' } };
    await this.client.patch(nodes, '', name, { status }, { type: 'merge', subresource: 'status' });
  }

  async addSlice(nodeName: string, devices: Device[]): Promise<void> {
    const pool = { name: nodeName, generation: 1, resourceSliceCount: 1 };
    await this.client.create(resourceSlices, {
      metadata: { name: `${nodeName}-gpus` },
      spec: { driver: DRIVER, pool, nodeName, devices },
    });
  }

  async addTemplate(name: string, devices: DeviceClaim): Promise<void> {
    await this.client.create(resourceClaimTemplates, { metadata: { namespace, name }, spec: { spec: { devices } } });
  }

  /** With a claim made of a template. */
  async addPod(name: string, resourceClaimTemplateName: string): Promise<void> {
    await this.client.create(pods, {
      metadata: { namespace, name },
      spec: {
        containers: [{ name: 'c', image: 'web:1', resources: { claims: [{ name: 'gpu' }] } }],
        resourceClaims: [{ name: 'gpu', resourceClaimTemplateName }],
      },
    });
  }

  placed(name: string): Promise<Pod> {
    return eventually(`pod ${name} on a node`, async () => {
      const pod = await this.client.get(pods, namespace, name);
      return pod.spec?.nodeName ? pod : undefined;
    });
  }

  async claimOf({ status }: Pod): Promise<ResourceClaim> {
    return this.client.get(resourceClaims, namespace, status?.resourceClaimStatuses?.[0]?.resourceClaimName ?? '');
  }

  async finish(name: string): Promise<void> {
    const patch = { status: { phase: 'Succeeded' } };
    await this.client.patch(pods, namespace, name, patch, { type: 'merge', subresource: 'status' });
  }

  message(name: string, wanted: RegExp): Promise<string> {
    return eventually(`an event of ${name} with ${wanted}`, async () => {
      const all = await this.client.listAll(events);
      return all.find((event) => event.involvedObject.name === name && wanted.test(event.message ?? ''))?.message;
    });
  }
}

const oneGpu: DeviceClaim = { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu' } }] };

t.test('a claim of another namespace that says it is of a pod is not taken for it', async (t) => {
  const cluster = await Cluster.start(t);
  const { client } = cluster;
  await cluster.addSlice('a', [{ name: 'gpu' }]);
  await cluster.addTemplate('one', oneGpu);
  await cluster.addPod('victim', 'one');
  const { uid = '' } = (await client.get(pods, namespace, 'victim')).metadata ?? {};
  await client.create(namespaces, { metadata: { name: 'other' } });
  await client.create(resourceClaims, {
    metadata: {
      ...{ namespace: 'other', name: 'stranger' },
      annotations: { 'resource.kubernetes.io/pod-claim-name': 'gpu' },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'victim', uid, controller: true }],
    },
    spec: { devices: oneGpu },
  });
  const stops = [cluster.scheduler(), cluster.controller()];
  t.teardown(() => Promise.all(stops.map((stop) => stop())));
  t.match(await cluster.claimOf(await cluster.placed('victim')), { metadata: { name: /^victim-gpu-/ } });
});

t.test('a pod gets the device of its template and gives it back', async (t) => {
  const cluster = await Cluster.start(t);
  await cluster.addSlice('b', [
    { name: 'small', capacity: { memory: { value: '8Gi' } } },
    { name: 'large', attributes: { version: { version: '2.1.0' } }, capacity: { memory: { value: '80Gi' } } },
  ]);
  const expression = [
    `device.capacity["${DRIVER}"].memory.compareTo(quantity("40Gi")) >= 0`,
    `device.attributes["${DRIVER}"].version.isGreaterThan(semver("2.0.0"))`,
    '!("any" in device.attributes["other.example.com"])',
  ].join(' && ');
  await cluster.addTemplate('large', {
    requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu', selectors: [{ cel: { expression } }] } }],
  });
  const stops = [cluster.scheduler(), cluster.controller()];
  t.teardown(() => Promise.all(stops.map((stop) => stop())));

  await cluster.addPod('first', 'large');
  const first = await cluster.placed('first');
  t.equal(first.spec?.nodeName, 'b');
  const claim = await cluster.claimOf(first);
  t.match(claim, {
    metadata: {
      name: /^first-gpu-/,
      annotations: { 'resource.kubernetes.io/pod-claim-name': 'gpu' },
      finalizers: ['resource.kubernetes.io/delete-protection'],
      ownerReferences: [{ kind: 'Pod', name: 'first', uid: first.metadata?.uid, controller: true }],
    },
    status: {
      allocation: {
        devices: { results: [{ request: 'gpu', driver: DRIVER, pool: 'b', device: 'large' }] },
        nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', values: ['b'] }] }] },
      },
      reservedFor: [{ resource: 'pods', name: 'first', uid: first.metadata?.uid }],
    },
  });

  await cluster.addPod('second', 'large');
  t.match(
    await cluster.message('second', /cannot allocate all claims/),
    /^0\/2 nodes are available: 2 cannot allocate all claims\./,
  );
  await cluster.finish('first');
  const second = await cluster.placed('second');
  t.match((await cluster.claimOf(second)).status?.allocation?.devices?.results, [{ device: 'large' }]);
  await eventually('the claim of the first is deleted', async () => {
    const left = await cluster.client.listAll(resourceClaims);
    return left.every(({ metadata }) => metadata?.name !== claim.metadata?.name);
  });
});

t.test('no device is allocated twice while schedulers are stopped and started', async (t) => {
  const cluster = await Cluster.start(t);
  const count = 12;
  for (const node of ['a', 'b'])
    await cluster.addSlice(
      node,
      Array.from({ length: count / 2 }, (_, index) => ({ name: `gpu-${index}` })),
    );
  await cluster.addTemplate('one', oneGpu);
  const stopController = cluster.controller();
  t.teardown(stopController);
  let stopScheduler = cluster.scheduler();
  t.teardown(() => stopScheduler());
  const names = Array.from({ length: count }, (_, index) => `p${index}`);
  for (const [index, name] of names.entries()) {
    await cluster.addPod(name, 'one');
    // Whatever it is doing then: the next one starts from what was written.
    if (index % 4 !== 3) continue;
    await stopScheduler();
    stopScheduler = cluster.scheduler();
  }
  const placed = await Promise.all(names.map((name) => cluster.placed(name)));
  const claims = await Promise.all(placed.map((pod) => cluster.claimOf(pod)));
  const devices = claims.flatMap(({ status }) =>
    (status?.allocation?.devices?.results ?? []).map(({ pool, device }) => `${pool}/${device}`),
  );
  t.equal(devices.length, count);
  t.equal(new Set(devices).size, count, 'each has a device of its own');
});

t.test('pods share a claim that they name; the last one gives its device back', async (t) => {
  const cluster = await Cluster.start(t);
  const { client } = cluster;
  for (const node of ['a', 'b']) await cluster.addSlice(node, [{ name: 'one' }]);
  await client.create(resourceClaims, { metadata: { namespace, name: 'shared' }, spec: { devices: oneGpu } });
  const stops = [cluster.scheduler(), cluster.controller()];
  t.teardown(() => Promise.all(stops.map((stop) => stop())));
  const addPod = (name: string) =>
    client.create(pods, {
      metadata: { namespace, name },
      spec: {
        containers: [{ name: 'c', image: 'web:1' }],
        resourceClaims: [{ name: 'gpu', resourceClaimName: 'shared' }],
      },
    });
  const claim = () => client.get(resourceClaims, namespace, 'shared');

  for (const name of ['first', 'second']) await addPod(name);
  const [first, second] = [await cluster.placed('first'), await cluster.placed('second')];
  t.equal(second.spec?.nodeName, first.spec?.nodeName, 'where the device is');
  t.strictSame((await claim()).status?.reservedFor?.map(({ name }) => name).sort(), ['first', 'second']);
  for (const name of ['first', 'second']) await client.delete(pods, namespace, name, { gracePeriodSeconds: 0 });
  const freed = await eventually('the claim is deallocated', async () => {
    const { status, metadata } = await claim();
    return status?.allocation || metadata?.finalizers?.length ? undefined : { status };
  });
  t.strictSame(freed.status?.reservedFor, undefined);

  // Allocated by somebody, used by nobody, and its node takes no pods.
  const results = [{ request: 'gpu', driver: DRIVER, pool: 'a', device: 'one' }];
  const matchFields = [{ key: 'metadata.name', operator: 'In' as const, values: ['a'] }];
  const allocation = { devices: { results }, nodeSelector: { nodeSelectorTerms: [{ matchFields }] } };
  await client.patch(nodes, '', 'a', { spec: { unschedulable: true } }, { type: 'merge' });
  await client.updateStatus(resourceClaims, { ...(await claim()), status: { allocation } });
  await addPod('third');
  t.equal((await cluster.placed('third')).spec?.nodeName, 'b');
  t.match((await claim()).status, {
    allocation: { devices: { results: [{ pool: 'b', device: 'one' }] } },
    reservedFor: [{ name: 'third' }],
  });
});

t.test('what the FailedScheduling event says', async (t) => {
  const cluster = await Cluster.start(t);
  const { client } = cluster;
  const stops = [cluster.scheduler(), cluster.controller()];
  t.teardown(() => Promise.all(stops.map((stop) => stop())));
  await cluster.addTemplate('unknown-class', { requests: [{ name: 'gpu', exactly: { deviceClassName: 'none' } }] });
  await cluster.addPod('classless', 'unknown-class');
  t.match(
    await cluster.message('classless', /device class/),
    /^0\/2 nodes are available: request gpu: device class none does not exist\./,
  );
  await cluster.addPod('templateless', 'none');
  t.equal(
    await cluster.message('templateless', /template/),
    'PodResourceClaim gpu: resource claim template "none": resourceclaimtemplate.resource.k8s.io "none" not found',
  );
  await cluster.addSlice('a', [{ name: 'one' }]);
  await cluster.addTemplate('none', oneGpu);
  t.equal((await cluster.placed('templateless')).spec?.nodeName, 'a', 'as soon as there is a template');
  await client.create(deviceClasses, { metadata: { name: 'none' }, spec: {} });
  await cluster.addSlice('b', [{ name: 'one' }]);
  t.equal((await cluster.placed('classless')).spec?.nodeName, 'b', 'as soon as there is a class and a device');
});
