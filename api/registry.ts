import type { Kind } from './machinery/kind.ts';
import { pods } from './core/pod.ts';
import { podTemplates } from './core/pod-template.ts';
import { namespaces } from './core/namespace.ts';
import { nodes } from './core/node.ts';
import { services } from './core/service.ts';
import { endpoints } from './core/endpoints.ts';
import { configMaps } from './core/config-map.ts';
import { secrets } from './core/secret.ts';
import { serviceAccounts } from './core/service-account.ts';
import { events } from './core/event.ts';
import { bindings } from './core/binding.ts';
import { deployments } from './apps/deployment.ts';
import { replicaSets } from './apps/replica-set.ts';
import { roles } from './rbac/role.ts';
import { roleBindings } from './rbac/role-binding.ts';
import { clusterRoles } from './rbac/cluster-role.ts';
import { clusterRoleBindings } from './rbac/cluster-role-binding.ts';
import { certificateSigningRequests } from './certificates/certificate-signing-request.ts';
import { subjectAccessReviews } from './authorization/subject-access-review.ts';
import { localSubjectAccessReviews } from './authorization/local-subject-access-review.ts';
import { selfSubjectAccessReviews } from './authorization/self-subject-access-review.ts';
import { selfSubjectRulesReviews } from './authorization/self-subject-rules-review.ts';
import { tokenReviews } from './authentication/token-review.ts';
import { selfSubjectReviews } from './authentication/self-subject-review.ts';
import { leases } from './coordination/lease.ts';
import { endpointSlices } from './discovery/endpoint-slice.ts';
import { events as eventsV1 } from './events/event.ts';
import { priorityClasses } from './scheduling/priority-class.ts';
import { scales } from './autoscaling/scale.ts';
import { evictions } from './policy/eviction.ts';
import { tokenRequests } from './authentication/token-request.ts';
import { deleteOptions } from './meta/delete-options.ts';

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
  bindings,
  deployments,
  replicaSets,
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
  eventsV1,
  priorityClasses,
];

/** Kinds that are not resources of their own but travel in requests and answers of subresources and deletes. */
export const travellingKinds: readonly Kind[] = [scales, evictions, tokenRequests, deleteOptions];

/** The kind that is served under this path. */
export function findKind(group: string, version: string, plural: string): Kind | undefined {
  return kinds.find((kind) => kind.plural === plural && kind.group === group && kind.version === version);
}

/** A kind by its name, travelling ones as well. */
export function findByKind(group: string, version: string, kind: string): Kind | undefined {
  const named = (known: Kind) => known.kind === kind && known.group === group && known.version === version;
  return kinds.find(named) ?? travellingKinds.find(named);
}
