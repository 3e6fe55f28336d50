/** ValidatingAdmissionPolicies in a real api-server. */
import t from 'tap';
import { Exposition } from '../../../daemon/metrics/exposition.ts';
import { eventually } from '../../support/wait.ts';
import { CONFIG_MAP_RULE, deployment, DEPLOYMENT_RULE, DEPLOYMENTS, POLICIES, startPolicies } from './policies.ts';
import { configMap, CONFIG_MAPS, type Json } from './server.ts';

t.test('a policy validates against a Deployment', async (t) => {
  const { server, validate } = await startPolicies(t);
  await validate('replicas.example.com', {
    matchConstraints: { resourceRules: [DEPLOYMENT_RULE] },
    validations: [
      {
        expression: 'object.spec.replicas > 1',
        messageExpression: `'wants replicas > 1, got ' + string(object.spec.replicas)`,
      },
      {
        expression: `namespaceObject.metadata.name == 'default'`,
        message: 'Internal error! Other namespace should not be allowed.',
      },
    ],
  });
  const refused = await server.call('POST', DEPLOYMENTS, { body: deployment('d', 1) });
  const message =
    "deployments.apps \"d\" is forbidden: ValidatingAdmissionPolicy 'replicas.example.com' with binding 'replicas.example.com' denied request: wants replicas > 1, got 1";
  t.match(refused, {
    status: 422,
    body: {
      reason: 'Invalid',
      code: 422,
      message,
      details: {
        name: 'd',
        group: 'apps',
        kind: 'deployments',
        causes: [{ message: message.slice(message.indexOf('Validating')) }],
      },
    },
  });
  t.equal((await server.call('POST', DEPLOYMENTS, { body: deployment('d', 2) })).status, 201);
  const patched = await server.call('PATCH', `${DEPLOYMENTS}/d`, {
    body: { spec: { replicas: 0 } },
    type: 'application/merge-patch+json',
  });
  t.match(patched, { status: 422, body: { message: /wants replicas > 1, got 0$/ } });
});

t.test('a variable that cannot be evaluated fails what uses it', async (t) => {
  const { validate, createMap } = await startPolicies(t);
  const variables = [
    { name: 'broken', expression: 'object.data.nothing' },
    { name: 'worse', expression: 'variables.broken + "x"' },
    { name: 'list', expression: 'object.data.map(key, [key])' },
  ];
  await validate('a', {
    variables,
    validations: [
      { expression: 'variables.list[0][0] == "k" && variables.list == [["k"]]' },
      { expression: `!(object.metadata.name == 'used') || variables.worse == 'x'` },
      { expression: 'true || has(variables.broken)' },
    ],
  });
  t.equal((await createMap('spared')).status, 201);
  const inner = 'composited variable "broken" fails to evaluate: no such key: nothing';
  const { body } = await createMap('used');
  t.ok(
    String(body.message).endsWith(`resulted in error: composited variable "worse" fails to evaluate: ${inner}`),
    String(body.message),
  );
});

t.test('a message that cannot be evaluated is replaced', async (t) => {
  const { server, validate } = await startPolicies(t);
  const onDeployments = { matchConstraints: { resourceRules: [DEPLOYMENT_RULE] } };
  // As upstream's conformance test has it: the sum has no overload for a number.
  const messageExpression = `'wants replicas > 1, got ' + object.spec.replicas`;
  await validate('a', {
    ...onDeployments,
    validations: [{ expression: ' object.spec.replicas > 1', messageExpression }],
  });
  t.match(await server.call('POST', DEPLOYMENTS, { body: deployment('d', 1) }), {
    status: 422,
    body: { message: /denied request: failed expression: object.spec.replicas > 1$/ },
  });
  await validate('0', {
    ...onDeployments,
    validations: [{ expression: 'false', messageExpression: `'two\\nlines'`, message: 'fixed' }],
  });
  t.match(await server.call('POST', DEPLOYMENTS, { body: deployment('d', 1) }), {
    body: { message: /'0' with binding '0' denied request: fixed$/ },
  });
});

t.test('expressions refer to variables', async (t) => {
  const { server, validate } = await startPolicies(t);
  await validate('variables', {
    matchConstraints: { resourceRules: [DEPLOYMENT_RULE] },
    variables: [
      { name: 'replicas', expression: 'object.spec.replicas' },
      { name: 'oddReplicas', expression: 'variables.replicas % 2 == 1' },
      { name: 'unused', expression: 'object.spec.nothing.here' },
    ],
    validations: [
      { expression: 'variables.replicas > 1' },
      { expression: 'variables.oddReplicas', messageExpression: `'got ' + string(variables.replicas)` },
    ],
  });
  for (const [replicas, wanted] of [
    [1, /denied request: failed expression: variables.replicas > 1$/],
    [2, /denied request: got 2$/],
  ] as const) {
    const answer = await server.call('POST', DEPLOYMENTS, { body: deployment('d', replicas) });
    t.match(answer, { status: 422, body: { message: wanted } });
  }
  t.equal((await server.call('POST', DEPLOYMENTS, { body: deployment('d', 3) })).status, 201);
});

t.test('actions, reasons and audit annotations', async (t) => {
  const { validate, createMap, annotations } = await startPolicies(t);
  const validations = [{ expression: `!object.metadata.name.startsWith('bad')`, message: ' no ', reason: 'Forbidden' }];
  await validate('a', { validations }, { validationActions: ['Warn', 'Audit'] });
  const warned = await createMap('bad-1');
  t.match(warned, {
    status: 201,
    headers: { warning: `299 - "Validation failed for ValidatingAdmissionPolicy 'a' with binding 'a': no"` },
  });
  t.strictSame(JSON.parse(annotations.get('validation.policy.admission.k8s.io/validation_failure') ?? ''), [
    { message: 'no', policy: 'a', binding: 'a', expressionIndex: 0, validationActions: ['Warn', 'Audit'] },
  ]);
  await validate('b', {
    validations,
    auditAnnotations: [
      { key: 'name', valueExpression: `'made ' + object.metadata.name` },
      { key: 'nothing', valueExpression: 'null' },
    ],
  });
  const denied = await createMap('bad-2');
  t.match(denied, { status: 403, body: { reason: 'Forbidden', message: /'b' with binding 'b' denied request: no$/ } });
  t.equal(annotations.get('b/name'), 'made bad-2');
  t.notOk(annotations.has('b/nothing'));
});

t.test('the failure policy decides about errors', async (t) => {
  const { validate, createMap } = await startPolicies(t);
  const validations = [{ expression: `object.data.missing == 'x'` }];
  await validate('ignored', { failurePolicy: 'Ignore', validations });
  t.equal((await createMap('a')).status, 201);
  await validate('failed', { validations });
  t.match(await createMap('b'), {
    status: 422,
    body: {
      message:
        "configmaps \"b\" is forbidden: ValidatingAdmissionPolicy 'failed' with binding 'failed' denied request: expression 'object.data.missing == 'x'' resulted in error: no such key: missing",
    },
  });
});

t.test('match conditions and selectors decide whether a policy applies', async (t) => {
  const { validate, createMap } = await startPolicies(t);
  await validate(
    'a',
    {
      matchConditions: [
        { name: 'not-system', expression: `request.userInfo.username != 'system'` },
        { name: 'labelled', expression: `'team' in object.metadata.?labels.orValue({})` },
      ],
      matchConstraints: {
        resourceRules: [CONFIG_MAP_RULE],
        excludeResourceRules: [{ ...CONFIG_MAP_RULE, resourceNames: ['spared'] }],
        objectSelector: { matchExpressions: [{ key: 'free', operator: 'DoesNotExist' }] },
      },
      validations: [{ expression: 'false', message: 'no' }],
    },
    { matchResources: { namespaceSelector: { matchExpressions: [{ key: 'out', operator: 'DoesNotExist' }] } } },
  );
  const labels = { team: 'x' };
  t.equal((await createMap('a')).status, 201, 'a condition is not met');
  t.equal((await createMap('b', { labels })).status, 422);
  t.equal((await createMap('spared', { labels })).status, 201, 'excluded by name');
  t.equal((await createMap('c', { labels: { ...labels, free: '' } })).status, 201, 'not selected');
});

t.test('a condition that cannot be evaluated follows the failure policy', async (t) => {
  const { validate, createMap } = await startPolicies(t);
  const spec = {
    matchConditions: [{ name: 'broken', expression: `object.data.missing == 'x'` }],
    validations: [{ expression: 'false', message: 'no' }],
  };
  await validate('ignored', { ...spec, failurePolicy: 'Ignore' });
  t.equal((await createMap('a')).status, 201);
  await validate('failed', spec);
  t.match(await createMap('b'), {
    status: 422,
    body: {
      message: /denied request: expression 'object.data.missing == 'x'' resulted in error: no such key: missing$/,
    },
  });
});

t.test('parameters are objects of built-in kinds, by name or by selector', async (t) => {
  const { server, validate, create, createMap } = await startPolicies(t);
  const validations = [
    {
      expression: `!has(object.data) || object.data.k != params.data.forbidden`,
      messageExpression: `'not ' + params.data.forbidden`,
    },
  ];
  const spec = {
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
    validations,
    matchConditions: [{ name: 'checked', expression: `object.metadata.name.startsWith('checked')` }],
  };
  await validate('p', spec, { paramRef: { name: 'limits', parameterNotFoundAction: 'Deny' } });
  t.match(await createMap('checked-1'), {
    status: 422,
    body: {
      message:
        /'p' with binding 'p' denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction$/,
    },
  });
  const { status } = await server.call('DELETE', `${POLICIES}/validatingadmissionpolicybindings/p`);
  t.equal(status, 200);
  await server.call('POST', CONFIG_MAPS, {
    body: { metadata: { name: 'limits', labels: { limits: '' } }, data: { forbidden: 'v' } },
  });
  await server.call('POST', CONFIG_MAPS, {
    body: { metadata: { name: 'more', labels: { limits: '' } }, data: { forbidden: 'w' } },
  });
  const rebind = (paramRef: object) =>
    create('validatingadmissionpolicybindings', {
      metadata: { name: 'p' },
      spec: { policyName: 'p', validationActions: ['Deny'], paramRef },
    });
  await rebind({ name: 'limits', parameterNotFoundAction: 'Deny' });
  t.match(await createMap('checked-1'), { status: 422, body: { message: /denied request: not v$/ } });
  await server.call('DELETE', `${POLICIES}/validatingadmissionpolicybindings/p`);
  await rebind({ selector: { matchLabels: { limits: '' } }, parameterNotFoundAction: 'Deny' });
  t.match(await createMap('checked-1'), { status: 422, body: { message: /denied request: not v$/ } });
  await server.call('DELETE', `${POLICIES}/validatingadmissionpolicybindings/p`);
  await rebind({ selector: { matchLabels: { nobody: '' } }, parameterNotFoundAction: 'Allow' });
  t.equal((await createMap('checked-1')).status, 201);
});

t.test('a kind of parameters that is not served', async (t) => {
  const { validate, createMap } = await startPolicies(t);
  const validations = [{ expression: 'true' }];
  await validate('p', { paramKind: { apiVersion: 'rules.example.com/v1', kind: 'Limit' }, validations });
  t.match(await createMap('a'), {
    status: 422,
    body: {
      message:
        "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'rules.example.com/v1, Kind=Limit'",
    },
  });
});

t.test('deletes and connections are validated', async (t) => {
  const { server, validate, createMap } = await startPolicies(t);
  await createMap('kept', { labels: { keep: '' } });
  await createMap('other');
  await validate('keep', {
    matchConstraints: { resourceRules: [{ ...CONFIG_MAP_RULE, operations: ['DELETE'] }] },
    validations: [
      { expression: `object == null && !('keep' in oldObject.metadata.?labels.orValue({}))`, message: 'kept' },
      { expression: `request.operation == 'DELETE' && request.options.kind == 'DeleteOptions'` },
    ],
  });
  t.match(await server.call('DELETE', `${CONFIG_MAPS}/kept`), {
    status: 422,
    body: { message: /denied request: kept$/ },
  });
  t.equal((await server.call('DELETE', `${CONFIG_MAPS}/other`)).status, 200);
});

t.test('the authorizer answers for the user of the request', async (t) => {
  const { validate, createMap, server } = await startPolicies(t, {
    authorize: ({ name }, { verb }) => ({ allowed: name === 'admin' && verb !== 'never', reason: 'because' }),
  });
  await validate('a', {
    validations: [
      {
        expression: `authorizer.group('apps').resource('deployments').namespace('default').check('create').allowed()`,
        message: 'may not',
      },
      { expression: `authorizer.requestResource.check('create').reason() == 'because'` },
      { expression: `!authorizer.path('/healthz').check('never').allowed()` },
      { expression: `!authorizer.serviceAccount('default', 'x').path('/x').check('get').allowed()` },
    ],
  });
  t.equal((await createMap('a')).status, 201);
  const answer = await server.call('POST', CONFIG_MAPS, { body: configMap('b'), user: 'jane/system:masters' });
  t.match(answer, { status: 422, body: { message: /denied request: may not$/ } });
});

t.test('policies do not apply to policies, nor to reviews', async (t) => {
  const { server, validate, create } = await startPolicies(t);
  const any = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] };
  await validate('all', { matchConstraints: { resourceRules: [any] }, validations: [{ expression: 'false' }] });
  await create('validatingadmissionpolicies', {
    metadata: { name: 'other' },
    spec: { matchConstraints: { resourceRules: [any] }, validations: [{ expression: 'true' }] },
  });
  t.equal((await server.call('DELETE', `${POLICIES}/validatingadmissionpolicybindings/all`)).status, 200);
  t.equal((await server.call('POST', CONFIG_MAPS, { body: configMap('a') })).status, 201);
});

t.test('the expressions of a policy are checked against the kinds that it names', async (t) => {
  const { server, create } = await startPolicies(t);
  const statusOf = async (name: string) => {
    let body: Json = {};
    await eventually('the status of the policy', async () => {
      ({ body } = await server.call('GET', `${POLICIES}/validatingadmissionpolicies/${name}`));
      return (body.status as { observedGeneration?: number }).observedGeneration === body.metadata?.generation;
    });
    return body.status;
  };
  const policy = (name: string, validations: object[], more: object = {}) => ({
    metadata: { name },
    spec: {
      matchConstraints: { resourceRules: [{ ...DEPLOYMENT_RULE, resources: ['deployments', 'replicasets', 'x'] }] },
      validations,
      ...more,
    },
  });
  await create('validatingadmissionpolicies', policy('good', [{ expression: 'object.spec.replicas > 1' }]));
  t.strictSame(await statusOf('good'), { observedGeneration: 1, typeChecking: {} });
  await create(
    'validatingadmissionpolicies',
    policy(
      'bad',
      [
        { expression: `object.spec.replicas > '1'` },
        { expression: 'variables.paused == true', messageExpression: `'got ' + object.spec.replicas` },
        { expression: 'object.metadata.labels["a"] == params.data["a"] && object.metadata.generation > 1' },
      ],
      {
        variables: [{ name: 'paused', expression: 'object.spec.paused' }],
        paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      },
    ),
  );
  const overload = (place: string, call: string) =>
    `: ERROR: <input>:1:${place}: found no matching overload for ${call}`;
  t.match(await statusOf('bad'), {
    observedGeneration: 1,
    typeChecking: {
      expressionWarnings: [
        {
          fieldRef: 'spec.validations[0].expression',
          warning: new RegExp(
            `^apps/v1, Kind=Deployment${overload('22', `'_>_' applied to '\\(int, string\\)'`)}[^]*\n\napps/v1, Kind=ReplicaSet: ERROR`,
          ),
        },
        {
          fieldRef: 'spec.validations[1].messageExpression',
          warning: new RegExp(overload('8', `'_\\+_' applied to '\\(string, int\\)'`)),
        },
      ],
    },
  });
});

t.test('violations, ignored failures and match conditions are counted by policy, binding and action', async (t) => {
  const { metrics, validate, createMap } = await startPolicies(t);
  const never = [{ expression: 'false', message: 'never' }];
  await validate('deny', { validations: never }, { validationActions: ['Deny', 'Audit'] });
  await validate('warn', { validations: never }, { validationActions: ['Warn'] });
  await validate('broken', { failurePolicy: 'Ignore', validations: [{ expression: 'object.data.none == ""' }] });
  await validate('excluded', { validations: never, matchConditions: [{ name: 'c', expression: 'false' }] });
  await validate('unmatched', {
    failurePolicy: 'Ignore',
    validations: never,
    matchConditions: [{ name: 'c', expression: 'object.data.none == ""' }],
  });
  t.equal((await createMap('a')).status, 422);
  const to = new Exposition();
  metrics.write(to);
  const text = to.toString();
  const check = (name: string, action: string) =>
    `policy="${name}",policy_binding="${name}",error_type="invalid_error",enforcement_action="${action}"`;
  const condition = (name: string) => `name="${name}",kind="policy",type="validate",operation="CREATE"`;
  for (const line of [
    `apiserver_validating_admission_policy_check_total{${check('deny', 'deny')}} 1`,
    `apiserver_validating_admission_policy_check_total{${check('deny', 'audit')}} 1`,
    `apiserver_validating_admission_policy_check_total{${check('warn', 'warn')}} 1`,
    `apiserver_validating_admission_policy_check_total{${check('broken', 'allow')}} 1`,
    `apiserver_validating_admission_policy_check_duration_seconds_count{${check('deny', 'deny')}} 1`,
    `apiserver_admission_match_condition_evaluation_seconds_count{${condition('excluded')}} 1`,
    `apiserver_admission_match_condition_evaluation_errors_total{${condition('unmatched')}} 1`,
  ])
    t.ok(text.includes(line), line);
  t.notMatch(text, /policy="(excluded|unmatched)"/);
});
