/** The storage class that clusters start with. */
import { test } from 'tap';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { isDefaultClass, storageClasses } from '../../../api/kinds/storage/storage-class.ts';
import { offerLocalPathClass } from '../../../control-plane/apiserver/bootstrap/local-path-class.ts';
import { createAll, startServer } from './fixture.ts';

test('the class is made once, and stays away when an operator deletes it', async (t) => {
  const { api } = (await startServer(t)).core;
  await Promise.all([offerLocalPathClass(api), offerLocalPathClass(api)]);
  const [made, ...others] = api.list(storageClasses);
  t.equal(others.length, 0);
  t.match(made, { metadata: { name: 'local-path' }, provisioner: 'kedge.io/local-path', reclaimPolicy: 'Delete' });
  t.ok(made && isDefaultClass(made));
  await offerLocalPathClass(api);
  await api.delete(storageClasses, '', 'local-path');
  await offerLocalPathClass(api);
  t.same(api.list(storageClasses), []);
});

test('a server that was killed before it noted the class finds it', async (t) => {
  const { api } = (await startServer(t)).core;
  const [get, list, create] = [api.get.bind(api), api.list.bind(api), api.create.bind(api)];
  const update = () => Promise.reject(new Error('killed'));
  await t.rejects(offerLocalPathClass({ get, list, create, update }), /killed/);
  await offerLocalPathClass(api);
  t.equal(api.list(storageClasses).length, 1);
  t.match(api.get(namespaces, '', 'kube-system'), {
    metadata: { annotations: { 'kedge.io/local-path-class': 'created' } },
  });
});

test("another default class stays the cluster's default", async (t) => {
  const { core } = await startServer(t);
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  await createAll(core, storageClasses, { metadata: { name: 'mine', annotations }, provisioner: 'example.com/disks' });
  await offerLocalPathClass(core.api);
  const defaults = core.api.list(storageClasses).filter(isDefaultClass);
  t.same(
    defaults.map(({ metadata }) => metadata?.name),
    ['mine'],
  );
  t.equal(core.api.list(storageClasses).length, 2);
});
