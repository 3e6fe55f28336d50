/** What admission policies see of requests of every kind, and who may make them read what. */
import t from 'tap';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { eventually } from '../../support/wait.ts';
import {
  CONFIG_MAP_RULE,
  configuration,
  deployment,
  DEPLOYMENT_RULE,
  DEPLOYMENTS,
  operations,
  POLICIES,
  startPolicies,
} from './policies.ts';
import { CONFIG_MAPS, pod, PODS } from './server.ts';

const AUTOSCALERS = (version: string) => `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`;
const autoscaler = (name: string) => ({
  metadata: { name },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' },
    maxReplicas: 3,
    targetCPUUtilizationPercentage: 50,
  },
});

t.test('a policy sees and mutates objects in the version that it names', async (t) => {
  const { server, validate, mutate } = await startPolicies(t);
  const rule = {
    operations: ['CREATE', 'UPDATE'],
    apiGroups: ['autoscaling'],
    apiVersions: ['v2'],
    resources: ['horizontalpodautoscalers'],
  };
  await mutate('a', [configuration('Object{spec: Object.spec{minReplicas: object.spec.metrics.size() + 1}}')], {
    matchConstraints: { resourceRules: [rule] },
  });
  await validate('b', {
    matchConstraints: { resourceRules: [rule] },
    validations: [
      { expression: `object.apiVersion == 'autoscaling/v2' && object.spec.minReplicas == 2` },
      { expression: `request.kind.version == 'v2' && request.resource.version == 'v2'` },
      { expression: `request.requestKind.version in ['v1', 'v2']`, message: 'neither' },
    ],
  });
  const created = await server.call('POST', AUTOSCALERS('v1'), { body: autoscaler('h') });
  t.match(created, {
    status: 201,
    body: { apiVersion: 'autoscaling/v1', spec: { minReplicas: 2, targetCPUUtilizationPercentage: 50 } },
  });
  await server.call('DELETE', `${POLICIES}/mutatingadmissionpolicybindings/a`);
  t.match(await server.call('POST', AUTOSCALERS('v1'), { body: autoscaler('i') }), {
    status: 422,
    body: { message: /failed expression: object.apiVersion == 'autoscaling\/v2'/ },
  });
  await validate('exact', {
    matchConstraints: { resourceRules: [{ ...rule, apiVersions: ['v2'] }], matchPolicy: 'Exact' },
    validations: [{ expression: 'false', message: 'exact' }],
  });
  await server.call('DELETE', `${POLICIES}/validatingadmissionpolicybindings/b`);
  t.equal((await server.call('POST', AUTOSCALERS('v1'), { body: autoscaler('i') })).status, 201);
});

t.test('connections, deletes and subresources', async (t) => {
  const { server, validate, mutate } = await startPolicies(t);
  const on = (operation: string, group: string, resource: string) => ({
    matchConstraints: {
      resourceRules: [{ operations: [operation], apiGroups: [group], apiVersions: ['v1'], resources: [resource] }],
    },
  });
  await validate('exec', {
    ...on('CONNECT', '', 'pods/exec'),
    validations: [
      { expression: `!('rm' in object.command)`, messageExpression: `object.kind + ' ' + request.subResource` },
    ],
  });
  await server.call('POST', PODS, { body: pod('p') });
  t.match(await server.call('GET', `${PODS}/p/exec?command=rm&stdout=true`), {
    status: 422,
    body: { message: /^pods "p" is forbidden: .* denied request: PodExecOptions exec$/ },
  });
  await validate('keep', {
    ...on('DELETE', '', 'pods'),
    validations: [
      { expression: 'object == null && !has(object.metadata)', message: 'no object' },
      { expression: `oldObject.metadata.name != 'p'`, message: 'kept' },
    ],
  });
  t.match(await server.call('DELETE', `${PODS}/p?gracePeriodSeconds=0`), {
    body: { message: /denied request: kept$/ },
  });

  await server.call('POST', DEPLOYMENTS, { body: deployment('d', 1) });
  await mutate(
    'scale',
    [configuration('Object{spec: Object.spec{replicas: object.spec.replicas * 2}}')],
    on('UPDATE', 'apps', 'deployments/scale'),
  );
  const scaled = await server.call('PATCH', `${DEPLOYMENTS}/d/scale`, {
    body: { spec: { replicas: 4 } },
    type: 'application/merge-patch+json',
  });
  t.match(scaled, { status: 200, body: { kind: 'Scale', spec: { replicas: 8 } } });
});

t.test('custom resources are mutated and validated, and are parameters', async (t) => {
  const { server, validate, mutate } = await startPolicies(t);
  const property = {
    type: 'object',
    properties: { max: { type: 'integer' }, names: { type: 'array', items: { type: 'string' } } },
  };
  await server.call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    body: {
      metadata: { name: 'limits.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'limits', kind: 'Limit' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', properties: { spec: property } } },
          },
        ],
      },
    },
  });
  const limits = '/apis/example.com/v1/namespaces/default/limits';
  const limit = (name: string, spec: object) => ({
    apiVersion: 'example.com/v1',
    kind: 'Limit',
    metadata: { name },
    spec,
  });
  await eventually('the kind to be served', async () => (await server.call('GET', limits)).status === 200);
  const rule = { operations: ['CREATE'], apiGroups: ['example.com'], apiVersions: ['v1'], resources: ['limits'] };
  await mutate('a', [configuration('Object{spec: Object.spec{max: object.spec.?max.orValue(5)}}')], {
    matchConstraints: { resourceRules: [rule] },
  });
  t.match(await server.call('POST', limits, { body: limit('small', {}) }), { status: 201, body: { spec: { max: 5 } } });
  await validate(
    'b',
    {
      matchConstraints: { resourceRules: [DEPLOYMENT_RULE] },
      paramKind: { apiVersion: 'example.com/v1', kind: 'Limit' },
      validations: [
        {
          expression: 'object.spec.replicas <= params.spec.max',
          messageExpression: `params.metadata.name + ' allows ' + string(params.spec.max)`,
        },
      ],
    },
    { paramRef: { selector: {}, parameterNotFoundAction: 'Deny' } },
  );
  t.match(await server.call('POST', DEPLOYMENTS, { body: deployment('d', 6) }), {
    status: 422,
    body: { message: /denied request: small allows 5$/ },
  });
  await server.call('PATCH', `${limits}/small`, { body: { spec: { max: 6 } }, type: 'application/merge-patch+json' });
  t.equal((await server.call('POST', DEPLOYMENTS, { body: deployment('d', 6) })).status, 201);
  t.equal((await server.call('DELETE', `${limits}/small`)).status, 200);
  t.match(await server.call('POST', DEPLOYMENTS, { body: deployment('e', 1) }), {
    body: { message: /no params found for policy binding with `Deny` parameterNotFoundAction$/ },
  });
});

t.test('parameters of other namespaces, and of none', async (t) => {
  const { server, create, validate, createMap } = await startPolicies(t);
  await server.call('POST', '/api/v1/namespaces', { body: { metadata: { name: 'rules' } } });
  await server.call('POST', '/api/v1/namespaces/rules/configmaps', {
    body: { metadata: { name: 'rule' }, data: { no: 'never' } },
  });
  const paramRef = (ref: object) => ({ paramRef: { parameterNotFoundAction: 'Deny', ...ref } });
  await validate(
    'a',
    {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      validations: [{ expression: 'params == null', messageExpression: 'string(params.data.no)' }],
    },
    paramRef({ name: 'rule', namespace: 'rules' }),
  );
  t.match(await createMap('a'), { status: 422, body: { message: /denied request: never$/ } });
  await server.call('DELETE', `${POLICIES}/validatingadmissionpolicybindings/a`);
  await create('validatingadmissionpolicybindings', {
    metadata: { name: 'a' },
    spec: { policyName: 'a', validationActions: ['Deny'] },
  });
  t.equal((await createMap('a')).status, 201, 'a binding without a reference has no parameter');
  for (const [kind, rule, ref, wanted] of [
    [
      'Namespace',
      CONFIG_MAP_RULE,
      { name: 'rules', namespace: 'rules' },
      'paramRef.namespace must not be provided for a cluster-scoped `paramKind`',
    ],
    [
      'ConfigMap',
      { ...CONFIG_MAP_RULE, resources: ['nodes'] },
      { name: 'rule' },
      'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
    ],
  ] as const) {
    await validate(
      kind.toLowerCase(),
      {
        paramKind: { apiVersion: 'v1', kind },
        matchConstraints: { resourceRules: [rule] },
        validations: [{ expression: 'true' }],
      },
      paramRef(ref),
    );
    const answer =
      kind === 'ConfigMap'
        ? await server.call('POST', '/api/v1/nodes', { body: { metadata: { name: 'n' } } })
        : await createMap('b');
    t.match(answer, { status: 422 });
    t.ok(String(answer.body.message).endsWith(`failed to configure binding: ${wanted}`), answer.text);
    await server.call('DELETE', `${POLICIES}/validatingadmissionpolicybindings/${kind.toLowerCase()}`);
  }
});

t.test('expressions may cost so much and no more', async (t) => {
  const { validate, createMap, mutate } = await startPolicies(t);
  const list = `[${Array.from({ length: 60 }, (_, index) => index).join(', ')}]`;
  const expensive = `${list}.all(a, ${list}.all(b, ${list}.all(c, a + b + c >= 0)))`;
  const cheap = `${list}.all(a, ${list}.all(b, a + b >= 0))`;
  await validate('one', { validations: [{ expression: `${expensive} && ${expensive}` }] });
  t.match(await createMap('a'), {
    status: 422,
    body: { message: /resulted in error: operation cancelled: actual cost limit exceeded$/ },
  });
  t.equal((await createMap('b')).status, 422);
  await validate('many', {
    validations: Array.from({ length: 20 }, () => ({ expression: `${expensive}` })),
  });
  const { body } = await createMap('c');
  t.match(body.message, /operation cancelled|running out of cost budget/);
  await mutate('cheap', [operations(`[JSONPatch{op: "add", path: "/data/x", value: string(${cheap})}]`)]);
});

t.test('nobody makes a policy read what they may not read', async (t) => {
  const { server, create } = await startPolicies(t, {
    authorize: ({ name }, { verb, resource, namespace, group }) => ({
      allowed: name === 'reader' && group === '' && resource === 'configmaps' && (verb !== 'list' || namespace === 'n'),
      reason: '',
    }),
  });
  const validations = [{ expression: 'true' }];
  const policy = (name: string, paramKind: object): KubeObject & object => ({
    metadata: { name },
    ...{ spec: { paramKind, matchConstraints: { resourceRules: [CONFIG_MAP_RULE] }, validations } },
  });
  const binding = (name: string, policyName: string, paramRef: object) => ({
    metadata: { name },
    spec: { policyName, validationActions: ['Deny'], paramRef: { parameterNotFoundAction: 'Deny', ...paramRef } },
  });
  const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap' };
  const make = (plural: string, body: object, user: string) =>
    server.call('POST', `${POLICIES}/${plural}`, { body, user });
  t.match(await make('validatingadmissionpolicies', policy('a', CONFIG_MAP), 'jane/developers'), {
    status: 422,
    body: {
      message:
        'ValidatingAdmissionPolicy.admissionregistration.k8s.io "a" is invalid: spec.paramKind: Forbidden: user &{jane  [developers] map[]} must have "get" permission on all objects of the referenced paramKind (kind=ConfigMap, apiVersion=v1)',
    },
  });
  t.equal((await make('validatingadmissionpolicies', policy('a', CONFIG_MAP), 'reader/developers')).status, 201);
  await create('validatingadmissionpolicies', policy('b', { apiVersion: 'example.com/v1', kind: 'Rule' }));
  for (const [ref, policyName, user, wanted] of [
    [
      { name: 'x' },
      'a',
      'jane',
      'user &{jane  [g] map[]} does not have "get" permission on the object referenced by paramRef',
    ],
    [{ name: 'x' }, 'a', 'reader', undefined],
    [
      { selector: {} },
      'a',
      'reader',
      'user &{reader  [g] map[]} does not have "list" permission on the object referenced by paramRef',
    ],
    [{ selector: {}, namespace: 'n' }, 'a', 'reader', undefined],
    [
      { name: 'x' },
      'nothing',
      'reader',
      'unable to get policy nothing to determine minimum required permissions and user &{reader  [g] map[]} does not have "get" permission for all groups, versions and resources',
    ],
    [
      { name: 'x' },
      'b',
      'reader',
      'unable to resolve paramKind &ParamKind{APIVersion:example.com/v1,Kind:Rule,} to determine minimum required permissions and user &{reader  [g] map[]} does not have "get" permission for all groups, versions and resources',
    ],
  ] as const) {
    const answer = await make('validatingadmissionpolicybindings', binding('x', policyName, ref), `${user}/g`);
    if (wanted === undefined) t.equal(answer.status, 201, answer.text);
    else t.match(answer.body.message, `spec.paramRef: Forbidden: ${wanted}`);
    await server.call('DELETE', `${POLICIES}/validatingadmissionpolicybindings/x`);
  }
  t.equal((await server.call('GET', CONFIG_MAPS)).status, 200);
});
