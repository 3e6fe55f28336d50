/** MutatingAdmissionPolicies in a real api-server. */
import t, { type Test } from 'tap';
import { mutatingAdmissionPolicy } from '../../../control-plane/apiserver/admission/policies/mutating-admission-policy.ts';
import type { AdmissionPlugin } from '../../../control-plane/apiserver/admission/plugin.ts';
import { configMap, CONFIG_MAPS, TestServer } from './server.ts';

const GROUP = '/apis/admissionregistration.k8s.io/v1';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const rule = (group: string, resource: string) => ({
  operations: ['CREATE', 'UPDATE'],
  apiGroups: [group],
  apiVersions: ['v1'],
  resources: [resource],
});
const onDeployments = { matchConstraints: { resourceRules: [rule('apps', 'deployments')] } };

const deployment = (name: string, more: object = {}) => ({
  metadata: { name, ...more },
  spec: {
    replicas: 1,
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } },
  },
});

const configuration = (expression: string) => ({
  patchType: 'ApplyConfiguration',
  applyConfiguration: { expression },
});
const operations = (expression: string) => ({ patchType: 'JSONPatch', jsonPatch: { expression } });

async function started(t: Test, others: readonly AdmissionPlugin[] = []) {
  const server = await TestServer.start({
    admission: ({ api, registry }) => [
      mutatingAdmissionPolicy({
        api,
        kinds: registry.kinds,
        authorizer: { authorize: () => ({ allowed: true, reason: '' }) },
      }),
      ...others,
    ],
  });
  t.teardown(() => server[Symbol.asyncDispose]());
  await server.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'default' } } });
  const create = async (plural: string, object: object) => {
    const answer = await server.call('POST', `${GROUP}/${plural}`, { body: object });
    t.equal(answer.status, 201, answer.text);
  };
  /** A policy and a binding, both named `name`. */
  const enforce = async (name: string, mutations: object[], spec: object = {}, binding: object = {}) => {
    await create('mutatingadmissionpolicies', {
      metadata: { name },
      spec: {
        matchConstraints: { resourceRules: [rule('', 'configmaps')] },
        reinvocationPolicy: 'Never',
        mutations,
        ...spec,
      },
    });
    await create('mutatingadmissionpolicybindings', { metadata: { name }, spec: { policyName: name, ...binding } });
  };
  const createMap = (name: string, metadata: object = {}) =>
    server.call('POST', CONFIG_MAPS, { body: configMap(name, metadata) });
  return { server, enforce, createMap };
}

t.test('a policy mutates a Deployment by a configuration', async (t) => {
  const { server, enforce } = await started(t);
  await enforce(
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
  const created = await server.call('POST', DEPLOYMENTS, { body: deployment('d', { labels: { own: 'x' } }) });
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
  const { server, enforce } = await started(t);
  await enforce(
    'annotations',
    [
      operations(`[
        JSONPatch{op: "test", path: "/spec/replicas", value: 1},
        JSONPatch{op: "add", path: "/metadata/annotations", value: {"a/b": "1"}},
        JSONPatch{op: "add", path: "/metadata/annotations/c~1d", value: string(object.spec.replicas)},
        JSONPatch{op: "add", path: "/spec/template/spec/nodeSelector", value: Object.spec.template.spec.nodeSelector{zone: "z"}}
      ]`),
    ],
    onDeployments,
  );
  t.match(await server.call('POST', DEPLOYMENTS, { body: deployment('d') }), {
    status: 201,
    body: { metadata: { annotations: { 'a/b': '1', 'c/d': '1' } } },
  });
});

t.test('a test that fails leaves the object as it is', async (t) => {
  const { enforce, createMap } = await started(t);
  await enforce('a', [
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
      configuration(`Object{ spec: Object.spec{ replicaz: 1 } }`),
      'error applying patch: failed to convert patch object to typed object: .spec.replicaz: field not declared in schema',
    ],
    [
      configuration(`Object{ metadata: Object.metadata{ labels: {"x": object.metadata.labels.missing} } }`),
      `expression 'Object{ metadata: Object.metadata{ labels: {"x": object.metadata.labels.missing} } }' resulted in error: no such key: labels`,
    ],
  ] as const) {
    const { server, enforce } = await started(t);
    await enforce('ignored', [mutation], { ...onDeployments, failurePolicy: 'Ignore' });
    t.equal((await server.call('POST', DEPLOYMENTS, { body: deployment('a') })).status, 201);
    await enforce('failed', [mutation], onDeployments);
    const message = `policy 'failed' with binding 'failed' denied request: ${why}`;
    t.match(await server.call('POST', DEPLOYMENTS, { body: deployment('b') }), {
      status: 403,
      body: { reason: 'Invalid', message, details: { name: 'b', causes: [{ message }] } },
    });
  }
});

t.test('a later mutation sees an earlier one, and policies are invoked again when they ask for it', async (t) => {
  const append = (letter: string) =>
    operations(`[JSONPatch{op: "replace", path: "/data/k", value: object.data.k + "${letter}"}]`);
  const { enforce, createMap } = await started(t);
  await enforce('a', [append('a'), append('b')]);
  await enforce('b', [append('c')], { reinvocationPolicy: 'IfNeeded' });
  await enforce('c', [append('d')]);
  const created = await createMap('m');
  t.strictSame(created.body.data, { k: 'vabcdc' });
});

t.test('conditions, variables and parameters', async (t) => {
  const { server, enforce, createMap } = await started(t);
  await createMap('params');
  await enforce(
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
  const { enforce, createMap } = await started(t);
  await enforce('a', [operations(`[JSONPatch{op: "replace", path: "/metadata/namespace", value: "other"}]`)]);
  t.match(await createMap('m'), {
    status: 400,
    body: { message: 'the namespace of the provided object does not match the namespace sent on the request' },
  });
});
