import type { Kind } from './machinery/kind.ts';
import { pods } from './core/pod.ts';
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

/** Every kind that the api-server serves. */
export const kinds: readonly Kind[] = [
  pods,
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
