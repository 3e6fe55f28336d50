import t from 'tap';
import { microTimeOf } from '../../../api/machinery/time.ts';
import { leaseProblem } from '../../../control-plane/apiserver/verbs/component-statuses.ts';
import { TestServer } from './server.ts';

const STATUSES = '/api/v1/componentstatuses';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases';

t.test('the parts of the control plane are listed with their health', async (t) => {
  await using server = await TestServer.start();
  const renewTime = microTimeOf(Date.now());
  const spec = { holderIdentity: 'a', leaseDurationSeconds: 60, renewTime };
  await server.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'kube-system' } } });
  const created = await server.call('POST', LEASES, { body: { metadata: { name: 'kube-scheduler' }, spec } });
  t.equal(created.status, 201, created.text);
  const list = await server.call('GET', STATUSES);
  t.strictSame(list.body, {
    kind: 'ComponentStatusList',
    apiVersion: 'v1',
    metadata: {},
    items: [
      {
        metadata: { name: 'controller-manager' },
        conditions: [{ type: 'Healthy', status: 'False', error: 'its Lease is not held' }],
      },
      { metadata: { name: 'scheduler' }, conditions: [{ type: 'Healthy', status: 'True', message: 'ok' }] },
      { metadata: { name: 'etcd-0' }, conditions: [{ type: 'Healthy', status: 'True', message: 'ok' }] },
    ],
  });
  t.match(list.headers['warning'], /v1 ComponentStatus is deprecated in v1\.19\+/);
  const { body } = await server.call('GET', `${STATUSES}/scheduler`);
  t.match(body, { kind: 'ComponentStatus', apiVersion: 'v1', metadata: { name: 'scheduler' } });
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const table = (await server.call('GET', STATUSES, { accept })).body as { rows: { cells: unknown[] }[] };
  t.strictSame(
    table.rows.map(({ cells }) => cells),
    [
      ['controller-manager', 'Unhealthy', '', 'its Lease is not held'],
      ['scheduler', 'Healthy', 'ok', ''],
      ['etcd-0', 'Healthy', 'ok', ''],
    ],
  );
  t.equal((await server.call('GET', `${STATUSES}?fieldSelector=metadata.name=etcd-0`)).body.items?.length, 1);
  t.equal((await server.call('GET', `${STATUSES}/other`)).status, 404);
  t.equal((await server.call('POST', STATUSES, { body: { metadata: { name: 'x' } } })).status, 405);
  t.equal((await server.call('GET', `${STATUSES}?watch=1`)).status, 405);
});

t.test('a Lease that is not renewed expires', async (t) => {
  const spec = { holderIdentity: 'a', leaseDurationSeconds: 15, renewTime: '2026-01-01T00:00:00.000000Z' };
  const renewed = Date.parse(spec.renewTime);
  t.equal(leaseProblem({ spec }, renewed + 15_000), undefined);
  t.equal(leaseProblem({ spec }, renewed + 15_001), 'its Lease has expired');
  t.equal(leaseProblem({ spec: { ...spec, holderIdentity: '' } }, renewed), 'its Lease is not held');
});
