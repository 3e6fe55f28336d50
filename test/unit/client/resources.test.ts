import t from 'tap';
import { kinds } from '../../../api/registry.ts';
import * as resources from '../../../client/resources.ts';

t.test('clients look for each kind where the api-server serves it', async (t) => {
  for (const resource of Object.values(resources)) {
    const served = kinds.find(({ group, plural }) => group === resource.group && plural === resource.plural);
    const { group, version, kind, plural, namespaced } = served ?? {};
    t.strictSame(resource, { group, version, kind, plural, namespaced });
  }
});
