import t from 'tap';
import { whoCan, type AccessObjects, type Question } from '../../../cli/who-can.ts';
import type { PolicyRule, Subject } from '../../../api/types/rbac/v1.gen.ts';

const GROUP = 'rbac.authorization.k8s.io';
const role = (name: string, ...rules: PolicyRule[]) => ({ metadata: { name }, rules });
const binding = (name: string, kind: 'Role' | 'ClusterRole', to: string, ...subjects: Subject[]) => ({
  metadata: { name },
  roleRef: { apiGroup: GROUP, kind, name: to },
  subjects,
});
const user = (name: string): Subject => ({ kind: 'User', name });

const OBJECTS: AccessObjects = {
  clusterRoles: [
    role('everything', { verbs: ['*'], apiGroups: ['*'], resources: ['*'] }),
    role('runner', { verbs: ['create'], apiGroups: [''], resources: ['pods/exec'] }),
    role('scaler', { verbs: ['update'], apiGroups: ['*'], resources: ['*/scale'] }),
    role('scraper', { verbs: ['get'], nonResourceURLs: ['/metrics/*', '/metrics'] }),
    role('one', { verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['tls'] }),
  ],
  clusterRoleBindings: [
    binding('admins', 'ClusterRole', 'everything', { kind: 'Group', name: 'system:masters' }),
    binding('scrapers', 'ClusterRole', 'scraper', { kind: 'ServiceAccount', name: 'prom', namespace: 'monitoring' }),
    binding('lost', 'ClusterRole', 'gone', user('nobody')),
    binding('empty', 'ClusterRole', 'gone'),
  ],
  roles: [role('reader', { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] })],
  roleBindings: [
    binding('readers', 'Role', 'reader', user('zoe'), { kind: 'ServiceAccount', name: 'app' }),
    binding('runners', 'ClusterRole', 'runner', user('rob')),
    binding('scalers', 'ClusterRole', 'scaler', user('sue')),
    binding('tls', 'ClusterRole', 'one', user('tom')),
    // A role of this name is another one.
    binding('elsewhere', 'Role', 'runner', user('eve')),
  ],
};
const namesOf = (question: Question) => whoCan(question, OBJECTS).holders.map(({ subject }) => subject.name);

t.test('who may, by which binding and role', (t) => {
  t.strictSame(whoCan({ verb: 'list', resource: 'pods', namespace: 'shop' }, OBJECTS).holders, [
    {
      subject: { kind: 'Group', name: 'system:masters' },
      binding: { kind: 'ClusterRoleBinding', name: 'admins' },
      role: { kind: 'ClusterRole', name: 'everything' },
    },
    {
      subject: { kind: 'ServiceAccount', name: 'app', namespace: 'shop' },
      binding: { kind: 'RoleBinding', name: 'readers', namespace: 'shop' },
      role: { kind: 'Role', name: 'reader', namespace: 'shop' },
    },
    {
      subject: { kind: 'User', name: 'zoe' },
      binding: { kind: 'RoleBinding', name: 'readers', namespace: 'shop' },
      role: { kind: 'Role', name: 'reader', namespace: 'shop' },
    },
  ]);
  t.strictSame(namesOf({ verb: 'create', resource: 'pods', subresource: 'exec', namespace: 'shop' }), [
    'system:masters',
    'rob',
  ]);
  t.strictSame(namesOf({ verb: 'create', resource: 'pods', namespace: 'shop' }), ['system:masters']);
  t.strictSame(
    namesOf({ verb: 'update', group: 'apps', resource: 'deployments', subresource: 'scale', namespace: 'shop' }),
    ['system:masters', 'sue'],
  );
  t.strictSame(namesOf({ verb: 'get', resource: 'secrets', namespace: 'shop' }), ['system:masters']);
  t.strictSame(namesOf({ verb: 'get', resource: 'secrets', name: 'tls', namespace: 'shop' }), [
    'system:masters',
    'tom',
  ]);
  t.strictSame(namesOf({ verb: 'get', path: '/metrics/slis' }), ['prom'], 'resources are no paths');
  t.strictSame(
    whoCan({ verb: 'get', resource: 'pods' }, OBJECTS).dangling.map(({ name }) => name),
    ['lost', 'elsewhere'],
  );
  t.end();
});
