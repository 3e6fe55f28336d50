import type { Kind } from './machinery/kind.ts';
import { componentStatuses } from './kinds/core/component-status.ts';
import { persistentVolumeClaims } from './kinds/core/persistent-volume-claim.ts';
import { persistentVolumes } from './kinds/core/persistent-volume.ts';
import { pods } from './kinds/core/pod.ts';
import { podTemplates } from './kinds/core/pod-template.ts';
import { namespaces } from './kinds/core/namespace.ts';
import { nodes } from './kinds/core/node.ts';
import { services } from './kinds/core/service.ts';
import { endpoints } from './kinds/core/endpoints.ts';
import { configMaps } from './kinds/core/config-map.ts';
import { secrets } from './kinds/core/secret.ts';
import { serviceAccounts } from './kinds/core/service-account.ts';
import { events } from './kinds/core/event.ts';
import { limitRanges } from './kinds/core/limit-range.ts';
import { replicationControllers } from './kinds/core/replication-controller.ts';
import { resourceQuotas } from './kinds/core/resource-quota.ts';
import { bindings } from './kinds/core/binding.ts';
import { customResourceDefinitions } from './kinds/apiextensions/custom-resource-definition.ts';
import { deployments } from './kinds/apps/deployment.ts';
import { replicaSets } from './kinds/apps/replica-set.ts';
import { daemonSets } from './kinds/apps/daemon-set.ts';
import { statefulSets } from './kinds/apps/stateful-set.ts';
import { controllerRevisions } from './kinds/apps/controller-revision.ts';
import { jobs } from './kinds/batch/job.ts';
import { cronJobs } from './kinds/batch/cron-job.ts';
import { roles } from './kinds/rbac/role.ts';
import { roleBindings } from './kinds/rbac/role-binding.ts';
import { clusterRoles } from './kinds/rbac/cluster-role.ts';
import { clusterRoleBindings } from './kinds/rbac/cluster-role-binding.ts';
import { certificateSigningRequests } from './kinds/certificates/certificate-signing-request.ts';
import { subjectAccessReviews } from './kinds/authorization/subject-access-review.ts';
import { localSubjectAccessReviews } from './kinds/authorization/local-subject-access-review.ts';
import { selfSubjectAccessReviews } from './kinds/authorization/self-subject-access-review.ts';
import { selfSubjectRulesReviews } from './kinds/authorization/self-subject-rules-review.ts';
import { tokenReviews } from './kinds/authentication/token-review.ts';
import { selfSubjectReviews } from './kinds/authentication/self-subject-review.ts';
import { leases } from './kinds/coordination/lease.ts';
import { endpointSlices } from './kinds/discovery/endpoint-slice.ts';
import { events as eventsV1 } from './kinds/events/event.ts';
import { ingresses } from './kinds/networking/ingress.ts';
import { networkPolicies } from './kinds/networking/network-policy.ts';
import { ipAddresses } from './kinds/networking/ip-address.ts';
import { serviceCIDRs } from './kinds/networking/service-cidr.ts';
import { apiServices } from './kinds/apiregistration/api-service.ts';
import { mutatingWebhookConfigurations } from './kinds/admissionregistration/mutating-webhook-configuration.ts';
import { mutatingAdmissionPolicies } from './kinds/admissionregistration/mutating-admission-policy.ts';
import { mutatingAdmissionPolicyBindings } from './kinds/admissionregistration/mutating-admission-policy-binding.ts';
import { validatingAdmissionPolicies } from './kinds/admissionregistration/validating-admission-policy.ts';
import { validatingAdmissionPolicyBindings } from './kinds/admissionregistration/validating-admission-policy-binding.ts';
import { validatingWebhookConfigurations } from './kinds/admissionregistration/validating-webhook-configuration.ts';
import { flowSchemas } from './kinds/flowcontrol/flow-schema.ts';
import { priorityLevelConfigurations } from './kinds/flowcontrol/priority-level-configuration.ts';
import { ingressClasses } from './kinds/networking/ingress-class.ts';
import { runtimeClasses } from './kinds/node/runtime-class.ts';
import { csiDrivers } from './kinds/storage/csi-driver.ts';
import { csiNodes } from './kinds/storage/csi-node.ts';
import { csiStorageCapacities } from './kinds/storage/csi-storage-capacity.ts';
import { storageClasses } from './kinds/storage/storage-class.ts';
import { volumeAttachments } from './kinds/storage/volume-attachment.ts';
import { volumeAttributesClasses } from './kinds/storage/volume-attributes-class.ts';
import { deviceClasses } from './kinds/resource/device-class.ts';
import { resourceClaimTemplates } from './kinds/resource/resource-claim-template.ts';
import { resourceClaims } from './kinds/resource/resource-claim.ts';
import { resourceSlices } from './kinds/resource/resource-slice.ts';
import { priorityClasses } from './kinds/scheduling/priority-class.ts';
import { horizontalPodAutoscalers } from './kinds/autoscaling/horizontal-pod-autoscaler.ts';
import { horizontalPodAutoscalers as horizontalPodAutoscalersV1 } from './kinds/autoscaling/horizontal-pod-autoscaler-v1.ts';
import { nodeMetrics } from './kinds/metrics/node-metrics.ts';
import { podMetrics } from './kinds/metrics/pod-metrics.ts';
import { scales } from './kinds/autoscaling/scale.ts';
import { podDisruptionBudgets } from './kinds/policy/pod-disruption-budget.ts';
import { evictions } from './kinds/policy/eviction.ts';
import { tokenRequests } from './kinds/authentication/token-request.ts';
import { deleteOptions } from './kinds/meta/delete-options.ts';

/** Every kind that the api-server serves. */
export const kinds: readonly Kind[] = [
  pods,
  podTemplates,
  namespaces,
  nodes,
  services,
  endpoints,
  configMaps,
  secrets,
  serviceAccounts,
  events,
  limitRanges,
  replicationControllers,
  resourceQuotas,
  componentStatuses,
  persistentVolumes,
  persistentVolumeClaims,
  bindings,
  deployments,
  replicaSets,
  daemonSets,
  statefulSets,
  controllerRevisions,
  jobs,
  cronJobs,
  roles,
  roleBindings,
  clusterRoles,
  clusterRoleBindings,
  certificateSigningRequests,
  subjectAccessReviews,
  localSubjectAccessReviews,
  selfSubjectAccessReviews,
  selfSubjectRulesReviews,
  tokenReviews,
  selfSubjectReviews,
  leases,
  endpointSlices,
  ipAddresses,
  serviceCIDRs,
  eventsV1,
  ingressClasses,
  runtimeClasses,
  priorityClasses,
  ingresses,
  networkPolicies,
  storageClasses,
  csiDrivers,
  csiNodes,
  csiStorageCapacities,
  volumeAttributesClasses,
  volumeAttachments,
  deviceClasses,
  resourceClaims,
  resourceClaimTemplates,
  resourceSlices,
  customResourceDefinitions,
  podDisruptionBudgets,
  horizontalPodAutoscalers,
  horizontalPodAutoscalersV1,
  mutatingWebhookConfigurations,
  validatingWebhookConfigurations,
  mutatingAdmissionPolicies,
  mutatingAdmissionPolicyBindings,
  validatingAdmissionPolicies,
  validatingAdmissionPolicyBindings,
  apiServices,
  flowSchemas,
  priorityLevelConfigurations,
  nodeMetrics,
  podMetrics,
];

/** Kinds that are not resources, but the bodies of subresources and deletes. */
export const bodyKinds: readonly Kind[] = [scales, evictions, tokenRequests, deleteOptions];

/** Finds a kind by its path. */
export function findKind(group: string, version: string, plural: string): Kind | undefined {
  return kinds.find((kind) => kind.plural === plural && kind.group === group && kind.version === version);
}
