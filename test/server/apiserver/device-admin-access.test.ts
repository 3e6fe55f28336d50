import t from 'tap';
import { deviceAdminAccess } from '../../../control-plane/apiserver/admission/device-admin-access.ts';
import { TestServer } from './server.ts';

const at = (namespace: string, plural: string) => `/apis/resource.k8s.io/v1/namespaces/${namespace}/${plural}`;
const claim = (adminAccess?: boolean) => {
  const exactly = { deviceClassName: 'gpu', ...(adminAccess !== undefined && { adminAccess }) };
  return { metadata: { name: 'c' }, spec: { devices: { requests: [{ name: 'r', exactly }] } } };
};

t.test('admin access to devices is for namespaces that are labelled for it', async (t) => {
  await using server = await TestServer.start({ admission: ({ api }) => [deviceAdminAccess(api)] });
  const labels = { 'resource.kubernetes.io/admin-access': 'true' };
  for (const metadata of [{ name: 'admin', labels }, { name: 'apps' }]) {
    await server.call('POST', '/api/v1/namespaces', { body: { metadata } });
  }
  const refused = await server.call('POST', at('apps', 'resourceclaims'), { body: claim(true) });
  t.equal(refused.status, 422);
  t.equal(
    refused.body.message,
    'ResourceClaim.resource.k8s.io "c" is invalid: spec.devices.requests[0].adminAccess: Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace',
  );
  const template = { metadata: { name: 't' }, spec: { spec: claim(true).spec } };
  t.equal((await server.call('POST', at('apps', 'resourceclaimtemplates'), { body: template })).status, 422);
  t.equal((await server.call('POST', at('admin', 'resourceclaims'), { body: claim(true) })).status, 201);
  t.equal((await server.call('POST', at('apps', 'resourceclaims'), { body: claim(false) })).status, 201);
  const allocate = (namespace: string) => {
    const results = [{ request: 'r', driver: 'd.io', pool: 'p', device: 'a', adminAccess: true }];
    return server.call('PATCH', `${at(namespace, 'resourceclaims')}/c/status`, {
      body: { status: { allocation: { devices: { results } } } },
      type: 'application/merge-patch+json',
    });
  };
  t.equal((await allocate('apps')).status, 422);
  const allocated = await allocate('admin');
  t.equal(allocated.status, 200, allocated.text);
});
