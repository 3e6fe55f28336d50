/** MutatingAdmissionPolicies in a real api-server. */
import t from 'tap';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import { configuration, deployment, DEPLOYMENT_RULE, DEPLOYMENTS, operations, startPolicies } from './policies.ts';
import { CONFIG_MAPS } from './server.ts';

const onDeployments = { matchConstraints: { resourceRules: [DEPLOYMENT_RULE] } };

t.test('a policy mutates a Deployment by a configuration', async (t) => {
  const { server, mutate } = await startPolicies(t);
  await mutate(
    'replicas',
    [
      configuration(`Object{ spec: Object.spec{ replicas: object.spec.replicas + 100 } }`),
      configuration(`Object{
        metadata: Object.metadata{ labels: {"mutated": "yes"} },
        spec: Object.spec{ template: Object.spec.template{ spec: Object.spec.template.spec{
          containers: [Object.spec.template.spec.containers{ name: "sidecar", image: "side:1" }]
        }}}
      }`),
    ],
    onDeployments,
  );
  const created = await server.call('POST', DEPLOYMENTS, { body: deployment('d', 1, { labels: { own: 'x' } }) });
  t.match(created, {
    status: 201,
    body: {
      metadata: { labels: { own: 'x', mutated: 'yes' } },
      spec: {
        replicas: 101,
        template: { spec: { containers: [{ name: 'c' }, { name: 'sidecar', image: 'side:1' }] } },
      },
    },
  });
  const spec = created.body.spec as { template: { spec: { containers: { imagePullPolicy: string }[] } } };
  t.equal(spec.template.spec.containers[1]?.imagePullPolicy, 'IfNotPresent', 'with defaults');
});

t.test('a policy mutates a Deployment with annotations by a JSON patch', async (t) => {
  const { server, mutate } = await startPolicies(t);
  await mutate(
    'annotations',
    [
      operations(`[
        JSONPatch{op: "test", path: "/spec/replicas", value: 1},
        JSONPatch{op: "add", path: "/metadata/annotations", value: {"a/b": "1"}},
        JSONPatch{op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey("c/d"), value: string(object.spec.replicas)},
        JSONPatch{op: "add", path: "/spec/template/spec/nodeSelector", value: Object.spec.template.spec.nodeSelector{zone: "z"}}
      ]`),
    ],
    onDeployments,
  );
  t.match(await server.call('POST', DEPLOYMENTS, { body: deployment('d', 1) }), {
    status: 201,
    body: { metadata: { annotations: { 'a/b': '1', 'c/d': '1' } } },
  });
});

t.test('a test that fails leaves the object as it is', async (t) => {
  const { mutate, createMap } = await startPolicies(t);
  await mutate('a', [
    operations(
      `[JSONPatch{op: "test", path: "/data/k", value: "w"}, JSONPatch{op: "add", path: "/data/x", value: "1"}]`,
    ),
    operations(`[JSONPatch{op: "add", path: "/data/y", value: "2"}]`),
  ]);
  const created = await createMap('m');
  t.equal(created.status, 201, created.text);
  t.strictSame(created.body.data, { k: 'v', y: '2' });
});

t.test('what cannot be applied follows the failure policy', async (t) => {
  for (const [mutation, why] of [
    [
      configuration(`Object{ spec: Object.spec{ selector: Object.spec.selector{ matchLabels: {"c": "d"} } } }`),
      'error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector',
    ],
    [
      configuration(`Object{ spec: Object.spec{ template: Object.spec.wrong{} } }`),
      'type mismatch: unexpected type name "Object.spec.wrong", expected "Object.spec.template", which matches field name path from root Object type',
    ],
    [
      operations(`[JSONPatch{op: "replace", path: "/spec/nosuch/paused", value: true}]`),
      'JSON Patch: replace operation does not apply: doc is missing path: /spec/nosuch/paused: missing value',
    ],
    [
      operations(`[JSONPatch{op: "add", path: "/metadata/annotations/x", value: "y"}]`),
      'JSON Patch: add operation does not apply: doc is missing path: "/metadata/annotations/x": missing value',
    ],
    [
      operations(`[JSONPatch{op: "remove", path: "/metadata/annotations"}]`),
      "JSON Patch: error in remove for path: '/metadata/annotations': Unable to remove nonexistent key: annotations: missing value",
    ],
    [
      configuration(`Object{ spec: Object.spec{ replicaz: 1 } }`),
      'error applying patch: failed to convert patch object to typed object: .spec.replicaz: field not declared in schema',
    ],
    [
      configuration(`Object{ metadata: Object.metadata{ labels: {"x": object.metadata.labels.missing} } }`),
      `expression 'Object{ metadata: Object.metadata{ labels: {"x": object.metadata.labels.missing} } }' resulted in error: no such key: labels`,
    ],
  ] as const) {
    const { server, mutate } = await startPolicies(t);
    await mutate('ignored', [mutation], { ...onDeployments, failurePolicy: 'Ignore' });
    t.equal((await server.call('POST', DEPLOYMENTS, { body: deployment('a', 1) })).status, 201);
    await mutate('failed', [mutation], onDeployments);
    const message = `policy 'failed' with binding 'failed' denied request: ${why}`;
    t.match(await server.call('POST', DEPLOYMENTS, { body: deployment('b', 1) }), {
      status: 403,
      body: { reason: 'Invalid', message, details: { name: 'b', causes: [{ message }] } },
    });
  }
});

t.test('a later mutation sees an earlier one, and policies are invoked again when they ask for it', async (t) => {
  const append = (letter: string) =>
    operations(`[JSONPatch{op: "replace", path: "/data/k", value: object.data.k + "${letter}"}]`);
  const { mutate, createMap } = await startPolicies(t);
  await mutate('a', [append('a'), append('b')]);
  await mutate('b', [append('c')], { reinvocationPolicy: 'IfNeeded' });
  await mutate('c', [append('d')]);
  const created = await createMap('m');
  t.strictSame(created.body.data, { k: 'vabcdc' });
});

t.test('conditions, variables and parameters', async (t) => {
  const { server, mutate, createMap } = await startPolicies(t);
  await createMap('params');
  await mutate(
    'a',
    [configuration(`Object{ metadata: Object.metadata{ labels: {"value": variables.value} } }`)],
    {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      variables: [{ name: 'value', expression: 'params.data.k' }],
      matchConditions: [{ name: 'mine', expression: `object.metadata.name.startsWith('m')` }],
    },
    { paramRef: { name: 'params', parameterNotFoundAction: 'Deny' } },
  );
  t.match(await createMap('m'), { status: 201, body: { metadata: { labels: { value: 'v' } } } });
  t.notMatch(await createMap('other'), { body: { metadata: { labels: { value: 'v' } } } });
  t.equal((await server.call('DELETE', `${CONFIG_MAPS}/params`)).status, 200);
  t.match(await createMap('m2'), {
    status: 403,
    body: {
      reason: 'Forbidden',
      message:
        "policy 'a' with binding 'a' denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
    },
  });
});

t.test('the identity of an object cannot be changed', async (t) => {
  const { mutate, createMap } = await startPolicies(t);
  await mutate('a', [operations(`[JSONPatch{op: "replace", path: "/metadata/namespace", value: "other"}]`)]);
  t.match(await createMap('m'), {
    status: 400,
    body: { message: 'the namespace of the provided object does not match the namespace sent on the request' },
  });
});

t.test('mutations are counted by policy, binding and failure', async (t) => {
  const { metrics, mutate, createMap } = await startPolicies(t);
  await mutate('good', [operations('[JSONPatch{op: "add", path: "/data/x", value: "y"}]')]);
  await mutate('bad', [operations('[JSONPatch{op: "remove", path: "/data/none"}]')], { failurePolicy: 'Ignore' });
  t.equal((await createMap('a')).status, 201);
  const to = new Exposition();
  metrics.write(to);
  const labels = (name: string, error: string) => `{policy="${name}",policy_binding="${name}",error_type="${error}"} 1`;
  for (const line of [
    `apiserver_mutating_admission_policy_check_total${labels('good', 'no_error')}`,
    `apiserver_mutating_admission_policy_check_total${labels('bad', 'invalid_error')}`,
    `apiserver_mutating_admission_policy_check_duration_seconds_count${labels('good', 'no_error')}`,
  ])
    t.ok(to.toString().includes(line), line);
});
