/**
 * The roles and bindings that every cluster has: upstream's, and those that let the parts of this one work. See
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
 */
import { RBAC_GROUP } from '../../../../api/kinds/rbac/rbac-validation.ts';
import { CLUSTER_DNS } from '../../../../api/domain/cluster-dns.ts';
import { JOINING_NODES_GROUP, JOINING_SERVERS_GROUP } from '../../../../api/domain/bootstrap-token.ts';
import { NODES_GROUP } from '../../../../api/domain/node-identity.ts';
import {
  AUTHENTICATED_GROUP,
  PRIVILEGED_GROUP,
  SERVICE_ACCOUNTS_GROUP,
  UNAUTHENTICATED_GROUP,
} from '../../http/user.ts';
import { componentRoles } from './component-roles.ts';
import { controllerRoles } from './controller-roles.ts';
import { aggregated, aggregatesTo, core, group, recordEvents, rule, systemAccount, urls, user, READ } from './rule.ts';
import { adminRules, editRules, metricsRules, viewRules } from './user-roles.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  Subject,
} from '../../../../api/types/rbac/v1.gen.ts';

export interface Policy {
  readonly clusterRoles: readonly ClusterRole[];
  readonly clusterRoleBindings: readonly ClusterRoleBinding[];
  readonly roles: readonly Role[];
  readonly roleBindings: readonly RoleBinding[];
}

export const AUTOUPDATE_ANNOTATION = 'rbac.authorization.kubernetes.io/autoupdate';

const CONTROLLER_MANAGER = 'system:kube-controller-manager';
const SCHEDULER = 'system:kube-scheduler';
const NODE_CLIENT_APPROVAL = 'system:certificates.k8s.io:certificatesigningrequests:nodeclient';
const NODE_RENEWAL_APPROVAL = 'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient';
const NETWORK_POLICY_READER = 'kedge:network-policy-reader';
const SERVING_APPROVAL = 'kedge:approve-node-serving-certificates';

const metadata = (name: string, labels: Record<string, string> = {}, namespace?: string) => ({
  name,
  ...(namespace !== undefined && { namespace }),
  labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels },
  annotations: { [AUTOUPDATE_ANNOTATION]: 'true' },
});

const clusterRole = (name: string, rules: readonly PolicyRule[], labels?: Record<string, string>): ClusterRole => ({
  metadata: metadata(name, labels),
  rules: [...rules],
});

const aggregatedRole = (name: string, labels?: Record<string, string>): ClusterRole => ({
  metadata: metadata(name, labels),
  aggregationRule: aggregated(name),
});

const bindCluster = (name: string, role: string, ...subjects: Subject[]): ClusterRoleBinding => ({
  metadata: metadata(name),
  roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: role },
  ...(subjects.length > 0 && { subjects }),
});

function clusterRoles(): ClusterRole[] {
  return [
    clusterRole('cluster-admin', [rule('*', '*', '*'), urls('*', '*')]),
    aggregatedRole('admin'),
    aggregatedRole('edit', aggregatesTo('admin')),
    aggregatedRole('view', aggregatesTo('edit')),
    clusterRole('system:aggregate-to-admin', adminRules(), aggregatesTo('admin')),
    clusterRole('system:aggregate-to-edit', editRules(), aggregatesTo('edit')),
    clusterRole('system:aggregate-to-view', viewRules(), aggregatesTo('view')),
    clusterRole('system:aggregated-metrics-reader', metricsRules(), {
      ...aggregatesTo('view'),
      ...aggregatesTo('edit'),
      ...aggregatesTo('admin'),
    }),
    ...Object.entries(componentRoles()).map(([name, rules]) => clusterRole(name, rules)),
    ...Object.entries(controllerRoles()).map(([name, rules]) => clusterRole(`system:controller:${name}`, rules)),
    clusterRole(NETWORK_POLICY_READER, [
      core('list watch', 'namespaces pods'),
      rule('list watch', 'networking.k8s.io', 'networkpolicies'),
    ]),
    // Upstream leaves this to people. The controller checks that a node asks for its own name and addresses.
    clusterRole(SERVING_APPROVAL, [rule('approve', 'certificates.k8s.io', 'signers', 'kubernetes.io/kubelet-serving')]),
  ];
}

/** The controllers share one process and one identity here, beside the account that each has upstream. */
const controllerBindings = (): ClusterRoleBinding[] =>
  Object.keys(controllerRoles()).map((name) => {
    const role = `system:controller:${name}`;
    return bindCluster(role, role, systemAccount(name), user(CONTROLLER_MANAGER));
  });

function clusterRoleBindings(): ClusterRoleBinding[] {
  const [everyone, nobody] = [group(AUTHENTICATED_GROUP), group(UNAUTHENTICATED_GROUP)];
  const joiningNodes = group(JOINING_NODES_GROUP);
  const sameName = (name: string, ...subjects: Subject[]) => bindCluster(name, name, ...subjects);
  return [
    sameName('cluster-admin', group(PRIVILEGED_GROUP)),
    sameName('system:basic-user', everyone),
    sameName('system:discovery', everyone),
    sameName('system:public-info-viewer', everyone, nobody),
    sameName('kedge:console-files', everyone, nobody),
    sameName('system:monitoring', group('system:monitoring')),
    sameName('system:service-account-issuer-discovery', group(SERVICE_ACCOUNTS_GROUP)),
    sameName(CONTROLLER_MANAGER, user(CONTROLLER_MANAGER)),
    sameName(SCHEDULER, user(SCHEDULER)),
    sameName('system:volume-scheduler', user(SCHEDULER)),
    sameName('system:kube-dns', systemAccount('kube-dns')),
    // What nodes may do is the Node authorizer's to decide; upstream leaves the binding there without subjects.
    sameName('system:node'),
    sameName('system:node-proxier', user('system:kube-proxy')),
    ...controllerBindings(),
    bindCluster(SERVING_APPROVAL, SERVING_APPROVAL, user(CONTROLLER_MANAGER)),
    // The agent is kubelet and kube-proxy in one, and routes to other nodes, under its node's identity.
    bindCluster('kedge:node-proxier', 'system:node-proxier', group(NODES_GROUP)),
    // It enforces policies, which are about pods of all nodes.
    bindCluster(NETWORK_POLICY_READER, NETWORK_POLICY_READER, group(NODES_GROUP)),
    bindCluster('kedge:apiserver-kubelet-client', 'system:kubelet-api-admin', user('kube-apiserver-kubelet-client')),
    // Packages of the program, for nodes that are asked to upgrade.
    sameName('kedge:node-packages', group(NODES_GROUP)),
    sameName('kedge:join-servers', group(JOINING_SERVERS_GROUP)),
    bindCluster('kedge:join-nodes', 'system:node-bootstrapper', joiningNodes),
    bindCluster('kedge:approve-node-certificates', NODE_CLIENT_APPROVAL, joiningNodes),
    bindCluster('kedge:renew-node-certificates', NODE_RENEWAL_APPROVAL, group(NODES_GROUP)),
  ];
}

const role = (namespace: string, name: string, ...rules: PolicyRule[]): Role => ({
  metadata: metadata(name, {}, namespace),
  rules,
});

const bind = (namespace: string, name: string, roleName: string, ...subjects: Subject[]): RoleBinding => ({
  metadata: metadata(name, {}, namespace),
  roleRef: { apiGroup: RBAC_GROUP, kind: 'Role', name: roleName },
  subjects,
});

const AUTHENTICATION_READER = 'extension-apiserver-authentication-reader';
const BOOTSTRAP_SIGNER = 'system:controller:bootstrap-signer';
const TOKEN_CLEANER = 'system:controller:token-cleaner';
const CLOUD_PROVIDER = 'system:controller:cloud-provider';
const CLUSTER_INFO_READER = 'kedge:cluster-info-reader';
const CLUSTER_DNS_READER = 'kedge:cluster-dns-reader';
const CLUSTER_CONFIGURATION_READER = 'kubeadm:nodes-kubeadm-config';
const leaderLocking = (component: string): string => `system::leader-locking-${component}`;

function roles(): Role[] {
  const lock = (component: string): Role =>
    role(
      'kube-system',
      leaderLocking(component),
      rule('create get list update watch', 'coordination.k8s.io', 'leases'),
      rule('create get list update watch', 'coordination.k8s.io', 'leasecandidates'),
    );
  const events = recordEvents();
  return [
    role(
      'kube-public',
      BOOTSTRAP_SIGNER,
      core(READ, 'configmaps'),
      core('update', 'configmaps', 'cluster-info'),
      events,
    ),
    role('kube-public', CLUSTER_INFO_READER, core('get', 'configmaps', 'cluster-info')),
    role('kube-system', CLUSTER_CONFIGURATION_READER, core('get', 'configmaps', 'kubeadm-config')),
    role('kube-system', CLUSTER_DNS_READER, core(READ, 'configmaps', CLUSTER_DNS.name)),
    role('kube-system', AUTHENTICATION_READER, core(READ, 'configmaps', 'extension-apiserver-authentication')),
    lock('kube-controller-manager'),
    lock('kube-scheduler'),
    role('kube-system', BOOTSTRAP_SIGNER, core(READ, 'secrets')),
    role('kube-system', CLOUD_PROVIDER, core('create get list watch', 'configmaps')),
    role('kube-system', TOKEN_CLEANER, core('delete get list watch', 'secrets'), events),
  ];
}

function roleBindings(): RoleBinding[] {
  const [manager, scheduler] = [user(CONTROLLER_MANAGER), user(SCHEDULER)];
  const controller = (namespace: string, name: string): RoleBinding =>
    bind(namespace, name, name, systemAccount(name.slice('system:controller:'.length)), manager);
  const lock = (component: string, ...subjects: Subject[]): RoleBinding =>
    bind('kube-system', leaderLocking(component), leaderLocking(component), ...subjects);
  return [
    controller('kube-public', BOOTSTRAP_SIGNER),
    controller('kube-system', BOOTSTRAP_SIGNER),
    controller('kube-system', CLOUD_PROVIDER),
    controller('kube-system', TOKEN_CLEANER),
    // A joining host knows nothing but the hash of the CA's key: it reads the CA anonymously and checks it against the hash.
    bind(
      'kube-public',
      CLUSTER_INFO_READER,
      CLUSTER_INFO_READER,
      group(UNAUTHENTICATED_GROUP),
      group(AUTHENTICATED_GROUP),
    ),
    bind('kube-system', CLUSTER_CONFIGURATION_READER, CLUSTER_CONFIGURATION_READER, group(NODES_GROUP)),
    bind('kube-system', CLUSTER_DNS_READER, CLUSTER_DNS_READER, group(NODES_GROUP)),
    bind('kube-system', `system::${AUTHENTICATION_READER}`, AUTHENTICATION_READER, manager, scheduler),
    lock(
      'kube-controller-manager',
      manager,
      systemAccount('kube-controller-manager'),
      systemAccount('leader-election-controller'),
    ),
    lock('kube-scheduler', scheduler, systemAccount('kube-scheduler')),
  ];
}

export const defaultPolicy = (): Policy => ({
  clusterRoles: clusterRoles(),
  clusterRoleBindings: clusterRoleBindings(),
  roles: roles(),
  roleBindings: roleBindings(),
});
