/**
 * Where the kinds are found that Kedge's own clients work with. The kinds themselves carry schemas, validation and columns,
 * which only the api-server needs: leaving them out saves 13 MB of resident memory in an agent and in each thread. A test
 * holds these names against the kinds.
 */
import type { Deployment } from '../api/apps/deployment.ts';
import type { ReplicaSet } from '../api/apps/replica-set.ts';
import type { TokenReview } from '../api/authentication/token-review.ts';
import type { SubjectAccessReview } from '../api/authorization/subject-access-review.ts';
import type { CertificateSigningRequest } from '../api/certificates/certificate-signing-request.ts';
import type { Lease } from '../api/coordination/lease.ts';
import type { ConfigMap } from '../api/core/config-map.ts';
import type { Endpoints } from '../api/core/endpoints.ts';
import type { Event } from '../api/core/event.ts';
import type { Namespace } from '../api/core/namespace.ts';
import type { Node } from '../api/core/node.ts';
import type { Pod } from '../api/core/pod.ts';
import type { Secret } from '../api/core/secret.ts';
import type { ServiceAccount } from '../api/core/service-account.ts';
import type { Service } from '../api/core/service.ts';
import type { EndpointSlice } from '../api/discovery/endpoint-slice.ts';
import type { Resource } from './resource.ts';

const core = (kind: string, plural: string) => ({ group: '', version: 'v1', kind, plural, namespaced: true });
const grouped = (group: string, kind: string, plural: string) => ({ ...core(kind, plural), group });
const ofCluster = { namespaced: false };

export const configMaps: Resource<ConfigMap> = core('ConfigMap', 'configmaps');
export const endpoints: Resource<Endpoints> = core('Endpoints', 'endpoints');
export const events: Resource<Event> = core('Event', 'events');
export const namespaces: Resource<Namespace> = { ...core('Namespace', 'namespaces'), ...ofCluster };
export const nodes: Resource<Node> = { ...core('Node', 'nodes'), ...ofCluster };
export const pods: Resource<Pod> = core('Pod', 'pods');
export const secrets: Resource<Secret> = core('Secret', 'secrets');
export const serviceAccounts: Resource<ServiceAccount> = core('ServiceAccount', 'serviceaccounts');
export const services: Resource<Service> = core('Service', 'services');
export const deployments: Resource<Deployment> = grouped('apps', 'Deployment', 'deployments');
export const replicaSets: Resource<ReplicaSet> = grouped('apps', 'ReplicaSet', 'replicasets');
export const leases: Resource<Lease> = grouped('coordination.k8s.io', 'Lease', 'leases');
export const endpointSlices: Resource<EndpointSlice> = grouped('discovery.k8s.io', 'EndpointSlice', 'endpointslices');
export const tokenReviews: Resource<TokenReview> = {
  ...grouped('authentication.k8s.io', 'TokenReview', 'tokenreviews'),
  ...ofCluster,
};
export const subjectAccessReviews: Resource<SubjectAccessReview> = {
  ...grouped('authorization.k8s.io', 'SubjectAccessReview', 'subjectaccessreviews'),
  ...ofCluster,
};
export const certificateSigningRequests: Resource<CertificateSigningRequest> = {
  ...grouped('certificates.k8s.io', 'CertificateSigningRequest', 'certificatesigningrequests'),
  ...ofCluster,
};
