import t from 'tap';
import { TestServer } from './server.ts';

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

t.test('discovery, aggregated and not, with ETags', async (t) => {
  await using server = await TestServer.start();
  t.match((await server.call('GET', '/api')).body, { kind: 'APIVersions', versions: ['v1'] });
  const groups = (await server.call('GET', '/apis')).body.groups as { name: string }[];
  t.ok(groups.some(({ name }) => name === 'apps'));
  t.match((await server.call('GET', '/apis/apps')).body, { kind: 'APIGroup', preferredVersion: { version: 'v1' } });
  const resources = (await server.call('GET', '/apis/apps/v1')).body.resources as { name: string }[];
  t.match(
    resources.find(({ name }) => name === 'deployments/scale'),
    { kind: 'Scale', group: 'autoscaling', version: 'v1', namespaced: true },
  );

  t.match(
    (await server.call('GET', '/apis/apps/v1')).text,
    '"shortNames":["deploy"],"categories":["all"],"storageVersionHash":"8aSe+NMegvE="',
    "in upstream's order, which kubectl's tests compare as text",
  );

  const all = await server.call('GET', '/apis', { accept: `${AGGREGATED},application/json` });
  t.equal(all.headers['content-type'], AGGREGATED);
  const items = all.body.items as { metadata: { name: string }; versions: { resources: { resource: string }[] }[] }[];
  const apps = items.find(({ metadata }) => metadata.name === 'apps');
  const deployments = apps?.versions[0]?.resources.find(({ resource }) => resource === 'deployments');
  t.match(deployments, {
    responseKind: { group: 'apps', version: 'v1', kind: 'Deployment' },
    scope: 'Namespaced',
    singularResource: 'deployment',
    shortNames: ['deploy'],
  });
  const headers = { 'if-none-match': String(all.headers.etag) };
  t.equal((await server.call('GET', '/apis', { accept: AGGREGATED, headers })).status, 304);
});

t.test('OpenAPI documents are served', async (t) => {
  await using server = await TestServer.start();
  const v2 = await server.call('GET', '/openapi/v2');
  t.ok((v2.body.definitions as Record<string, unknown>)['io.k8s.api.core.v1.Pod']);
  for (const words of ['list of returned', 'List of services', 'Watch for changes to the described resources'])
    t.match(v2.text, words, "upstream's tests of kubectl look for these texts");
  const index = (await server.call('GET', '/openapi/v3')).body.paths as Record<string, { serverRelativeURL: string }>;
  const url = index['apis/apps/v1']?.serverRelativeURL ?? '';
  const v3 = (await server.call('GET', url)).body.components as { schemas: Record<string, unknown> };
  t.ok(v3.schemas['io.k8s.api.apps.v1.Deployment']);
  t.equal((await server.call('GET', '/openapi/v3/apis/nope/v1')).status, 404);
});
