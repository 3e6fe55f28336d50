import t from 'tap';
import { clusterRoles } from '../../../api/kinds/rbac/cluster-role.ts';
import { endpointSlices } from '../../../api/kinds/discovery/endpoint-slice.ts';
import { limitRanges } from '../../../api/kinds/core/limit-range.ts';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { persistentVolumeClaims as claims } from '../../../api/kinds/core/persistent-volume-claim.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { events } from '../../../api/kinds/core/event.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { roles } from '../../../api/kinds/rbac/role.ts';
import { parseBody } from '../../../api/machinery/body.ts';
import { horizontalPodAutoscalers as autoscalers } from '../../../api/kinds/autoscaling/horizontal-pod-autoscaler.ts';
import { leases } from '../../../api/kinds/coordination/lease.ts';
import { resourceSlices } from '../../../api/kinds/resource/resource-slice.ts';
import { decodeObject, decodePatched } from '../../../api/machinery/decode.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';

const statusOf = (work: () => unknown): StatusError => {
  try {
    work();
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

t.test('unknown fields are dropped and reported with their path', async (t) => {
  const { object, problems } = decodeObject(pods, {
    metadata: { name: 'p', shoeSize: 43 },
    spec: { containers: [{ name: 'c' }, { name: 'd', ports: [{ containerPort: 1, colour: 'red' }] }] },
    extra: null,
  });
  t.strictSame(problems, [
    'unknown field "metadata.shoeSize"',
    'unknown field "spec.containers[1].ports[0].colour"',
    'unknown field "extra"',
  ]);
  t.strictSame(object.metadata, { name: 'p' });
  t.strictSame(object.spec?.containers[1]?.ports, [{ containerPort: 1 }]);
});

t.test('empty values are omitted where upstream has omitempty, and kept for pointers', async (t) => {
  const { object } = decodeObject(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', labels: {}, creationTimestamp: null },
    spec: {
      hostNetwork: false,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      nodeName: '',
      containers: [{ name: 'c', args: [], stdin: false, livenessProbe: {}, securityContext: { privileged: false } }],
      volumes: [{ name: 'v', hostPath: { path: '/x', type: '' } }],
    },
  });
  t.strictSame(object, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'c', livenessProbe: {}, securityContext: { privileged: false }, resources: {} }],
      volumes: [{ name: 'v', hostPath: { path: '/x', type: '' } }],
    },
    status: {},
  });
});

t.test('fields without omitempty are always present', async (t) => {
  t.strictSame(decodeObject(roles, {}).object, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: {},
    rules: null,
  });
  t.strictSame(decodeObject(nodes, { status: {} }).object.status?.daemonEndpoints, { kubeletEndpoint: { Port: 0 } });
  const { object } = decodeObject(events, { metadata: { name: 'e' }, reportingComponent: 'kubelet' });
  t.match(object, { eventTime: null, firstTimestamp: null, source: {}, reportingInstance: '', involvedObject: {} });
});

t.test('quantities and times are canonicalized whatever their JSON type', async (t) => {
  const resources = { limits: { cpu: 0.25, memory: '2048Mi' }, requests: { cpu: '0.0001', 'example.com/gpu': 2000 } };
  const { object } = decodeObject(pods, {
    metadata: { creationTimestamp: '2026-02-03T04:05:06.789+02:00' },
    spec: { containers: [{ name: 'c', resources }] },
  });
  t.equal(object.metadata?.creationTimestamp, '2026-02-03T02:05:06Z');
  t.strictSame(object.spec?.containers[0]?.resources, {
    limits: { cpu: '250m', memory: '2Gi' },
    requests: { cpu: '1m', 'example.com/gpu': '2k' },
  });
});

t.test("a field with the wrong type is a bad request with upstream's message", async (t) => {
  const message = (body: unknown) => statusOf(() => decodeObject(pods, body)).message;
  t.match(
    message({ spec: { containers: [{ name: 'c', ports: [{ containerPort: '80' }] }] } }),
    'cannot be handled as a Pod: json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
  );
  t.match(message({ spec: { terminationGracePeriodSeconds: 1.5 } }), 'cannot unmarshal number 1.5 into');
  t.match(message({ spec: { containers: [{ resources: { limits: { cpu: 'lots' } } }] } }), 'quantities must match');
  t.match(message({ metadata: { creationTimestamp: 'yesterday' } }), 'parsing time "yesterday"');
  t.match(message({ apiVersion: 'apps/v1' }), 'does not match the expected API version (v1)');
  t.match(message({ kind: 'Service' }), 'Service in version "v1" cannot be handled as a Pod');
  t.match(message([]), 'cannot unmarshal array');
  const patched = statusOf(() => decodePatched(configMaps, { data: { a: 1 } }, () => '{"data":{"a":1}}'));
  t.equal(patched.code, 422);
  t.equal(patched.status.details?.causes?.[0]?.field, 'patch');
});

t.test(
  'the type that a value should have has the name that it has upstream, and its path the structs embedded there',
  (t) => {
    const wrong = (kind: Kind, body: unknown): string =>
      statusOf(() => decodeObject(kind, body)).message.replace(/^.*json: cannot unmarshal /, '');
    const spec = (fields: object) => ({ spec: fields });
    const container = (fields: object) => spec({ containers: [fields] });
    const rows: [Kind, unknown, string][] = [
      [
        pods,
        { metadata: { creationTimestamp: 1 } },
        'number into Go struct field ObjectMeta.metadata.creationTimestamp of type string',
      ],
      [pods, { metadata: { uid: {} } }, 'object into Go struct field ObjectMeta.metadata.uid of type types.UID'],
      [
        pods,
        spec({ restartPolicy: true }),
        'bool into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy',
      ],
      [
        pods,
        container({ securityContext: { capabilities: { add: [1] } } }),
        'number into Go struct field Capabilities.spec.containers.securityContext.capabilities.add of type v1.Capability',
      ],
      [
        pods,
        container({ securityContext: { capabilities: { add: 'x' } } }),
        'string into Go struct field Capabilities.spec.containers.securityContext.capabilities.add of type []v1.Capability',
      ],
      [
        pods,
        container({ startupProbe: { exec: { command: [[]] } } }),
        'array into Go struct field ExecAction.spec.containers.startupProbe.ProbeHandler.exec.command of type string',
      ],
      [
        pods,
        spec({ volumes: [{ nfs: [] }] }),
        'array into Go struct field Volume.spec.volumes.VolumeSource.nfs of type v1.NFSVolumeSource',
      ],
      [
        autoscalers,
        spec({ metrics: [1] }),
        'number into Go struct field HorizontalPodAutoscalerSpec.spec.metrics of type v2.MetricSpec',
      ],
      [
        claims,
        { status: { allocatedResourceStatuses: { storage: 1 } } },
        'number into Go struct field PersistentVolumeClaimStatus.status.allocatedResourceStatuses of type v1.ClaimResourceStatus',
      ],
    ];
    for (const [kind, body, expected] of rows) t.equal(wrong(kind, body), expected);
    const { problems } = decodeObject(pods, spec({ volumes: [{ nfs: { colour: 'red' } }] }));
    t.strictSame(
      problems,
      ['unknown field "spec.volumes[0].nfs.colour"'],
      'no embedded struct in the paths of unknown fields',
    );
    t.end();
  },
);

t.test('the path of an unknown field has the keys of maps', (t) => {
  const devices = [{ attributes: { 'example.com/a': { colour: 'red' } } }];
  const { problems } = decodeObject(resourceSlices, { spec: { devices } });
  t.strictSame(problems, ['unknown field "spec.devices[0].attributes.example.com/a.colour"']);
  t.end();
});

t.test("times are read as Go reads them, and refused with Go's words", (t) => {
  const canonical = (renewTime: string, acquireTime?: string): unknown =>
    decodeObject(leases, { spec: { renewTime, acquireTime } }).object.spec?.renewTime;
  t.equal(canonical('2026-01-02T03:04:05.123456+02:00'), '2026-01-02T01:04:05.123456Z');
  t.equal(canonical('2024-02-29T23:04:05,000000Z'), '2024-02-29T23:04:05.000000Z');
  const created = (creationTimestamp: string): unknown =>
    decodeObject(pods, { metadata: { creationTimestamp } }).object.metadata?.creationTimestamp;
  t.equal(created('2026-01-02T3:04:05.5Z'), '2026-01-02T03:04:05Z');
  t.equal(created('0099-12-31T23:59:59-01:30'), '0100-01-01T01:29:59Z');
  const SECONDS = '2006-01-02T15:04:05Z07:00';
  const rows: [decode: (text: string) => unknown, text: string, error: string][] = [
    [canonical, '2026-01-02T03:04:05.5Z', ' as "2006-01-02T15:04:05.000000Z07:00": cannot parse ".5Z" as ".000000"'],
    [canonical, '2026-01-02T03:04:05Z', ' as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"'],
    [
      canonical,
      '2026-01-02T03:04:05.1234567Z',
      ' as "2006-01-02T15:04:05.000000Z07:00": cannot parse "7Z" as "Z07:00"',
    ],
    [created, '2026-01-02', ` as "${SECONDS}": cannot parse "" as "T"`],
    [created, '2026-01-02T03:04:05', ` as "${SECONDS}": cannot parse "" as "Z07:00"`],
    [created, '2026-13-02T03:04:05Z', ': month out of range'],
    [created, '2026-02-29T03:04:05Z', ': day out of range'],
    [created, '2026-01-02T24:04:05Z', ': hour out of range'],
    [created, '2026-01-02T03:04:05+25:00', ': time zone offset hour out of range'],
    [created, '2026-01-02T03:04:05Z+1', ': extra text: "+1"'],
  ];
  for (const [decode, text, error] of rows) {
    t.ok(statusOf(() => decode(text)).message.endsWith(`parsing time "${text}"${error}`), text);
  }
  t.match(statusOf(() => created('é"')).message, String.raw`cannot parse "\xc3\xa9\"" as "2006"`);
  t.end();
});

t.test("errors in strategically merged objects have the messages of upstream's converter", (t) => {
  const words = (body: unknown): unknown => statusOf(() => decodePatched(pods, body, () => '', 'ofMap')).message;
  const container = (fields: object) => ({ spec: { containers: [fields] } });
  const cases: [unknown, string][] = [
    [{ metadata: { labels: 'invalid' } }, 'cannot restore map from string'],
    [{ metadata: { labels: [] } }, 'cannot restore map from slice'],
    [{ spec: { containers: {} } }, 'cannot restore slice from map'],
    [{ spec: true }, 'cannot restore struct from: bool'],
    [container({ image: 5 }), 'cannot convert int64 to string'],
    [container({ image: 5.5 }), 'unrecognized type: string'],
    [container({ stdin: 'yes' }), 'unrecognized type: bool'],
    [container({ ports: [{ containerPort: '80' }] }), 'unrecognized type: int32'],
    [{ spec: { terminationGracePeriodSeconds: 1.5 } }, 'cannot convert float64 to int64'],
    [container({ resources: { limits: { cpu: 'lots' } } }), 'quantities must match'],
  ];
  for (const [body, expected] of cases) t.match(words(body), expected);
  t.end();
});

t.test('keys such as __proto__ are ordinary data', async (t) => {
  const { value } = parseBody('{"data":{"__proto__":"a","constructor":"b"},"constructor":1}', 'application/json', true);
  const { object, problems } = decodeObject(configMaps, value);
  t.strictSame(Object.entries(object.data ?? {}), [
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ]);
  t.strictSame(problems, ['unknown field "constructor"']);
});

t.test('duplicate keys are found in JSON and YAML, but not within strings', async (t) => {
  const repeated = '{"spec":{"ports":[{"port":1,"port" : 2}],"a\\"b":"x\\":y"},"kind":"A","kind":"B"}';
  t.strictSame(parseBody(repeated, 'application/json', true).problems, [
    'duplicate field "spec.ports[0].port"',
    'duplicate field "kind"',
  ]);
  t.strictSame(parseBody(repeated, 'application/json', false).problems, []);
  t.strictSame(parseBody('{"a":"\\"a\\":1","b":{"a":[{"a":1}]}}', '', true).problems, []);
  const yaml = parseBody(
    'a: 0755\nb: yes\nc: 2026-01-01T00:00:00Z\na: 1:30\n',
    'application/yaml; charset=utf-8',
    true,
  );
  t.strictSame(yaml, {
    value: { a: '1:30', b: true, c: '2026-01-01T00:00:00Z' },
    problems: ['line 4: key "a" already set in map'],
  });
});

t.test('malformed bodies and unsupported media types are rejected', async (t) => {
  t.equal(statusOf(() => parseBody('{"a":', 'application/json', true)).code, 400);
  t.equal(statusOf(() => parseBody('', 'application/json', true)).code, 400);
  t.equal(statusOf(() => parseBody('a: [', 'application/yaml', true)).code, 400);
  t.equal(statusOf(() => parseBody('<a/>', 'text/xml', true)).code, 415);
});

t.test('what upstream never omits is null when there is nothing of it, however it is written', async (t) => {
  const rows: readonly (readonly [kind: Kind, manifest: object, path: string, value: unknown])[] = [
    [clusterRoles, { rules: [] }, 'rules', null],
    [clusterRoles, { rules: null }, 'rules', null],
    [clusterRoles, {}, 'rules', null],
    [endpointSlices, { endpoints: [], ports: [] }, 'endpoints', null],
    [endpointSlices, { endpoints: [], ports: [] }, 'ports', null],
    [limitRanges, { spec: { limits: [] } }, 'spec.limits', null],
    [deployments, { spec: {} }, 'spec.selector', null],
    [deployments, { spec: { selector: {} } }, 'spec.selector', {}],
    [claims, { spec: { dataSource: { kind: 'A', name: 'a' } } }, 'spec.dataSource.apiGroup', null],
    [claims, { spec: { dataSource: { kind: 'A', name: 'a', apiGroup: '' } } }, 'spec.dataSource.apiGroup', ''],
    [configMaps, { binaryData: { a: null } }, 'binaryData.a', ''],
  ];
  for (const [kind, manifest, path, value] of rows) {
    const { object } = decodeObject(kind, manifest);
    const found = path.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], object);
    t.strictSame(found, value, `${kind.plural} ${JSON.stringify(manifest)}`);
  }
});
