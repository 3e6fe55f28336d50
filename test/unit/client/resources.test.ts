import t from 'tap';
import { kinds } from '../../../api/registry.ts';
import type { Resource } from '../../../client/resource.ts';
import * as resources from '../../../client/resources.gen.ts';

t.test("the client's resource paths are those that the api-server serves", async (t) => {
  const known: readonly Resource[] = Object.values(resources);
  for (const { group, version, kind, plural, namespaced } of kinds) {
    const resource = known.find((each) => each.group === group && each.version === version && each.plural === plural);
    t.strictSame(resource, { group, version, kind, plural, namespaced });
  }
});
