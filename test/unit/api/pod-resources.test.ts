/** Requests and limits of pods, as api-server, scheduler and agent compute them, compared with a table of upstream's rules. */
import { test } from 'tap';
import { admission } from '../../../agent/pods/sync/admission.ts';
import { evictionOrder, podRequestOf } from '../../../agent/eviction/ranking.ts';
import { evictionMessage } from '../../../agent/eviction/messages.ts';
import { containerLimits, containerResources, podLimits } from '../../../agent/resources/compute.ts';
import { containerResource } from '../../../agent/volumes/written/downward-values.ts';
import { podLimit, podRequest, qosClassOf } from '../../../api/domain/pod-resources.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { podRequests } from '../../../control-plane/scheduler/framework/resources.ts';
import type { Container, Pod, PodSpec } from '../../../api/types/core/v1.gen.ts';
import { CONTEXT } from './updates.ts';

const MI = 2 ** 20;
type Amounts = Record<string, string>;

const named = (name: string, requests?: Amounts, limits?: Amounts, more: Partial<Container> = {}): Container => ({
  name,
  image: 'x',
  resources: { ...(requests && { requests }), ...(limits && { limits }) },
  ...more,
});
const sidecar = (requests: Amounts, limits?: Amounts): Container =>
  named('sidecar', requests, limits, { restartPolicy: 'Always' });

/** A pod after defaulting. */
function made(spec: Partial<PodSpec>): Pod & { spec: PodSpec } {
  const pod: Pod & { spec: PodSpec } = { metadata: { name: 'web' }, spec: { containers: [named('a')], ...spec } };
  pods.applyDefaults(pod);
  return pod;
}
const whole = (requests?: Amounts, limits?: Amounts): Partial<PodSpec> => ({
  resources: { ...(requests && { requests }), ...(limits && { limits }) },
});

const cpu = (amount: string): Amounts => ({ cpu: amount });
/** A pod's CPU request and limit in millicores, and its QoS class. */
const TABLE: [string, Partial<PodSpec>, number, number | undefined, string][] = [
  ['nothing', {}, 0, undefined, 'BestEffort'],
  [
    'the sum of the containers',
    { containers: [named('a', cpu('1')), named('b', cpu('500m'))] },
    1500,
    undefined,
    'Burstable',
  ],
  [
    'a pod has a limit when every container has one',
    { containers: [named('a', cpu('1'), cpu('2')), named('b', cpu('1'), cpu('1'))] },
    2000,
    3000,
    'Burstable',
  ],
  [
    'no limit when one container has none',
    { containers: [named('a', cpu('1'), cpu('2')), named('b', cpu('1'))] },
    2000,
    undefined,
    'Burstable',
  ],
  [
    'the largest init container',
    { containers: [named('a', cpu('1'))], initContainers: [named('i', cpu('3')), named('j', cpu('2'))] },
    3000,
    undefined,
    'Burstable',
  ],
  [
    'an init container plus the sidecars before it',
    { containers: [named('a', cpu('1'))], initContainers: [sidecar(cpu('500m')), named('i', cpu('3'))] },
    3500,
    undefined,
    'Burstable',
  ],
  [
    'an init container without the sidecars after it',
    { containers: [named('a', cpu('1'))], initContainers: [named('i', cpu('3')), sidecar(cpu('500m'))] },
    3000,
    undefined,
    'Burstable',
  ],
  [
    'sidecars plus containers',
    { containers: [named('a', cpu('2'), cpu('2'))], initContainers: [sidecar(cpu('1'), cpu('1'))] },
    3000,
    3000,
    'Burstable',
  ],
  [
    'overhead is added to both',
    { containers: [named('a', cpu('1'), cpu('2'))], overhead: cpu('100m') },
    1100,
    2100,
    'Burstable',
  ],
  [
    'pod-level resources',
    { ...whole(cpu('2'), cpu('3')), containers: [named('a', cpu('1'))] },
    2000,
    3000,
    'Burstable',
  ],
  ['pod-level limits only', whole(undefined, cpu('3')), 3000, 3000, 'Burstable'],
  [
    'pod-level limits, container requests',
    { ...whole(undefined, cpu('3')), containers: [named('a', cpu('1')), named('b')] },
    1000,
    3000,
    'Burstable',
  ],
  [
    'pod-level requests, container limits',
    { ...whole(cpu('3')), containers: [named('a', undefined, cpu('1'))] },
    3000,
    1000,
    'Burstable',
  ],
  [
    'pod-level resources plus overhead',
    { ...whole(cpu('2'), cpu('3')), overhead: cpu('100m') },
    2100,
    3100,
    'Burstable',
  ],
  [
    'Guaranteed by pod-level resources',
    {
      ...whole(undefined, { cpu: '2', memory: '1Gi' }),
      containers: [named('a'), named('b', { memory: '1Mi' }, { memory: '2Mi' })],
      resources: { requests: { cpu: '2', memory: '1Gi' }, limits: { cpu: '2', memory: '1Gi' } },
    },
    2000,
    2000,
    'Guaranteed',
  ],
  [
    'Guaranteed by container resources',
    { containers: [named('a', undefined, { cpu: '2', memory: '1Gi' })] },
    2000,
    2000,
    'Guaranteed',
  ],
  [
    'a zero request is no request',
    { containers: [named('a', { cpu: '0', memory: '0' }, { cpu: '1', memory: '1Gi' })] },
    0,
    1000,
    'Burstable',
  ],
];

test('request, limit and QoS class of a pod', (t) => {
  for (const [what, spec, request, limit, qos] of TABLE) {
    const pod = made(spec);
    t.equal(podRequest(pod.spec, 'cpu'), request, what);
    t.equal(podLimit(pod.spec, 'cpu'), limit, what);
    t.equal(qosClassOf(pod.spec), qos, what);
    t.equal(podRequests(pod.spec).milliCpu, request, `${what}: the scheduler`);
    pods.prepareForCreate(pod, CONTEXT);
    t.equal(pod.status?.qosClass, qos, `${what}: the api-server`);
  }
  t.end();
});

test('the agent admits by the same requests as the scheduler', (t) => {
  for (const [what, spec, request] of TABLE) {
    if (request === 0) continue;
    const refusal = (milli: number) =>
      admission({ pod: made(spec), source: 'api' }, [], {
        allocatable: { cpu: `${milli}m`, memory: '64Gi' },
        pressures: [],
        features: { supplementalGroupsPolicy: false },
      })?.reason;
    t.equal(refusal(request), undefined, what);
    t.equal(refusal(request - 1), 'OutOfcpu', what);
  }
  t.end();
});

test('pod-level resources are defaulted as upstream', (t) => {
  const resourcesOf = (spec: Partial<PodSpec>) => made(spec).spec.resources;
  t.same(resourcesOf(whole(undefined, { cpu: '2', memory: '1Gi' })), {
    requests: { cpu: '2', memory: '1Gi' },
    limits: { cpu: '2', memory: '1Gi' },
  });
  t.same(
    resourcesOf({ ...whole(undefined, cpu('2')), containers: [named('a', { cpu: '1', memory: '1Gi' })] })?.requests,
    { cpu: '1', memory: '1Gi' },
    'sum of the container requests',
  );
  t.same(
    resourcesOf({ ...whole(cpu('2')), containers: [named('a', { memory: '1Gi' })] })?.requests,
    { cpu: '2' },
    'a pod without pod-level limits is not defaulted',
  );
  const huge = { 'hugepages-2Mi': '4Mi' };
  t.same(
    resourcesOf({ ...whole(cpu('1')), containers: [named('a', huge, huge), named('b', huge, huge)] }),
    { requests: { cpu: '1', 'hugepages-2Mi': '8Mi' }, limits: { 'hugepages-2Mi': '8Mi' } },
    'huge pages cannot be overcommitted',
  );
  t.same(resourcesOf({ resources: {} }), {});
  t.end();
});

test('validates pod-level resources against those of the containers', (t) => {
  const problems = (spec: Partial<PodSpec>) =>
    pods.validate(made(spec)).map(({ field, message }) => `${field}: ${message}`);
  t.same(
    problems({
      resources: { requests: { cpu: '1' }, limits: { cpu: '1' } },
      containers: [named('a', cpu('800m'), cpu('2')), named('b', cpu('300m'))],
    }),
    [
      'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 1100m',
      'spec.resources.containers[0][cpu].limits: Invalid value: "2": must be less than or equal to pod limits of 1',
    ],
  );
  t.same(problems(whole({ 'ephemeral-storage': '1Gi' })), [
    'spec.resources.requests[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: "cpu", "hugepages-", "memory"',
  ]);
  t.same(problems({ resources: { claims: [{ name: 'x' }] } }), [
    'spec.resources.claims: Forbidden: claims may not be set for Resources at pod-level',
    'spec.resources.claims[0]: Not found: "x": must be one of the names in pod.spec.resourceClaims which is empty',
  ]);
  t.same(problems({ ...whole(cpu('1')), os: { name: 'windows' } }), [
    'spec.resources: Forbidden: may not be set for a windows pod',
  ]);
  t.same(problems(whole(cpu('1'), cpu('2'))), []);
  t.end();
});

const limited = made({
  resources: { limits: { memory: '40Mi', cpu: '200m' }, requests: { memory: '40Mi', cpu: '200m' } },
  containers: [named('a'), named('b', { memory: '10Mi' }, { memory: '20Mi' })],
});

test("pod-level limits apply to the pod's cgroup and to containers without limits", (t) => {
  const hugePages = new Map();
  const limits = { cpuShares: 204, cpuPeriod: 100_000, cpuQuota: 20_000, memoryBytes: 40 * MI, hugePages };
  t.same(podLimits(limited), limits);
  const [a, b] = limited.spec.containers as [Container, Container];
  t.match(containerLimits(limited, a), { cpuQuota: 20_000, memoryBytes: 40 * MI });
  t.match(containerLimits(limited, b), { cpuQuota: 20_000, memoryBytes: 20 * MI });
  const partly = made({
    ...whole(undefined, cpu('1')),
    containers: [named('a', undefined, { memory: '8Mi' }), named('b')],
  });
  t.same(podLimits(partly), { cpuShares: 1024, cpuPeriod: 100_000, cpuQuota: 100_000, hugePages }, 'no memory limit');
  t.end();
});

test('the OOM score accounts for pod-level memory requests', (t) => {
  const host = { memoryCapacityBytes: 1000 * MI, lowestOomScoreAdj: -1000, cgroupVersion: 2 } as const;
  const scores = (pod: Pod) =>
    [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].map(
      (container) => containerResources(pod, container, host).oomScoreAdj,
    );
  t.same(scores(limited), [-997, -997], 'Guaranteed by pod-level resources');
  const burstable = made({
    ...whole({ memory: '400Mi' }),
    containers: [named('a', { memory: '100Mi' }), named('b', { memory: '200Mi' })],
  });
  t.same(scores(burstable), [850, 750], 'each container gets half of the unclaimed memory');
  const beside = made({
    initContainers: [sidecar({ memory: '10Mi' })],
    containers: [named('a', { memory: '100Mi' }), named('b', { memory: '200Mi' })],
  });
  t.same(scores(beside), [900, 900, 800], 'a sidecar has the score of the main containers');
  t.same(scores(made({ containers: [named('a', { memory: '1' })] })), [999]);
  t.end();
});

test('resourceFieldRef falls back to the pod-level limit', (t) => {
  const [a, b] = limited.spec.containers as [Container, Container];
  const allocatable = { cpu: '4', memory: '1Gi' };
  const told = (container: Container, resource: string) =>
    containerResource(limited, container, { resource }, allocatable);
  t.equal(told(a, 'limits.memory'), String(40 * MI));
  t.equal(told(b, 'limits.memory'), String(20 * MI));
  t.equal(told(a, 'limits.cpu'), '1', 'rounded up');
  t.equal(told(a, 'requests.memory'), '0');
  t.equal(containerResource(made({}), named('a'), { resource: 'limits.memory' }, allocatable), String(1024 * MI));
  t.end();
});

test('eviction compares usage with pod-level requests', (t) => {
  const using = (pod: Pod, mib: number) => ({
    pod,
    total: { memoryBytes: mib * MI },
    containers: new Map([['a', { memoryBytes: mib * MI }]]),
    emptyDirs: new Map(),
  });
  const within = using(made({ ...whole({ memory: '100Mi' }), containers: [named('a', { memory: '10Mi' })] }), 90);
  const above = using(made({ containers: [named('a', { memory: '10Mi' })] }), 20);
  t.equal(podRequestOf(within.pod, 'memory'), 100 * MI);
  t.same(evictionOrder([within, above], 'memory'), [above, within]);
  t.match(
    evictionMessage('memory', '100Mi', 1, using(within.pod, 120)),
    /Pod web was using 120Mi, request is 100Mi, has larger consumption of memory\. Container a was using 120Mi, request is 10Mi/,
  );
  t.end();
});
