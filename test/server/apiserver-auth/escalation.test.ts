/** No privilege escalation by labels of roles, or by updates that create. */
import { test } from 'tap';
import { leases } from '../../../api/kinds/coordination/lease.ts';
import { endpoints } from '../../../api/kinds/core/endpoints.ts';
import { events } from '../../../api/kinds/core/event.ts';
import { namespaces } from '../../../api/kinds/core/namespace.ts';
import { services } from '../../../api/kinds/core/service.ts';
import { groupResource } from '../../../api/machinery/define-kind.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import { clusterRoleBindings } from '../../../api/kinds/rbac/cluster-role-binding.ts';
import { clusterRoles } from '../../../api/kinds/rbac/cluster-role.ts';
import { roleBindings } from '../../../api/kinds/rbac/role-binding.ts';
import { roles } from '../../../api/kinds/rbac/role.ts';
import { priorityClasses } from '../../../api/kinds/scheduling/priority-class.ts';
import { createAll, refusal, startServer, type ServedFixture } from './fixture.ts';
import type { ClusterRole, PolicyRule } from '../../../api/types/rbac/v1.gen.ts';

const RBAC = 'rbac.authorization.k8s.io';

/** Grants the user alice these rules. */
async function grant({ core }: ServedFixture, name: string, ...rules: PolicyRule[]): Promise<void> {
  await createAll(core, clusterRoles, { metadata: { name }, rules });
  await createAll(core, clusterRoleBindings, {
    metadata: { name },
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name },
    subjects: [{ apiGroup: RBAC, kind: 'User', name: 'alice' }],
  });
}

const NOT_HELD =
  /is forbidden: user "alice" \(groups=\[.*\]\) is attempting to grant RBAC permissions not currently held:\n/;

test('aggregating a role by a label requires holding its rules', async (t) => {
  const fixture = await startServer(t);
  const { core } = fixture;
  await grant(fixture, 'labeller', {
    verbs: ['get', 'update', 'patch'],
    apiGroups: [RBAC],
    resources: ['clusterroles', 'clusterrolebindings', 'rolebindings'],
  });
  const alice = fixture.client({ token: 'alice-token' });
  const refused = { code: 403, message: NOT_HELD };
  const labels = { [`${RBAC}/aggregate-to-view`]: 'true' };
  const label = (value: object, dryRun = '') =>
    alice.request('PATCH', `/apis/${RBAC}/v1/clusterroles/cluster-admin${dryRun}`, {
      body: { metadata: { labels: value } },
      contentType: 'application/merge-patch+json',
    });
  t.match(await refusal(label(labels)), refused);
  t.match(await refusal(label(labels, '?dryRun=All')), refused, 'nor in a dry run');
  t.match(await refusal(label({ empty: '' })), refused, 'a label without a value counts');
  const role = await alice.get<ClusterRole>(clusterRoles, '', 'cluster-admin');
  const labelled = { ...role, metadata: { ...role.metadata, labels: { ...role.metadata?.labels, ...labels } } };
  t.match(await refusal(alice.update(clusterRoles, labelled)), refused);
  const annotated = { ...role, metadata: { ...role.metadata, annotations: { a: 'b' } } };
  t.match(await refusal(alice.update(clusterRoles, annotated)), refused, 'as upstream, whatever else changes');
  const view = JSON.stringify(core.api.get(clusterRoles, '', 'view')?.rules);
  t.notMatch(view, '"*"');

  const collected = { ...role, metadata: { ...role.metadata, finalizers: ['example.com/f'] } };
  t.ok(await alice.update(clusterRoles, collected), 'the garbage collector must be able to update any role');

  const bound = await alice.get(clusterRoleBindings, '', 'cluster-admin');
  const relabelled = { ...bound, metadata: { ...bound.metadata, labels: { a: 'b' } } };
  t.match(await refusal(alice.update(clusterRoleBindings, relabelled)), refused);
  t.ok(
    await alice.update(clusterRoleBindings, {
      ...bound,
      metadata: { ...bound.metadata, finalizers: ['example.com/f'] },
    }),
  );
});

test('only cluster administrators may set, change or remove an aggregation rule', async (t) => {
  const fixture = await startServer(t);
  const everything = { verbs: ['get', 'create', 'update', 'patch'], apiGroups: [RBAC], resources: ['clusterroles'] };
  await grant(fixture, 'roles', everything);
  const aggregationRule = { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] };
  await createAll(fixture.core, clusterRoles, { metadata: { name: 'sum' }, aggregationRule });
  await createAll(fixture.core, clusterRoles, { metadata: { name: 'plain' }, rules: [everything] });
  const alice = fixture.client({ token: 'alice-token' });
  const refused = (name: string) => ({
    code: 403,
    message: `clusterroles.${RBAC} "${name}" is forbidden: must have cluster-admin privileges to use the aggregationRule`,
  });
  t.same(await refusal(alice.patch(clusterRoles, '', 'plain', { aggregationRule })), refused('plain'));
  t.same(await refusal(alice.patch(clusterRoles, '', 'sum', { aggregationRule: null })), refused('sum'));
  t.same(await refusal(alice.patch(clusterRoles, '', 'sum', { metadata: { labels: { a: 'b' } } })), refused('sum'));
  t.same(
    await refusal(alice.update(clusterRoles, { metadata: { name: 'made' }, aggregationRule })),
    refused('made'),
    'nor by an update that creates',
  );
  t.ok(
    await alice.patch(clusterRoles, '', 'plain', { metadata: { labels: { a: 'c' } } }),
    'rules that are held may be granted',
  );
});

test('an update that would create its object requires the create permission', async (t) => {
  const fixture = await startServer(t);
  const { core } = fixture;
  await createAll(core, namespaces, { metadata: { name: 'apps' } });
  const all = { apiGroups: ['*'], resources: ['*'] };
  await grant(fixture, 'updater', { verbs: ['get', 'update', 'patch'], ...all });
  const alice = fixture.client({ token: 'alice-token' });
  const roleRef = { apiGroup: RBAC, kind: 'ClusterRole', name: 'updater' };
  const cases: [Kind, object][] = [
    [services, { spec: { ports: [{ port: 80 }] } }],
    [endpoints, {}],
    [events, { involvedObject: { namespace: 'apps' } }],
    [leases, { spec: {} }],
    [roles, { rules: [] }],
    [roleBindings, { roleRef }],
    [clusterRoles, { rules: [] }],
    [clusterRoleBindings, { roleRef }],
  ];
  const put = (kind: Kind, rest: object, query = '') => {
    const base = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`;
    const path = `${base}${kind.namespaced ? '/namespaces/apps' : ''}/${kind.plural}/new${query}`;
    const metadata = { name: 'new', ...(kind.namespaced && { namespace: 'apps' }) };
    return alice.request('PUT', path, { body: { metadata, ...rest } });
  };
  const refused = ({ group, plural, namespaced, ...kind }: Kind) => ({
    code: 403,
    message:
      `${groupResource({ group, plural, ...kind })} "new" is forbidden: User "alice" cannot create resource "${plural}" ` +
      `in API group "${group}" ${namespaced ? 'in the namespace "apps"' : 'at the cluster scope'}`,
  });
  for (const [kind, rest] of cases) {
    t.same(await refusal(put(kind, rest)), refused(kind));
    t.same(await refusal(put(kind, rest, '?dryRun=All')), refused(kind), 'nor in a dry run');
    t.equal(core.api.get(kind, kind.namespaced ? 'apps' : '', 'new'), undefined);
    t.equal((await refusal(alice.patch(kind, kind.namespaced ? 'apps' : '', 'new', rest))).code, 404, 'nor by a patch');
  }
  t.match(
    await refusal(put(priorityClasses, { value: 1 })),
    { code: 404, message: 'priorityclasses.scheduling.k8s.io "new" not found' },
    'other kinds cannot be created by updates',
  );

  await grant(fixture, 'creator', { verbs: ['create'], ...all });
  for (const [kind, rest] of cases) t.equal((await put(kind, rest)).status, 201, kind.kind);
  await core.api.update(namespaces, {
    ...core.api.get(namespaces, '', 'apps'),
    metadata: { ...core.api.get(namespaces, '', 'apps')?.metadata, finalizers: ['example.com/f'] },
  });
  await core.api.delete(namespaces, '', 'apps');
  await core.api.delete(services, 'apps', 'new');
  t.match(
    await refusal(put(services, { spec: { ports: [{ port: 80 }] } })),
    { code: 403, message: /unable to create new content in namespace apps because it is being terminated/ },
    'admission sees a create',
  );
});
