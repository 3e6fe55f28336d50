/** Which requests policies and their bindings match, by table. */
import t from 'tap';
import { validatingAdmissionPolicies } from '../../../api/kinds/admissionregistration/validating-admission-policy.ts';
import { validatingWebhookConfigurations } from '../../../api/kinds/admissionregistration/validating-webhook-configuration.ts';
import { horizontalPodAutoscalers } from '../../../api/kinds/autoscaling/horizontal-pod-autoscaler.ts';
import { horizontalPodAutoscalers as horizontalPodAutoscalersV1 } from '../../../api/kinds/autoscaling/horizontal-pod-autoscaler-v1.ts';
import { subjectAccessReviews } from '../../../api/kinds/authorization/subject-access-review.ts';
import { configMaps } from '../../../api/kinds/core/config-map.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import type { NamedRuleWithOperations } from '../../../api/types/admissionregistration/v1.gen.ts';
import type { AdmissionRequest } from '../../../control-plane/apiserver/admission/plugin.ts';
import { isExemptFromPolicies } from '../../../control-plane/apiserver/admission/policies/policy-matcher.ts';
import { compileMatch, isExempt, Matcher } from '../../../control-plane/apiserver/admission/webhooks/matching.ts';
import { ServedKinds } from '../../../control-plane/apiserver/catalogue/served-kinds.ts';
import { ServedResource } from '../../../control-plane/apiserver/catalogue/served-resource.ts';
import { ResourceCache } from '../../../control-plane/apiserver/storage/cache/resource-cache.ts';

const cacheOf = new Map<Kind, ResourceCache>([[horizontalPodAutoscalers, new ResourceCache(horizontalPodAutoscalers)]]);
const serve = (kind: Kind): ServedResource =>
  new ServedResource(
    kind,
    cacheOf.get(kind.storedAs?.kind ?? kind) ?? new ResourceCache(kind),
    `/registry/${kind.plural}/`,
  );
const kinds = new ServedKinds([configMaps, pods, horizontalPodAutoscalers, horizontalPodAutoscalersV1].map(serve));
const knownNamespaces = new Map<string, KubeObject>([
  ['n', { metadata: { name: 'n', labels: { env: 'prod' } } }],
  ['other', { metadata: { name: 'other', labels: {} } }],
]);
const api = {
  get: <T extends KubeObject>(_kind: Kind<T>, _namespace: string, name: string) =>
    knownNamespaces.get(name) as T | undefined,
};
const matcher = new Matcher(api, kinds);

const request = (kind: Kind, more: Partial<AdmissionRequest> = {}): AdmissionRequest => ({
  operation: 'CREATE',
  kind,
  subresource: '',
  namespace: kind.namespaced ? 'n' : '',
  name: 'x',
  object: { metadata: { name: 'x', labels: { app: 'a' } } },
  old: undefined,
  user: { name: 'u', groups: [] },
  dryRun: false,
  warn: () => undefined,
  ...more,
});

const RULE: NamedRuleWithOperations = {
  operations: ['CREATE'],
  apiGroups: [''],
  apiVersions: ['v1'],
  resources: ['configmaps'],
};
const ANY: NamedRuleWithOperations = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] };
const HPA: NamedRuleWithOperations = { ...RULE, apiGroups: ['autoscaling'], resources: ['horizontalpodautoscalers'] };
const OLD = { metadata: { labels: { app: 'b' } } };

type Row = readonly [string, Parameters<typeof compileMatch>[0], AdmissionRequest, Kind | undefined];
const ROWS: readonly Row[] = [
  ['a rule', { rules: [RULE] }, request(configMaps), configMaps],
  ['no rules: everything', { rules: undefined }, request(pods), pods],
  ['an empty list of rules: nothing', { rules: [] }, request(pods), undefined],
  ['another resource', { rules: [RULE] }, request(pods), undefined],
  ['another operation', { rules: [RULE] }, request(configMaps, { operation: 'DELETE' }), undefined],
  [
    'a subresource that is not named',
    { rules: [{ ...RULE, resources: ['pods'] }] },
    request(pods, { subresource: 'exec' }),
    undefined,
  ],
  ['a subresource', { rules: [{ ...RULE, resources: ['*/exec'] }] }, request(pods, { subresource: 'exec' }), pods],
  ['anything', { rules: [ANY] }, request(nodes, { operation: 'CONNECT', subresource: 'proxy' }), nodes],
  ['a name', { rules: [{ ...RULE, resourceNames: ['x', 'y'] }] }, request(configMaps), configMaps],
  ['another name', { rules: [{ ...RULE, resourceNames: ['y'] }] }, request(configMaps), undefined],
  ['an exclusion', { rules: [ANY], excluded: [RULE] }, request(configMaps), undefined],
  [
    'an exclusion of another',
    { rules: [ANY], excluded: [{ ...RULE, resourceNames: ['y'] }] },
    request(configMaps),
    configMaps,
  ],
  ['the scope', { rules: [{ ...ANY, scope: 'Cluster' }] }, request(configMaps), undefined],
  [
    'a namespace is cluster-scoped',
    { rules: [{ ...ANY, scope: 'Cluster' }] },
    request(namespaces, { namespace: 'x' }),
    namespaces,
  ],
  [
    'another version',
    { rules: [{ ...HPA, apiVersions: ['v2'] }] },
    request(horizontalPodAutoscalersV1),
    horizontalPodAutoscalers,
  ],
  [
    'another version, exactly',
    { rules: [{ ...HPA, apiVersions: ['v2'] }], matchPolicy: 'Exact' },
    request(horizontalPodAutoscalersV1),
    undefined,
  ],
  [
    'an exclusion by another version',
    { rules: [HPA], excluded: [{ ...HPA, apiVersions: ['v2'] }] },
    request(horizontalPodAutoscalersV1),
    undefined,
  ],
  [
    'labels of the object',
    { rules: [RULE], objectSelector: { matchLabels: { app: 'a' } } },
    request(configMaps),
    configMaps,
  ],
  ['other labels', { rules: [RULE], objectSelector: { matchLabels: { app: 'b' } } }, request(configMaps), undefined],
  [
    'labels of the old object',
    { rules: [RULE], objectSelector: { matchLabels: { app: 'b' } } },
    request(configMaps, { old: OLD }),
    configMaps,
  ],
  [
    'the namespace',
    { rules: [RULE], namespaceSelector: { matchLabels: { env: 'prod' } } },
    request(configMaps),
    configMaps,
  ],
  [
    'another namespace',
    { rules: [RULE], namespaceSelector: { matchLabels: { env: 'prod' } } },
    request(configMaps, { namespace: 'other' }),
    undefined,
  ],
  [
    'a namespace of no account',
    { rules: [RULE], namespaceSelector: { matchLabels: { env: 'prod' } } },
    request(pods, { namespace: 'gone' }),
    undefined,
  ],
  [
    'cluster-scoped objects, whatever the namespaces',
    { rules: [ANY], namespaceSelector: { matchLabels: { env: 'prod' } } },
    request(nodes),
    nodes,
  ],
  [
    'a namespace by its own labels',
    { rules: [ANY], namespaceSelector: { matchLabels: { app: 'a' } } },
    request(namespaces, { name: 'new' }),
    namespaces,
  ],
];
for (const [what, spec, asked, wanted] of ROWS)
  t.test(`a match by ${what}`, async (t) => {
    t.equal(matcher.match(compileMatch(spec), asked), wanted);
  });

t.test('a namespace that is needed and does not exist', async (t) => {
  const match = compileMatch({ rules: [RULE], namespaceSelector: { matchLabels: { env: 'prod' } } });
  t.throws(() => matcher.match(match, request(configMaps, { namespace: 'gone' })), {
    message: 'namespaces "gone" not found',
  });
});

t.test('webhooks and policies are asked about different kinds', async (t) => {
  for (const [kind, byWebhooks, byPolicies] of [
    [configMaps, false, false],
    [validatingAdmissionPolicies, true, true],
    [validatingWebhookConfigurations, true, false],
    [subjectAccessReviews, false, true],
  ] as const) {
    t.equal(isExempt(request(kind)), byWebhooks, kind.kind);
    t.equal(isExemptFromPolicies(request(kind)), byPolicies, kind.kind);
  }
});
