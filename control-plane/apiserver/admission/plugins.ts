import type { ServiceAccountIndex } from '../access/authentication/service-account-index.ts';
import type { Authorizer } from '../access/authorization/authorizer.ts';
import type { PodGraph } from '../access/authorization/pod-graph.ts';
import type { RbacAuthorizer } from '../access/authorization/rbac-authorizer.ts';
import type { RbacIndex } from '../access/authorization/rbac-index.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import { certificateApproval, certificateSigning, certificateSubjectRestriction } from './certificates.ts';
import { defaultIngressClass } from './default-ingress-class.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { deviceAdminAccess } from './device-admin-access.ts';
import { deviceStatusPermission } from './device-status-permission.ts';
import { limitRanger } from './limit-ranger.ts';
import type { AdmissionMetrics } from './metrics.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import { ownerReferencesPermissionEnforcement } from './owner-references-permission-enforcement.ts';
import { persistentVolumeClaimResize } from './persistent-volume-claim-resize.ts';
import type { AdmissionPlugin } from './plugin.ts';
import { podResizeValidator } from './pod-resize-validator.ts';
import { podTopologyLabels } from './pod-topology-labels.ts';
import { podSecurity, type PodSecurityOptions } from './pod-security/pod-security.ts';
import { webhookConditions } from './policies/match-conditions.ts';
import { mutatingAdmissionPolicy } from './policies/mutating-admission-policy.ts';
import { paramAccess } from './policies/param-access.ts';
import { validatingAdmissionPolicy } from './policies/validating-admission-policy.ts';
import { priority } from './priority.ts';
import { rbacEscalation } from './rbac-escalation.ts';
import { resourceQuota } from './resource-quota.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccount } from './service-account.ts';
import { storageObjectInUseProtection } from './storage-object-in-use-protection.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';
import { terminatingDefinition } from './terminating-definition.ts';
import { unprivileged } from './unprivileged.ts';
import type { WebhookOptions } from './webhooks/dispatcher.ts';
import { mutatingAdmissionWebhook } from './webhooks/mutating-admission-webhook.ts';
import { validatingAdmissionWebhook } from './webhooks/validating-admission-webhook.ts';

export interface AdmissionOptions {
  readonly api: LocalApi;
  readonly authorizer: Authorizer;
  readonly rbac: RbacAuthorizer;
  readonly index: RbacIndex;
  readonly graph: PodGraph;
  readonly accounts: ServiceAccountIndex;
  /** Whether pods may have privileged containers at all. */
  readonly allowPrivileged: boolean;
  /** Whether OwnerReferencesPermissionEnforcement is on. */
  readonly enforceOwnerReferences: boolean;
  readonly podSecurity: PodSecurityOptions;
  readonly webhooks: Omit<WebhookOptions, 'matchConditions' | 'metrics'>;
  readonly metrics: AdmissionMetrics;
}

/**
 * Admission, in upstream's order (`pkg/kubeapiserver/options/plugins.go`, `AllOrderedPlugins`): every `mutate` in this order, then
 * every `validate`. What upstream checks outside of plugins, before a write, comes before ResourceQuota, which charges a request that
 * nothing else has rejected.
 */
export const admissionPlugins = ({
  api,
  authorizer,
  rbac,
  index,
  graph,
  accounts,
  allowPrivileged,
  enforceOwnerReferences,
  podSecurity: podSecurityOptions,
  webhooks,
  metrics,
}: AdmissionOptions): AdmissionPlugin[] => [
  // Upstream's validation, before any plugin's.
  ...(allowPrivileged ? [] : [unprivileged]),
  terminatingDefinition,
  namespaceLifecycle(api),
  limitRanger(api),
  serviceAccount(accounts),
  nodeRestriction(api, graph, authorizer),
  taintNodesByCondition,
  podSecurity(api, podSecurityOptions),
  priority(api),
  defaultTolerationSeconds,
  defaultStorageClass(api),
  storageObjectInUseProtection,
  ...(enforceOwnerReferences ? [ownerReferencesPermissionEnforcement({ authorizer, kinds: webhooks.kinds })] : []),
  persistentVolumeClaimResize(api),
  runtimeClass(api),
  certificateApproval(authorizer),
  certificateSigning(authorizer),
  certificateSubjectRestriction,
  defaultIngressClass(api),
  podTopologyLabels(api),
  podResizeValidator(api),
  rbacEscalation({ authorizer, rbac, index }),
  deviceAdminAccess(api),
  deviceStatusPermission(authorizer),
  paramAccess({ api, kinds: webhooks.kinds, authorizer }),
  mutatingAdmissionPolicy({ api, kinds: webhooks.kinds, authorizer, metrics }),
  mutatingAdmissionWebhook(webhookOptions(webhooks, authorizer, metrics)),
  validatingAdmissionPolicy({ api, kinds: webhooks.kinds, authorizer, metrics }),
  validatingAdmissionWebhook(webhookOptions(webhooks, authorizer, metrics)),
  // Last, as upstream: a charge is not rolled back when a later plugin rejects the request.
  resourceQuota(api),
];

const webhookOptions = (
  webhooks: AdmissionOptions['webhooks'],
  authorizer: Authorizer,
  metrics: AdmissionMetrics,
): WebhookOptions => ({
  ...webhooks,
  metrics: metrics.webhooks,
  matchConditions: webhookConditions(authorizer, metrics.conditions),
});
