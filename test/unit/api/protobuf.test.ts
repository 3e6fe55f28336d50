import t from 'tap';
import { customResourceDefinitions as definitions } from '../../../api/kinds/apiextensions/custom-resource-definition.ts';
import { deployments } from '../../../api/kinds/apps/deployment.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { decodeObject } from '../../../api/machinery/decode.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import type { Shape } from '../../../api/machinery/schema.ts';
import { StatusError } from '../../../api/machinery/status-error.ts';
import { ProtobufDecoder } from '../../../api/machinery/protobuf/decode.ts';
import { hasProtobuf, ProtobufEncoder } from '../../../api/machinery/protobuf/encode.ts';
import { kinds, bodyKinds } from '../../../api/registry.ts';
import { findByKind } from '../../support/kinds.ts';
import { bytes, encodeObject, text, varint } from '../../support/protobuf-encoder.ts';
import type { Deployment } from '../../../api/types/apps/v1.gen.ts';

type Json = Record<string, unknown>;

/** Fields without a protobuf encoding. */
const WITHOUT_NUMBER = new Set([
  // The type of a claim within a StatefulSet is known.
  'io.k8s.api.core.v1.PersistentVolumeClaim.apiVersion',
  'io.k8s.api.core.v1.PersistentVolumeClaim.kind',
  // apiVersion and kind are in the envelope, and absent in nested objects.
  'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions.apiVersion',
  'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions.kind',
]);

const decoder = new ProtobufDecoder();
const schemaOf = (apiVersion: string, kind: string) => {
  const [version = '', group = ''] = apiVersion.split('/').reverse();
  return findByKind(group, version, kind)?.schema;
};
const decode = (message: Buffer): Json => decoder.decode(message, schemaOf);
const apiVersionOf = ({ group, version }: Kind) => (group ? `${group}/${version}` : version);

/** Requests of kubectl 1.32. */
const KUBECTL = {
  // create deployment web --image=example.com/app:1 --port=8080 --replicas=2
  deployment:
    '6b3873000a150a07617070732f7631120a4465706c6f796d656e7412ca010a260a0377656212001a0764656661756c7422002a003200380042005a0a' +
    '0a0361707012037765621291010802120c0a0a0a0361707012037765621a770a1c0a0012001a0022002a003200380042005a0a0a0361707012037765' +
    '62125712390a0361707012116578616d706c652e636f6d2f6170703a312a00320b0a00100018903f22002a0042006a007200800100880100900100a2' +
    '01001a00320042004a0052005800600068008201008a01009a0100c2010022020a00280038001a0c0800100018002000280038001a002200',
  // create token robot --duration=1h --audience=x
  token:
    '6b3873000a280a1861757468656e7469636174696f6e2e6b38732e696f2f7631120c546f6b656e5265717565737412200a100a0012001a0022002a00' +
    '32003800420012060a017820901c1a040a0012001a002200',
  // create service clusterip cip --tcp=80:8080
  service:
    '6b3873000a0d0a02763112075365727669636512700a260a0363697012001a0764656661756c7422002a003200380042005a0a0a0361707012036369' +
    '7012420a1b0a0738302d38303830120354435018502207080010903f1a002800120a0a0361707012036369701a002209436c757374657249503a0042' +
    '0052005a00600068001a020a001a002200',
  // create rolebinding readers --role=reader --serviceaccount=default:robot
  roleBinding:
    '6b3873000a2b0a1c726261632e617574686f72697a6174696f6e2e6b38732e696f2f7631120b526f6c6542696e64696e67126f0a1e0a077265616465' +
    '727312001a0764656661756c7422002a0032003800420012220a0e536572766963654163636f756e7412001a05726f626f74220764656661756c741a' +
    '290a19726261632e617574686f72697a6174696f6e2e6b38732e696f1204526f6c651a067265616465721a002200',
  // create secret generic s --from-literal=k=v
  secret:
    '6b3873000a0c0a027631120653656372657412240a180a017312001a0764656661756c7422002a0032003800420012060a016b1201761a001a002200',
  // debug node/node-1 --image=x --profile=general
  debugger:
    '6b3873000a090a0276311203506f6412ce010a2a0a1a6e6f64652d64656275676765722d6e6f64652d312d6e7a73733712001a0022002a0032003800' +
    '4200128d010a120a09686f73742d726f6f7412050a030a012f123f0a0864656275676765721201782a0042004a180a09686f73742d726f6f7410001a' +
    '052f686f7374220032006a007200800100880100900100a2010446696c651a054e65766572320042004a0052066e6f64652d31580160016801820100' +
    '8a01009a0100b2010e0a0012064578697374731a002200c201001a100a001a0022002a0032004a005a0072001a002200',
  // drain node-1 --force --grace-period=0 --disable-eviction
  deletion: '6b3873000a130a027631120d44656c6574654f7074696f6e73120208001a002200',
} as const;
const recorded = (name: keyof typeof KUBECTL) => Buffer.from(KUBECTL[name], 'hex');

t.test('every field of every kind has a number', (t) => {
  const missing: string[] = [];
  const seen = new Set<string>();
  const visit = (shape: Shape, isKind: boolean): void => {
    if (shape.items) visit(shape.items, false);
    if (shape.additionalProperties) visit(shape.additionalProperties, false);
    const { definition = '', properties } = shape;
    if (!properties || seen.has(definition)) return;
    seen.add(definition);
    for (const [name, property] of Object.entries(properties)) {
      const field = `${definition}.${name}`;
      if ((isKind && (name === 'apiVersion' || name === 'kind')) || WITHOUT_NUMBER.has(field)) continue;
      if (property.number === undefined) missing.push(field);
      visit(property, false);
    }
  };
  for (const kind of [...kinds, ...bodyKinds]) visit(kind.schema, true);
  t.strictSame(missing, []);
  t.end();
});

t.test("decodes kubectl's protobuf to the equivalent JSON", (t) => {
  const { object } = decodeObject(deployments, decode(recorded('deployment')));
  const labels = { app: 'web' };
  const expected: Deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default', labels },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      strategy: {},
      template: {
        metadata: { labels },
        spec: {
          containers: [{ name: 'app', image: 'example.com/app:1', ports: [{ containerPort: 8080 }], resources: {} }],
        },
      },
    },
    status: {},
  };
  const json = decodeObject(deployments, expected).object;
  t.strictSame(object, json);
  t.match(decode(recorded('token')), {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: ['x'], expirationSeconds: 3600 },
    status: { token: '', expirationTimestamp: null },
  });
  t.match(decode(recorded('service')), {
    spec: { ports: [{ name: '80-8080', protocol: 'TCP', port: 80, targetPort: 8080, nodePort: 0 }], type: 'ClusterIP' },
  });
  t.match(decode(recorded('roleBinding')), {
    subjects: [{ kind: 'ServiceAccount', name: 'robot', namespace: 'default' }],
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
  });
  t.strictSame(decode(recorded('secret')).data, { k: 'dg==' });
  t.strictSame(decodeObject(pods, decode(recorded('debugger'))).object.spec, {
    volumes: [{ name: 'host-root', hostPath: { path: '/' } }],
    containers: [
      {
        name: 'debugger',
        image: 'x',
        resources: {},
        volumeMounts: [{ name: 'host-root', mountPath: '/host' }],
        terminationMessagePolicy: 'File',
      },
    ],
    restartPolicy: 'Never',
    nodeName: 'node-1',
    hostNetwork: true,
    hostPID: true,
    hostIPC: true,
    tolerations: [{ operator: 'Exists' }],
  });
  t.strictSame(decode(recorded('deletion')), { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0 });
  t.end();
});

t.test('an object of every kind with every field set survives a round trip', (t) => {
  for (const kind of [...kinds, ...bodyKinds].filter(({ schema }) => hasProtobuf(schema))) {
    const object = { ...(sampleOf(kind.schema) as Json), apiVersion: apiVersionOf(kind), kind: kind.kind };
    t.strictSame(decode(encodeObject(kind.schema, object)), object, kind.kind);
  }
  t.end();
});

t.test('a schema of a definition may be a boolean or a list where upstream has a message for each', (t) => {
  const both = (schema: Json): unknown => {
    const type = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' };
    const versions = [{ name: 'v1', schema: { openAPIV3Schema: schema } }];
    const read = decode(new ProtobufEncoder().encode({ ...type, spec: { versions } }, definitions.schema));
    return (read.spec as { versions: { schema: { openAPIV3Schema: Json } }[] }).versions[0]?.schema.openAPIV3Schema;
  };
  const word = { type: 'string' };
  for (const schema of [
    { additionalProperties: true },
    { additionalProperties: false },
    { additionalProperties: { items: { additionalProperties: word } } },
    { items: [word, { not: word }] },
    { dependencies: { a: ['b', 'c'], d: { required: ['e'] } } },
    { default: { a: [1, null] }, enum: ['a', null, 0], example: false },
    { properties: { ['__proto__']: word } },
  ])
    t.strictSame(both(schema), schema);
  const schemaOf = (...fields: Buffer[]) =>
    (
      decode(
        message(
          'apiextensions.k8s.io/v1',
          'CustomResourceDefinition',
          bytes(2, bytes(7, bytes(4, bytes(1, Buffer.concat(fields))))),
        ),
      ).spec as { versions: { schema: { openAPIV3Schema: Json } }[] }
    ).versions[0]?.schema.openAPIV3Schema;
  const empty = Buffer.alloc(0);
  t.strictSame(schemaOf(bytes(30, empty), bytes(24, empty)), { additionalProperties: false, items: null });
  t.strictSame(schemaOf(bytes(29, text(1, 'a'))), { properties: { a: {} } }, 'an entry without a value');
  t.end();
});

t.test('minimum and maximum values survive a round trip', (t) => {
  const spec = (...fields: Buffer[]) =>
    decode(message('v1', 'Pod', bytes(2, Buffer.concat(fields)))).spec as { [name: string]: unknown };
  t.equal(spec(varint(5, -1n)).activeDeadlineSeconds, -1);
  t.equal(spec(varint(5, 2n ** 53n - 1n)).activeDeadlineSeconds, Number.MAX_SAFE_INTEGER);
  t.equal(spec(varint(5, -(2n ** 63n))).activeDeadlineSeconds, -(2 ** 63));
  const packed = bytes(14, bytes(4, Buffer.from([1, 0xac, 0x02])));
  t.strictSame(spec(packed).securityContext, { supplementalGroups: [1, 300] }, 'packed lists');
  const container = (...fields: Buffer[]) => (spec(bytes(2, Buffer.concat(fields))).containers as Json[])[0];
  const port = (...fields: Buffer[]) => container(bytes(10, bytes(1, bytes(2, bytes(2, Buffer.concat(fields))))));
  t.match(port(varint(1, 1n), varint(2, 0n), text(3, '80')), { livenessProbe: { httpGet: { port: '80' } } });
  t.match(port(varint(1, 0n), varint(2, 80n), text(3, '')), { livenessProbe: { httpGet: { port: 80 } } });
  const limits = container(bytes(8, bytes(1, Buffer.concat([text(1, '__proto__'), bytes(2, Buffer.alloc(0))]))));
  t.strictSame(Object.keys((limits?.resources as { limits: object }).limits), ['__proto__']);

  const created = (seconds: bigint) =>
    (decode(message('v1', 'Pod', bytes(1, bytes(8, varint(1, seconds))))).metadata as Json).creationTimestamp;
  t.equal(created(-1n), '1969-12-31T23:59:59Z');
  t.equal(created(253_402_300_799n), '9999-12-31T23:59:59Z');
  t.throws(() => created(253_402_300_800n), { code: 400 });

  const unknown = Buffer.concat([
    ...[varint(1000, 7n), text(1001, 'later'), Buffer.from([0xd1, 0x3e]), Buffer.alloc(8), Buffer.from([0xd5, 0x3e])],
    // A group in a group.
    ...[Buffer.alloc(4), Buffer.from([0xdb, 0x3e, 0xdb, 0x3e, 0xdc, 0x3e, 0xdc, 0x3e]), text(10, 'node-1')],
  ]);
  t.strictSame(spec(unknown), { nodeName: 'node-1' }, 'unknown fields are skipped');
  t.end();
});

t.test('three megabytes of minimal fields are rejected before decoding', (t) => {
  const MANY = 1_500_000;
  const metadata = (fields: Buffer) => message('v1', 'Pod', bytes(1, fields));
  const spec = (fields: Buffer) => message('v1', 'Pod', bytes(2, fields));
  const cases: [name: string, body: Buffer][] = [
    ['empty containers', spec(Buffer.alloc(2 * MANY, Buffer.from([0x12, 0x00])))],
    ['empty labels', metadata(Buffer.alloc(2 * MANY, Buffer.from([0x5a, 0x00])))],
    ['empty finalizers', metadata(Buffer.alloc(3 * MANY, Buffer.from([0xf2, 0x01, 0x00])).subarray(0, 2 * MANY))],
    ['unknown fields', metadata(Buffer.alloc(2 * MANY, Buffer.from([0x78, 0x00])))],
    ['deep JSON', metadata(bytes(17, bytes(7, text(1, '['.repeat(20_000) + ']'.repeat(20_000)))))],
  ];
  for (const [name, body] of cases) {
    const start = process.cpuUsage();
    t.throws(() => decode(body), StatusError, name);
    t.ok(process.cpuUsage(start).user < 1_000_000, `${name}: in less than a second`);
  }
  t.end();
});

t.test('a malformed body is a client error', (t) => {
  const refusal = (body: Buffer): string => {
    try {
      decode(body);
    } catch (error) {
      if (error instanceof StatusError && error.code === 400) return error.message;
      throw error;
    }
    return '';
  };
  t.equal(refusal(Buffer.alloc(0)), 'empty data');
  t.equal(refusal(Buffer.from('k8s\0')), 'empty body');
  t.match(refusal(Buffer.from('{"kind":"Pod"}')), /does not appear to be a protobuf message, expected prefix \[107 56/);
  t.match(refusal(message('v1', 'Shoe', Buffer.alloc(0))), /no kind "Shoe" is registered for version "v1"/);
  t.equal(
    refusal(message('v1', 'Pod', Buffer.from([0x0a, 0x05, 0x0a]))),
    'Pod in version "v1" cannot be handled as a Pod: unexpected EOF',
  );
  t.match(refusal(message('v1', 'Pod', varint(1, 1n))), /wrong wireType = 0 for field 1/);
  t.match(refusal(message('v1', 'Pod', Buffer.from([0x07]))), /illegal tag 0/);
  const managed = bytes(1, bytes(17, bytes(7, text(1, '{"f:metadata"'))));
  t.match(refusal(message('v1', 'Pod', managed)), /embedded JSON/);
  const groups = Buffer.alloc(3_000_000, Buffer.from([0xdb, 0x3e]));
  t.match(refusal(message('v1', 'Pod', groups)), /unexpected EOF/, 'a million nested groups');

  // Truncated or with a flipped bit: an object or a rejection, never another error.
  const whole = encodeObject(nodes.schema, { ...(sampleOf(nodes.schema) as Json), apiVersion: 'v1', kind: 'Node' });
  let refused = 0;
  for (let at = 0; at < whole.length; at++) {
    if (refusal(whole.subarray(0, at))) refused++;
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    if (refusal(changed)) refused++;
  }
  t.ok(refused > whole.length, `${refused} refusals of ${2 * whole.length}`);
  t.end();
});

function message(apiVersion: string, kind: string, raw: Buffer): Buffer {
  const type = Buffer.concat([text(1, apiVersion), text(2, kind)]);
  return Buffer.concat([Buffer.from('k8s\0'), bytes(1, type), bytes(2, raw)]);
}

/** A value with every numbered field set; a struct within itself has none. */
function sampleOf(shape: Shape, around: readonly (string | undefined)[] = []): unknown {
  const inner = [...around, shape.definition];
  if (shape.properties) {
    if (around.includes(shape.definition)) return {};
    const fields = Object.entries(shape.properties).filter(([, { number }]) => number !== undefined);
    return Object.fromEntries(fields.map(([name, property]) => [name, sampleOf(property, inner)]));
  }
  if (shape.choices) return sampleOf(Object.values(shape.choices).at(-1) ?? {}, around);
  if (shape.items) return [sampleOf(shape.items, around), sampleOf(shape.items, around)];
  if (shape.additionalProperties) {
    const value = (): unknown => sampleOf(shape.additionalProperties ?? {}, around);
    return { 'example.com/a': value(), b: value() };
  }
  const samples: Record<string, unknown> = {
    int32: 70_000,
    int64: 5_000_000_000,
    double: 0.25,
    byte: Buffer.from([0, 255, 128]).toString('base64'),
    'date-time': '2024-02-29T23:59:59Z',
    'micro-time': '2024-02-29T23:59:59.000123Z',
    duration: '1m30.5s',
    quantity: '1500m',
    'int-or-string': '25%',
  };
  if (shape.format !== undefined && shape.format in samples) return samples[shape.format];
  if (shape.type === 'string') return 'grüße';
  if (shape.type === 'boolean') return true;
  return { 'f:metadata': { 'f:labels': {} } };
}
