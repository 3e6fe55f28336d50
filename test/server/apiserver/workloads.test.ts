import t from 'tap';
import { TestServer } from './server.ts';

const V1 = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers';
const V2 = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers';
const APPS = '/apis/apps/v1/namespaces/default';
const JOBS = '/apis/batch/v1/namespaces/default/jobs';
const CONTROLLERS = '/api/v1/namespaces/default/replicationcontrollers';
const MERGE = 'application/merge-patch+json';

const labels = { app: 'web' };
const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i:1' }] } };
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };

t.test('an autoscaler is served in v1 and v2, and a write in v1 keeps what only v2 has', async (t) => {
  await using server = await TestServer.start();
  const external = { metric: { name: 'queue' }, target: { type: 'Value', value: '5' } };
  const spec = { scaleTargetRef, maxReplicas: 3, metrics: [{ type: 'External', external }] };
  const body = { metadata: { name: 'web' }, spec };
  t.equal((await server.call('POST', V2, { body })).status, 201);
  const status = { currentReplicas: 1, desiredReplicas: 2, conditions: [{ type: 'AbleToScale', status: 'True' }] };
  t.equal((await server.call('PATCH', `${V2}/web/status`, { type: MERGE, body: { status } })).status, 200);
  const { body: old } = await server.call('GET', `${V1}/web`);
  t.match(old, { apiVersion: 'autoscaling/v1', spec: { maxReplicas: 3 }, status: { desiredReplicas: 2 } });
  const changed = { ...old, spec: { ...(old['spec'] as object), targetCPUUtilizationPercentage: 60 } };
  t.equal((await server.call('PUT', `${V1}/web`, { body: changed })).status, 200);
  t.match((await server.call('GET', `${V2}/web`)).body, {
    spec: { metrics: [{ type: 'External', external }, { resource: { target: { averageUtilization: 60 } } }] },
    status,
  });

  const created = await server.call('POST', V1, {
    body: { metadata: { name: 'cpu' }, spec: { scaleTargetRef, maxReplicas: 2 } },
  });
  t.match(
    created.body,
    { spec: { minReplicas: 1, targetCPUUtilizationPercentage: 80 } },
    'the default of v2 shows in v1',
  );
  t.match((await server.call('PATCH', `${V1}/cpu`, { type: MERGE, body: { spec: { maxReplicas: 0 } } })).body, {
    code: 422,
    details: { causes: [{ field: 'spec.maxReplicas' }, { field: 'spec.maxReplicas' }] },
  });
});

t.test('stateful sets and replication controllers are scaled', async (t) => {
  await using server = await TestServer.start();
  const selector = { matchLabels: labels };
  for (const [collection, spec] of [
    [`${APPS}/statefulsets`, { selector, template, serviceName: 'web' }],
    [CONTROLLERS, { template }],
  ] as const) {
    await server.call('POST', collection, { body: { metadata: { name: 'web' }, spec } });
    const scaled = await server.call('PATCH', `${collection}/web/scale`, {
      type: MERGE,
      body: { spec: { replicas: 3 } },
    });
    t.match(scaled.body, { kind: 'Scale', spec: { replicas: 3 }, status: { selector: 'app=web' } });
    t.match((await server.call('GET', `${collection}/web`)).body, {
      metadata: { generation: 2 },
      spec: { replicas: 3 },
    });
    const refused = await server.call('PATCH', `${collection}/web/scale`, {
      type: MERGE,
      body: { spec: { replicas: -1 } },
    });
    t.equal(refused.status, 422);
  }
});

t.test('jobs and replication controllers orphan their pods unless a delete says otherwise', async (t) => {
  await using server = await TestServer.start();
  const job = { ...template, spec: { ...template.spec, restartPolicy: 'Never' } };
  const make = async (collection: string, name: string): Promise<void> => {
    const spec = { template: collection === JOBS ? job : template };
    t.equal((await server.call('POST', collection, { body: { metadata: { name }, spec } })).status, 201);
  };
  for (const collection of [JOBS, CONTROLLERS]) {
    await make(collection, 'a');
    const answer = await server.call('DELETE', `${collection}/a`);
    t.match(answer.body, { metadata: { finalizers: ['orphan'] } });
    const warning = /child pods are preserved by default when jobs are deleted/;
    if (collection === JOBS) t.match(answer.headers['warning'], warning);
    else t.equal(answer.headers['warning'], undefined);
    await make(collection, 'b');
    const background = await server.call('DELETE', `${collection}/b`, { body: { propagationPolicy: 'Background' } });
    t.match(background.body, { kind: 'Status', status: 'Success' });
    t.equal(background.headers['warning'], undefined);
  }
});
