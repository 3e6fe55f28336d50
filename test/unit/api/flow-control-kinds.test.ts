/** FlowSchemas and PriorityLevelConfigurations, by table: defaults, validation errors and columns. */
import t from 'tap';
import {
  mandatoryLevels,
  mandatorySchemas,
  suggestedLevels,
  suggestedSchemas,
} from '../../../api/kinds/flowcontrol/default-configuration.ts';
import { flowSchemas } from '../../../api/kinds/flowcontrol/flow-schema.ts';
import { priorityLevelConfigurations } from '../../../api/kinds/flowcontrol/priority-level-configuration.ts';
import { cells, decoded, refused, refusedStatus } from './kind-rules.ts';

const LEVEL = { priorityLevelConfiguration: { name: 'l' } };
const anyone = { kind: 'User', user: { name: '*' } };
const anyPath = { verbs: ['*'], nonResourceURLs: ['*'] };
const anyResource = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'] };
const rule = (more: object) => ({ ...LEVEL, rules: [{ subjects: [anyone], nonResourceRules: [anyPath], ...more }] });
const subject = (one: object) => rule({ subjects: [one] });
const resource = (more: object) => rule({ resourceRules: [{ ...anyResource, ...more }] });
const path = (...nonResourceURLs: string[]) => rule({ nonResourceRules: [{ verbs: ['get'], nonResourceURLs }] });

t.test('flow schemas', async (t) => {
  t.match(decoded(flowSchemas, { spec: LEVEL }).spec, { matchingPrecedence: 1000 });
  for (const [spec, ...errors] of [
    [LEVEL],
    [rule({})],
    [{ ...LEVEL, matchingPrecedence: -1 }, 'spec.matchingPrecedence: Invalid value: -1: must be a positive value'],
    [
      { ...LEVEL, matchingPrecedence: 10001 },
      'spec.matchingPrecedence: Invalid value: 10001: must not be greater than 10000',
    ],
    [
      { ...LEVEL, matchingPrecedence: 1 },
      "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
    ],
    [
      { ...LEVEL, distinguisherMethod: { type: 'ByName' } },
      'spec.distinguisherMethod.type: Unsupported value: {"Type":"ByName"}: supported values: "ByNamespace", "ByUser"',
    ],
    [{}, 'spec.priorityLevelConfiguration.name: Required value: must reference a priority level'],
    [
      { ...LEVEL, rules: [{}] },
      'spec.rules[0].subjects: Required value: subjects must contain at least one value',
      'spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty',
    ],
    [
      subject({ kind: 'Robot' }),
      'spec.rules[0].subjects[0].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User"',
    ],
    [
      subject({ kind: 'User', group: { name: 'g' }, serviceAccount: { name: 'a', namespace: 'n' } }),
      "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
      "spec.rules[0].subjects[0].serviceAccount: Forbidden: serviceAccount is forbidden when subject kind is not 'ServiceAccount'",
      "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
    ],
    [subject({ kind: 'Group', group: { name: '' } }), 'spec.rules[0].subjects[0].group.name: Required value'],
    [
      subject({ kind: 'ServiceAccount', serviceAccount: { name: '', namespace: '' }, user: { name: 'u' } }),
      'spec.rules[0].subjects[0].serviceAccount.name: Required value',
      'spec.rules[0].subjects[0].serviceAccount.namespace: Required value: must specify namespace for service account',
      "spec.rules[0].subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User'",
    ],
    [subject({ kind: 'ServiceAccount', serviceAccount: { name: '*', namespace: 'n' } })],
    [
      resource({ verbs: ['bind'] }),
      'spec.rules[0].resourceRules[0].verbs: Unsupported value: ["bind"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"',
    ],
    [
      resource({ verbs: ['*', 'get'], apiGroups: ['*', 'apps'], resources: ['*', 'pods'], namespaces: ['*', 'n'] }),
      `spec.rules[0].resourceRules[0].verbs: Invalid value: ["*","get"]: if '*' is present, must not specify other verbs`,
      `spec.rules[0].resourceRules[0].apiGroups: Invalid value: ["*","apps"]: if '*' is present, must not specify other api groups`,
      `spec.rules[0].resourceRules[0].resources: Invalid value: ["*","pods"]: if '*' is present, must not specify other resources`,
      `spec.rules[0].resourceRules[0].namespaces: Invalid value: ["*","n"]: if '*' is present, must not specify other namespaces`,
    ],
    [
      rule({ resourceRules: [{}] }),
      'spec.rules[0].resourceRules[0].verbs: Required value: verbs must contain at least one value',
      'spec.rules[0].resourceRules[0].apiGroups: Required value: resource rules must supply at least one api group',
      'spec.rules[0].resourceRules[0].resources: Required value: resource rules must supply at least one resource',
      'spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace',
    ],
    [resource({ namespaces: [], clusterScope: true })],
    [
      path('/', '/healthz', '/a/*', '*'),
      /nonResourceURLs: Invalid value: .* must not specify other non-resource URLs$/,
    ],
    [path('/', '/healthz', '/a/*')],
    ...(
      [
        ['', 'must not be empty'],
        ['a', 'must start with slash'],
        ['/a b', 'must not contain white-space'],
        ['/a//b', 'must not contain double slash'],
        ['/a*', 'wildcard can only do suffix matching'],
        ['/*/a/*', 'wildcard can only do suffix matching'],
      ] as const
    ).map(([url, why]): [object, string] => [
      path(url),
      `spec.rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "${url}": ${why}`,
    ]),
  ] as [object, ...(string | RegExp)[]][]) {
    t.match(refused(flowSchemas, { spec }), errors, JSON.stringify(spec));
    t.equal(refused(flowSchemas, { spec }).length, errors.length);
  }
  t.strictSame(refusedStatus(flowSchemas, {}, { conditions: [{ type: 'a' }, { type: 'a' }, {}] }), [
    'status.conditions[1].type: Duplicate value: "a"',
    'status.conditions[2].type: Required value',
  ]);
  const shown = {
    metadata: { name: 's' },
    spec: LEVEL,
    status: { conditions: [{ type: 'Dangling', status: 'True' }] },
  };
  t.strictSame(cells(flowSchemas, shown), ['s', 'l', 1000, '<none>', '<unknown>', 'True']);
});

const limited = (more: object = {}) => ({
  type: 'Limited',
  limited: { limitResponse: { type: 'Reject' }, ...more },
});
const queuing = (more: object) => limited({ limitResponse: { type: 'Queue', queuing: more } });

t.test('priority levels', async (t) => {
  t.strictSame(decoded(priorityLevelConfigurations, { spec: queuing({}) }).spec?.limited, {
    nominalConcurrencyShares: 30,
    lendablePercent: 0,
    limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 8, queueLengthLimit: 50 } },
  });
  for (const [spec, ...errors] of [
    [limited()],
    [queuing({})],
    [limited({ nominalConcurrencyShares: 0 })],
    [{ type: 'x' }, 'spec.type: Unsupported value: "x": supported values: "Exempt", "Limited"'],
    [{ type: 'Limited' }, 'spec.limited: Required value: must not be empty when type is Limited'],
    [
      { type: 'Exempt', limited: limited().limited },
      "spec.type: Invalid value: \"Exempt\": must be 'Exempt' if and only if `name` is 'exempt'",
      'spec.limited: Forbidden: must be nil if the type is not Limited',
    ],
    [
      limited({
        nominalConcurrencyShares: -1,
        limitResponse: { type: 'x' },
        lendablePercent: 101,
        borrowingLimitPercent: -1,
      }),
      'spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer',
      'spec.limited.limitResponse.type: Unsupported value: "x": supported values: "Queue", "Reject"',
      'spec.limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive',
      'spec.limited.borrowingLimitPercent: Invalid value: -1: if specified, must be a non-negative integer',
    ],
    [
      limited({ limitResponse: { type: 'Queue' } }),
      'spec.limited.limitResponse.queuing: Required value: must not be empty if limited.limitResponse.type is Limited',
    ],
    [
      limited({ limitResponse: { type: 'Reject', queuing: {} } }),
      'spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited',
    ],
    [
      queuing({ queues: -1, handSize: -1, queueLengthLimit: -1 }),
      'spec.limited.limitResponse.queuing.queueLengthLimit: Invalid value: -1: must be positive',
      'spec.limited.limitResponse.queuing.queues: Invalid value: -1: must be positive',
      'spec.limited.limitResponse.queuing.handSize: Invalid value: -1: must be positive',
    ],
    [
      queuing({ queues: 7 }),
      'spec.limited.limitResponse.queuing.handSize: Invalid value: 8: should not be greater than queues (7)',
    ],
    [
      queuing({ queues: 10_000_001, handSize: 1 }),
      'spec.limited.limitResponse.queuing.queues: Invalid value: 10000001: must not be greater than 10000000',
    ],
    [
      queuing({ queues: 512 }),
      'spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits of deckSize 512 and handSize 8 should not be greater than 60',
    ],
  ] as [object, ...string[]][])
    t.strictSame(refused(priorityLevelConfigurations, { spec }), errors, JSON.stringify(spec));
  const annotation = { 'flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares': '' };
  t.match(refused(priorityLevelConfigurations, { metadata: { name: 'l', annotations: annotation }, spec: limited() }), [
    /^metadata.annotations: Forbidden: annotation 'flowcontrol.k8s.io\/v1beta3-.*' is forbidden$/,
  ]);
  const cellsOf = (spec: object) => cells(priorityLevelConfigurations, { metadata: { name: 'l' }, spec });
  t.strictSame(cellsOf(limited()), ['l', 'Limited', 30, '<none>', '<none>', '<none>', '<unknown>']);
  t.strictSame(cellsOf(queuing({ queues: 9 })), ['l', 'Limited', 30, 9, 8, 50, '<unknown>']);
});

t.test('the default objects are valid, and the mandatory ones cannot be changed', async (t) => {
  for (const level of [...mandatoryLevels, ...suggestedLevels]) {
    t.strictSame(refused(priorityLevelConfigurations, level), [], level.metadata.name);
    t.strictSame(decoded(priorityLevelConfigurations, level).spec, level.spec, 'defaults add nothing');
  }
  for (const schema of [...mandatorySchemas, ...suggestedSchemas]) {
    t.strictSame(refused(flowSchemas, schema), [], schema.metadata.name);
  }
  const metadata = { name: 'catch-all' };
  t.strictSame(refused(priorityLevelConfigurations, { metadata, spec: limited() }), [
    'spec: Invalid value: {"Type":"Limited","Limited":{"NominalConcurrencyShares":30,"LimitResponse":{"Type":"Reject","Queuing":null},' +
      '"LendablePercent":0,"BorrowingLimitPercent":null},"Exempt":null}: spec of \'catch-all\' must equal the fixed value',
  ]);
  t.strictSame(refused(flowSchemas, { metadata, spec: LEVEL }), [
    'spec: Invalid value: {"PriorityLevelConfiguration":{"Name":"l"},"MatchingPrecedence":1000,"DistinguisherMethod":null,"Rules":null}: ' +
      "spec of 'catch-all' must equal the fixed value",
  ]);
  const exempt = (more: object) =>
    refused(priorityLevelConfigurations, { metadata: { name: 'exempt' }, spec: { type: 'Exempt', ...more } });
  t.strictSame(exempt({ exempt: { nominalConcurrencyShares: 10 } }), []);
  t.match(exempt(limited()), [/must be 'Exempt' if and only if/, /spec of 'exempt' except the 'spec.exempt' field/]);
});
