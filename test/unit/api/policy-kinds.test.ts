/** Policy kinds, by table: defaults and validation errors. */
import t from 'tap';
import { controllerRevisions } from '../../../api/kinds/apps/controller-revision.ts';
import { limitRanges } from '../../../api/kinds/core/limit-range.ts';
import { podTemplates } from '../../../api/kinds/core/pod-template.ts';
import { ingressClasses } from '../../../api/kinds/networking/ingress-class.ts';
import { resourceQuotas } from '../../../api/kinds/core/resource-quota.ts';
import { runtimeClasses } from '../../../api/kinds/node/runtime-class.ts';
import { cells, decoded, refused, refusedChange } from './kind-rules.ts';
import { CONTEXT, updateThrough } from './updates.ts';

const causes = (errors: readonly { field: string; message: string }[]) =>
  errors.map(({ field, message }) => `${field}: ${message}`);

t.test('limit ranges', async (t) => {
  const container = (limit: object) => ({ spec: { limits: [{ type: 'Container', ...limit }] } });
  for (const [what, limit, wanted] of [
    ['empty stays empty', {}, {}],
    [
      'max becomes the default limit and request',
      { max: { cpu: '1' } },
      { default: { cpu: '1' }, defaultRequest: { cpu: '1' } },
    ],
    ['min becomes the default request', { min: { cpu: '50m' } }, { defaultRequest: { cpu: '50m' } }],
    [
      'specified values are kept',
      { max: { cpu: '1' }, default: { cpu: '500m', memory: '1Gi' }, defaultRequest: { cpu: '100m' } },
      { default: { cpu: '500m', memory: '1Gi' }, defaultRequest: { cpu: '100m', memory: '1Gi' } },
    ],
  ] as const) {
    t.strictSame(
      decoded(limitRanges, container(limit)).spec?.limits,
      [{ type: 'Container', ...limit, ...wanted }],
      what,
    );
  }
  const max = { cpu: '1' };
  t.strictSame(decoded(limitRanges, { spec: { limits: [{ type: 'Pod', max }] } }).spec?.limits, [{ type: 'Pod', max }]);

  const at = 'spec.limits[0]';
  for (const [limit, wanted] of [
    [{ max: { cpu: '1' }, min: { cpu: '1' } }, []],
    [
      { min: { cpu: '2' }, max: { cpu: '1' }, default: { cpu: '2' } },
      [
        `${at}.min[cpu]: Invalid value: "2": min value 2 is greater than max value 1`,
        `${at}.defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than max value 1`,
        `${at}.default[cpu]: Invalid value: "1": default value 2 is greater than max value 1`,
      ],
    ],
    [
      { min: { cpu: '2' }, default: { cpu: '1' } },
      [
        `${at}.defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1`,
        `${at}.default[cpu]: Invalid value: "2": min value 2 is greater than default value 1`,
      ],
    ],
    [
      { default: { cpu: '1' }, defaultRequest: { cpu: '2' } },
      [`${at}.defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than default limit value 1`],
    ],
    [
      { maxLimitRequestRatio: { cpu: '500m' } },
      [`${at}.maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1`],
    ],
    [
      { min: { cpu: '1' }, max: { cpu: '3' }, maxLimitRequestRatio: { cpu: '4' } },
      [`${at}.maxLimitRequestRatio[cpu]: Invalid value: "4": ratio 4 is greater than max/min = 3.000000`],
    ],
    [
      { default: { 'a.io/gpu': '2' }, defaultRequest: { 'a.io/gpu': '1' } },
      [
        `${at}.defaultRequest[a.io/gpu]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in a.io/gpu`,
      ],
    ],
    [
      { max: { storage: '1' }, default: { storage: '1' }, defaultRequest: { storage: '1' } },
      ['max', 'default', 'defaultRequest'].map(
        (field) => `${at}.${field}[storage]: Invalid value: "storage": must be a standard resource for containers`,
      ),
    ],
    [
      { type: 'Pod', max: { cpu: '1' }, default: { cpu: '1' }, defaultRequest: { cpu: '1' } },
      ['default', 'defaultRequest'].map(
        (field) => `${at}.${field}: Forbidden: may not be specified when \`type\` is 'Pod'`,
      ),
    ],
    [
      { type: 'PersistentVolumeClaim' },
      [`${at}.limits: Required value: either minimum or maximum storage value is required, but neither was provided`],
    ],
    [{ type: 'PersistentVolumeClaim', max: { storage: '1Gi' } }, []],
    [{ type: 'Node' }, [`${at}.type: Invalid value: "Node": must be a standard limit type or fully qualified`]],
    [{ type: 'a.io/thing' }, []],
  ] as const) {
    t.strictSame(refused(limitRanges, container(limit)), wanted, JSON.stringify(limit));
  }
  t.strictSame(refused(limitRanges, { spec: { limits: [{ type: 'Pod' }, { type: 'Pod' }] } }), [
    'spec.limits[1].type: Duplicate value: "Pod"',
  ]);
  const nameless = decoded(limitRanges, { metadata: { namespace: 'n' } });
  limitRanges.prepareForCreate(nameless, CONTEXT);
  t.match(nameless.metadata?.name, /^[0-9a-f-]{36}$/);
});

t.test('controller revisions', async (t) => {
  for (const [manifest, wanted] of [
    [{ revision: 1, data: { a: 1 } }, []],
    [{ revision: -1, data: {} }, ['revision: Invalid value: -1: must be greater than or equal to 0']],
    [{ revision: 1 }, ['data: Required value: data is mandatory']],
    [{ revision: 1, data: null }, ['data: Required value: data is mandatory']],
  ] as const) {
    t.strictSame(refused(controllerRevisions, manifest), wanted, JSON.stringify(manifest));
  }
  const before = { revision: 1, data: { a: { b: 1 } } };
  t.strictSame(refusedChange(controllerRevisions, before, { ...before, revision: 2 }), []);
  t.strictSame(refusedChange(controllerRevisions, before, { revision: 1, data: { a: 2 } }), [
    'data: Invalid value: {"a":2}: field is immutable',
  ]);
  const owned = (owner: object) => ({
    metadata: {
      name: 'x',
      ownerReferences: [
        { kind: 'Other', name: 'o', uid: 'a' },
        { uid: 'b', ...owner },
      ],
    },
    revision: 3,
  });
  const set = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', controller: true };
  t.strictSame(cells(controllerRevisions, owned(set)), ['x', 'statefulset.apps/web', 3, '<unknown>']);
  t.strictSame(cells(controllerRevisions, owned({ ...set, apiVersion: 'v1' }))[1], 'statefulset/web');
  t.strictSame(cells(controllerRevisions, owned({ ...set, controller: false }))[1], '<none>');
});

t.test('runtime classes', async (t) => {
  const toleration = { key: 'a', operator: 'Exists' };
  const label =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
  for (const [manifest, wanted] of [
    [{ handler: 'runc', overhead: { podFixed: { cpu: '10m' } }, scheduling: { tolerations: [toleration] } }, []],
    [{}, ['handler: Required value']],
    [{ handler: 'Kata' }, [`handler: Invalid value: "Kata": ${label}`]],
    [
      { handler: 'runc', overhead: { podFixed: { cpu: '-1', storage: '1' } } },
      [
        'overhead.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        'overhead.limits[storage]: Invalid value: "storage": must be a standard resource for containers',
      ],
    ],
    [
      {
        handler: 'runc',
        scheduling: { tolerations: [toleration, { ...toleration, effect: 'NoExecute' }, toleration] },
      },
      ['scheduling.tolerations[2]: Duplicate value: {"key":"a","operator":"Exists"}'],
    ],
    [
      { handler: 'runc', scheduling: { tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] } },
      ['scheduling.tolerations[0].operator: Invalid value: "b": value must be empty when `operator` is \'Exists\''],
    ],
  ] as const) {
    t.strictSame(refused(runtimeClasses, manifest), wanted, JSON.stringify(manifest));
  }
  t.strictSame(refusedChange(runtimeClasses, { handler: 'runc' }, { handler: 'kata' }), [
    'handler: Invalid value: "kata": field is immutable',
  ]);
  const old = { handler: 'runc', scheduling: { nodeSelector: { 'beta.kubernetes.io/arch': 'amd64', zone: 'a' } } };
  t.strictSame(runtimeClasses.warnings(decoded(runtimeClasses, old)), [
    'scheduling.nodeSelector: deprecated since v1.14; use "kubernetes.io/arch" instead',
  ]);
  t.strictSame(cells(runtimeClasses, old), ['x', 'runc', '<unknown>']);
});

t.test('ingress classes', async (t) => {
  const parameters = { apiGroup: 'a.io', kind: 'Params', name: 'p' };
  const withParameters = (more: object) => ({ spec: { controller: 'a.io/b', parameters: { ...parameters, ...more } } });
  t.equal(decoded(ingressClasses, withParameters({})).spec?.parameters?.scope, 'Cluster');
  const at = 'spec.parameters';
  for (const [manifest, wanted] of [
    [withParameters({}), []],
    [withParameters({ scope: 'Namespace', namespace: 'n' }), []],
    [{ spec: {} }, ['spec.controller: Required value']],
    [
      { spec: { controller: 'acme' } },
      ['spec.controller: Invalid value: "acme": must be a domain-prefixed path (such as "acme.io/foo")'],
    ],
    [
      { spec: { controller: 'a.io/b c' } },
      [
        "spec.controller: Invalid value: \"b c\": Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')",
      ],
    ],
    [
      { spec: { controller: `a.io/${'b'.repeat(250)}` } },
      ['spec.controller: Too long: may not be more than 250 bytes'],
    ],
    [
      withParameters({ kind: '', name: 'a/b' }),
      [`${at}.kind: Required value`, `${at}.name: Invalid value: "a/b": may not contain '/'`],
    ],
    [
      withParameters({ scope: 'Galaxy' }),
      [`${at}.scope: Unsupported value: "Galaxy": supported values: "Cluster", "Namespace"`],
    ],
    [
      withParameters({ scope: 'Namespace' }),
      [`${at}.namespace: Required value: \`parameters.scope\` is set to 'Namespace'`],
    ],
    [withParameters({ namespace: 'n' }), [`${at}.namespace: Forbidden: \`parameters.scope\` is set to 'Cluster'`]],
  ] as const) {
    t.strictSame(refused(ingressClasses, manifest), wanted, JSON.stringify(manifest));
  }
  t.strictSame(refusedChange(ingressClasses, { spec: { controller: 'a.io/b' } }, { spec: { controller: 'a.io/c' } }), [
    'spec.controller: Invalid value: "a.io/c": field is immutable',
  ]);
  t.strictSame(cells(ingressClasses, withParameters({})), ['x', 'a.io/b', 'Params.a.io/p', '<unknown>']);
  const annotations = { 'ingressclass.kubernetes.io/is-default-class': 'true' };
  t.strictSame(cells(ingressClasses, { metadata: { name: 'x', annotations }, spec: { controller: 'a.io/b' } }), [
    'x (default)',
    'a.io/b',
    '<none>',
    '<unknown>',
  ]);
});

t.test('pod templates', async (t) => {
  const template = (image: string) => ({
    metadata: { labels: { b: '2', a: '1' } },
    spec: {
      containers: [
        { name: 'c', image },
        { name: 'd', image: 'e' },
      ],
    },
  });
  t.strictSame(cells(podTemplates, { template: template('i') }), ['x', 'c,d', 'i,e', 'a=1,b=2']);
  t.strictSame(refused(podTemplates, {}), ['template.spec.containers: Required value']);
  const old = decoded(podTemplates, { template: template('i') });
  old.metadata = { ...old.metadata, generation: 4 };
  const prepared = (manifest: object) => {
    const object = decoded(podTemplates, manifest);
    object.metadata = { ...object.metadata, generation: 4 };
    podTemplates.prepareForUpdate(object, old, CONTEXT);
    return object.metadata.generation;
  };
  t.equal(prepared({ template: template('i') }), 4);
  t.equal(prepared({ template: template('j') }), 5);
});

t.test('resource quotas', async (t) => {
  const hard = (amounts: object, more: object = {}) => ({ spec: { hard: amounts, ...more } });
  const match = (...matchExpressions: object[]) => ({ scopeSelector: { matchExpressions } });
  const at = 'spec.scopeSelector.matchExpressions';
  const valueless =
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
  for (const [manifest, wanted] of [
    [{}, []],
    [hard({ pods: '5', 'requests.cpu': '1', 'requests.storage': '1Gi', 'services.nodeports': '1' }), []],
    [hard({ 'count/deployments.apps': '5', 'requests.example.com/gpu': '1', 'requests.hugepages-2Mi': '1Gi' }), []],
    [hard({ 'gold.storageclass.storage.k8s.io/requests.storage': '1Gi' }), []],
    [hard({ pods: '-1' }), ['spec.hard[pods]: Invalid value: "-1": must be greater than or equal to 0']],
    [hard({ pods: '1500m' }), ['spec.hard[pods]: Invalid value: "1500m": must be an integer']],
    [
      hard({ thing: '1' }),
      [
        'spec.hard[thing]: Invalid value: "thing": must be a standard resource type or fully qualified',
        'spec.hard[thing]: Invalid value: "thing": must be a standard resource for quota',
      ],
    ],
    [hard({ storage: '1' }), ['spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota']],
    [hard({ pods: '1' }, { scopes: ['BestEffort'] }), []],
    [
      hard({ pods: '1', cpu: '1' }, { scopes: ['BestEffort'] }),
      ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'],
    ],
    [
      hard({ configmaps: '1', cpu: '1', 'example.com/a': '1' }, { scopes: ['Terminating', 'NotTerminating'] }),
      [...Array<string>(2).fill('unsupported scope applied to resource'), 'conflicting scopes'].map(
        (why) => `spec.scopes: Invalid value: ["Terminating","NotTerminating"]: ${why}`,
      ),
    ],
    [hard({ pods: '1' }, { scopes: ['Big'] }), ['spec.scopes: Invalid value: ["Big"]: unsupported scope']],
    [hard({ 'requests.storage': '1' }, { scopes: ['VolumeAttributesClass'] }), []],
    [hard({ pods: '1' }, match({ scopeName: 'PriorityClass', operator: 'In', values: ['high'] })), []],
    [
      hard({ secrets: '1' }, match({ scopeName: 'PriorityClass', operator: 'Exists' })),
      [
        `${at}: Invalid value: {"MatchExpressions":[{"ScopeName":"PriorityClass","Operator":"Exists","Values":null}]}: unsupported scope applied to resource`,
      ],
    ],
    [
      hard({}, match({ scopeName: 'PriorityClass', operator: 'NotIn' }, { scopeName: 'Big', operator: 'Exists' })),
      [
        `${at}.values: Required value: must be at least one value when \`operator\` is 'In' or 'NotIn' for scope selector`,
        `${at}.scopeName: Invalid value: "Big": unsupported scope`,
      ],
    ],
    [
      hard({}, match({ scopeName: 'PriorityClass', operator: 'Exists', values: ['a'] })),
      [
        `${at}.values: Invalid value: ["a"]: must be no value when \`operator\` is 'Exist' or 'DoesNotExist' for scope selector`,
      ],
    ],
    [
      hard({}, match({ scopeName: 'BestEffort', operator: 'DoesNotExist' })),
      [`${at}.operator: Invalid value: "DoesNotExist": ${valueless}`],
    ],
    [
      hard({}, match({ scopeName: 'PriorityClass', operator: 'Near' })),
      [`${at}.operator: Invalid value: "Near": not a valid selector operator`],
    ],
    [
      hard({}, match(...['BestEffort', 'NotBestEffort'].map((scopeName) => ({ scopeName, operator: 'Exists' })))),
      [`${at}: Invalid value: null: conflicting scopes`],
    ],
  ] as const) {
    t.strictSame(refused(resourceQuotas, manifest), wanted, JSON.stringify(manifest));
  }

  const scoped = (...scopes: string[]) => hard({ pods: '1' }, { scopes });
  const both = scoped('BestEffort', 'Terminating');
  t.strictSame(refusedChange(resourceQuotas, both, scoped('Terminating', 'BestEffort')), []);
  t.strictSame(refusedChange(resourceQuotas, both, scoped('BestEffort')), [
    'spec.scopes: Invalid value: ["BestEffort"]: field is immutable',
  ]);
  t.strictSame(refusedChange(resourceQuotas, both, hard({ pods: '1' })), [
    'spec.scopes: Invalid value: null: field is immutable',
  ]);

  const status = { hard: { pods: '5', 'limits.cpu': '2', configmaps: '3' }, used: { pods: '1', 'limits.cpu': '500m' } };
  t.strictSame(cells(resourceQuotas, { status }), [
    'x',
    'configmaps: 0/3, pods: 1/5',
    'limits.cpu: 500m/2',
    '<unknown>',
  ]);
  t.strictSame(cells(resourceQuotas, {}), ['x', '', '', '<unknown>']);
  const wrong = decoded(resourceQuotas, { status: { ...status, used: { pods: '-1', thing: '1' } } });
  t.strictSame(causes(updateThrough(resourceQuotas, 'status').validate(wrong, wrong)), [
    'status.used[pods]: Invalid value: "-1": must be greater than or equal to 0',
    'status.used[thing]: Invalid value: "thing": must be a standard resource type or fully qualified',
    'status.used[thing]: Invalid value: "thing": must be a standard resource for quota',
  ]);
  const created = decoded(resourceQuotas, { ...hard({ pods: '1' }), status });
  resourceQuotas.prepareForCreate(created, CONTEXT);
  t.strictSame(created.status, {}, 'usage is empty on create');
  const warned = { cpu: '2', 'limits.cpu': '1', 'requests.memory': '2Gi', 'limits.memory': '2048Mi' };
  t.strictSame(resourceQuotas.warnings(decoded(resourceQuotas, hard(warned))), [
    'ResourceQuota cpu (2) should be less than limits.cpu (1)',
  ]);
});
