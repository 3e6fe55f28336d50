/** What quotas count, by table, compared with upstream's evaluators. */
import t from 'tap';
import { evaluatorOf, evaluatorsOf, isInScopes, usageAt } from '../../../api/domain/quota.ts';
import { amountsOf, quantitiesOf } from '../../../api/domain/quota-amounts.ts';
import { countUsage, planStatus } from '../../../api/domain/quota-status.ts';
import { groupResource } from '../../../api/machinery/define-kind.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import type {
  PersistentVolumeClaim,
  Pod,
  PodSpec,
  ResourceQuotaSpec,
  ResourceRequirements,
  Service,
  ServiceSpec,
} from '../../../api/types/core/v1.gen.ts';
import type { DeviceRequest, ResourceClaim } from '../../../api/types/resource/v1.gen.ts';

const NOW = Date.parse('2026-01-02T03:04:05Z');
const PODS = { group: '', plural: 'pods' };

function measured(plural: string, object: KubeObject) {
  const evaluator = evaluatorOf({ group: '', plural });
  if (!evaluator) throw new Error(`no quota counts ${plural}`);
  return evaluator.measure(object);
}
const usage = (plural: string, object: KubeObject) => quantitiesOf(usageAt(measured(plural, object), NOW));

const container = (resources: ResourceRequirements) => ({ name: 'c', resources });
const pod = (spec: Partial<PodSpec>, more: Partial<Pod> = {}): Pod => ({ spec: { containers: [], ...spec }, ...more });
const asking = (requests: Record<string, string>, limits?: Record<string, string>) =>
  pod({ containers: [container({ requests, ...(limits && { limits }) })] });

t.test('usage of a pod', async (t) => {
  const one = { 'count/pods': '1', pods: '1' };
  const cpu = (amount: string) => ({ ...one, cpu: amount, 'requests.cpu': amount });
  const table: [what: string, pod: Pod, wanted: Record<string, string>][] = [
    ['a pod without requests counts as one pod', pod({ containers: [container({})] }), one],
    ['CPU', asking({ cpu: '1m' }, { cpu: '2m' }), { ...cpu('1m'), 'limits.cpu': '2m' }],
    [
      'memory',
      asking({ memory: '1Mi' }, { memory: '2Mi' }),
      { ...one, memory: '1Mi', 'requests.memory': '1Mi', 'limits.memory': '2Mi' },
    ],
    [
      'ephemeral storage',
      asking({ 'ephemeral-storage': '32Mi' }, { 'ephemeral-storage': '64Mi' }),
      {
        ...one,
        'ephemeral-storage': '32Mi',
        'requests.ephemeral-storage': '32Mi',
        'limits.ephemeral-storage': '64Mi',
      },
    ],
    [
      'huge pages: requests only',
      asking({ 'hugepages-2Mi': '100Mi' }, { 'hugepages-2Mi': '100Mi' }),
      { ...one, 'hugepages-2Mi': '100Mi', 'requests.hugepages-2Mi': '100Mi' },
    ],
    [
      'extended resources: with the requests. prefix only',
      asking({ 'example.com/dongle': '3' }, { 'example.com/dongle': '3' }),
      { ...one, 'requests.example.com/dongle': '3' },
    ],
    [
      'device classes: requests by class name',
      asking({ 'deviceclass.resource.kubernetes.io/gpu': '1' }),
      { ...one, 'requests.deviceclass.resource.kubernetes.io/gpu': '1' },
    ],
    ['containers together', pod({ containers: [container({ requests: { cpu: '1' } }), container({})] }), cpu('1')],
    [
      'larger init container',
      pod({
        initContainers: [container({ requests: { cpu: '3' } }), container({ requests: { cpu: '2' } })],
        containers: [container({ requests: { cpu: '1' } }), container({ requests: { cpu: '1' } })],
      }),
      cpu('3'),
    ],
    [
      'sidecar plus containers',
      pod({
        initContainers: [{ ...container({ requests: { cpu: '500m' } }), restartPolicy: 'Always' }],
        containers: [container({ requests: { cpu: '1' } })],
      }),
      cpu('1500m'),
    ],
    [
      'pod-level resources',
      pod({ resources: { requests: { cpu: '4' } }, containers: [container({ requests: { cpu: '1' } })] }),
      cpu('4'),
    ],
    [
      'overhead, added to existing limits only',
      pod({
        overhead: { cpu: '1', memory: '1Gi' },
        containers: [container({ requests: { cpu: '1' }, limits: { cpu: '2' } })],
      }),
      { ...cpu('2'), 'limits.cpu': '3', memory: '1Gi', 'requests.memory': '1Gi' },
    ],
    ['failed', pod({}, { status: { phase: 'Failed' } }), { 'count/pods': '1' }],
    ['succeeded', pod({}, { status: { phase: 'Succeeded' } }), { 'count/pods': '1' }],
  ];
  for (const [what, object, wanted] of table) t.strictSame(usage('pods', object), wanted, what);

  const deleted = (deletionTimestamp: string) =>
    pod({}, { metadata: { deletionTimestamp, deletionGracePeriodSeconds: 30 } });
  t.strictSame(usage('pods', deleted('2026-01-02T03:03:35Z')), one, 'until twice the grace period has passed');
  t.strictSame(usage('pods', deleted('2026-01-02T03:03:34Z')), { 'count/pods': '1' }, 'stuck on an unreachable node');
});

t.test('usage of a service', async (t) => {
  const ports = [{ port: 80, nodePort: 30080 }, { port: 443 }];
  const table: [spec: ServiceSpec, nodePorts: string, balancers: string][] = [
    [{ type: 'ClusterIP', ports }, '0', '0'],
    [{ type: 'ExternalName' }, '0', '0'],
    [{ type: 'NodePort', ports }, '2', '0'],
    [{ type: 'LoadBalancer', ports }, '2', '1'],
    [{ type: 'LoadBalancer', ports, allocateLoadBalancerNodePorts: true }, '2', '1'],
    [{ type: 'LoadBalancer', ports, allocateLoadBalancerNodePorts: false }, '1', '1'],
  ];
  for (const [spec, nodePorts, balancers] of table) {
    const service: Service = { spec };
    t.strictSame(usage('services', service), {
      'count/services': '1',
      services: '1',
      'services.nodeports': nodePorts,
      'services.loadbalancers': balancers,
    });
  }
});

t.test('usage of a resource claim', async (t) => {
  const devices = (name: string): string => `${name}.deviceclass.resource.k8s.io/devices`;
  const exact = (deviceClassName: string, count: number) => ({
    ...{ name: 'r', exactly: { deviceClassName, allocationMode: 'ExactCount' as const, count } },
  });
  const alternative = (deviceClassName: string, count: number) => ({
    ...exact(deviceClassName, count).exactly,
    name: 'a',
  });
  const all = { name: 'r', exactly: { deviceClassName: 'gpu', allocationMode: 'All' as const } };
  const firstAvailable = [alternative('gpu', 1), alternative('gpu', 4), alternative('nic', 2)];
  const rows: [requests: DeviceRequest[], wanted: Record<string, string>][] = [
    [[], {}],
    [[exact('gpu', 2), exact('gpu', 1), exact('nic', 1)], { [devices('gpu')]: '3', [devices('nic')]: '1' }],
    [[all], { [devices('gpu')]: '32' }],
    [[{ name: 'r', firstAvailable }], { [devices('gpu')]: '4', [devices('nic')]: '2' }],
  ];
  const evaluator = evaluatorOf({ group: 'resource.k8s.io', plural: 'resourceclaims' });
  for (const [requests, wanted] of rows) {
    const claim: ResourceClaim = { spec: { devices: { requests } } };
    const used = evaluator && quantitiesOf(usageAt(evaluator.measure(claim), NOW));
    t.same(used, { 'count/resourceclaims.resource.k8s.io': '1', ...wanted });
  }
  t.same(evaluatorsOf([devices('gpu')]), [evaluator]);
});

t.test('usage of a persistent volume claim', async (t) => {
  const claim = (more: Partial<PersistentVolumeClaim>, storage = '10Gi'): PersistentVolumeClaim => ({
    spec: { resources: { requests: { storage } } },
    ...more,
  });
  const one = (storage: string) => ({
    'count/persistentvolumeclaims': '1',
    persistentvolumeclaims: '1',
    'requests.storage': storage,
  });
  const gold = (storage: string) => ({
    ...one(storage),
    'gold.storageclass.storage.k8s.io/persistentvolumeclaims': '1',
    'gold.storageclass.storage.k8s.io/requests.storage': storage,
  });
  const spec = { resources: { requests: { storage: '10Gi' } }, storageClassName: 'gold' };
  const annotations = { 'volume.beta.kubernetes.io/storage-class': 'gold' };
  for (const [object, wanted] of [
    [claim({}), one('10Gi')],
    [claim({}, '1500m'), one('2')],
    [claim({ spec }), gold('10Gi')],
    [claim({ metadata: { annotations } }), gold('10Gi')],
    [claim({ status: { allocatedResources: { storage: '20Gi' } } }), one('20Gi')],
    [claim({ status: { allocatedResources: { storage: '5Gi' } } }), one('10Gi')],
  ] as const) {
    t.strictSame(usage('persistentvolumeclaims', object), wanted);
  }
});

t.test('other kinds are counted by count/NAME, and some by a short name as well', async (t) => {
  t.strictSame(usage('configmaps', {}), { 'count/configmaps': '1', configmaps: '1' });
  t.strictSame(usage('replicationcontrollers', {}), {
    'count/replicationcontrollers': '1',
    replicationcontrollers: '1',
  });
  t.strictSame(usage('serviceaccounts', {}), { 'count/serviceaccounts': '1' });
  const deployments = evaluatorOf({ group: 'apps', plural: 'deployments' });
  t.strictSame(quantitiesOf(deployments?.measure({}).usage ?? new Map()), { 'count/deployments.apps': '1' });
  for (const resource of [
    { group: '', plural: 'events' },
    { group: 'events.k8s.io', plural: 'events' },
    { group: '', plural: 'bindings' },
    { group: 'authorization.k8s.io', plural: 'localsubjectaccessreviews' },
  ]) {
    t.equal(evaluatorOf(resource), undefined, groupResource(resource));
  }
});

t.test('a quota watches the kinds that its resources count', async (t) => {
  const table: [name: string, resource: string | undefined][] = [
    ['cpu', 'pods'],
    ['limits.memory', 'pods'],
    ['limits.example.com/dongle', undefined],
    ['requests.example.com/dongle', 'pods'],
    ['requests.hugepages-2Mi', 'pods'],
    ['count/pods', 'pods'],
    ['services.nodeports', 'services'],
    ['requests.storage', 'persistentvolumeclaims'],
    ['gold.storageclass.storage.k8s.io/requests.storage', 'persistentvolumeclaims'],
    ['secrets', 'secrets'],
    ['count/secrets', 'secrets'],
    ['count/deployments.apps', 'deployments.apps'],
    ['count/networkpolicies.networking.k8s.io', 'networkpolicies.networking.k8s.io'],
    ['count/events', undefined],
    ['limits.storage', undefined],
  ];
  for (const [name, wanted] of table) {
    t.equal(evaluatorsOf([name]).map(({ resource }) => groupResource(resource))[0], wanted, name);
  }
  t.equal(evaluatorsOf(['cpu', 'pods', 'count/pods']).length, 1);
});

t.test('scopes', async (t) => {
  const best = pod({ containers: [container({})] });
  const burstable = asking({ cpu: '1' });
  const ending = pod({ activeDeadlineSeconds: 0 });
  const important = pod({ priorityClassName: 'high' });
  const term = { topologyKey: 'zone' };
  const reaching = pod({
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 1, podAffinityTerm: { ...term, namespaces: ['other'] } },
        ],
      },
    },
  });
  const selecting = pod({
    affinity: {
      podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ ...term, namespaceSelector: {} }] },
    },
  });
  const staying = pod({ affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } });
  const byClass = (operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist', ...values: string[]): ResourceQuotaSpec => ({
    scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator, values }] },
  });
  const table: [spec: ResourceQuotaSpec, inside: Pod[], outside: Pod[]][] = [
    [{}, [best, burstable], []],
    [{ scopes: ['Terminating'] }, [ending], [best]],
    [{ scopes: ['NotTerminating'] }, [best], [ending]],
    [{ scopes: ['BestEffort'] }, [best], [burstable]],
    [{ scopes: ['NotBestEffort'] }, [burstable], [best]],
    [{ scopes: ['BestEffort', 'NotTerminating'] }, [best], [burstable, ending]],
    [{ scopes: ['CrossNamespacePodAffinity'] }, [reaching, selecting], [best, staying]],
    [{ scopes: ['PriorityClass'] }, [important], [best]],
    [{ scopes: ['VolumeAttributesClass'] }, [], [best]],
    [byClass('In', 'high', 'low'), [important], [best]],
    [byClass('In', 'low'), [], [important]],
    [byClass('NotIn', 'high'), [best], [important]],
    [byClass('Exists'), [important], [best]],
    [byClass('DoesNotExist'), [best], [important]],
    [{ ...byClass('Exists'), scopes: ['NotTerminating'] }, [important], [ending]],
  ];
  for (const [spec, inside, outside] of table) {
    for (const object of inside) t.ok(isInScopes(spec, measured('pods', object)), JSON.stringify([spec, object]));
    for (const object of outside) t.notOk(isInScopes(spec, measured('pods', object)), JSON.stringify([spec, object]));
  }
  t.notOk(isInScopes({ scopes: ['NotTerminating'] }, measured('configmaps', {})), 'objects without scopes match none');
  const claim: PersistentVolumeClaim = { spec: { volumeAttributesClassName: 'fast' } };
  const attributes = (value: string): ResourceQuotaSpec => ({
    scopeSelector: { matchExpressions: [{ scopeName: 'VolumeAttributesClass', operator: 'In', values: [value] }] },
  });
  t.ok(isInScopes(attributes('fast'), measured('persistentvolumeclaims', claim)));
  t.notOk(isInScopes(attributes('slow'), measured('persistentvolumeclaims', claim)));
});

t.test('usage is summed over the objects that match', async (t) => {
  const objects = new Map<string, KubeObject[]>([
    [
      'pods',
      [
        asking({ cpu: '100m' }),
        asking({ cpu: '100m' }),
        asking({ memory: '1Gi' }),
        pod({}, { status: { phase: 'Failed' } }),
      ],
    ],
    ['configmaps', [{}, {}]],
  ]);
  const counted = (spec: ResourceQuotaSpec) =>
    quantitiesOf(
      countUsage(
        spec,
        ({ resource, measure }) => objects.get(groupResource(resource))?.map((object) => measure(object)),
        NOW,
      ),
    );
  const quota = (...names: string[]) => Object.fromEntries(names.map((name) => [name, '9']));
  t.strictSame(counted({ hard: quota('pods', 'count/pods', 'cpu', 'requests.memory', 'limits.cpu', 'configmaps') }), {
    pods: '3',
    'count/pods': '4',
    cpu: '200m',
    'requests.memory': '1Gi',
    'limits.cpu': '0',
    configmaps: '2',
  });
  t.strictSame(counted({ hard: quota('pods'), scopes: ['BestEffort'] }), { pods: '0' });
  t.strictSame(counted({ hard: quota('pods'), scopes: ['NotBestEffort'] }), { pods: '3' });
  t.strictSame(
    counted({ hard: quota('persistentvolumeclaims', 'gold.storageclass.storage.k8s.io/requests.storage') }),
    { persistentvolumeclaims: '0', 'gold.storageclass.storage.k8s.io/requests.storage': '0' },
    'kinds that are not served have no usage',
  );
  t.strictSame(counted({ hard: quota('count/widgets.example.com') }), {}, 'usage of an unknown resource is unknown');
  t.equal(evaluatorOf(PODS)?.needsWholeObject, true);
});

t.test('the status is written only when it changes', async (t) => {
  const plan = (status: object, counted: Record<string, string>, floors: Record<string, string> = {}) =>
    planStatus({ spec: { hard: { pods: '5', cpu: '2' } }, status }, amountsOf(counted), (name) =>
      amountsOf(floors).get(name),
    );
  const hard = { pods: '5', cpu: '2' };
  const used = { pods: '1', cpu: '1' };
  for (const [what, { status, waits }, wanted, mustWait] of [
    ['new', plan({}, used), { hard, used }, false],
    ['unchanged', plan({ hard, used }, used), undefined, false],
    [
      'equal quantities in another notation',
      plan({ hard: { ...hard, cpu: '2000m' }, used }, { ...used, cpu: '1000m' }),
      undefined,
      false,
    ],
    ['other limits', plan({ hard: { ...hard, pods: '4' }, used }, used), { hard, used }, false],
    [
      'limits that are gone',
      plan({ hard: { ...hard, a: '1' }, used: { ...used, a: '1' } }, used),
      { hard, used },
      false,
    ],
    [
      'more',
      plan({ hard, used }, { ...used, pods: '2' }, { pods: '1' }),
      { hard, used: { ...used, pods: '2' } },
      false,
    ],
    ['less', plan({ hard, used }, { ...used, pods: '0' }), { hard, used: { ...used, pods: '0' } }, false],
    ['less, but charged just now', plan({ hard, used }, { ...used, pods: '0' }, { pods: '1' }), undefined, true],
    [
      'less, of which a part was charged just now',
      plan({ hard, used: { pods: '3', cpu: '1' } }, { pods: '0', cpu: '1' }, { pods: '2' }),
      { hard, used: { pods: '2', cpu: '1' } },
      true,
    ],
    [
      'less of one that has settled',
      plan({ hard, used }, { pods: '0', cpu: '0' }, { pods: '1' }),
      { hard, used: { pods: '1', cpu: '0' } },
      true,
    ],
    ['usage that cannot be counted is kept', plan({ hard, used }, { pods: '1' }), undefined, false],
  ] as const) {
    t.strictSame(status, wanted, what);
    t.equal(waits, mustWait, what);
  }
});
