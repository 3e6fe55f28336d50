/** Kinds of `storage.k8s.io` through the api-server. */
import t from 'tap';
import { csiDrivers } from '../../../api/kinds/storage/csi-driver.ts';
import { csiNodes } from '../../../api/kinds/storage/csi-node.ts';
import { TestServer } from './server.ts';

const at = (plural: string, name = '') => `/apis/storage.k8s.io/v1/${plural}${name && `/${name}`}`;
const merge = 'application/merge-patch+json';

t.test('a CSI driver has a generation from its first change on', async (t) => {
  await using server = await TestServer.start({ kinds: [csiDrivers] });
  const created = await server.call('POST', at('csidrivers'), { body: { metadata: { name: 'a' }, spec: {} } });
  t.equal(created.status, 201, created.text);
  t.equal(created.body.metadata?.generation, undefined);
  const patch = async (body: object) => server.call('PATCH', at('csidrivers', 'a'), { body, type: merge });
  t.equal((await patch({ metadata: { labels: { a: 'b' } } })).body.metadata?.generation, undefined);
  t.equal((await patch({ spec: { podInfoOnMount: true } })).body.metadata?.generation, 1);
  t.equal((await patch({ spec: { podInfoOnMount: false } })).body.metadata?.generation, 2);
  t.equal((await patch({ spec: { attachRequired: false } })).status, 422);
});

t.test('a CSI node without a list of drivers is stored', async (t) => {
  await using server = await TestServer.start({ kinds: [csiNodes] });
  const { status, text } = await server.call('POST', at('csinodes'), { body: { metadata: { name: 'a' }, spec: {} } });
  t.equal(status, 201, text);
  const replaced = { metadata: { name: 'a' }, spec: { drivers: [{ name: 'd', nodeID: 'n' }] } };
  t.equal(
    (await server.call('PUT', at('csinodes', 'a'), { body: replaced })).status,
    422,
    'an update names the version that it replaces',
  );
});
