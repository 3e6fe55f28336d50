/** Who may do what on the api-server under attack, and what there is to be attacked. */
import type { Who } from './table.ts';

/** Bearer tokens, in the order of the server's token file. */
export const TOKENS: Readonly<Record<Exclude<Who, 'anonymous'>, string>> = {
  stranger: 'not-in-the-file',
  admin: 'admin-token',
  alice: 'alice-token',
  ed: 'ed-token',
  uma: 'uma-token',
  pat: 'pat-token',
  node: 'node-token',
};

/** Upstream's --token-auth-file. */
export const TOKEN_FILE = `${[
  'admin-token,admin,uid-admin,"system:masters"',
  'alice-token,alice,uid-alice,"developers"',
  'ed-token,ed,uid-ed,"role-editors"',
  'uma-token,uma,uid-uma,""',
  'pat-token,pat,uid-pat,""',
  'node-token,system:node:node-a,uid-node,"system:nodes"',
].join('\n')}\n`;

interface WorldObject {
  /** POST when absent. */
  readonly method?: 'PUT';
  readonly path: string;
  readonly body: object;
}

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const RBAC_GROUP = 'rbac.authorization.k8s.io';

const rule = (groups: string, resources: string, verbs: string, names?: string) => ({
  apiGroups: groups.split(' ').map((group) => (group === 'core' ? '' : group)),
  resources: resources.split(' '),
  verbs: verbs.split(' '),
  ...(names && { resourceNames: names.split(' ') }),
});

/** A ClusterRole, and a binding of it to the user; in one namespace, or everywhere. */
function grant(user: string, namespace: string | undefined, rules: readonly object[]): WorldObject[] {
  const roleRef = { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: `hostile-${user}` };
  const subjects = [{ apiGroup: RBAC_GROUP, kind: 'User', name: user }];
  const bindings = namespace ? `${RBAC}/namespaces/${namespace}/rolebindings` : `${RBAC}/clusterrolebindings`;
  return [
    { path: `${RBAC}/clusterroles`, body: { metadata: { name: `hostile-${user}` }, rules } },
    { path: bindings, body: { metadata: { name: `hostile-${user}` }, roleRef, subjects } },
  ];
}

const configMap = (name: string, labels: object = {}) => ({ metadata: { name, labels }, data: { key: 'value' } });
const secret = (name: string) => ({ metadata: { name }, stringData: { password: 'of-the-others' } });

/** The template of pods, and the least that a pod is. */
const podSpec = { containers: [{ name: 'main', image: 'example.com/app:1' }] };
const template = { metadata: { labels: { app: 'web' } }, spec: podSpec };

/** Created in this order, before the first hostile request. */
export const WORLD: readonly WorldObject[] = [
  ...['team', 'other'].map((name) => ({ path: '/api/v1/namespaces', body: { metadata: { name } } })),
  ...['default', 'team', 'other'].map((namespace) => ({
    path: `/api/v1/namespaces/${namespace}/serviceaccounts`,
    body: { metadata: { name: 'default' } },
  })),
  ...grant('alice', 'team', [
    rule('core', 'configmaps pods pods/binding pods/eviction pods/log pods/exec serviceaccounts/token', '*'),
    rule('core', 'secrets', 'get list watch', 'own'),
    rule('apps', 'deployments deployments/scale', '*'),
  ]),
  ...grant('ed', undefined, [
    rule(RBAC_GROUP, 'clusterroles roles clusterrolebindings rolebindings', 'get list create update patch delete'),
    rule('certificates.k8s.io', 'certificatesigningrequests', 'create get update patch'),
    rule('certificates.k8s.io', 'certificatesigningrequests/approval', 'update patch'),
  ]),
  ...grant('uma', undefined, [
    rule('core', 'services endpoints events configmaps', 'get update patch'),
    rule('coordination.k8s.io', 'leases', 'get update patch'),
    rule('scheduling.k8s.io', 'priorityclasses', 'get update patch'),
    rule(RBAC_GROUP, '*', 'get update patch bind escalate'),
  ]),
  ...grant('pat', undefined, [
    rule('core', 'services/proxy pods/proxy nodes/proxy', '*'),
    rule('core', 'services endpoints pods', 'get create update patch'),
    rule('core', 'services/status pods/status', 'update patch'),
    rule('discovery.k8s.io', 'endpointslices', 'get create update patch'),
  ]),
  { path: '/api/v1/namespaces/team/configmaps', body: configMap('settings', { app: 'web' }) },
  { path: '/api/v1/namespaces/team/configmaps', body: configMap('more') },
  { path: '/api/v1/namespaces/other/configmaps', body: configMap('theirs') },
  { path: '/api/v1/namespaces/team/secrets', body: secret('own') },
  { path: '/api/v1/namespaces/team/secrets', body: secret('hidden') },
  { path: '/api/v1/namespaces/other/secrets', body: secret('theirs') },
  { path: '/api/v1/nodes', body: { metadata: { name: 'node-a' } } },
  { path: '/api/v1/nodes', body: { metadata: { name: 'node-b' } } },
  {
    method: 'PUT',
    path: '/api/v1/nodes/node-a/status',
    body: {
      metadata: { name: 'node-a' },
      status: {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        // Nobody listens there.
        daemonEndpoints: { kubeletEndpoint: { Port: 9 } },
      },
    },
  },
  {
    path: '/api/v1/namespaces/team/pods',
    body: { metadata: { name: 'web', labels: { app: 'web' } }, spec: { ...podSpec, nodeName: 'node-a' } },
  },
  { path: '/api/v1/namespaces/team/pods', body: { metadata: { name: 'unscheduled' }, spec: podSpec } },
  {
    path: '/api/v1/namespaces/team/services',
    body: { metadata: { name: 'web' }, spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } },
  },
  {
    path: '/apis/apps/v1/namespaces/team/deployments',
    body: { metadata: { name: 'web' }, spec: { selector: { matchLabels: { app: 'web' } }, template } },
  },
];
