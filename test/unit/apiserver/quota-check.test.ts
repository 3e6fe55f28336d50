/** What a write is charged, and upstream's messages when it is rejected. */
import t from 'tap';
import { amountsOf, quantitiesOf } from '../../../api/domain/quota-amounts.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { events } from '../../../api/kinds/core/event.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { services } from '../../../api/kinds/core/service.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';
import type { Pod, PodSpec, ResourceQuota, ResourceRequirements, Service } from '../../../api/types/core/v1.gen.ts';
import type { AdmissionRequest } from '../../../control-plane/apiserver/admission/plugin.ts';
import { charge, evaluatorFor } from '../../../control-plane/apiserver/admission/quota-check.ts';

const NOW = Date.parse('2026-01-02T03:04:05Z');

const request = <T extends KubeObject>(
  kind: Kind<T>,
  object: T,
  old?: T,
  more: Partial<AdmissionRequest> = {},
): AdmissionRequest => ({
  operation: old ? 'UPDATE' : 'CREATE',
  kind,
  ...{ subresource: '', namespace: 'apps', name: 'x', object, old, dryRun: false },
  ...{ user: { name: 'jane', groups: [] }, warn: () => undefined },
  ...more,
});
const quota = (
  name: string,
  hard: Record<string, string>,
  used: Record<string, string>,
  spec: ResourceQuota['spec'] = {},
): ResourceQuota => ({ metadata: { name }, spec: { hard, ...spec }, status: { hard, used } });

/** The usage of each quota afterwards, or why the write is rejected. */
function decided(asked: AdmissionRequest, ...quotas: ResourceQuota[]) {
  const evaluator = evaluatorFor(asked);
  if (!evaluator) return 'not charged';
  try {
    const before = quotas.map((each) => ({ quota: each, used: amountsOf(each.status?.used) }));
    return charge(before, asked, evaluator, NOW).map(({ used }) => quantitiesOf(used));
  } catch (error) {
    if (error instanceof StatusError && error.code === 403) return error.message;
    throw error;
  }
}

const container = (name: string, resources: ResourceRequirements = {}) => ({ name, resources });
const pod = (spec: Partial<PodSpec> = {}): Pod => ({ spec: { containers: [container('c')], ...spec } });
const asking = (...requests: Record<string, string>[]): Pod =>
  pod({ containers: requests.map((each, index) => container(`c${index}`, { requests: each })) });
const service = (type: 'ClusterIP' | 'NodePort' | 'LoadBalancer', ...ports: number[]): Service => ({
  spec: { type, ports: ports.map((port) => ({ port })) },
});

t.test('a create is charged to every quota that it matches, or to none', async (t) => {
  const few = quota('few', { pods: '2' }, { pods: '1' });
  const cpu = quota('cpu', { 'requests.cpu': '1', memory: '1Gi' }, { 'requests.cpu': '500m', memory: '0' });
  const best = quota('best', { pods: '1' }, { pods: '1' }, { scopes: ['BestEffort'] });
  const table: [object: Pod, quotas: ResourceQuota[], wanted: unknown][] = [
    [
      asking({ cpu: '500m', memory: '1Gi' }),
      [few, cpu, best],
      [{ pods: '2' }, { 'requests.cpu': '1', memory: '1Gi' }, { pods: '1' }],
    ],
    [
      asking({ cpu: '250m', memory: '512Mi' }, { cpu: '251m', memory: '513Mi' }),
      [few, cpu],
      'pods "x" is forbidden: exceeded quota: cpu, requested: memory=1025Mi,requests.cpu=501m, used: memory=0,requests.cpu=500m, limited: memory=1Gi,requests.cpu=1',
    ],
    [
      pod(),
      [quota('full', { pods: '1' }, { pods: '1' })],
      'pods "x" is forbidden: exceeded quota: full, requested: pods=1, used: pods=1, limited: pods=1',
    ],
    [
      pod(),
      [few, best],
      'pods "x" is forbidden: exceeded quota: best, requested: pods=1, used: pods=1, limited: pods=1',
    ],
    [
      pod(),
      [quota('lowered', { pods: '1' }, { pods: '5' })],
      'pods "x" is forbidden: exceeded quota: lowered, requested: pods=1, used: pods=5, limited: pods=1',
    ],
    [pod(), [quota('other', { configmaps: '1' }, { configmaps: '1' })], [{ configmaps: '1' }]],
    [pod(), [{ metadata: { name: 'new' }, spec: { hard: { pods: '0' } } }], [{}]],
    [
      pod(),
      [quota('new', { pods: '1', cpu: '1' }, { configmaps: '1' })],
      'pods "x" is forbidden: failed quota: new: must specify cpu for: c',
    ],
    [
      pod(),
      [quota('new', { pods: '1', 'count/pods': '1', configmaps: '1' }, {})],
      'pods "x" is forbidden: status unknown for quota: new, resources: count/pods,pods',
    ],
  ];
  for (const [object, quotas, wanted] of table) t.strictSame(decided(request(pods, object), ...quotas), wanted);
  t.strictSame(
    decided(
      request(configMaps, {}),
      quota('few', { configmaps: '2', secrets: '1' }, { configmaps: '1', secrets: '0' }),
    ),
    [{ configmaps: '2', secrets: '0' }],
  );
});

t.test('containers must specify CPU and memory where a quota limits them', async (t) => {
  const names = ['cpu', 'requests.memory', 'limits.cpu', 'limits.memory', 'limits.ephemeral-storage'];
  const all = Object.fromEntries(names.map((name) => [name, '1Gi']));
  const limits = quota('limits', all, Object.fromEntries(names.map((name) => [name, '0'])));
  const failed = 'pods "x" is forbidden: failed quota: limits: must specify';
  const said = { requests: { cpu: '1', memory: '1' }, limits: { cpu: '1', memory: '1' } };
  for (const [spec, wanted] of [
    [
      { containers: [container('b'), container('a')], initContainers: [container('i', said)] },
      `${failed} cpu for: a,b; limits.cpu for: a,b; limits.memory for: a,b; requests.memory for: a,b`,
    ],
    [
      { containers: [container('a', said), container('b', { requests: said.requests })] },
      `${failed} limits.cpu for: b; limits.memory for: b`,
    ],
    [
      { containers: [container('a', said)], initContainers: [container('i', { ...said, limits: { cpu: '1' } })] },
      `${failed} limits.memory for: i`,
    ],
    [{ containers: [container('a', said)] }, 1],
    [{ containers: [container('a')], resources: { requests: { cpu: '1' } } }, 1],
  ] as const) {
    const outcome = decided(request(pods, pod(spec as unknown as PodSpec)), limits);
    t.strictSame(typeof outcome === 'string' ? outcome : outcome.length, wanted);
  }
});

t.test('an update is charged for its increase', async (t) => {
  const names = { services: '5', 'services.nodeports': '2', 'services.loadbalancers': '0' };
  const some = quota('some', names, { services: '1', 'services.nodeports': '1', 'services.loadbalancers': '0' });
  const used = (nodePorts: string) => [
    { services: '1', 'services.nodeports': nodePorts, 'services.loadbalancers': '0' },
  ];
  for (const [old, object, wanted] of [
    [service('NodePort', 80), service('NodePort', 80, 443), used('2')],
    [service('NodePort', 80), service('ClusterIP', 80), used('1')],
    [service('ClusterIP', 80), service('NodePort', 80), used('2')],
    [
      service('ClusterIP', 80),
      service('NodePort', 80, 443),
      'services "x" is forbidden: exceeded quota: some, requested: services.nodeports=2, used: services.nodeports=1, limited: services.nodeports=2',
    ],
    [
      service('NodePort', 80),
      service('LoadBalancer', 80),
      'services "x" is forbidden: exceeded quota: some, requested: services.loadbalancers=1, used: services.loadbalancers=0, limited: services.loadbalancers=0',
    ],
  ] as const) {
    t.strictSame(decided(request(services, object, old), some), wanted);
  }

  const cpu = quota('cpu', { cpu: '2', pods: '1' }, { cpu: '1', pods: '1' });
  const resized = request(pods, asking({ cpu: '2' }), asking({ cpu: '1' }), { subresource: 'resize' });
  t.strictSame(decided(resized, cpu), [{ cpu: '2', pods: '1' }]);
  const tooLarge = request(pods, asking({ cpu: '3' }), asking({ cpu: '1' }), { subresource: 'resize' });
  t.equal(
    decided(tooLarge, cpu),
    'pods "x" is forbidden: exceeded quota: cpu, requested: cpu=2, used: cpu=1, limited: cpu=2',
  );

  const ending = quota('ending', { pods: '1' }, { pods: '0' }, { scopes: ['Terminating'] });
  const lasting = quota('lasting', { pods: '1' }, { pods: '1' }, { scopes: ['NotTerminating'] });
  t.strictSame(
    decided(request(pods, pod({ activeDeadlineSeconds: 5 }), pod()), ending, lasting),
    [{ pods: '1' }, { pods: '1' }],
    'entering a scope is charged; leaving one is counted by the controller',
  );
});

t.test('most writes match no quota', async (t) => {
  for (const asked of [
    request(pods, pod(), pod()),
    request(pods, pod(), pod(), { subresource: 'status' }),
    request(pods, pod(), pod(), { subresource: 'ephemeralcontainers' }),
    request(pods, pod(), undefined, { operation: 'DELETE', object: undefined }),
    request(services, {}, {}, { subresource: 'status' }),
    request(configMaps, {}, {}),
    request(events, { metadata: {}, involvedObject: {} }),
    request(configMaps, {}, undefined, { namespace: '' }),
  ]) {
    t.equal(evaluatorFor(asked), undefined);
  }
});
