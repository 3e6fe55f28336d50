import t from 'tap';
import { pod, PODS, TestServer } from './server.ts';

const BUDGETS = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
const MERGE = 'application/merge-patch+json';
const labels = { app: 'web' };

async function runPod(server: TestServer, name: string, ready = true): Promise<void> {
  const body = pod(name, { nodeName: 'n1' });
  await server.call('POST', PODS, { body: { ...body, metadata: { name, labels } } });
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] };
  await server.call('PATCH', `${PODS}/${name}/status`, { type: MERGE, body: { status } });
}

async function makeBudget(server: TestServer, name: string, status: object, spec: object = {}): Promise<void> {
  const body = { metadata: { name }, spec: { minAvailable: 1, selector: { matchLabels: labels }, ...spec } };
  t.equal((await server.call('POST', BUDGETS, { body })).status, 201);
  await setStatus(server, name, status);
}

const setStatus = (server: TestServer, name: string, status: object) =>
  server.call('PATCH', `${BUDGETS}/${name}/status`, {
    type: MERGE,
    body: { status: { observedGeneration: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2, ...status } },
  });

const evict = (server: TestServer, name: string, deleteOptions?: object) =>
  server.call('POST', `${PODS}/${name}/eviction`, { body: { metadata: { name }, deleteOptions } });

t.test('an eviction of policy/v1beta1 is accepted, as upstream accepts it from old clients', async (t) => {
  await using server = await TestServer.start();
  await runPod(server, 'a');
  const body = (apiVersion: string) => ({ body: { apiVersion, kind: 'Eviction', metadata: { name: 'a' } } });
  t.match((await server.call('POST', `${PODS}/a/eviction`, body('policy/v1beta2'))).body, {
    code: 400,
    message: 'the API version in the data (policy/v1beta2) does not match the expected API version (policy/v1)',
  });
  t.equal((await server.call('POST', `${PODS}/a/eviction`, body('policy/v1beta1'))).status, 201);
});

t.test('evictions are charged to the budget until it is exhausted', async (t) => {
  await using server = await TestServer.start();
  await makeBudget(server, 'web', { disruptionsAllowed: 1 });
  for (const name of ['a', 'b', 'c']) await runPod(server, name);

  t.equal((await evict(server, 'a', { dryRun: ['All'] })).status, 201);
  t.match(
    (await server.call('GET', `${BUDGETS}/web`)).body,
    { status: { disruptionsAllowed: 1 } },
    'a dry run is free',
  );
  const outcomes = await Promise.all(['a', 'b'].map((name) => evict(server, name)));
  t.strictSame(outcomes.map(({ status }) => status).sort(), [201, 429], 'only one of two at the same time is allowed');
  const evicted = outcomes[0]?.status === 201 ? 'a' : 'b';
  t.match((await server.call('GET', `${PODS}/${evicted}`)).body, {
    metadata: { deletionTimestamp: String },
    status: { conditions: [{ type: 'Ready' }, { type: 'DisruptionTarget', reason: 'EvictionByEvictionAPI' }] },
  });
  t.match((await server.call('GET', `${BUDGETS}/web`)).body, {
    status: {
      disruptionsAllowed: 0,
      disruptedPods: { [evicted]: String },
      conditions: [{ type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods', observedGeneration: 1 }],
    },
  });
  t.equal((await evict(server, evicted)).status, 201, 'a pod that is going is not protected');

  await setStatus(server, 'web', { currentHealthy: 1 });
  const refused = await evict(server, 'c');
  t.match(refused.body, {
    code: 429,
    reason: 'TooManyRequests',
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    details: {
      causes: [
        { reason: 'DisruptionBudget', message: 'The disruption budget web needs 1 healthy pods and has 1 currently' },
      ],
    },
  });
});

t.test('a budget that its controller has not seen, and two budgets, allow no eviction', async (t) => {
  await using server = await TestServer.start();
  await runPod(server, 'a');
  await makeBudget(server, 'web', { disruptionsAllowed: 1, observedGeneration: 0 });
  const answer = await evict(server, 'a');
  t.match(answer.body, {
    code: 429,
    details: {
      retryAfterSeconds: 10,
      causes: [{ message: 'The disruption budget web is still being processed by the server.' }],
    },
  });
  t.equal(answer.headers['retry-after'], '10');
  await makeBudget(server, 'other', {});
  t.match((await evict(server, 'a')).body, { code: 500, message: /^This pod has more than one PodDisruptionBudget/ });
});

t.test('pods that are not ready are evicted by the policy of their budget', async (t) => {
  await using server = await TestServer.start();
  await runPod(server, 'a', false);
  await runPod(server, 'b', false);
  await makeBudget(server, 'web', { disruptionsAllowed: 0, currentHealthy: 0 });
  t.equal((await evict(server, 'a')).status, 429, 'while too few pods are healthy, every one counts');
  await setStatus(server, 'web', { currentHealthy: 1 });
  t.equal((await evict(server, 'a')).status, 201, 'the budget does not depend on it');
  await setStatus(server, 'web', { currentHealthy: 0 });
  const policy = { spec: { unhealthyPodEvictionPolicy: 'AlwaysAllow' } };
  await server.call('PATCH', `${BUDGETS}/web`, { type: MERGE, body: policy });
  t.equal((await evict(server, 'b')).status, 201);
});

t.test('preconditions of an eviction hold', async (t) => {
  await using server = await TestServer.start();
  await runPod(server, 'a');
  const preconditions = { uid: 'another' };
  t.match((await evict(server, 'a', { preconditions })).body, { code: 409, message: /the UID in the precondition/ });
  t.match((await evict(server, 'a', { preconditions: { resourceVersion: '1' } })).body, { code: 409 });
  const { resourceVersion } = (await server.call('GET', `${PODS}/a`)).body.metadata ?? {};
  t.equal((await evict(server, 'a', { preconditions: { resourceVersion } })).status, 201);
  t.equal((await evict(server, 'missing')).status, 404);
});
