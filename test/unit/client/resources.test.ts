import t from 'tap';
import { kinds } from '../../../api/registry.ts';
import type { Resource } from '../../../client/resource.ts';
import { ApiClient } from '../../../client/api-client.ts';
import * as resources from '../../../client/resources.gen.ts';

t.test("the client's resource paths are those that the api-server serves", async (t) => {
  const known: readonly Resource[] = Object.values(resources);
  for (const { group, version, kind, plural, namespaced } of kinds) {
    const resource = known.find((each) => each.group === group && each.version === version && each.plural === plural);
    t.strictSame(resource, { group, version, kind, plural, namespaced });
  }
});

t.test('an object of a name that none can have is not found, whatever refers to it', async (t) => {
  await using client = new ApiClient({ server: 'https://127.0.0.1:1', ca: '' });
  const { pods } = resources;
  for (const name of ['.', '..', 'a/b', '../../nodes/n', 'a%2fb']) {
    const metadata = { namespace: 'default', name };
    for (const [what, call] of Object.entries({
      get: () => client.get(pods, 'default', name),
      update: () => client.update(pods, { metadata }),
      patch: () => client.patch(pods, 'default', name, {}),
      delete: () => client.delete(pods, 'default', name),
      create: () => client.createSubresource(pods, 'default', name, 'eviction', {}),
    }))
      await t.rejects(call(), { code: 404, message: `pods "${name}" not found` }, `${what} of ${JSON.stringify(name)}`);
  }
});
