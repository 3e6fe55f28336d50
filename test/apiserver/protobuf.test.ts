import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { ProtobufDecoder } from '../../api/protobuf/decode.ts';
import { pods } from '../../api/core/pod.ts';
import { CONFIG_MAPS, TestServer } from './server.ts';

const run = promisify(execFile);

/** A message field by field: a number is a varint, text and lists of fields are length-delimited. */
type Value = number | string | Field[];
type Field = readonly [number: number, value: Value];

function encode(fields: readonly Field[]): Buffer {
  const parts = fields.flatMap(([number, value]) => {
    if (typeof value === 'number') return [varint(number << 3), varint(value)];
    const bytes = typeof value === 'string' ? Buffer.from(value) : encode(value);
    return [varint((number << 3) | 2), varint(bytes.length), bytes];
  });
  return Buffer.concat(parts);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

const message = (apiVersion: string, kind: string, object: readonly Field[]): Buffer =>
  Buffer.concat([
    Buffer.from('k8s\0'),
    encode([
      [
        1,
        [
          [1, apiVersion],
          [2, kind],
        ],
      ],
      [2, [...object]],
    ]),
  ]);

t.test('a pod in protobuf is the pod that it would be in JSON', async (t) => {
  const probe: Field[] = [
    [
      1,
      [
        [
          2,
          [
            [1, '/healthz'],
            [
              2,
              [
                [1, 1],
                [2, 0],
                [3, 'http'],
              ],
            ],
            [3, ''],
          ],
        ],
      ],
    ],
    [2, 5],
  ];
  const container: Field[] = [
    [1, 'c'],
    [2, 'example.com/app:1'],
    [
      6,
      [
        [1, ''],
        [3, 8080],
        [4, 'TCP'],
      ],
    ],
    [
      7,
      [
        [1, 'TOKEN'],
        [
          3,
          [
            [
              4,
              [
                [1, [[1, 'secret']]],
                [2, 'key'],
                [3, 1],
              ],
            ],
          ],
        ],
      ],
    ],
    [
      8,
      [
        [
          1,
          [
            [1, 'cpu'],
            [2, [[1, '500m']]],
          ],
        ],
      ],
    ],
    [10, probe],
  ];
  const metadata: Field[] = [
    [1, 'p'],
    [8, []],
    [
      11,
      [
        [1, 'app'],
        [2, 'web'],
      ],
    ],
  ];
  const spec: Field[] = [
    [
      1,
      [
        [1, 'v'],
        [2, [[2, [[1, '']]]]],
      ],
    ],
    [2, container],
    [5, -1],
  ];
  const decoded = new ProtobufDecoder().decode(
    message('v1', 'Pod', [
      [1, metadata],
      [2, spec],
    ]),
    () => pods.schema,
  );
  t.match(pods.decode(decoded).object, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', labels: { app: 'web' } },
    spec: {
      activeDeadlineSeconds: -1,
      containers: [
        {
          name: 'c',
          ports: [{ containerPort: 8080, protocol: 'TCP' }],
          env: [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'secret', key: 'key', optional: true } } }],
          resources: { limits: { cpu: '500m' } },
          livenessProbe: { httpGet: { path: '/healthz', port: 'http' }, initialDelaySeconds: 5 },
        },
      ],
      volumes: [{ name: 'v', emptyDir: {} }],
    },
  });
  t.notOk((decoded.metadata as { creationTimestamp: unknown }).creationTimestamp);
  t.throws(() => new ProtobufDecoder().decode(Buffer.from('k8s\0\n\xff', 'latin1'), () => pods.schema), { code: 400 });
  t.throws(() => new ProtobufDecoder().decode(Buffer.from('{}'), () => pods.schema), { code: 400 });
});

t.test('kubectl creates, reads and deletes, in whatever encoding it likes', async (t) => {
  await using server = await TestServer.start();
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-kubectl-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  await writeFile(path.join(directory, 'ca.crt'), server.ca);
  const kubectl = async (...args: string[]) => {
    const access = [
      ...['--server', server.url(''), '--certificate-authority', path.join(directory, 'ca.crt')],
      ...['--token', 'admin/system:masters', '--cache-dir', path.join(directory, 'cache'), '--namespace', 'default'],
    ];
    const { stdout } = await run('kubectl', [...access, ...args], {
      env: { ...process.env, HOME: directory, KUBECONFIG: path.join(directory, 'none') },
    });
    return stdout;
  };
  await kubectl('create', 'configmap', 'a', '--from-literal=k=v');
  t.match((await server.call('GET', `${CONFIG_MAPS}/a`)).body, { data: { k: 'v' } });
  await kubectl('create', 'secret', 'generic', 's', '--from-literal=k=v');
  t.equal(await kubectl('get', 'secret', 's', '-o', 'jsonpath={.data.k}'), 'dg==');
  await kubectl('create', 'deployment', 'd', '--image=example.com/app:1');
  await kubectl('scale', 'deployment', 'd', '--replicas=3');
  t.match(await kubectl('get', 'deployment', 'd'), /d +0\/3/);
  await kubectl('label', 'configmap', 'a', 'app=x');
  t.match(await kubectl('get', 'configmap', '-l', 'app=x', '-o', 'name'), 'configmap/a');
  t.match(await kubectl('explain', 'pod.spec.containers'), /image/);
  await kubectl('delete', 'configmap', 'a');
  await t.rejects(kubectl('get', 'configmap', 'a'), /configmaps "a" not found/);
});
