/** The caches that several controllers read: what is kept of each kind, and by what it is found. */
import {
  ANNOUNCING_NODE,
  TAKEOVER_NODE,
  announcedBy,
  balancedPort,
  isLoadBalanced,
  nodeThat,
} from '../../../api/domain/load-balancer.ts';
import { classOf } from '../../../api/domain/storage-class.ts';
import { SERVICE_NAME_LABEL } from '../../../api/kinds/discovery/endpoint-slice.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { wholeObjects, type InformerDefinition } from '../framework/informer-factory.ts';
import { byController, claimable, ownedView, type Owned } from '../framework/owner-references.ts';
import { nodeView, type NodeView } from './node-view.ts';
import { podView, type PodView } from './pod-view.ts';
import { claimView, type ClaimView, volumeView, type VolumeView } from './storage-views.ts';
import { objectKey } from '../../../client/informer.ts';
import * as resources from '../../../client/resources.gen.ts';
import type { Lease } from '../../../api/types/coordination/v1.gen.ts';
import type {
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  ServiceAccount,
} from '../../../api/types/core/v1.gen.ts';
import type { VolumeAttributesClass } from '../../../api/types/storage/v1.gen.ts';

/** What is kept of a Lease: node Leases change every ten seconds. */
export interface LeaseView extends Owned {
  readonly renewTime: string;
  /** Of a node: the addresses of load balancers that it announces. */
  readonly announced: readonly string[];
}

const itself = <S extends Owned>(view: S): Owned => view;
const byNamespace = ({ metadata }: KubeObject): string[] => [metadata?.namespace ?? ''];

export const podCache: InformerDefinition<Pod, PodView> = {
  resource: resources.pods,
  select: podView,
  indexes: {
    controller: byController,
    namespace: ({ namespace }) => [namespace],
    node: ({ nodeName }) => (nodeName ? [nodeName] : []),
    claim: ({ namespace, claims }) => claims.map(({ name }) => objectKey(namespace, name)),
    claimTemplate: ({ namespace, deviceClaims }) =>
      deviceClaims.flatMap(({ template }) => (template === undefined ? [] : [objectKey(namespace, template)])),
  },
  ownedOf: itself,
};

export const nodeCache: InformerDefinition<Node, NodeView> = {
  resource: resources.nodes,
  select: nodeView,
  ownedOf: itself,
};

export const leaseCache: InformerDefinition<Lease, LeaseView> = {
  resource: resources.leases,
  select: (lease, interner) => ({
    ...ownedView(lease, interner),
    renewTime: lease.spec?.renewTime ?? '',
    announced: announcedBy(lease),
  }),
  ownedOf: itself,
};

export const serviceAccountCache: InformerDefinition<ServiceAccount, Owned> = {
  resource: resources.serviceAccounts,
  select: ownedView,
  ownedOf: itself,
};

const byAttributesClass = ({ attributesClasses }: ClaimView | VolumeView): readonly string[] => attributesClasses;

export const claimCache: InformerDefinition<PersistentVolumeClaim, ClaimView> = {
  resource: resources.persistentVolumeClaims,
  select: claimView,
  indexes: {
    attributesClass: byAttributesClass,
    volume: ({ claim }) => (claim.spec?.volumeName ? [claim.spec.volumeName] : []),
    classWithoutVolume: ({ claim }) => (claim.spec?.volumeName ? [] : [classOf(claim)]),
  },
  ownedOf: itself,
};

export const volumeCache: InformerDefinition<PersistentVolume, VolumeView> = {
  resource: resources.persistentVolumes,
  select: volumeView,
  indexes: {
    attributesClass: byAttributesClass,
    class: ({ volume }) => [classOf(volume)],
    claim: ({ volume }) => (volume.spec?.claimRef?.uid ? [volume.spec.claimRef.uid] : []),
  },
  ownedOf: itself,
};

export const attributesClassCache: InformerDefinition<VolumeAttributesClass, Owned> = {
  resource: resources.volumeAttributesClasses,
  select: ownedView,
  ownedOf: itself,
};

export const csiDriverCache = wholeObjects(resources.csiDrivers);
export const volumeAttachmentCache = wholeObjects(resources.volumeAttachments, {
  node: ({ spec }) => [spec.nodeName],
  volume: ({ spec }) => (spec.source.persistentVolumeName ? [spec.source.persistentVolumeName] : []),
});
export const storageClassCache = wholeObjects(resources.storageClasses);
export const namespaceCache = wholeObjects(resources.namespaces);
export const serviceCache = wholeObjects(resources.services, {
  namespace: byNamespace,
  // Those that are taken, whoever gave them to the Service.
  address: ({ spec, status }) => [
    ...(spec?.externalIPs ?? []),
    ...(status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []),
  ],
  balancedPort: (service) => (isLoadBalanced(service) ? (service.spec?.ports ?? []).map(balancedPort) : []),
  announcer: (service) => [nodeThat(ANNOUNCING_NODE, service) ?? [], nodeThat(TAKEOVER_NODE, service) ?? []].flat(),
});
export const endpointsCache = wholeObjects(resources.endpoints);
export const endpointSliceCache = wholeObjects(resources.endpointSlices, {
  service: ({ metadata }) => [`${metadata?.namespace}/${metadata?.labels?.[SERVICE_NAME_LABEL] ?? ''}`],
});
export const deploymentCache = wholeObjects(resources.deployments, { namespace: byNamespace });
export const replicaSetCache = wholeObjects(resources.replicaSets, {
  controller: (replicaSet) => byController(claimable(replicaSet)),
  namespace: byNamespace,
});
export const statefulSetCache = wholeObjects(resources.statefulSets, { namespace: byNamespace });
export const daemonSetCache = wholeObjects(resources.daemonSets, { namespace: byNamespace });
export const controllerRevisionCache = wholeObjects(resources.controllerRevisions, {
  controller: (revision) => byController(claimable(revision)),
});
export const replicationControllerCache = wholeObjects(resources.replicationControllers, {
  controller: (controller) => byController(claimable(controller)),
  namespace: byNamespace,
});
export const jobCache = wholeObjects(resources.jobs, {
  controller: (job) => byController(claimable(job)),
  namespace: byNamespace,
});
export const cronJobCache = wholeObjects(resources.cronJobs);
export const podDisruptionBudgetCache = wholeObjects(resources.podDisruptionBudgets, { namespace: byNamespace });
export const certificateSigningRequestCache = wholeObjects(resources.certificateSigningRequests);
