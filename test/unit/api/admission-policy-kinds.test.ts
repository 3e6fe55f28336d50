/** Admission policies and their bindings, by table: defaults, validation errors, columns. */
import t from 'tap';
import { mutatingAdmissionPolicies } from '../../../api/kinds/admissionregistration/mutating-admission-policy.ts';
import { mutatingAdmissionPolicyBindings } from '../../../api/kinds/admissionregistration/mutating-admission-policy-binding.ts';
import { validatingAdmissionPolicies } from '../../../api/kinds/admissionregistration/validating-admission-policy.ts';
import { validatingAdmissionPolicyBindings } from '../../../api/kinds/admissionregistration/validating-admission-policy-binding.ts';
import { cells, decoded, refused, refusedChange, refusedStatus } from './kind-rules.ts';

const RULE = { operations: ['CREATE'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'] };
const MATCH = { resourceRules: [RULE] };
const MATCH_DEFAULTS = {
  matchPolicy: 'Equivalent',
  namespaceSelector: {},
  objectSelector: {},
  resourceRules: [{ ...RULE, scope: '*' }],
};
const validating = (spec: object) => ({
  spec: { matchConstraints: MATCH, validations: [{ expression: 'object.spec.replicas <= 5' }], ...spec },
});
const MUTATION = {
  patchType: 'ApplyConfiguration',
  applyConfiguration: { expression: 'Object{spec: Object.spec{replicas: 1}}' },
};
const mutating = (spec: object) => ({
  spec: { matchConstraints: MATCH, reinvocationPolicy: 'Never', mutations: [MUTATION], ...spec },
});
const configuration = (expression: string) => ({
  patchType: 'ApplyConfiguration',
  applyConfiguration: { expression },
});
const operations = (expression: string) => ({ patchType: 'JSONPatch', jsonPatch: { expression } });
const bound = (spec: object) => ({ spec: { policyName: 'p', validationActions: ['Deny'], ...spec } });
const boundMutating = (spec: object) => ({ spec: { policyName: 'p', ...spec } });

t.test('policies and bindings get the defaults of upstream', async (t) => {
  const policy = decoded(validatingAdmissionPolicies, validating({}));
  t.equal(policy.spec?.failurePolicy, 'Fail');
  t.strictSame({ ...policy.spec?.matchConstraints }, MATCH_DEFAULTS);
  const mutatingPolicy = decoded(mutatingAdmissionPolicies, mutating({ reinvocationPolicy: undefined }));
  t.equal(mutatingPolicy.spec?.failurePolicy, 'Fail');
  t.equal(mutatingPolicy.spec?.reinvocationPolicy, undefined, 'it is required');
  t.strictSame({ ...mutatingPolicy.spec?.matchConstraints }, MATCH_DEFAULTS);
  for (const kind of [validatingAdmissionPolicyBindings, mutatingAdmissionPolicyBindings] as const) {
    const { spec } = decoded<object>(kind, { spec: { policyName: 'p', matchResources: MATCH } }) as {
      spec: { matchResources: object };
    };
    t.strictSame({ ...spec.matchResources }, MATCH_DEFAULTS);
  }
});

const at = 'spec.validations[0]';
for (const [what, spec, wanted] of [
  ['a valid one', {}, []],
  ['no constraints', { matchConstraints: undefined }, ['spec.matchConstraints: Required value']],
  ['no rules', { matchConstraints: {} }, ['spec.matchConstraints.resourceRules: Required value']],
  [
    'unknown policies',
    { failurePolicy: 'Retry', matchConstraints: { ...MATCH, matchPolicy: 'Fuzzy' } },
    [
      'spec.failurePolicy: Unsupported value: "Retry": supported values: "Fail", "Ignore"',
      'spec.matchConstraints.matchPolicy: Unsupported value: "Fuzzy": supported values: "Equivalent", "Exact"',
    ],
  ],
  [
    'names of resources',
    { matchConstraints: { resourceRules: [{ ...RULE, resourceNames: ['a', 'a', 'b/c'] }] } },
    [
      'spec.matchConstraints.resourceRules[0].resourceNames[1]: Duplicate value: "a"',
      `spec.matchConstraints.resourceRules[0].resourceNames[2]: Invalid value: "b/c": may not contain '/'`,
    ],
  ],
  [
    'an excluded rule without operations',
    { matchConstraints: { ...MATCH, excludeResourceRules: [{ ...RULE, operations: [] }] } },
    ['spec.matchConstraints.excludeResourceRules[0].operations: Required value'],
  ],
  [
    'nothing to check',
    { validations: [] },
    [
      'spec.validations: Required value: validations or auditAnnotations must contain at least one item',
      'spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item',
    ],
  ],
  [
    'an empty kind of parameters',
    { paramKind: {} },
    ['spec.paramKind.apiVersion: Required value', 'spec.paramKind.kind: Required value'],
  ],
  [
    'parameters of a bad version',
    { paramKind: { apiVersion: 'a/b/c', kind: 'Rule' } },
    ['spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'],
  ],
  [
    'parameters without a version',
    { paramKind: { apiVersion: 'example.com/', kind: 'Rule' } },
    ['spec.paramKind.apiVersion: Invalid value: "example.com/": version must be specified'],
  ],
  [
    'an empty expression',
    { validations: [{ expression: ' ' }] },
    [`${at}.expression: Required value: expression is not specified`],
  ],
  [
    'messages',
    { validations: [{ expression: 'true', message: 'a\nb', messageExpression: ' ', reason: 'Unauthorized' }] },
    [
      `${at}.messageExpression: Invalid value: " ": must be non-empty if specified`,
      `${at}.message: Invalid value: "a\\nb": must not contain line breaks`,
      `${at}.reason: Unsupported value: "Unauthorized": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"`,
    ],
  ],
  [
    'an empty message',
    { validations: [{ expression: 'true', message: ' ' }] },
    [`${at}.message: Invalid value: " ": must be non-empty if specified`],
  ],
  [
    'variables without names',
    { variables: [{ name: '', expression: '' }] },
    [
      'spec.variables[0].name: Required value: name is not specified',
      'spec.variables[0].expression: Required value: expression is not specified',
    ],
  ],
  [
    'a reserved word as a variable',
    { variables: [{ name: 'namespace', expression: '1' }] },
    ['spec.variables[0].name: Invalid value: "namespace": must be a valid CEL identifier'],
  ],
  [
    'match conditions',
    {
      matchConditions: [
        { name: '', expression: '' },
        { name: 'x', expression: 'true' },
        { name: 'x', expression: 'true' },
      ],
    },
    [
      'spec.matchConditions[0].expression: Required value',
      'spec.matchConditions[0].name: Required value',
      'spec.matchConditions[2].name: Duplicate value: "x"',
    ],
  ],
  [
    'too many match conditions',
    { matchConditions: Array.from({ length: 65 }, (_, index) => ({ name: `c${index}`, expression: 'true' })) },
    ['spec.matchConditions: Too many: 65: must have at most 64 items'],
  ],
  [
    'too many validations',
    { validations: Array.from({ length: 1001 }, () => ({ expression: 'true' })) },
    ['spec.validations: Too many: 1001: must have at most 1000 items'],
  ],
  [
    'audit annotations',
    {
      auditAnnotations: [
        { key: 'a', valueExpression: ' ' },
        { key: 'a', valueExpression: `'${'x'.repeat(5120)}'` },
      ],
    },
    [
      'spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified',
      'spec.auditAnnotations[1].valueExpression: Required value: must not exceed 5120 bytes in length',
      'spec.auditAnnotations[1].key: Duplicate value: "a"',
    ],
  ],
] as const)
  t.test(`a ValidatingAdmissionPolicy with ${what}`, async (t) => {
    t.strictSame(refused(validatingAdmissionPolicies, validating(spec)), wanted);
  });

for (const [what, spec, wanted] of [
  ['a valid one', {}, []],
  ['no mutations', { mutations: [] }, ['spec.mutations: Required value: mutations must contain at least one item']],
  ['no reinvocation policy', { reinvocationPolicy: undefined }, ['spec.reinvocationPolicy: Required value']],
  [
    'an unknown reinvocation policy',
    { reinvocationPolicy: 'Always' },
    ['spec.reinvocationPolicy: Unsupported value: "Always": supported values: "IfNeeded", "Never"'],
  ],
  [
    'deletes',
    { matchConstraints: { resourceRules: [{ ...RULE, operations: ['CREATE', 'DELETE'] }] } },
    [
      'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"',
    ],
  ],
  ['no patch type', { mutations: [{}] }, ['spec.mutations[0].patchType: Required value']],
  [
    'an unknown patch type',
    { mutations: [{ patchType: 'Merge' }] },
    ['spec.mutations[0].patchType: Unsupported value: "Merge": supported values: "ApplyConfiguration", "JSONPatch"'],
  ],
  [
    'patches of other types',
    {
      mutations: [
        { ...MUTATION, patchType: 'JSONPatch' },
        { ...MUTATION, jsonPatch: { expression: '[]' } },
      ],
    },
    [
      'spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch',
      'spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch',
      'spec.mutations[1].jsonPatch: Invalid value: "{jsonPatch}": must not be specified when patchType is ApplyConfiguration',
    ],
  ],
  [
    'an empty patch',
    { mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: ' ' } }] },
    ['spec.mutations[0].jsonPatch.expression: Required value'],
  ],
] as const)
  t.test(`a MutatingAdmissionPolicy with ${what}`, async (t) => {
    t.strictSame(refused(mutatingAdmissionPolicies, mutating(spec)), wanted);
  });

for (const [what, spec, wanted] of [
  ['a valid one', {}, []],
  ['no policy', { policyName: '' }, ['spec.policyName: Required value']],
  [
    'a policy of a bad name',
    { policyName: 'A' },
    [/^spec.policyName: Invalid value: "A": a lowercase RFC 1123 subdomain/],
  ],
  [
    'no actions',
    { validationActions: [] },
    ['spec.validationActions: Required value: at least one validation action is required'],
  ],
  [
    'odd actions',
    { validationActions: ['Deny', 'Warn', 'Deny', 'Block'] },
    [
      'spec.validationActions[2]: Duplicate value: "Deny"',
      'spec.validationActions[3]: Unsupported value: "Block": supported values: "Audit", "Deny", "Warn"',
      'spec.validationActions: Invalid value: ["Deny","Warn","Deny","Block"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    ],
  ],
  [
    'empty parameters',
    { paramRef: {} },
    [
      'spec.paramRef: Required value: one of name or selector must be specified',
      'spec.paramRef.parameterNotFoundAction: Required value',
    ],
  ],
  [
    'parameters by name and by selector',
    { paramRef: { name: 'a%', selector: {}, parameterNotFoundAction: 'Ask' } },
    [
      `spec.paramRef.name: Invalid value: "a%": may not contain '%'`,
      'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
      'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive',
      'spec.paramRef.parameterNotFoundAction: Unsupported value: "Ask": supported values: "Deny", "Allow"',
    ],
  ],
] as const)
  t.test(`a ValidatingAdmissionPolicyBinding with ${what}`, async (t) => {
    t.match(refused(validatingAdmissionPolicyBindings, bound(spec)), wanted);
    t.equal(refused(validatingAdmissionPolicyBindings, bound(spec)).length, wanted.length);
  });

t.test('a MutatingAdmissionPolicyBinding matches no deletes', async (t) => {
  t.strictSame(refused(mutatingAdmissionPolicyBindings, boundMutating({})), []);
  const matchResources = { resourceRules: [{ ...RULE, operations: ['DELETE'] }] };
  t.strictSame(refused(mutatingAdmissionPolicyBindings, boundMutating({ matchResources })), [
    'spec.matchResources.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"',
  ]);
});

/** What is wrong with an expression, in the words of the compiler. */
const compiled = (place: string, why: string, expression: string): string =>
  `compilation failed: ERROR: <input>:1:${place}: ${why}\n | ${expression}\n | ${'.'.repeat(Number(place) - 1)}^`;
const undeclared = (place: string, name: string, expression: string): string =>
  compiled(place, `undeclared reference to '${name}' (in container '')`, expression);

const PARAM_KIND = { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } };
for (const [what, spec, wanted] of [
  [
    'params without a kind',
    { validations: [{ expression: 'params.x == 1' }] },
    { [at]: undeclared('1', 'params', 'params.x == 1') },
  ],
  ['params', { ...PARAM_KIND, validations: [{ expression: 'params.x == 1' }] }, {}],
  [
    'a result of another type',
    { validations: [{ expression: 'object.x' }] },
    { [at]: 'must evaluate to bool but got dyn' },
  ],
  [
    'a message of another type',
    { validations: [{ expression: 'true', messageExpression: '[1]' }] },
    { 'spec.validations[0].messageExpression': 'must evaluate to string but got list(int)' },
  ],
  [
    'the authorizer in a message',
    { validations: [{ expression: 'true', messageExpression: 'authorizer' }] },
    { 'spec.validations[0].messageExpression': undeclared('1', 'authorizer', 'authorizer') },
  ],
  [
    'an audit annotation of another type',
    { auditAnnotations: [{ key: 'a', valueExpression: 'true' }] },
    { 'spec.auditAnnotations[0].valueExpression': 'must evaluate to one of [string null_type] but got bool' },
  ],
  ['an audit annotation that is null', { auditAnnotations: [{ key: 'a', valueExpression: 'null' }] }, {}],
  [
    'a variable before it is there',
    {
      variables: [
        { name: 'a', expression: 'variables.b' },
        { name: 'b', expression: '1' },
      ],
    },
    { 'spec.variables[0].expression': compiled('10', "undefined field 'b'", 'variables.b') },
  ],
  [
    'variables of known types',
    {
      variables: [
        { name: 'a', expression: '[1]' },
        { name: 'b', expression: 'variables.a[0]' },
      ],
      validations: [{ expression: 'variables.b == "x"' }],
    },
    {
      [at]: compiled('13', "found no matching overload for '_==_' applied to '(int, string)'", 'variables.b == "x"'),
    },
  ],
  [
    'variables where there are none',
    { validations: [{ expression: 'variables.a == 1' }] },
    { [at]: undeclared('1', 'variables', 'variables.a == 1') },
  ],
  [
    'variables in a match condition',
    {
      variables: [{ name: 'a', expression: '1' }],
      matchConditions: [{ name: 'c', expression: 'variables.a == 1' }],
    },
    { 'spec.matchConditions[0].expression': undeclared('1', 'variables', 'variables.a == 1') },
  ],
  [
    'an unknown field of the request',
    { validations: [{ expression: 'request.user == "x"' }] },
    { [at]: compiled('8', "undefined field 'user'", 'request.user == "x"') },
  ],
  [
    'the request, its namespace and the authorizer',
    {
      validations: [
        { expression: `request.userInfo.extra['a'][0] == 'b' && request.options.dryRun == []` },
        { expression: `namespaceObject.metadata.labels['a'] == namespaceObject.status.phase` },
        {
          expression: `authorizer.group('').resource('pods').subresource('x').namespace('n').name('m').check('get').allowed()`,
        },
        { expression: `authorizer.serviceAccount('n', 'a').path('/x').check('get').reason() == ''` },
        { expression: `authorizer.requestResource.fieldSelector('a=b').labelSelector('c=d').check('list').errored()` },
      ],
    },
    {},
  ],
  [
    'a check of nothing',
    { validations: [{ expression: `authorizer.check('get').allowed()` }] },
    {
      [at]: compiled(
        '17',
        "found no matching overload for 'check' applied to 'kubernetes.authorization.Authorizer.(string)'",
        `authorizer.check('get').allowed()`,
      ),
    },
  ],
  [
    'types of patches',
    { validations: [{ expression: 'Object{} == Object{}' }] },
    {
      [at]: `${undeclared('7', 'Object', 'Object{} == Object{}')}\n${undeclared('19', 'Object', 'Object{} == Object{}').replace('compilation failed: ', '')}`,
    },
  ],
] as const)
  t.test(`expressions of a ValidatingAdmissionPolicy with ${what}`, async (t) => {
    const errors = Object.entries(wanted).map(([path, why]) => [path.endsWith(']') ? `${path}.expression` : path, why]);
    const found = refused(validatingAdmissionPolicies, validating(spec));
    t.equal(found.length, errors.length, found.join('\n'));
    for (const [index, [path, why]] of errors.entries()) {
      const error = found[index] ?? '';
      t.ok(error.startsWith(`${path}: Invalid value: `), error);
      t.ok(error.endsWith(`: ${why}`), error);
    }
  });

for (const [what, mutation, wanted] of [
  ['a configuration', configuration('Object{metadata: Object.metadata{?labels: optional.none()}}'), undefined],
  ['a configuration of a part', configuration('Object.spec{}'), 'must evaluate to Object but got Object.spec'],
  ['a map as a configuration', configuration('{}'), /^must evaluate to Object but got map\(/],
  ['a patch', operations('[JSONPatch{op: "add", path: "/a", value: Object.a{b: 1}}]'), undefined],
  [
    'one operation',
    operations('JSONPatch{op: "remove", path: "/a"}'),
    'must evaluate to list(JSONPatch) but got JSONPatch',
  ],
  [
    'an operation of a bad type',
    operations('[JSONPatch{op: 1}]'),
    /expected type of field 'op' is 'string' but provided type is 'int'/,
  ],
  ['an operation with an unknown field', operations('[JSONPatch{ip: "add"}]'), /undefined field 'ip'/],
  ['an unknown type', configuration('Invalid{}'), /undeclared reference to 'Invalid' \(in container ''\)/],
] as const)
  t.test(`expressions of a MutatingAdmissionPolicy with ${what}`, async (t) => {
    const found = refused(mutatingAdmissionPolicies, mutating({ mutations: [mutation] }));
    if (wanted === undefined) t.strictSame(found, []);
    else
      t.match(
        found.map((error) => error.replace(/^[^]*?Invalid value: "[^]*?(?<!\\)": /, '')),
        [wanted],
      );
  });

t.test('conditions that were there already are not compiled again', async (t) => {
  const broken = { matchConditions: [{ name: 'c', expression: 'nonsense' }] };
  t.equal(refused(validatingAdmissionPolicies, validating(broken)).length, 1);
  t.strictSame(refusedChange(validatingAdmissionPolicies, validating(broken), validating(broken)), []);
  t.equal(
    refusedChange(validatingAdmissionPolicies, validating(broken), validating({ ...broken, ...PARAM_KIND })).length,
    1,
  );
  t.strictSame(refusedChange(mutatingAdmissionPolicies, mutating(broken), mutating(broken)), []);
});

t.test('the status of a policy is validated', async (t) => {
  const warnings = (expressionWarnings: object[]) => ({ typeChecking: { expressionWarnings } });
  t.strictSame(refusedStatus(validatingAdmissionPolicies, {}, warnings([{ fieldRef: ' ', warning: '' }])), [
    'status.typeChecking.expressionWarnings[0].warning: Required value',
    'status.typeChecking.expressionWarnings[0].fieldRef: Required value',
  ]);
  t.strictSame(
    refusedStatus(validatingAdmissionPolicies, {}, warnings([{ fieldRef: 'spec.validations[0]', warning: 'x' }])),
    [],
  );
});

t.test('columns show how many expressions there are, and of what the parameters are', async (t) => {
  const now = Date.now();
  const metadata = { name: 'x', creationTimestamp: new Date(now).toISOString() };
  const paramKind = { apiVersion: 'example.com/v1', kind: 'Rule' };
  t.strictSame(cells(validatingAdmissionPolicies, { metadata, ...validating({}) }, now), ['x', 1, '<unset>', '0s']);
  t.strictSame(cells(mutatingAdmissionPolicies, { metadata, ...mutating({ paramKind }) }, now), [
    'x',
    1,
    'example.com/v1/Rule',
    '0s',
  ]);
  for (const [paramRef, wanted] of [
    [undefined, '<unset>'],
    [{ name: 'r' }, '*/r'],
    [{ name: 'r', namespace: 'n' }, 'n/r'],
    [
      {
        selector: {
          matchLabels: { b: '1', a: '2' },
          matchExpressions: [{ key: 'k', operator: 'In', values: ['x', 'y'] }],
        },
      },
      '&LabelSelector{MatchLabels:map[string]string{a: 2,b: 1,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:k,Operator:In,Values:[x y],},},}',
    ],
  ] as const)
    t.strictSame(cells(validatingAdmissionPolicyBindings, { metadata, ...bound({ paramRef }) }, now), [
      'x',
      'p',
      wanted,
      '0s',
    ]);
});

t.test('the expressions of a policy have a limit together', async (t) => {
  const long = Array.from({ length: 2 }, () => ({ expression: `'${'x'.repeat(99_000)}' != ''` }));
  t.strictSame(refused(validatingAdmissionPolicies, validating({ validations: long.slice(1) })), []);
  const [first = '', ...others] = refused(validatingAdmissionPolicies, validating({ validations: long }));
  t.match(first, /^spec\.validations\[1\]\.expression: .*at most 131072 characters in total$/s);
  t.strictSame(others, []);
});
