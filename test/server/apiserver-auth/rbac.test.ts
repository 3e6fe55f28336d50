import { test } from 'tap';
import { clusterRoleBindings } from '../../../api/kinds/rbac/cluster-role-binding.ts';
import { clusterRoles } from '../../../api/kinds/rbac/cluster-role.ts';
import { roleBindings } from '../../../api/kinds/rbac/role-binding.ts';
import { roles } from '../../../api/kinds/rbac/role.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { aggregatedRules } from '../../../control-plane/apiserver/access/authorization/aggregation.ts';
import type { Attributes, Decision } from '../../../control-plane/apiserver/access/authorization/authorizer.ts';
import {
  describeRules,
  missingRights,
  ruleAllows,
} from '../../../control-plane/apiserver/access/authorization/policy-rule.ts';
import { RbacIndex } from '../../../control-plane/apiserver/access/authorization/rbac-index.ts';
import { impersonatedUser } from '../../../control-plane/apiserver/access/impersonation.ts';
import type { LocalApi, LocalChange } from '../../../control-plane/apiserver/catalogue/local-api.ts';
import type { User } from '../../../control-plane/apiserver/http/user.ts';
import { eventually } from '../../support/wait.ts';
import { createAll, startSecurity } from './fixture.ts';
import type { ClusterRole, PolicyRule, RoleBinding } from '../../../api/types/rbac/v1.gen.ts';

const ADMIN: User = { name: 'admin', groups: ['system:masters'] };
const GROUP = 'rbac.authorization.k8s.io';

/** `get pods/log web in apps`, `get deployments.apps`, `get /healthz`. */
function asked(text: string): Attributes {
  const [verb = '', what = '', ...rest] = text.split(' ');
  const nothing = { verb, group: '', version: 'v1', resource: '', subresource: '', namespace: '', name: '' };
  if (what.startsWith('/')) return { ...nothing, isResource: false, path: what };
  const [qualified = '', subresource = ''] = what.split('/');
  const [resource = '', ...group] = qualified.split('.');
  const at = rest.indexOf('in');
  const namespace = at < 0 ? '' : (rest[at + 1] ?? '');
  const name = at === 0 ? '' : (rest[0] ?? '');
  return { ...nothing, isResource: true, path: '', resource, subresource, group: group.join('.'), namespace, name };
}

test('a rule allows what it says and nothing else', (t) => {
  const cases: [PolicyRule, string, boolean][] = [
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }, 'get pods web in apps', true],
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }, 'list pods in apps', false],
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }, 'get pods/log web in apps', false],
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods/log'] }, 'get pods/log web in apps', true],
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods/log'] }, 'get pods web in apps', false],
    [{ verbs: ['get'], apiGroups: [''], resources: ['*'] }, 'get pods/log web in apps', true],
    [{ verbs: ['get'], apiGroups: ['*'], resources: ['*/scale'] }, 'get deployments.apps/scale web in apps', true],
    [{ verbs: ['get'], apiGroups: ['*'], resources: ['*/scale'] }, 'get deployments.apps/upscale web in apps', false],
    [{ verbs: ['get'], apiGroups: ['*'], resources: ['*/scale'] }, 'get deployments.apps web in apps', false],
    [{ verbs: ['get'], apiGroups: ['*'], resources: ['pods/*'] }, 'get pods/log web in apps', false],
    [{ verbs: ['get'], apiGroups: [''], resources: ['deployments'] }, 'get deployments.apps web in apps', false],
    [{ verbs: ['*'], apiGroups: ['apps'], resources: ['deployments'] }, 'frobnicate deployments.apps in apps', true],
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['web'] }, 'get pods web in apps', true],
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['web'] }, 'get pods db in apps', false],
    [{ verbs: ['list'], apiGroups: [''], resources: ['pods'], resourceNames: ['web'] }, 'list pods in apps', false],
    [{ verbs: ['get'], nonResourceURLs: ['/healthz'] }, 'get /healthz', true],
    [{ verbs: ['get'], nonResourceURLs: ['/healthz'] }, 'get /healthz/etcd', false],
    [{ verbs: ['get'], nonResourceURLs: ['/healthz/*'] }, 'get /healthz/etcd', true],
    [{ verbs: ['get'], nonResourceURLs: ['*'] }, 'get /anything', true],
    [{ verbs: ['get'], nonResourceURLs: ['*'] }, 'get pods web in apps', false],
    [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, 'get /healthz', false],
  ];
  for (const [rule, text, allowed] of cases) {
    t.equal(ruleAllows(rule, asked(text)), allowed, `${JSON.stringify(rule)}: ${text}`);
  }
  t.end();
});

test('a binding of tens of thousands of subjects is indexed and removed quickly', (t) => {
  const followers = new Map<Kind, (change: LocalChange<RoleBinding>) => void>();
  const api = {
    subscribe: (kind: Kind, follow: (change: LocalChange<RoleBinding>) => void) => followers.set(kind, follow),
  };
  const index = new RbacIndex(api as unknown as LocalApi);
  const subject = { kind: 'User', name: 'ann', apiGroup: GROUP };
  const object: RoleBinding = {
    metadata: { namespace: 'apps', name: 'many' },
    roleRef: { apiGroup: GROUP, kind: 'Role', name: 'readers' },
    // One user several times in one binding, and another one in many places.
    subjects: Array.from({ length: 40_000 }, (_, at) => (at % 2 ? subject : { ...subject, namespace: String(at) })),
  };
  const follow = (change: Partial<LocalChange<RoleBinding>>): void =>
    followers.get(roleBindings)?.({ namespace: 'apps', name: 'many', ...change } as LocalChange<RoleBinding>);
  const grants = (): number => {
    let count = 0;
    index.findGrant({ name: 'ann', groups: [] }, 'apps', () => ++count < 0);
    return count;
  };
  const startedAt = performance.now();
  follow({ object });
  t.equal(grants(), 20_001, 'one grant per distinct subject');
  follow({ object: undefined });
  t.equal(grants(), 0);
  t.ok(performance.now() - startedAt < 2_000, 'in linear, not quadratic time');
  t.end();
});

test('granted rules must be held, per verb, resource and name', (t) => {
  const pods = (verbs: string[], resources = ['pods'], resourceNames?: string[]): PolicyRule => ({
    ...{ verbs, apiGroups: [''], resources },
    ...(resourceNames && { resourceNames }),
  });
  const missing = (owned: PolicyRule[], wanted: PolicyRule[]) => describeRules(missingRights(owned, wanted));
  t.same(missing([pods(['get']), pods(['list'])], [pods(['get', 'list'])]), []);
  t.same(missing([pods(['get'])], [pods(['get', 'list', 'watch'])]), [
    '{APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}',
  ]);
  t.same(missing([pods(['get'], ['*'])], [pods(['get'], ['pods/log', 'secrets'])]), []);
  t.same(missing([pods(['get'], ['*/scale'])], [pods(['get'], ['pods/scale'])]), []);
  t.same(missing([pods(['get'], ['pods'], ['a'])], [pods(['get'], ['pods'], ['a', 'b'])]), [
    '{APIGroups:[""], Resources:["pods"], ResourceNames:["b"], Verbs:["get"]}',
  ]);
  t.same(missing([pods(['get'], ['pods'], ['a'])], [pods(['get'])]).length, 1, 'a name does not cover all names');
  t.same(missing([{ verbs: ['get'], nonResourceURLs: ['/a/*'] }], [{ verbs: ['get'], nonResourceURLs: ['/a/b'] }]), []);
  t.same(missing([{ verbs: ['get'], nonResourceURLs: ['/a'] }], [{ verbs: ['get'], nonResourceURLs: ['/a/*'] }]), [
    '{NonResourceURLs:["/a/*"], Verbs:["get"]}',
  ]);
  t.end();
});

test('a rule of millions of combinations is compared as a whole, or denied quickly', (t) => {
  const words = (prefix: string) => Array.from({ length: 200 }, (_, index) => `${prefix}${index}`);
  const vast: PolicyRule = {
    verbs: words('v'),
    apiGroups: words('g'),
    resources: words('r'),
    resourceNames: words('n'),
  };
  const start = process.cpuUsage();
  t.same(missingRights([{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }], [vast]), []);
  t.same(missingRights([vast], [vast]), []);
  t.ok(missingRights([{ verbs: ['v0'], apiGroups: ['*'], resources: ['*'] }], [vast]).length > 0);
  t.ok(missingRights([], [vast]).length > 0);
  t.ok(process.cpuUsage(start).user < 1_000_000, 'in less than a second');
  t.end();
});

/** Node and RBAC make no request wait for a turn of the event loop. */
function atOnce(decision: Decision | Promise<Decision>): Decision {
  if (decision instanceof Promise) throw new Error('the decision is a promise');
  return decision;
}

test("the default policy matches upstream's, and bindings take effect and end at once", async (t) => {
  const { core, security } = await startSecurity(t);
  const { api } = core;
  const user = (name: string, ...groups: string[]): User => ({ name, groups: [...groups, 'system:authenticated'] });
  const account = (namespace: string, name: string) =>
    user(`system:serviceaccount:${namespace}:${name}`, 'system:serviceaccounts', `system:serviceaccounts:${namespace}`);
  const may = (who: User, text: string) => atOnce(security.authorizer.authorize(who, asked(text)));
  const anonymous: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

  await createAll(
    core,
    roleBindings,
    {
      metadata: { namespace: 'apps', name: 'editors' },
      roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: 'edit' },
      subjects: [
        { apiGroup: GROUP, kind: 'Group', name: 'developers' },
        { kind: 'ServiceAccount', name: 'ci', namespace: 'build' },
        { kind: 'ServiceAccount', name: 'local' },
      ],
    },
    {
      metadata: { namespace: 'apps', name: 'dangling' },
      roleRef: { apiGroup: GROUP, kind: 'Role', name: 'nobody-made-me' },
      subjects: [{ apiGroup: GROUP, kind: 'User', name: 'eve' }],
    },
  );
  const cases: [User, string, boolean][] = [
    [user('root', 'system:masters'), 'delete nodes a', true],
    [user('kubernetes-admin', 'system:masters'), 'post /anything', true],
    [user('alice'), 'list pods in apps', false],
    [user('alice'), 'get /version', true],
    [user('alice'), 'get /apis/apps/v1', true],
    [user('alice'), 'create selfsubjectaccessreviews.authorization.k8s.io', true],
    [anonymous, 'get /version', true],
    [anonymous, 'get /apis', false],
    [anonymous, 'get configmaps cluster-info in kube-public', true],
    [anonymous, 'get configmaps other in kube-public', false],
    [anonymous, 'list configmaps in kube-public', false],
    [user('bob', 'developers'), 'create deployments.apps in apps', true],
    [user('bob', 'developers'), 'get pods/log web in apps', true],
    [user('bob', 'developers'), 'create pods/exec web in apps', true],
    [user('bob', 'developers'), 'create rolebindings.rbac.authorization.k8s.io in apps', false],
    [user('bob', 'developers'), 'create deployments.apps in other', false],
    [account('build', 'ci'), 'delete secrets key in apps', true],
    [account('other', 'ci'), 'delete secrets key in apps', false],
    [account('apps', 'local'), 'delete secrets key in apps', true],
    [account('other', 'local'), 'delete secrets key in apps', false],
    [account('kube-system', 'x'), 'get /openid/v1/jwks', true],
    [user('system:kube-scheduler'), 'create pods/binding web in apps', true],
    [user('system:kube-scheduler'), 'delete nodes a', false],
    [user('system:kube-controller-manager'), 'update deployments.apps/status web in apps', true],
    [
      user('system:kube-controller-manager'),
      'approve signers.certificates.k8s.io kubernetes.io/kube-apiserver-client-kubelet',
      true,
    ],
    [user('system:kube-controller-manager'), 'delete configmaps x in apps', true],
    [user('kube-apiserver-kubelet-client'), 'get nodes/log a', true],
    [user('kube-apiserver-kubelet-client'), 'get secrets a in apps', false],
    [
      user('system:bootstrap:abcdef', 'system:bootstrappers'),
      'create certificatesigningrequests.certificates.k8s.io',
      false,
    ],
    [
      user('system:bootstrap:abcdef', 'system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token'),
      'create certificatesigningrequests.certificates.k8s.io',
      true,
    ],
  ];
  for (const [who, text, allowed] of cases) t.equal(may(who, text).allowed, allowed, `${who.name} ${text}`);

  t.equal(
    may(user('bob', 'developers'), 'create deployments.apps in apps').reason,
    'RBAC: allowed by RoleBinding "editors/apps" of ClusterRole "edit" to Group "developers"',
  );
  t.same(may(user('alice'), 'list pods in apps'), { allowed: false, reason: '' });
  t.equal(
    may(user('eve'), 'list pods in apps').reason,
    'RBAC: role.rbac.authorization.k8s.io "nobody-made-me" not found',
  );

  await api.create(roles, {
    metadata: { namespace: 'apps', name: 'nobody-made-me' },
    rules: [{ verbs: ['list'], apiGroups: [''], resources: ['pods'] }],
  });
  t.ok(may(user('eve'), 'list pods in apps').allowed, 'a role created after its binding');
  await api.delete(roleBindings, 'apps', 'dangling');
  t.notOk(may(user('eve'), 'list pods in apps').allowed, 'the binding is deleted');
});

test('aggregated roles follow the rules of their parts', async (t) => {
  const { core, security } = await startSecurity(t);
  const { api } = core;
  const admin = api.get(clusterRoles, '', 'admin');
  t.ok((admin?.rules?.length ?? 0) > 20, 'admin has the rules of edit and view');
  await createAll(core, clusterRoleBindings, {
    metadata: { name: 'viewers' },
    roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: 'view' },
    subjects: [{ apiGroup: GROUP, kind: 'Group', name: 'viewers' }],
  });
  const viewer: User = { name: 'v', groups: ['viewers'] };
  const may = () => atOnce(security.authorizer.authorize(viewer, asked('get crontabs.stable.example.com'))).allowed;
  t.notOk(may());
  await createAll(core, clusterRoles, {
    metadata: { name: 'crontabs', labels: { [`${GROUP}/aggregate-to-view`]: 'true' } },
    rules: [{ verbs: ['get'], apiGroups: ['stable.example.com'], resources: ['crontabs'] }],
  });
  await eventually('the view role to include crontabs', () => may());
  await eventually('the admin role to include it, too, by way of edit', () =>
    JSON.stringify(api.get(clusterRoles, '', 'admin')?.rules).includes('crontabs'),
  );
  await api.delete(clusterRoles, '', 'crontabs');
  await eventually('the view role not to include crontabs', () => !may());
});

test('rules of aggregated roles are told apart as upstream tells them apart', (t) => {
  const part = (name: string, ...rules: PolicyRule[]): ClusterRole => ({
    metadata: { name, labels: { part: '' } },
    rules,
  });
  const whole: ClusterRole = { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { part: '' } }] } };
  const first: PolicyRule = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
  const same: PolicyRule = { resources: ['pods'], apiGroups: [''], resourceNames: [], verbs: ['get'] };
  const named: PolicyRule = { ...first, resourceNames: ['web'] };
  const rules = aggregatedRules(whole, [part('b', same, named), part('a', first), part('c', { verbs: ['list'] })]);
  t.strictSame(rules, [first, named, { verbs: ['list'] }]);
  t.end();
});

test('the default policy is reconciled at start, except for additions and opted-out objects', async (t) => {
  const { core, security } = await startSecurity(t);
  const { api } = core;
  const viewer = api.get(clusterRoles, '', 'system:public-info-viewer');
  t.equal(viewer?.metadata?.annotations?.['rbac.authorization.kubernetes.io/autoupdate'], 'true');
  await api.update(clusterRoles, { ...viewer, rules: [{ verbs: ['get'], nonResourceURLs: ['/mine', '/healthz'] }] });
  const discovery = api.get(clusterRoles, '', 'system:discovery');
  const annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'false' };
  await api.update(clusterRoles, { ...discovery, metadata: { ...discovery?.metadata, annotations }, rules: [] });
  await api.delete(clusterRoleBindings, '', 'system:basic-user');
  const before = api.get(clusterRoles, '', 'edit')?.metadata?.resourceVersion;

  await security.bootstrap({ alive: [], own: 'https://127.0.0.1:6443' });
  const rules = JSON.stringify(api.get(clusterRoles, '', 'system:public-info-viewer')?.rules);
  t.match(rules, '/mine');
  t.match(rules, '/version/');
  t.same(api.get(clusterRoles, '', 'system:discovery')?.rules ?? [], []);
  t.ok(api.get(clusterRoleBindings, '', 'system:basic-user'));
  t.equal(api.get(clusterRoles, '', 'edit')?.metadata?.resourceVersion, before, 'no write without a change');
});

test('tens of thousands of impersonation headers are parsed in linear time', async (t) => {
  const rawHeaders = ['Impersonate-User', 'ann'];
  for (let index = 0; index < 60_000; index++) rawHeaders.push('Impersonate-Group', `g${index}`);
  const request = { headers: { 'impersonate-user': 'ann' }, rawHeaders };
  // What the machine is busy with besides does not count.
  const before = process.cpuUsage();
  const { groups } = await impersonatedUser({ authorize: () => ({ allowed: true, reason: '' }) }, ADMIN, request);
  t.ok(process.cpuUsage(before).user < 2_000_000);
  t.equal(groups.length, 60_001);
});
