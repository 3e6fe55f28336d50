/** `pods/resize` through the api-server: who owns what it changes, and who is asked. */
import t from 'tap';
import { limitRanger } from '../../../control-plane/apiserver/admission/limit-ranger.ts';
import { podResizeValidator } from '../../../control-plane/apiserver/admission/pod-resize-validator.ts';
import { TestServer } from './server.ts';

const PODS = '/api/v1/namespaces/default/pods';
const strategic = 'application/strategic-merge-patch+json';

const start = () => TestServer.start({ admission: ({ api }) => [limitRanger(api), podResizeValidator(api)] });
const resources = (cpu: string) => ({ requests: { cpu }, limits: { cpu: '2' } });
const manifest = (name: string, nodeName?: string) => ({
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'i:1', resources: resources('100m') }], ...(nodeName && { nodeName }) },
});

interface Owner {
  readonly manager: string;
  readonly subresource?: string;
  readonly fieldsV1: object;
}

t.test('a resize is a new generation, and its fields are owned by the subresource', async (t) => {
  await using server = await start();
  await server.call('POST', `${PODS}?fieldManager=maker`, { body: manifest('p') });
  const patch = { spec: { containers: [{ name: 'c', image: 'ignored', resources: { requests: { cpu: '150m' } } }] } };
  const path = `${PODS}/p/resize`;
  const resized = await server.call('PATCH', `${path}?fieldManager=sizer`, { body: patch, type: strategic });
  t.equal(resized.status, 200, resized.text);
  t.match(resized.body, {
    metadata: { generation: 2 },
    spec: { containers: [{ image: 'i:1', resources: resources('150m') }] },
  });
  t.strictSame((await server.call('GET', path)).body, resized.body);
  const owners = (body: object) =>
    (body as { metadata: { managedFields: Owner[] } }).metadata.managedFields.filter(
      ({ subresource }) => subresource === 'resize',
    );
  t.match(owners(resized.body), [
    {
      manager: 'sizer',
      fieldsV1: {
        'f:spec': { 'f:containers': { 'k:{"name":"c"}': { 'f:resources': { 'f:requests': { 'f:cpu': {} } } } } },
      },
    },
  ]);
  const applied = await server.call('PATCH', `${path}?fieldManager=applier&force=true`, {
    body: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p' },
      spec: { containers: [{ name: 'c', resources: { requests: { cpu: '200m' } } }] },
    },
    type: 'application/apply-patch+yaml',
  });
  t.equal(applied.status, 200, applied.text);
  t.strictSame(
    owners(applied.body).map(({ manager, fieldsV1 }) => [manager, fieldsV1]),
    [
      [
        'applier',
        { 'f:spec': { 'f:containers': { 'k:{"name":"c"}': { 'f:resources': { 'f:requests': { 'f:cpu': {} } } } } } },
      ],
    ],
  );
});

t.test('the node has to be able to grant it', async (t) => {
  await using server = await start();
  const allocatable = { cpu: '1', memory: '1Gi' };
  for (const [name, labels] of [
    ['small', {}],
    ['windows', { 'kubernetes.io/os': 'windows' }],
  ] as const) {
    await server.call('POST', '/api/v1/nodes', { body: { metadata: { name, labels } } });
    await server.call('PATCH', `/api/v1/nodes/${name}/status`, {
      body: { status: { allocatable } },
      type: 'application/merge-patch+json',
    });
  }
  for (const [node, cpu, code, message, causes] of [
    ['small', '500m', 200, undefined, undefined],
    [
      'small',
      '1500m',
      403,
      "node didn't have enough allocatable resources: cpu, requested: 1500, allocatable: 1000",
      [{ reason: 'NodeCapacity' }],
    ],
    ['gone', '500m', 403, 'node "gone" not found', undefined],
    [
      'windows',
      '500m',
      403,
      'pod resize is only supported on linux nodes, node "windows" is "windows"',
      [{ reason: 'UnsupportedPlatform' }],
    ],
  ] as const) {
    const name = `on-${node}-${cpu}`;
    await server.call('POST', PODS, { body: manifest(name, node) });
    const answer = await server.call('PATCH', `${PODS}/${name}/resize`, {
      body: { spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }] } },
      type: strategic,
    });
    t.equal(answer.status, code, answer.text);
    if (message === undefined) continue;
    t.equal(answer.body.message, `pods ${JSON.stringify(name)} is forbidden: ${message}`);
    t.strictSame((answer.body as { details?: { causes?: object } }).details?.causes, causes);
  }
});

t.test('limit ranges hold for resizes and for claims', async (t) => {
  await using server = await start();
  const limits = [
    { type: 'Container', max: { cpu: '2' }, min: { cpu: '50m' } },
    { type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '10Gi' } },
  ];
  await server.call('POST', PODS, { body: manifest('p') });
  const range = { metadata: { name: 'l' }, spec: { limits } };
  t.equal((await server.call('POST', '/api/v1/namespaces/default/limitranges', { body: range })).status, 201);
  const small = await server.call('PATCH', `${PODS}/p/resize`, {
    body: { spec: { containers: [{ name: 'c', resources: { requests: { cpu: '10m' } } }] } },
    type: strategic,
  });
  t.equal(small.body.message, 'pods "p" is forbidden: minimum cpu usage per Container is 50m, but request is 10m');
  const create = async (storage: string) => {
    const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } };
    const path = '/api/v1/namespaces/default/persistentvolumeclaims';
    const { status, body } = await server.call('POST', path, { body: { metadata: { name: 'c' }, spec } });
    return status === 201 ? undefined : body.message;
  };
  t.equal(
    await create('1Mi'),
    'persistentvolumeclaims "c" is forbidden: minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi',
  );
  t.equal(
    await create('11Gi'),
    'persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 10Gi, but request is 11Gi',
  );
  t.equal(await create('2Gi'), undefined);
});
