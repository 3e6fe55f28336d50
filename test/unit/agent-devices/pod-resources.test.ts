/** The pod resources API on a real socket. */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import type { ResourceFacts } from '../../../agent/devices/pod-resources/pod-resources.ts';
import { PodResourcesServer } from '../../../agent/devices/pod-resources/pod-resources-server.ts';
import type { Container, Pod } from '../../../api/types/core/v1.gen.ts';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import { silent } from '../../server/apiserver/server.ts';
import { askPodResources, type ListedDevices, type ListedPod } from '../../support/pod-resources.ts';
import { eventually } from '../../support/wait.ts';

const container = (name: string, more: Partial<Container> = {}): Container => ({ name, image: 'app:1', ...more });
const podOf = (name: string, spec: Partial<NonNullable<Pod['spec']>>, status: Pod['status'] = {}): Pod => ({
  metadata: { name, namespace: 'default', uid: `uid-${name}` },
  spec: { containers: [container('main')], ...spec },
  status,
});

const widget = { resource: 'example.com/widget', id: 'w1', nodes: [0, 1] };
const gadget = { resource: 'example.com/gadget', id: 'g1', nodes: [] };
const prepared = { requestNames: [], poolName: 'pool', deviceName: 'gpu-0', cdiDeviceIds: ['example.com/gpu=0'] };
const facts: ResourceFacts = {
  devicesOf: (uid, name) => (uid === 'uid-gpu' && name === 'main' ? [widget, gadget] : []),
  claimsOf: (_, { name }) =>
    name === 'side'
      ? [{ namespace: 'default', claim: 'c', devices: [{ driver: 'gpu.example.com', ...prepared }] }]
      : [],
  cpusOf: (_, name) => (name === 'main' ? [2, 3] : []),
  healthyDevices: () => [widget],
  memoryOf: (_, name) => (name === 'main' ? [{ nodes: [0, 1], resource: 'memory', bytes: 2 ** 31 }] : []),
  allocatableMemory: () => [{ nodes: [1], resource: 'hugepages-2Mi', bytes: 2 ** 21 }],
  allocatableCpus: () => [1, 2, 3],
};

const pods = [
  podOf('gpu', { initContainers: [container('setup'), container('side', { restartPolicy: 'Always' })] }),
  podOf('done', {}, { phase: 'Succeeded' }),
];

t.test('exporters are told of devices, claims and CPUs of containers, and what the node has', async (t) => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-test-resources-'));
  const socket = path.join(directory, 'kubelet.sock');
  // Left behind by an agent that was killed.
  await writeFile(socket, '');
  let at = 1_000;
  const server = new PodResourcesServer({ directory, pods: () => pods, facts, logger: silent, now: () => at });
  const stop = new AbortController();
  const ended = server.run(stop.signal);
  t.teardown(async () => {
    stop.abort();
    await ended;
    await rm(directory, { recursive: true });
  });
  const list = () => askPodResources<{ podResources: ListedPod[] }>(socket, 'List');
  const { podResources } = await eventually('an answer', list);
  t.equal((await stat(socket)).mode & 0o777, 0o660);
  t.strictSame(
    podResources.map(({ name }) => name),
    ['gpu'],
    'not of those that have ended',
  );
  const [side, main] = podResources[0]?.containers ?? [];
  t.match(side, { name: 'side', devices: [], cpuIds: [] });
  t.match(side?.dynamicResources, [
    {
      ...{ claimName: 'c', claimNamespace: 'default' },
      claimResources: [
        {
          ...{ cdiDevices: [{ name: 'example.com/gpu=0' }], driverName: 'gpu.example.com' },
          ...{ poolName: 'pool', deviceName: 'gpu-0' },
        },
      ],
    },
  ]);
  t.match(main, { name: 'main', cpuIds: [2, 3], dynamicResources: [] });
  t.match(main?.memory, [{ memoryType: 'memory', size: 2 ** 31, topology: { nodes: [{ ID: 0 }, { ID: 1 }] } }]);
  t.match(
    main?.devices,
    [
      { resourceName: 'example.com/widget', deviceIds: ['w1'], topology: { nodes: [{ ID: 0 }] } },
      { resourceName: 'example.com/widget', deviceIds: ['w1'], topology: { nodes: [{ ID: 1 }] } },
      { resourceName: 'example.com/gadget', deviceIds: ['g1'], topology: null },
    ],
    'as upstream, one for each of its NUMA nodes',
  );

  const node = await askPodResources<{ devices: ListedDevices[]; cpuIds: number[] }>(socket, 'GetAllocatableResources');
  t.strictSame(node.cpuIds, [1, 2, 3]);
  t.equal(node.devices.length, 2);
  const named = { podName: 'done', podNamespace: 'default' };
  t.match(await askPodResources(socket, 'Get', named), { podResources: { name: 'done' } });
  const unknown = askPodResources(socket, 'Get', { ...named, podNamespace: 'other' });
  await t.rejects(unknown, { code: 2, details: 'pod done in namespace other not found' });

  const to = new Exposition();
  server.write(to);
  t.match(to.toString(), 'kubelet_pod_resources_endpoint_requests_get{server_api_version="v1"} 2');
  t.match(to.toString(), 'kubelet_pod_resources_endpoint_errors_get{server_api_version="v1"} 1');

  at += 1_000;
  const answers = await Promise.allSettled(Array.from({ length: 12 }, list));
  const refused = answers.filter(({ status }) => status === 'rejected');
  t.equal(refused.length, 2, 'no more than ten at once');
  t.match(refused[0], { reason: { code: 8, details: 'rejected by rate limit' } });
  at += 10;
  await t.resolves(list(), 'and a hundred a second');
});
