import t from 'tap';
import { readAuthorizationConfiguration } from '../../../control-plane/apiserver/access/authorization/configuration.ts';
import {
  fieldRequirements,
  fieldSelectorText,
  labelRequirements,
  labelSelectorText,
} from '../../../control-plane/apiserver/access/authorization/review-selectors.ts';
import { MatchConditions } from '../../../control-plane/apiserver/access/authorization/webhook/match-conditions.ts';
import {
  readAnswer,
  reviewSpec,
  reviewText,
} from '../../../control-plane/apiserver/access/authorization/webhook/review.ts';
import type { Attributes } from '../../../control-plane/apiserver/access/authorization/authorizer.ts';

const WEBHOOK = {
  timeout: '3s',
  subjectAccessReviewVersion: 'v1',
  failurePolicy: 'Deny',
  connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/etc/kedge/authorizer.kubeconfig' },
};
const file = (...authorizers: object[]): string =>
  JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthorizationConfiguration', authorizers });
const webhook = (more: object, name = 'outside'): object => ({
  type: 'Webhook',
  name,
  webhook: { ...WEBHOOK, ...more },
});
const LIST: Attributes = {
  ...{ isResource: true, path: '', verb: 'list', group: '', version: 'v1', resource: 'pods', subresource: '' },
  ...{ namespace: 'shop', name: '' },
};

t.test('a configuration says what is wrong with it', (t) => {
  const conditions = (...expressions: string[]): object => ({
    matchConditionSubjectAccessReviewVersion: 'v1',
    matchConditions: expressions.map((expression) => ({ expression })),
  });
  const cases: [string, RegExp][] = [
    [file(), /authorizers: Required value: at least one authorization mode must be defined/],
    [file({ name: 'x' }), /authorizers\[0\]\.type: Required value/],
    [file({ type: 'OPA', name: 'x' }), /authorizers\[0\]\.type: Unsupported value: "OPA"/],
    [file({ type: 'RBAC', name: 'a' }, { type: 'RBAC', name: 'b' }), /authorizers\[1\]\.type: Duplicate value/],
    [file({ type: 'RBAC', name: 'a' }, { type: 'Node', name: 'a' }), /authorizers\[1\]\.name: Duplicate value/],
    [file({ type: 'RBAC', name: 'A_b' }), /authorizers\[0\]\.name: Invalid value: .*authorizer name is invalid/],
    [
      file({ type: 'RBAC', name: 'a', webhook: WEBHOOK }),
      /webhook: Invalid value: .*only be specified when type=Webhook/,
    ],
    [file({ type: 'Webhook', name: 'a' }), /webhook: Required value: required when type=Webhook/],
    [file(webhook({ timeout: undefined })), /webhook\.timeout: Required value/],
    [file(webhook({ timeout: '31s' })), /webhook\.timeout: Invalid value: "31s": must be > 0s and <= 30s/],
    [file(webhook({ timeout: 'soon' })), /webhook\.timeout: Invalid value: "soon"/],
    [file(webhook({ authorizedTTL: '-1s' })), /authorizedTTL: Invalid value: .*must be > 0s/],
    [file(webhook({ subjectAccessReviewVersion: 'v2' })), /subjectAccessReviewVersion: Unsupported value: "v2"/],
    [file(webhook({ failurePolicy: undefined })), /failurePolicy: Required value/],
    [file(webhook({ failurePolicy: 'Allow' })), /failurePolicy: Unsupported value: "Allow"/],
    [file(webhook({ connectionInfo: { type: 'InClusterConfig' } })), /connectionInfo\.type: Forbidden/],
    [file(webhook({ connectionInfo: { type: 'KubeConfigFile' } })), /kubeConfigFile: Required value/],
    [
      file(webhook({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: 'x' } })),
      /kubeConfigFile: Invalid value: "x": must be an absolute path/,
    ],
    [
      file(webhook({ matchConditions: [{ expression: 'true' }] })),
      /matchConditionSubjectAccessReviewVersion: Required/,
    ],
    [
      file(webhook(conditions('request.nothing == 1'))),
      /matchConditions\[0\]\.expression: .*undefined field 'nothing'/,
    ],
    [file(webhook(conditions('request.user'))), /matchConditions\[0\]\.expression: .*must evaluate to bool/],
    [file(webhook(conditions('true', 'true'))), /matchConditions\[1\]\.expression: Duplicate value/],
    [file(webhook(conditions('  '))), /matchConditions\[0\]\.expression: Required value/],
    [file(webhook(conditions(...Array.from({ length: 65 }, (_, at) => `${at} == 0`)))), /matchConditions: Too many/],
    [file(webhook({ timeOut: '1s' })), /unknown field .*timeOut/],
    [file(webhook({})).slice(0, -20), /./],
    ['', /it holds no AuthorizationConfiguration/],
  ];
  for (const [text, message] of cases) t.throws(() => readAuthorizationConfiguration(text), { message }, text);
  t.equal(
    readAuthorizationConfiguration(file(webhook({}, 'a'), webhook({}, 'b'), { type: 'RBAC', name: 'rbac' })).authorizers
      ?.length,
    3,
  );
  t.end();
});

t.test('match conditions see the whole review, and cost no more than they may', (t) => {
  const review = reviewSpec(
    { name: 'ann', groups: ['dev'], extra: { scope: ['a'] } },
    { ...LIST, labelSelector: 'tier in (web)', fieldSelector: 'spec.nodeName=n1' },
  );
  const evaluated = (...expressions: string[]) => new MatchConditions(expressions).evaluate(review);
  t.strictSame(evaluated("request.user == 'ann'", "'dev' in request.groups"), { matches: true });
  t.strictSame(evaluated("request.resourceAttributes.name == ''", "request.uid == ''"), { matches: true });
  t.strictSame(evaluated("request.extra['scope'] == ['a']"), { matches: true });
  t.strictSame(evaluated('has(request.nonResourceAttributes)'), { matches: false });
  const label =
    "request.resourceAttributes.labelSelector.requirements.exists(r, r.key == 'tier' && r.operator == 'In')";
  const field = "request.resourceAttributes.fieldSelector.requirements[0].values == ['n1']";
  t.strictSame(evaluated(label, field), { matches: true });
  const [broken, unmet] = ["request.nonResourceAttributes.path == '/'", "request.user == 'joe'"] as const;
  t.match(evaluated(broken).error, /no such key/);
  t.strictSame(evaluated(broken, unmet), { matches: false }, 'what is unmet counts more than what has failed');
  const many = '[1,2,3,4,5,6,7,8,9,10]';
  const costly = `${many}.all(a, ${many}.all(b, ${many}.all(c, ${many}.all(d, ${many}.all(e, a + b + c + d + e > 0)))))`;
  t.match(evaluated(costly).error, /exceeded|cost/);
  const dear = Array.from(
    { length: 64 },
    (_, at) => `${many}.all(a, ${many}.all(b, ${many}.all(c, ${many}.all(d, a + b + c + d > ${at} - 99))))`,
  );
  const startedAt = performance.now();
  t.match(evaluated(...dear).error, /out of cost budget/, 'all together');
  t.ok(performance.now() - startedAt < 5_000);
  t.end();
});

t.test('different questions have different reviews', (t) => {
  const users = [
    { name: 'a', groups: ['b'] },
    { name: 'a', groups: [], extra: { b: [] } },
    { name: 'a', groups: [], extra: { b: [''] } },
    { name: 'a', groups: [], extra: { 'b","c': ['d'] } },
    { name: 'a', groups: [], extra: { b: [], c: ['d'] } },
    { name: 'a","groups":["b', groups: [] },
    { name: 'a', groups: ['b","c'] },
    { name: 'a', groups: ['b', 'c'] },
    { name: 'a', uid: 'b', groups: [] },
    { name: 'a', groups: [], extra: JSON.parse('{"__proto__": ["x"]}') as Record<string, string[]> },
  ];
  const texts = users.flatMap((user) => [
    JSON.stringify(reviewSpec(user, LIST)),
    JSON.stringify(reviewSpec(user, { ...LIST, isResource: false, path: '/x' })),
    JSON.stringify(reviewSpec(user, { ...LIST, labelSelector: 'a=b' })),
    JSON.stringify(reviewSpec(user, { ...LIST, fieldSelector: 'a=b' })),
  ]);
  t.equal(new Set(texts).size, texts.length);
  const extra = { b: ['1'], a: ['2'] };
  t.equal(
    JSON.stringify(reviewSpec({ name: 'a', groups: [], extra }, LIST)),
    JSON.stringify(reviewSpec({ name: 'a', groups: [], extra: { a: ['2'], b: ['1'] } }, LIST)),
    'whatever the order of what is a map',
  );
  t.match(
    texts.at(-1) && JSON.stringify(reviewSpec(users.at(-1) ?? { name: '', groups: [] }, LIST)),
    /"__proto__":\["x"\]/,
  );
  t.end();
});

t.test('reviews and answers of both versions', (t) => {
  const spec = reviewSpec({ name: 'ann', groups: ['dev'] }, LIST);
  t.match(JSON.parse(reviewText('v1', spec)), { apiVersion: 'authorization.k8s.io/v1', spec: { groups: ['dev'] } });
  t.match(JSON.parse(reviewText('v1beta1', spec)), {
    apiVersion: 'authorization.k8s.io/v1beta1',
    spec: { group: ['dev'] },
  });
  const answer = (status: unknown, more: object = {}) =>
    JSON.stringify({ kind: 'SubjectAccessReview', apiVersion: 'authorization.k8s.io/v1', status, ...more });
  t.strictSame(readAnswer('v1', answer({ allowed: true, reason: 'r' })), { allowed: true, denied: false, reason: 'r' });
  t.strictSame(readAnswer('v1', answer({})), { allowed: false, denied: false, reason: '' });
  t.equal(readAnswer('v1', answer({ reason: 'x'.repeat(100_000) })).reason.length, 2048);
  const bad = [
    'allowed',
    '{"status":{"allowed":true}}',
    answer({ allowed: 'true' }),
    answer({ allowed: true }, { apiVersion: 'authorization.k8s.io/v1beta1' }),
    answer({ allowed: true }, { kind: 'TokenReview' }),
    answer([true]),
    '['.repeat(5000),
  ];
  for (const text of bad) t.throws(() => readAnswer('v1', text), Error, text.slice(0, 100));
  t.end();
});

t.test('selectors are the same as text and as requirements, and what cannot be told is left out', (t) => {
  const labels = [
    { key: 'tier', operator: 'In', values: ['web', 'api'] },
    { key: 'old', operator: 'DoesNotExist' },
    { key: 'example.com/x', operator: 'Exists' },
    { key: 'y', operator: 'NotIn', values: ['1'] },
  ];
  const text = labelSelectorText({ requirements: labels });
  t.equal(text, 'tier in (web,api),!old,example.com/x,y notin (1)');
  t.match(
    new Set(labelRequirements(text)?.map(({ key, operator }) => `${key} ${operator}`)),
    new Set(['tier In', 'old DoesNotExist', 'example.com/x Exists', 'y NotIn']),
  );
  t.equal(labelSelectorText({ requirements: [{ key: 'a=b,c', operator: 'Exists' }] }), '', 'no key');
  t.equal(labelSelectorText({ requirements: [{ key: 'a', operator: 'In', values: ['b),c in (d'] }] }), '', 'no value');
  t.equal(labelSelectorText({ rawSelector: 'a=b', requirements: labels }), 'a=b');
  t.strictSame(labelRequirements('a>1,b'), [{ key: 'b', operator: 'Exists' }]);
  t.equal(labelRequirements('a in ('), undefined);
  const fields = [
    { key: 'metadata.name', operator: 'In', values: ['a,b=c\\d'] },
    { key: 'spec.nodeName', operator: 'NotIn', values: ['n1'] },
  ];
  const fieldText = fieldSelectorText({ requirements: fields });
  t.equal(fieldText, 'metadata.name=a\\,b\\=c\\\\d,spec.nodeName!=n1');
  t.strictSame(fieldRequirements(fieldText), fields);
  t.equal(fieldSelectorText({ requirements: [{ key: 'a', operator: 'In', values: ['b', 'c'] }] }), '');
  t.equal(fieldSelectorText({ requirements: [{ key: 'a=b,c', operator: 'In', values: ['d'] }] }), '');
  t.equal(fieldRequirements('a'), undefined);
  t.end();
});
