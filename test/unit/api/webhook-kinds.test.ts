/** Configurations of admission webhooks, by table: defaults, validation errors, columns. */
import t from 'tap';
import { mutatingWebhookConfigurations } from '../../../api/kinds/admissionregistration/mutating-webhook-configuration.ts';
import { validatingWebhookConfigurations } from '../../../api/kinds/admissionregistration/validating-webhook-configuration.ts';
import { decodeObject } from '../../../api/machinery/decode.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { CONTEXT } from './updates.ts';

const RULE = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const HOOK = {
  name: 'a.example.com',
  clientConfig: { url: 'https://example.com/x' },
  rules: [RULE],
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
};

function decoded<T extends KubeObject>(kind: Kind<T>, webhooks: object[]): T {
  const { object } = decodeObject(kind, { metadata: { name: 'x' }, webhooks });
  kind.applyDefaults(object);
  return object;
}

t.test('webhooks get the defaults of upstream', async (t) => {
  const common = {
    ...HOOK,
    rules: [{ ...RULE, scope: '*' }],
    failurePolicy: 'Fail',
    matchPolicy: 'Equivalent',
    namespaceSelector: {},
    objectSelector: {},
    timeoutSeconds: 10,
  };
  t.strictSame({ ...decoded(validatingWebhookConfigurations, [HOOK]).webhooks?.[0] }, common);
  t.strictSame(
    { ...decoded(mutatingWebhookConfigurations, [HOOK]).webhooks?.[0] },
    { ...common, reinvocationPolicy: 'Never' },
  );
  const service = { namespace: 'n', name: 's' };
  const [hook] = decoded(mutatingWebhookConfigurations, [{ ...HOOK, clientConfig: { service } }]).webhooks ?? [];
  t.equal(hook?.clientConfig.service?.port, 443);
});

const at = 'webhooks[0]';
const rule = (more: object) => ({ rules: [{ ...RULE, ...more }] });
const url = (text: string) => ({ clientConfig: { url: text } });
const service = (more: object) => ({ clientConfig: { service: { namespace: 'n', name: 's', ...more } } });
const FORM = '; desired format: https://host[/path]';
for (const [what, more, wanted] of [
  ['a valid one', {}, []],
  ['no name', { name: '' }, [`${at}.name: Required value`]],
  [
    'a short name',
    { name: 'a.b' },
    [`${at}.name: Invalid value: "a.b": should be a domain with at least three segments separated by dots`],
  ],
  ['no operations', rule({ operations: [] }), [`${at}.rules[0].operations: Required value`]],
  [
    'mixed operations',
    rule({ operations: ['*', 'CREATE'] }),
    [`${at}.rules[0].operations: Invalid value: ["*","CREATE"]: if '*' is present, must not specify other operations`],
  ],
  [
    'an unknown operation',
    rule({ operations: ['READ'] }),
    [
      `${at}.rules[0].operations[0]: Unsupported value: "READ": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"`,
    ],
  ],
  ['no groups', rule({ apiGroups: [] }), [`${at}.rules[0].apiGroups: Required value`]],
  ['an empty version', rule({ apiVersions: [''] }), [`${at}.rules[0].apiVersions[0]: Required value`]],
  ['no resources', rule({ resources: [] }), [`${at}.rules[0].resources: Required value`]],
  ['an empty resource', rule({ resources: [''] }), [`${at}.rules[0].resources[0]: Required value`]],
  [
    'a subresource beside all of them',
    rule({ resources: ['pods/*', 'pods/status'] }),
    [`${at}.rules[0].resources[1]: Invalid value: "pods/status": if 'pods/*' is present, must not specify pods/status`],
  ],
  [
    'everything and more',
    rule({ resources: ['*/*', 'pods'] }),
    [`${at}.rules[0].resources: Invalid value: ["*/*","pods"]: if '*/*' is present, must not specify other resources`],
  ],
  [
    'all resources and one',
    rule({ resources: ['*', 'pods'] }),
    [
      `${at}.rules[0].resources: Invalid value: ["*","pods"]: if '*' is present, must not specify other resources without subresources`,
    ],
  ],
  [
    'an unknown scope',
    rule({ scope: 'Galaxy' }),
    [`${at}.rules[0].scope: Unsupported value: "Galaxy": supported values: "*", "Cluster", "Namespaced"`],
  ],
  [
    'side effects',
    { sideEffects: 'Some' },
    [`${at}.sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"`],
  ],
  [
    'unknown side effects',
    { sideEffects: '' },
    [`${at}.sideEffects: Unsupported value: "": supported values: "None", "NoneOnDryRun"`],
  ],
  [
    'a failure policy',
    { failurePolicy: 'Retry' },
    [`${at}.failurePolicy: Unsupported value: "Retry": supported values: "Fail", "Ignore"`],
  ],
  [
    'a long timeout',
    { timeoutSeconds: 31 },
    [`${at}.timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds`],
  ],
  ['nowhere', { clientConfig: {} }, [`${at}.clientConfig: Required value: exactly one of url or service is required`]],
  [
    'plain http',
    url('http://example.com'),
    [`${at}.clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme${FORM}`],
  ],
  ['no host', url('https:///x'), [`${at}.clientConfig.url: Invalid value: "": host must be specified${FORM}`]],
  [
    'credentials, a query and a fragment',
    url('https://me:secret@example.com/?a=b#c'),
    [
      `${at}.clientConfig.url: Invalid value: "me:secret": user information is not permitted in the URL`,
      `${at}.clientConfig.url: Invalid value: "c": fragments are not permitted in the URL`,
      `${at}.clientConfig.url: Invalid value: "a=b": query parameters are not permitted in the URL`,
    ],
  ],
  [
    'a port that is none',
    url('https://example.com:x'),
    [
      `${at}.clientConfig.url: Required value: url must be a valid URL: parse "https://example.com:x": invalid port ":x" after host${FORM}`,
    ],
  ],
  [
    'a service with a bad port and path',
    service({ port: 70000, path: 'x//Y' }),
    [
      `${at}.clientConfig.service.port: Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive`,
      `${at}.clientConfig.service.path: Invalid value: "x//Y": must start with a '/'`,
    ],
  ],
  [
    'no versions',
    { admissionReviewVersions: [] },
    [`${at}.admissionReviewVersions: Required value: must specify one of v1, v1beta1`],
  ],
  [
    'unknown versions',
    { admissionReviewVersions: ['v2', 'v2'] },
    [
      `${at}.admissionReviewVersions[1]: Invalid value: "v2": duplicate version`,
      `${at}.admissionReviewVersions: Invalid value: ["v2","v2"]: must include at least one of v1, v1beta1`,
    ],
  ],
  [
    'match conditions',
    {
      matchConditions: [
        { name: 'a', expression: ' ' },
        { name: 'a', expression: 'true' },
        { name: '', expression: 'true' },
      ],
    },
    [
      `${at}.matchConditions[0].expression: Required value`,
      `${at}.matchConditions[1].name: Duplicate value: "a"`,
      `${at}.matchConditions[2].name: Required value`,
    ],
  ],
  [
    'too many match conditions',
    { matchConditions: Array.from({ length: 65 }, (_, index) => ({ name: `n${index}`, expression: 'true' })) },
    [`${at}.matchConditions: Too many: 65: must have at most 64 items`],
  ],
] as const) {
  t.test(`a webhook with ${what}`, async (t) => {
    for (const kind of [validatingWebhookConfigurations, mutatingWebhookConfigurations] as const) {
      const errors = (kind as Kind).validate(decoded(kind as Kind, [{ ...HOOK, ...more }]));
      const found = errors.map(({ field, message }) => `${field}: ${message}`);
      t.strictSame(what.includes('bad port') ? found.slice(0, 2) : found, wanted);
    }
  });
}

t.test('names of webhooks are unique, and changes are counted', async (t) => {
  const twice = decoded(validatingWebhookConfigurations, [HOOK, HOOK]);
  t.match(validatingWebhookConfigurations.validate(twice), [
    { field: 'webhooks[1].name', type: 'FieldValueDuplicate' },
  ]);
  const old = decoded(validatingWebhookConfigurations, [HOOK]);
  if (old.metadata) old.metadata.generation = 3;
  const same = structuredClone(old);
  validatingWebhookConfigurations.prepareForUpdate(same, old, CONTEXT);
  t.equal(same.metadata?.generation, 3);
  validatingWebhookConfigurations.prepareForUpdate(twice, old, CONTEXT);
  t.equal(twice.metadata?.generation, 4);
  t.equal(validatingWebhookConfigurations.columns[1]?.cell(twice, 0), 2);
});
