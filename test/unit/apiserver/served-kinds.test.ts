import { test } from 'tap';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { secrets } from '../../../api/kinds/core/secret.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { ServedKinds, type KindsChange } from '../../../control-plane/apiserver/catalogue/served-kinds.ts';
import { ServedResource } from '../../../control-plane/apiserver/catalogue/served-resource.ts';
import { ResourceCache } from '../../../control-plane/apiserver/storage/cache/resource-cache.ts';

const serve = (kind: Kind): ServedResource =>
  new ServedResource(kind, new ResourceCache(kind), `/registry/core/${kind.plural}/`);

test('derived values are recomputed after each change of the served kinds, and cached until then', async (t) => {
  const kinds = new ServedKinds([serve(configMaps)]);
  const names = kinds.derived((all) => all.map(({ kind }) => kind));
  const changes: KindsChange[] = [];
  kinds.onChange((change) => changes.push(change));
  const first = names();
  t.strictSame(first, ['ConfigMap']);
  t.equal(names(), first);

  const resource = serve(secrets);
  kinds.add(resource);
  t.strictSame(names(), ['ConfigMap', 'Secret']);
  t.equal(kinds.find('', 'v1', 'secrets'), resource);
  t.equal(kinds.findKind('', 'v1', 'Secret'), secrets);
  t.throws(() => kinds.add(serve(secrets)), { message: '/v1/secrets is served already' });

  const renewed = serve({ ...secrets, shortNames: ['sec'] });
  kinds.replace(resource, renewed);
  t.equal(kinds.find('', 'v1', 'secrets'), renewed);
  t.equal(kinds.of(secrets), undefined);
  t.throws(() => kinds.replace(resource, renewed), { message: /not served, or in another form/ });
  t.throws(() => kinds.replace(renewed, serve(configMaps)), { message: /cannot replace/ });

  kinds.remove(renewed);
  t.strictSame(names(), ['ConfigMap']);
  t.equal(kinds.find('', 'v1', 'secrets'), undefined);
  t.equal(kinds.hasGroupVersion('', 'v1'), true);
  t.equal(kinds.hasGroupVersion('apps', 'v1'), false);
  t.throws(() => kinds.remove(renewed), { message: /not served/ });
  t.strictSame(
    changes.map((change) => [change.resource, change.previous]),
    [
      [resource, undefined],
      [renewed, resource],
      [undefined, renewed],
    ],
  );
});
