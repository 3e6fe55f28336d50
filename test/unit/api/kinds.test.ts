import t from 'tap';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { certificateSigningRequests } from '../../../api/kinds/certificates/certificate-signing-request.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { secrets } from '../../../api/kinds/core/secret.ts';
import { services } from '../../../api/kinds/core/service.ts';
import { endpointSlices } from '../../../api/kinds/discovery/endpoint-slice.ts';
import { decodeObject } from '../../../api/machinery/decode.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { clusterRoleBindings } from '../../../api/kinds/rbac/cluster-role-binding.ts';
import { clusterRoles } from '../../../api/kinds/rbac/cluster-role.ts';
import { roleBindings } from '../../../api/kinds/rbac/role-binding.ts';
import { roles } from '../../../api/kinds/rbac/role.ts';
import { findKind, kinds } from '../../../api/registry.ts';
import { findByKind } from '../../support/kinds.ts';
import { priorityClasses } from '../../../api/kinds/scheduling/priority-class.ts';
import { apiServices } from '../../../api/kinds/apiregistration/api-service.ts';
import { horizontalPodAutoscalers as autoscalers } from '../../../api/kinds/autoscaling/horizontal-pod-autoscaler.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import type { EndpointSlice } from '../../../api/types/discovery/v1.gen.ts';
import { decoded } from './kind-rules.ts';
import { CONTEXT } from './updates.ts';

function created<T extends KubeObject>(kind: Kind<T>, body: object): T {
  const { object } = decodeObject(kind, { metadata: { name: 'x', namespace: 'n' }, ...body });
  kind.applyDefaults(object);
  kind.prepareForCreate(object, CONTEXT);
  return object;
}
const causes = (errors: readonly { type: string; field: string }[]) =>
  errors.map(({ type, field }) => `${type.replace('FieldValue', '')} ${field}`).sort();
const invalid = <T extends KubeObject>(kind: Kind<T>, body: object) => causes(kind.validate(created(kind, body)));
function changed<T extends KubeObject>(kind: Kind<T>, before: object, after: object): { errors: string[]; object: T } {
  const old = created(kind, before);
  const { object } = decodeObject(kind, { metadata: { name: 'x', namespace: 'n' }, ...after });
  kind.applyDefaults(object);
  kind.prepareForUpdate(object, old, CONTEXT);
  return { errors: causes([...kind.validate(object), ...kind.validateUpdate(object, old)]), object };
}
const cells = <T extends KubeObject>(kind: Kind<T>, object: T) =>
  kind.columns.map((column) => column.cell(object, Date.now()));

t.test('every kind is found by path and name, and accepts an empty object', async (t) => {
  for (const kind of kinds) {
    t.equal(findKind(kind.group, kind.version, kind.plural), kind);
    t.equal(findByKind(kind.group, kind.version, kind.kind), kind);
    const object = created(kind, {});
    kind.validate(object);
    kind.warnings(object);
    cells(kind, object);
    for (const read of Object.values(kind.selectableFields)) t.type(read(object), 'string');
  }
  t.equal(findByKind('autoscaling', 'v1', 'Scale')?.kind, 'Scale');
  t.equal(findKind('autoscaling', 'v1', 'scales'), undefined);
});

const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
const selector = { matchLabels: { a: 'b' } };

t.test('deployments: defaults, validation of the template, immutable selector', async (t) => {
  const deployment = created(deployments, { spec: { selector, template }, status: { replicas: 9 } });
  t.match(deployment, {
    spec: {
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      template: { spec: { containers: [{ imagePullPolicy: 'Always' }] } },
    },
  });
  t.strictSame(deployment.status, {});
  t.strictSame(deployments.validate(deployment), []);
  t.strictSame(cells(deployments, deployment).slice(1), ['0/1', 0, 0, '<unknown>', 'c', 'i', 'a=b']);
  const spec = {
    selector: {},
    replicas: -1,
    template: { spec: { restartPolicy: 'Never', containers: [] } },
    strategy: { type: 'Recreate', rollingUpdate: {} },
  };
  t.strictSame(invalid(deployments, { spec }), [
    'Forbidden spec.strategy.rollingUpdate',
    'Invalid spec.replicas',
    'Invalid spec.selector',
    'NotSupported spec.template.spec.restartPolicy',
    'Required spec.template.spec.containers',
  ]);
  const other = {
    selector: { matchLabels: { a: 'b', c: 'd' } },
    template: { ...template, metadata: { labels: { a: 'b', c: 'd' } } },
  };
  t.strictSame(changed(deployments, { spec: { selector, template } }, { spec: other }).errors, [
    'Invalid spec.selector',
  ]);
});

t.test('services: defaults per type, allocated values are kept', async (t) => {
  const service = created(services, { spec: { type: 'NodePort', ports: [{ port: 80 }], sessionAffinity: 'ClientIP' } });
  t.match(service.spec, {
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
    ports: [{ protocol: 'TCP', targetPort: 80 }],
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } },
  });
  const given = { clusterIP: '10.43.0.7', clusterIPs: ['10.43.0.7'], ipFamilies: ['IPv4'] };
  const nodePort = { spec: { ...given, type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] } };
  const kept = changed(services, nodePort, { spec: { type: 'NodePort', ports: [{ port: 80, name: 'web' }] } });
  t.match(kept.object.spec, { clusterIP: '10.43.0.7', clusterIPs: ['10.43.0.7'], ports: [{ nodePort: 30_080 }] });
  t.strictSame(kept.errors, []);
  const narrowed = changed(services, nodePort, { spec: { ...nodePort.spec, type: 'ClusterIP' } });
  t.equal(narrowed.object.spec?.ports?.[0]?.nodePort, undefined);
  t.strictSame(narrowed.errors, []);
  t.strictSame(changed(services, nodePort, { spec: { ...nodePort.spec, clusterIP: '10.43.0.8' } }).errors, [
    'Invalid spec.clusterIPs[0]',
  ]);
});

t.test('services: contradicting fields are rejected', async (t) => {
  const ports = [{ port: 80 }];
  t.strictSame(invalid(services, { spec: { type: 'ExternalName', externalName: 'UP' } }), [
    'Invalid spec.externalName',
  ]);
  t.strictSame(invalid(services, { spec: { clusterIP: 'None' } }), []);
  t.strictSame(invalid(services, { spec: { type: 'NodePort', clusterIP: 'None', ports } }), [
    'Invalid spec.clusterIPs[0]',
  ]);
  t.strictSame(invalid(services, { spec: { ports, externalTrafficPolicy: 'Local', loadBalancerClass: 'a/b' } }), [
    'Forbidden spec.loadBalancerClass',
    'Invalid spec.externalTrafficPolicy',
  ]);
  t.strictSame(invalid(services, { spec: { ports: [{ port: 0, targetPort: 'Bad_', protocol: 'X' }] } }), [
    'Invalid spec.ports[0].port',
    'Invalid spec.ports[0].targetPort',
    'NotSupported spec.ports[0].protocol',
  ]);
});

t.test('secrets: stringData, immutable secrets', async (t) => {
  const secret = created(secrets, { data: { a: 'MQ==' }, stringData: { b: 'é' } });
  t.strictSame(secret.data, { a: 'MQ==', b: 'w6k=' });
  t.equal(secret.stringData, undefined);
  t.strictSame(invalid(secrets, { type: 'kubernetes.io/tls', data: { 'tls.crt': '' } }), ['Required data[tls.key]']);
  const registry = (text: string) => ({
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(text).toString('base64') },
  });
  for (const text of ['', '{', '[]', '"auths"', '\u00fb'])
    t.strictSame(invalid(secrets, registry(text)), ['Invalid data[.dockerconfigjson]'], text);
  for (const text of ['{}', 'null']) t.strictSame(invalid(secrets, registry(text)), [], text);
  t.strictSame(invalid(secrets, { data: { 'a b': '' } }), ['Invalid data[a b]']);
  t.strictSame(invalid(secrets, { stringData: { a: 'x'.repeat(1_048_577) } }), ['TooLong data']);
  const frozen = { immutable: true, stringData: { a: '1' } };
  t.strictSame(changed(secrets, frozen, { stringData: { a: '2' } }).errors, ['Forbidden data', 'Forbidden immutable']);
  t.strictSame(changed(secrets, {}, { type: 'a/b' }).errors, ['Invalid type']);
  t.strictSame(invalid(configMaps, { data: { a: '' }, binaryData: { a: '' } }), ['Invalid data[a]']);
});

t.test('namespaces: name label and finalizer', async (t) => {
  const namespace = created(namespaces, { metadata: { name: 'team' }, status: { phase: 'Terminating' } });
  t.match(namespace, {
    metadata: { labels: { 'kubernetes.io/metadata.name': 'team' } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  });
});

t.test('nodes: immutable podCIDR, columns for roles and state', async (t) => {
  const node = created(nodes, {
    metadata: { name: 'n1', labels: { 'node-role.kubernetes.io/worker': '', 'kubernetes.io/role': 'db' } },
    spec: { unschedulable: true, podCIDR: '10.42.0.0/24' },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      addresses: [{ type: 'InternalIP', address: '10.0.0.1' }],
    },
  });
  t.strictSame(node.spec?.podCIDRs, ['10.42.0.0/24']);
  const [, status, roleNames, , , address] = cells(nodes, node);
  t.strictSame([status, roleNames, address], ['Ready,SchedulingDisabled', 'db,worker', '10.0.0.1']);
  const taints = [
    { key: 'a', effect: 'NoSchedule' },
    { key: 'a', effect: 'NoSchedule' },
    { key: '', effect: 'X' },
  ];
  t.strictSame(invalid(nodes, { spec: { taints } }), [
    'Duplicate metadata.taints[1]',
    'Invalid metadata.taints[2].key',
    'Invalid metadata.taints[2].key',
    'NotSupported metadata.taints[2].effect',
  ]);
  t.strictSame(changed(nodes, { spec: { podCIDR: '10.42.0.0/24' } }, { spec: { podCIDR: '10.42.1.0/24' } }).errors, [
    'Forbidden spec.podCIDRs',
  ]);
  const ranges = (...podCIDRs: string[]) => ({ spec: { podCIDR: podCIDRs[0], podCIDRs } });
  const [first, second] = ['10.42.0.0/24', 'fd00:42::/64'];
  t.strictSame(changed(nodes, ranges(first), ranges(first, second)).errors, [], 'a cluster becomes dual-stack');
  for (const podCIDRs of [ranges(second, first), ranges(first), ranges(first, 'fd00:42:0:1::/64')])
    t.strictSame(changed(nodes, ranges(first, second), podCIDRs).errors, ['Forbidden spec.podCIDRs']);
  t.strictSame(changed(nodes, ranges(first), ranges(first, '10.42.1.0/24')).errors, ['Invalid spec.podCIDRs']);
});

t.test('endpoint slices: validation per addressType', async (t) => {
  const slice = (more: object) => ({ addressType: 'IPv4', ports: [{ port: 80 }], ...more });
  t.strictSame(invalid(endpointSlices, slice({ endpoints: [{ addresses: ['::1'] }, { addresses: [] }] })), [
    'Invalid endpoints[0].addresses',
    'Invalid endpoints[0].addresses[0]',
    'Required endpoints[1].addresses',
  ]);
  for (const [addressType = '', address = ''] of [
    ...['127.0.0.1', '0.0.0.0', '169.254.169.254', '224.0.0.1', '010.0.0.1', '10.1'].map((text) => ['IPv4', text]),
    ...['::1', '0::1', '::', 'fe80::1', 'ff02::1', '::ffff:10.0.0.1', '2001:DB8::1'].map((text) => ['IPv6', text]),
  ]) {
    t.strictSame(
      invalid(endpointSlices, slice({ addressType, endpoints: [{ addresses: [address] }] })),
      ['Invalid endpoints[0].addresses[0]'],
      address,
    );
  }
  t.strictSame(invalid(endpointSlices, slice({ endpoints: [{ addresses: ['10.0.0.1'] }] })), []);
  t.strictSame(invalid(endpointSlices, slice({ ports: [{ port: 1 }, { port: 2 }] })), ['Duplicate ports[1].name']);
  const endpoints = ['1', '2', '3', '4'].map((last) => ({ addresses: [`10.0.0.${last}`] }));
  t.match(cells(endpointSlices, created(endpointSlices, slice({ endpoints }))), [
    'x',
    'IPv4',
    '80',
    '10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...',
  ]);
});

t.test('roles and bindings: columns, immutable roleRef', async (t) => {
  t.strictSame(invalid(roles, { rules: [{ verbs: [], nonResourceURLs: ['/x'] }] }), [
    'Invalid rules[0].nonResourceURLs',
    'Required rules[0].verbs',
  ]);
  t.strictSame(invalid(clusterRoles, { rules: [{ verbs: ['get'], resources: ['pods'] }] }), [
    'Required rules[0].apiGroups',
  ]);
  const bound = (name: string) => ({
    roleRef: { kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name: 'a' }],
  });
  t.strictSame(invalid(roleBindings, bound('r')), [], "a service account of the binding's own namespace");
  t.strictSame(invalid(clusterRoleBindings, { ...bound('r'), roleRef: { kind: 'ClusterRole', name: 'r' } }), [
    'Required subjects[0].namespace',
  ]);
  t.ok(changed(roleBindings, bound('r'), bound('s')).errors.includes('Invalid roleRef'));
});

t.test('certificate signing requests and priority classes: limits', async (t) => {
  const spec = { request: '', signerName: 'nobody', usages: ['flying'], expirationSeconds: 5 };
  t.strictSame(invalid(certificateSigningRequests, { spec }), [
    'Invalid spec.expirationSeconds',
    'Invalid spec.request',
    'Invalid spec.signerName',
    'NotSupported spec.usages[0]',
  ]);
  t.strictSame(invalid(priorityClasses, { value: 2_000_000_000 }), ['Forbidden value']);
  t.strictSame(changed(priorityClasses, { value: 1 }, { value: 2 }).errors, ['Forbidden value']);
});

t.test('what new objects have in their status, and what counts as a new generation of a slice', async (t) => {
  const gated = created(pods, { spec: { containers: [{ name: 'c' }], schedulingGates: [{ name: 'g' }] } });
  t.match(gated.status?.conditions?.[0], {
    lastProbeTime: null,
    lastTransitionTime: /^\d{4}-/,
    reason: 'SchedulingGated',
  });
  t.strictSame(
    created(apiServices, { metadata: { name: 'v1.a.b' }, spec: { group: 'a.b', version: 'v1' } }).status,
    {},
  );
  t.equal(created(autoscalers, { spec: { scaleTargetRef: {} } }).status?.currentMetrics, null);
  const slice = (generation: number, labels: object, address: string): EndpointSlice =>
    decoded(endpointSlices, {
      metadata: { generation, labels },
      addressType: 'IPv4',
      endpoints: [{ addresses: [address], deprecatedTopology: { a: 'b' } }],
    });
  const old = slice(3, {}, '10.0.0.1');
  for (const [wanted, generation, kept] of [
    [slice(3, {}, '10.0.0.1'), 3, true],
    [slice(3, { a: 'b' }, '10.0.0.1'), 4, true],
    [slice(3, {}, '10.0.0.2'), 4, false],
  ] as const) {
    endpointSlices.prepareForUpdate(wanted, old, CONTEXT);
    t.equal(wanted.metadata?.generation, generation);
    t.equal(wanted.endpoints?.[0]?.deprecatedTopology !== undefined, kept);
  }
  t.equal(created(endpointSlices, slice(1, {}, '10.0.0.1')).endpoints?.[0]?.deprecatedTopology, undefined);
});
