import { test } from 'tap';
import { AuditPolicy } from '../../../control-plane/apiserver/audit/policy.ts';
import { parseRequestInfo } from '../../../control-plane/apiserver/http/request-info.ts';

const policy = (rules: object[], more: object = {}): AuditPolicy =>
  AuditPolicy.read(JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules, ...more }));

const tim = { name: 'tim@k8s.io', groups: ['humans', 'developers'] };

const REQUESTS = {
  pod: parseRequestInfo('GET', '/api/v1/namespaces/default/pods/busybox'),
  pods: parseRequestInfo('GET', '/api/v1/pods'),
  log: parseRequestInfo('GET', '/api/v1/namespaces/default/pods/busybox/log'),
  role: parseRequestInfo('PUT', '/apis/rbac.authorization.k8s.io/v1/clusterroles/edit'),
  logs: parseRequestInfo('GET', '/logs/kubelet.log'),
  healthz: parseRequestInfo('GET', '/healthz'),
};

/** A rule, and the requests that it matches. */
const MATCHES: readonly (readonly [object, readonly (keyof typeof REQUESTS)[]])[] = [
  [{}, ['pod', 'pods', 'log', 'role', 'logs', 'healthz']],
  [{ users: ['tim@k8s.io'] }, ['pod', 'pods', 'log', 'role', 'logs', 'healthz']],
  [{ users: ['humans'] }, []],
  [{ userGroups: ['admins', 'developers'] }, ['pod', 'pods', 'log', 'role', 'logs', 'healthz']],
  [{ userGroups: ['tim@k8s.io'] }, []],
  [{ verbs: ['get'] }, ['pod', 'log', 'logs', 'healthz']],
  [{ verbs: ['list', 'update'] }, ['pods', 'role']],
  [{ namespaces: ['default'] }, ['pod', 'log']],
  [{ namespaces: [''] }, ['pods', 'role']],
  [{ resources: [{}] }, ['pod', 'pods', 'log']],
  [{ resources: [{ group: 'rbac.authorization.k8s.io' }] }, ['role']],
  [{ resources: [{ resources: ['pods'] }] }, ['pod', 'pods']],
  [{ resources: [{ resources: ['pods/log'] }] }, ['log']],
  [{ resources: [{ resources: ['*/log'] }] }, ['log']],
  [{ resources: [{ resources: ['pods/*'] }] }, ['pod', 'pods', 'log']],
  [{ resources: [{ resources: ['*'] }] }, ['pod', 'pods', 'log']],
  [{ resources: [{ resources: ['pods'], resourceNames: ['busybox'] }] }, ['pod']],
  [{ resources: [{ resources: ['pods'], resourceNames: ['other'] }] }, []],
  [{ resources: [{ resources: ['pods'] }], namespaces: ['kube-system'] }, []],
  [{ resources: [{ group: 'apps' }, { resources: ['pods'] }] }, ['pod', 'pods']],
  [{ nonResourceURLs: ['*'] }, ['logs', 'healthz']],
  [{ nonResourceURLs: ['/logs*'] }, ['logs']],
  [{ nonResourceURLs: ['/logs'] }, []],
  [{ nonResourceURLs: ['/healthz'] }, ['healthz']],
];

test('a rule matches what upstream has it match', (t) => {
  for (const [rule, expected] of MATCHES) {
    const one = policy([{ level: 'Metadata', ...rule }]);
    const matched = Object.entries(REQUESTS).filter(([, info]) => one.of(tim, info) !== undefined);
    t.strictSame(
      matched.map(([name]) => name),
      expected,
      JSON.stringify(rule),
    );
  }
  t.end();
});

test('the first matching rule decides, and its stages are left out besides those of the policy', (t) => {
  const several = policy(
    [
      { level: 'None', nonResourceURLs: ['/healthz'] },
      { level: 'Request', verbs: ['get'], omitStages: ['Panic'], omitManagedFields: false },
      { level: 'RequestResponse' },
    ],
    { omitStages: ['RequestReceived'], omitManagedFields: true },
  );
  t.equal(several.of(tim, REQUESTS.healthz), undefined);
  t.strictSame(several.of(tim, REQUESTS.pod), {
    level: 'Request',
    omitStages: new Set(['RequestReceived', 'Panic']),
    omitManagedFields: false,
  });
  t.strictSame(several.of(tim, REQUESTS.pods), {
    level: 'RequestResponse',
    omitStages: new Set(['RequestReceived']),
    omitManagedFields: true,
  });
  t.equal(policy([{ level: 'Metadata', users: ['root'] }]).of(tim, REQUESTS.pod), undefined, 'no rule: nothing');
  t.end();
});

const RULE = { level: 'Metadata' };
/** What is wrong, and how the message names it. */
const WRONG: readonly (readonly [object, RegExp])[] = [
  [{ rules: [] }, /it must have one at least/],
  [{ rules: [{}] }, /rules\[0\]\.level: Required value/],
  [{ rules: [{ level: 'metadata' }] }, /rules\[0\]\.level: Unsupported value: "metadata"/],
  [{ rules: [RULE], omitStages: ['Received'] }, /omitStages\[0\]: .*allowed stages are/],
  [{ rules: [{ ...RULE, omitStages: ['x'] }] }, /rules\[0\]\.omitStages\[0\]/],
  [{ rules: [{ ...RULE, nonResourceURLs: ['healthz'] }] }, /must begin with a '\/' character/],
  [{ rules: [{ ...RULE, nonResourceURLs: ['/a*b'] }] }, /must be the final character/],
  [{ rules: [{ ...RULE, nonResourceURLs: ['/'], namespaces: ['a'] }] }, /cannot apply to both/],
  [{ rules: [{ ...RULE, resources: [{ group: 'apps/v1' }] }] }, /rules\[0\]\.resources\[0\]\.group/],
  [{ rules: [{ ...RULE, resources: [{ resourceNames: ['a'] }] }] }, /requires at least one resource/],
  [{ rules: [{ ...RULE, user: ['a'] }] }, /unknown field "rules\[0\]\.user"/],
  [{ rules: [RULE], apiVersion: 'audit.k8s.io/v1beta1' }, /must have apiVersion audit\.k8s\.io\/v1 and kind Policy/],
];

test('a policy that is wrong is refused with the field that is', (t) => {
  for (const [wrong, message] of WRONG) t.throws(() => policy([], wrong), { name: 'SettingValueError', message });
  t.throws(() => AuditPolicy.read('rules: ['), { name: 'SettingValueError' });
  t.end();
});
