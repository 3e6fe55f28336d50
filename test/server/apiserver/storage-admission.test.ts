/** Admission around storage and network, through the api-server. */
import t from 'tap';
import { persistentVolumeClaims } from '../../../api/kinds/core/persistent-volume-claim.ts';
import { defaultIngressClass } from '../../../control-plane/apiserver/admission/default-ingress-class.ts';
import { defaultStorageClass } from '../../../control-plane/apiserver/admission/default-storage-class.ts';
import { persistentVolumeClaimResize } from '../../../control-plane/apiserver/admission/persistent-volume-claim-resize.ts';
import { podTopologyLabels } from '../../../control-plane/apiserver/admission/pod-topology-labels.ts';
import { storageObjectInUseProtection } from '../../../control-plane/apiserver/admission/storage-object-in-use-protection.ts';
import { pod, TestServer } from './server.ts';

const CLAIMS = '/api/v1/namespaces/default/persistentvolumeclaims';
const CLASSES = '/apis/storage.k8s.io/v1/storageclasses';
const INGRESSES = '/apis/networking.k8s.io/v1/namespaces/default/ingresses';
const INGRESS_CLASSES = '/apis/networking.k8s.io/v1/ingressclasses';
const PODS = '/api/v1/namespaces/default/pods';
const merge = 'application/merge-patch+json';

const claim = (name: string, more: object = {}, metadata: object = {}) => ({
  metadata: { name, ...metadata },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...more },
});
const storageClass = (name: string, annotations: object = {}, more: object = {}) => ({
  metadata: { name, annotations },
  provisioner: 'example.com/disks',
  ...more,
});

const start = () =>
  TestServer.start({
    admission: ({ api }) => [
      defaultStorageClass(api),
      storageObjectInUseProtection,
      persistentVolumeClaimResize(api),
      defaultIngressClass(api),
      podTopologyLabels(api),
    ],
  });

t.test('claims get the default class, the newest of several', async (t) => {
  await using server = await start();
  const classOf = async (name: string, more: object = {}, metadata: object = {}) => {
    const { status, body, text } = await server.call('POST', CLAIMS, { body: claim(name, more, metadata) });
    t.equal(status, 201, text);
    return (body as { spec: { storageClassName?: string } }).spec.storageClassName;
  };
  t.equal(await classOf('a'), undefined, 'there is none');
  const isDefault = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  const beta = { 'storageclass.beta.kubernetes.io/is-default-class': 'true' };
  for (const body of [storageClass('plain'), storageClass('b', beta)]) {
    t.equal((await server.call('POST', CLASSES, { body })).status, 201);
  }
  t.equal(await classOf('b'), 'b');
  t.equal(await classOf('c', { storageClassName: '' }), '', 'none is asked for');
  t.equal(await classOf('d', {}, { annotations: { 'volume.beta.kubernetes.io/storage-class': 'old' } }), undefined);
  const older = { ...storageClass('a', isDefault), metadata: { name: 'a', annotations: isDefault } };
  t.equal((await server.call('POST', CLASSES, { body: older })).status, 201);
  t.match(await classOf('e'), /^[ab]$/);
  t.equal((await server.call('DELETE', `${CLASSES}/a`)).status, 200);
  t.equal((await server.call('DELETE', `${CLASSES}/b`)).status, 200);
  t.equal(await classOf('f'), undefined);
});

t.test('objects of storage are protected from the start', async (t) => {
  await using server = await start();
  const own = ['example.com/mine'];
  for (const [path, body, finalizers] of [
    [CLAIMS, claim('a'), ['kubernetes.io/pvc-protection']],
    [CLAIMS, claim('b', {}, { finalizers: own }), [...own, 'kubernetes.io/pvc-protection']],
    [CLAIMS, claim('c', {}, { finalizers: ['kubernetes.io/pvc-protection'] }), ['kubernetes.io/pvc-protection']],
    [
      '/api/v1/persistentvolumes',
      {
        metadata: { name: 'a' },
        spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], nfs: { server: 's', path: '/p' } },
      },
      ['kubernetes.io/pv-protection'],
    ],
    [
      '/apis/storage.k8s.io/v1/volumeattributesclasses',
      { metadata: { name: 'a' }, driverName: 'example.com', parameters: { a: 'b' } },
      ['kubernetes.io/vac-protection'],
    ],
  ] as const) {
    const created = await server.call('POST', path, { body });
    t.equal(created.status, 201, created.text);
    t.strictSame(created.body.metadata?.finalizers, finalizers);
  }
  const { body } = await server.call('DELETE', `${CLAIMS}/a`);
  t.match(body, { kind: 'PersistentVolumeClaim', metadata: { deletionTimestamp: String } });
});

t.test('a claim grows where its class allows it', async (t) => {
  await using server = await start();
  await server.call('POST', CLASSES, { body: storageClass('fixed') });
  await server.call('POST', CLASSES, { body: storageClass('elastic', {}, { allowVolumeExpansion: true }) });
  for (const [name, storageClassName] of [
    ['a', 'elastic'],
    ['b', 'fixed'],
  ] as const) {
    await server.call('POST', CLAIMS, { body: claim(name, { storageClassName, volumeName: 'v' }) });
  }
  const grow = (name: string) =>
    server.call('PATCH', `${CLAIMS}/${name}`, {
      body: { spec: { resources: { requests: { storage: '2Gi' } } } },
      type: merge,
    });
  // What an update may change is validated before.
  t.equal((await grow('a')).status, 422);
  for (const name of ['a', 'b']) {
    const body = { status: { phase: 'Bound', capacity: { storage: '1Gi' } } };
    t.equal((await server.call('PATCH', `${CLAIMS}/${name}/status`, { body, type: merge })).status, 200);
  }
  t.equal((await grow('a')).status, 200);
  const { status, body } = await grow('b');
  t.equal(status, 403);
  t.equal(
    body.message,
    'persistentvolumeclaims "b" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
  );
  t.equal(server.core.api.get(persistentVolumeClaims, 'default', 'b')?.spec?.resources?.requests?.['storage'], '1Gi');
});

t.test('ingresses get the default class', async (t) => {
  await using server = await start();
  const annotations = { 'ingressclass.kubernetes.io/is-default-class': 'true' };
  const body = { metadata: { name: 'web', annotations }, spec: { controller: 'example.com/web' } };
  t.equal((await server.call('POST', INGRESS_CLASSES, { body })).status, 201);
  const backend = { service: { name: 's', port: { number: 80 } } };
  for (const [name, metadata, spec, wanted] of [
    ['a', {}, {}, 'web'],
    ['b', {}, { ingressClassName: 'other' }, 'other'],
    ['c', { annotations: { 'kubernetes.io/ingress.class': 'old' } }, {}, undefined],
  ] as const) {
    const created = await server.call('POST', INGRESSES, {
      body: { metadata: { name, ...metadata }, spec: { defaultBackend: backend, ...spec } },
    });
    t.equal(created.status, 201, created.text);
    t.equal((created.body as { spec: { ingressClassName?: string } }).spec.ingressClassName, wanted);
  }
});

t.test('a pod gets the topology labels of its node', async (t) => {
  await using server = await start();
  const zone = { 'topology.kubernetes.io/zone': 'z1', 'topology.kubernetes.io/region': 'r1' };
  await server.call('POST', '/api/v1/nodes', { body: { metadata: { name: 'n', labels: { ...zone, disk: 'ssd' } } } });
  const labels = async (name: string) => (await server.call('GET', `${PODS}/${name}`)).body.metadata?.labels;
  await server.call('POST', PODS, { body: pod('bound', { nodeName: 'n' }, { labels: { app: 'a' } }) });
  t.strictSame(await labels('bound'), { app: 'a', ...zone });
  await server.call('POST', PODS, { body: pod('waiting', {}, { labels: { 'topology.kubernetes.io/zone': 'mine' } }) });
  t.strictSame(await labels('waiting'), { 'topology.kubernetes.io/zone': 'mine' });
  const target = { apiVersion: 'v1', kind: 'Node', name: 'n' };
  const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'waiting' }, target };
  const bound = await server.call('POST', `${PODS}/waiting/binding`, { body: binding });
  t.equal(bound.status, 201, bound.text);
  t.strictSame(await labels('waiting'), zone);
  await server.call('POST', PODS, { body: pod('lost', { nodeName: 'unknown' }) });
  t.equal(await labels('lost'), undefined);
});
