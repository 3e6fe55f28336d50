/** The API operations of admission policies and their bindings, as upstream's conformance suite has them. */
import t from 'tap';
import { CONFIG_MAP_RULE, configuration, POLICIES, startPolicies } from './policies.ts';
import { take, type Json } from './server.ts';

const MERGE = 'application/merge-patch+json';
const matchConstraints = { resourceRules: [CONFIG_MAP_RULE] };

for (const [plural, kind, spec] of [
  [
    'validatingadmissionpolicies',
    'ValidatingAdmissionPolicy',
    { matchConstraints, validations: [{ expression: 'true' }] },
  ],
  [
    'validatingadmissionpolicybindings',
    'ValidatingAdmissionPolicyBinding',
    { policyName: 'p', validationActions: ['Deny'] },
  ],
  [
    'mutatingadmissionpolicies',
    'MutatingAdmissionPolicy',
    { matchConstraints, reinvocationPolicy: 'Never', mutations: [configuration('Object{}')] },
  ],
  ['mutatingadmissionpolicybindings', 'MutatingAdmissionPolicyBinding', { policyName: 'p' }],
] as const)
  t.test(`${kind} API operations`, async (t) => {
    const { server } = await startPolicies(t);
    const all = `${POLICIES}/${plural}`;
    const labels = { suite: 'operations' };
    const discovered = await server.call('GET', POLICIES);
    t.match(
      (discovered.body.resources as Json[]).find(({ name }) => name === plural),
      { kind, namespaced: false, categories: ['api-extensions'] },
    );
    for (const name of ['a', 'b', 'c']) {
      const created = await server.call('POST', all, { body: { metadata: { name, labels }, spec } });
      t.match(created, { status: 201, body: { kind, metadata: { generation: 1 } } });
    }
    t.equal((await server.call('GET', `${all}?labelSelector=suite%3Doperations`)).body.items?.length, 3);
    const since = (await server.call('GET', all)).body.metadata?.resourceVersion as string;

    const patched = await server.call('PATCH', `${all}/a`, {
      body: { metadata: { annotations: { patched: 'true' } } },
      type: MERGE,
    });
    t.match(patched, { status: 200, body: { metadata: { annotations: { patched: 'true' }, generation: 1 } } });
    const changed = await server.call('PATCH', `${all}/a`, { body: { spec: changeOf(kind) }, type: MERGE });
    t.match(changed, { status: 200, body: { spec: changeOf(kind), metadata: { generation: 2 } } });
    t.match(await server.call('PUT', `${all}/b`, { body: { metadata: { name: 'b' }, spec } }), {
      status: 422,
      body: { message: /metadata.resourceVersion: Invalid value: .*: must be specified for an update/ },
    });
    const applied = await server.call('PATCH', `${all}/d?fieldManager=me`, {
      body: { apiVersion: 'admissionregistration.k8s.io/v1', kind, metadata: { name: 'd', labels }, spec },
      type: 'application/apply-patch+yaml',
    });
    t.equal(applied.status, 201, applied.text);
    t.equal((await server.call('DELETE', `${all}/b`)).status, 200);
    t.equal((await server.call('DELETE', `${all}?labelSelector=suite%3Doperations`)).status, 200);
    t.strictSame((await server.call('GET', all)).body.items, []);
    const events = await take(
      server.watch(`${all}?watch=1&fieldSelector=metadata.name%3Da&resourceVersion=${since}`),
      1,
    );
    t.match(events, [{ type: 'MODIFIED', object: { metadata: { name: 'a' } } }]);
  });

/** A change of a spec. */
const changeOf = (kind: string): object =>
  kind.endsWith('Binding') ? { matchResources: { namespaceSelector: {} } } : { failurePolicy: 'Ignore' };

t.test('the status of a policy is written by itself', async (t) => {
  const { server, create } = await startPolicies(t);
  const url = `${POLICIES}/validatingadmissionpolicies/a`;
  await create('validatingadmissionpolicies', {
    metadata: { name: 'a' },
    spec: { matchConstraints, validations: [{ expression: 'true' }] },
    status: { observedGeneration: 7 },
  });
  const condition = {
    type: 'PatchStatusFailed',
    status: 'False',
    reason: 'Test',
    message: '',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const patched = await server.call('PATCH', `${url}/status`, {
    body: { spec: { failurePolicy: 'Ignore' }, status: { conditions: [condition] } },
    type: MERGE,
  });
  t.match(patched, { status: 200, body: { spec: { failurePolicy: 'Fail' }, status: { conditions: [condition] } } });
  t.match(await server.call('GET', `${url}/status`), { status: 200, body: { status: { conditions: [condition] } } });
  const refused = await server.call('PATCH', `${url}/status`, {
    body: { status: { conditions: [{ ...condition, status: 'Maybe' }] } },
    type: MERGE,
  });
  t.match(refused, { status: 422, body: { message: /status.conditions\[0\].status: Unsupported value: "Maybe"/ } });
  t.equal((await server.call('GET', `${POLICIES}/mutatingadmissionpolicies/a/status`)).status, 404);
});
