/** The rules of the roles that people are given: admin, edit and view. */
import { ALL, READ, WRITE, core, rule } from './rule.ts';
import type { PolicyRule } from '../../../../api/types/rbac/v1.gen.ts';

/** What `admin` may do in a namespace beyond what is aggregated from the other roles. */
export const adminRules = (): PolicyRule[] => [
  rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
  rule(ALL, 'rbac.authorization.k8s.io', 'rolebindings roles'),
];

/** What `edit` may do in a namespace beyond what is aggregated from the other roles. */
export const editRules = (): PolicyRule[] => [
  core(READ, 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'),
  core('impersonate', 'serviceaccounts'),
  core(WRITE, 'pods pods/attach pods/exec pods/portforward pods/proxy'),
  core('create', 'pods/eviction'),
  core(
    WRITE,
    'configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
  ),
  core('create', 'serviceaccounts/token'),
  rule(WRITE, ['', 'events.k8s.io'], 'events'),
  rule(
    WRITE,
    'apps',
    'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
  ),
  rule(WRITE, 'autoscaling', 'horizontalpodautoscalers'),
  rule(WRITE, 'batch', 'cronjobs jobs'),
  rule(
    WRITE,
    'extensions',
    'daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale',
  ),
  rule(WRITE, 'policy', 'poddisruptionbudgets'),
  rule(WRITE, 'networking.k8s.io', 'ingresses networkpolicies'),
  rule(ALL, 'coordination.k8s.io', 'leases'),
  rule(WRITE, 'resource.k8s.io', 'resourceclaims resourceclaimtemplates'),
];

/** What `view` may do in a namespace beyond what is aggregated from the other roles. */
export const viewRules = (): PolicyRule[] => [
  core(
    READ,
    'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
  ),
  core(
    READ,
    'bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
  ),
  core(READ, 'namespaces'),
  rule(READ, ['', 'events.k8s.io'], 'events'),
  rule(READ, 'discovery.k8s.io', 'endpointslices'),
  rule(
    READ,
    'apps',
    'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
  ),
  rule(READ, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
  rule(READ, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
  rule(
    READ,
    'extensions',
    'daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale',
  ),
  rule(READ, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
  rule(READ, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
  rule(READ, 'resource.k8s.io', 'resourceclaims resourceclaims/status resourceclaimtemplates'),
];

/** What whoever may view a namespace may know of the usage in it: the role of metrics-server's manifest. */
export const metricsRules = (): PolicyRule[] => [rule(READ, 'metrics.k8s.io', 'nodes pods')];
