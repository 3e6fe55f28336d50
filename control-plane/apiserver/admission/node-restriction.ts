/** What an agent may write under its node's identity: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction */
import { NODE_LEASE_NAMESPACE } from '../../../api/domain/node-identity.ts';
import { KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER } from '../../../api/domain/signer-names.ts';
import {
  CertificateRequestError,
  parseCertificateRequest,
} from '../../../api/kinds/certificates/certificate-request.ts';
import { nodes } from '../../../api/kinds/core/node.ts';
import { persistentVolumeClaims } from '../../../api/kinds/core/persistent-volume-claim.ts';
import { persistentVolumes } from '../../../api/kinds/core/persistent-volume.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import { csiDrivers } from '../../../api/kinds/storage/csi-driver.ts';
import { claimOfVolume } from '../../../api/domain/pod-claims.ts';
import { apiReference } from '../../../api/domain/pod-references.ts';
import { csiDriverOf } from '../../../api/domain/volume-drivers.ts';
import { MIRROR_ANNOTATION } from '../../../api/domain/mirror-annotation.ts';
import { groupResource } from '../../../api/machinery/define-kind.ts';
import type { Kind, KubeObject } from '../../../api/machinery/kind.ts';
import { semanticallyEqual } from '../../../api/machinery/deep-equal.ts';
import { forbidden, notFound } from '../../../api/machinery/status-error.ts';
import { nodeNameOf } from '../http/user.ts';
import type { Authorizer } from '../access/authorization/authorizer.ts';
import type { PodGraph } from '../access/authorization/pod-graph.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { AdmissionPlugin, AdmissionRequest } from './plugin.ts';
import { forbiddenNodeLabels } from './node-labels.ts';
import { judgeClaim, judgeCsiNode, judgeSlice, judgeVolume } from './node-storage-restriction.ts';
import type { TokenRequest } from '../../../api/types/authentication/v1.gen.ts';
import type { CertificateSigningRequest } from '../../../api/types/certificates/v1.gen.ts';
import type { Node, Pod, Volume } from '../../../api/types/core/v1.gen.ts';

const NODE_SIGNERS = new Set([KUBELET_SERVING_SIGNER, KUBELET_CLIENT_SIGNER]);

/** Why the request is refused; undefined when it is not. */
type Verdict = string | undefined;

const quoted = (text: string): string => JSON.stringify(text);

function judgeMirrorPodOwner(node: string, owners: NonNullable<Pod['metadata']>['ownerReferences'] = []): Verdict {
  const [owner, ...others] = owners;
  if (others.length > 0) return `node ${quoted(node)} can only create pods with a single owner reference set to itself`;
  if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node) {
    return `node ${quoted(node)} can only create pods with an owner reference set to itself`;
  }
  if (!owner.controller) {
    return `node ${quoted(node)} can only create pods with a controller owner reference set to itself`;
  }
  if (owner.blockOwnerDeletion) return `node ${quoted(node)} must not set blockOwnerDeletion on an owner reference`;
  return undefined;
}

/** A pod that a node reports runs from a file on it: it must not be a way to get at objects of the API. */
function judgeMirrorPod(node: string, { metadata, spec }: Pod): Verdict {
  if (metadata?.annotations?.[MIRROR_ANNOTATION] === undefined) {
    return `pod does not have ${quoted(MIRROR_ANNOTATION)} annotation, node ${quoted(node)} can only create mirror pods`;
  }
  if (spec?.nodeName !== node) return `node ${quoted(node)} can only create pods with spec.nodeName set to itself`;
  return judgeMirrorPodOwner(node, metadata.ownerReferences);
}

function judgePodStatus(node: string, { operation, object, old }: AdmissionRequest): Verdict {
  const before: Pod | undefined = old;
  const after: Pod | undefined = object;
  if (operation !== 'UPDATE') return `unexpected operation ${quoted(operation)}`;
  if (before?.spec?.nodeName !== node) {
    return `node ${quoted(node)} can only update pod status for pods with spec.nodeName set to itself`;
  }
  if (!semanticallyEqual(before.metadata?.labels, after?.metadata?.labels)) {
    return `node ${quoted(node)} cannot update labels through pod status`;
  }
  if (!semanticallyEqual(before.status?.resourceClaimStatuses, after?.status?.resourceClaimStatuses)) {
    return `node ${quoted(node)} cannot update resource claim statues`;
  }
  if (!semanticallyEqual(before.status?.extendedResourceClaimStatus, after?.status?.extendedResourceClaimStatus)) {
    return `node ${quoted(node)} cannot update extended resource claim status`;
  }
  return undefined;
}

function judgeNode(node: string, { operation, name, object, old }: AdmissionRequest): Verdict {
  if (name !== node) return `node ${quoted(node)} is not allowed to modify node ${quoted(name)}`;
  const after: Node | undefined = object;
  if (operation === 'CREATE') {
    if (after?.spec?.configSource) {
      return `node ${quoted(node)} is not allowed to create pods with a non-nil configSource`;
    }
    const labels = forbiddenNodeLabels(after?.metadata?.labels, undefined);
    return labels.length > 0
      ? `node ${quoted(node)} is not allowed to set the following labels: ${labels.join(', ')}`
      : undefined;
  }
  if (operation !== 'UPDATE') return undefined;
  const before: Node | undefined = old;
  if (after?.spec?.configSource && !semanticallyEqual(after.spec.configSource, before?.spec?.configSource)) {
    return `node ${quoted(node)} is not allowed to update configSource to a new non-nil configSource`;
  }
  if (!semanticallyEqual(after?.spec?.taints, before?.spec?.taints)) {
    return `node ${quoted(node)} is not allowed to modify taints`;
  }
  // An owner that is not there would have the garbage collector delete the node, and it could come back with other labels.
  if (!semanticallyEqual(after?.metadata?.ownerReferences, before?.metadata?.ownerReferences)) {
    return `node ${quoted(node)} is not allowed to modify ownerReferences`;
  }
  const labels = forbiddenNodeLabels(after?.metadata?.labels, before?.metadata?.labels);
  return labels.length > 0 ? `is not allowed to modify labels: ${labels.join(', ')}` : undefined;
}

function judgeLease(node: string, { namespace, name }: AdmissionRequest): Verdict {
  if (namespace !== NODE_LEASE_NAMESPACE) {
    return `can only access leases in the ${quoted(NODE_LEASE_NAMESPACE)} system namespace`;
  }
  return name === node ? undefined : 'can only access node lease with the same name as the requesting node';
}

function judgeCertificateRequest({ operation, subresource, object, user }: AdmissionRequest): Verdict {
  if (operation !== 'CREATE' || subresource !== '') return undefined;
  const { spec } = object as CertificateSigningRequest;
  if (!NODE_SIGNERS.has(spec.signerName)) return undefined;
  try {
    const { commonName } = parseCertificateRequest(spec.request);
    return commonName === user.name ? undefined : `can only create a node CSR with CN=${user.name}`;
  } catch (error) {
    if (error instanceof CertificateRequestError) return `unable to parse csr: ${error.message}`;
    throw error;
  }
}

/** Whether a volume of the pod shows a token for the audience; '' is the api-server itself. */
const showsTokenFor = (pod: Pod | undefined, audience: string): boolean =>
  (pod?.spec?.volumes ?? [])
    .flatMap(({ projected }) => projected?.sources ?? [])
    .some(({ serviceAccountToken }) => serviceAccountToken && (serviceAccountToken.audience ?? '') === audience);

/** As upstream's listers name what they do not find. */
const qualified = ({ singular, group }: Kind): string => singular + (group && `.${group}`);

/**
 * Drivers of CSI get tokens for the audiences that they ask for. What of them is not found is named in the error, as upstream: a
 * claim, its volume or the driver.
 */
function judgeDriverAudiences(
  api: Pick<LocalApi, 'get'>,
  pod: Pod,
  audience: string,
): { found: boolean; missing: string[] } {
  const missing: string[] = [];
  const existing = <T extends KubeObject>(kind: Kind<T>, namespace: string, name: string): T | undefined => {
    const object = api.get(kind, namespace, name);
    if (!object) missing.push(`${qualified(kind)} ${quoted(name)} not found`);
    return object;
  };
  const driverOf = (volume: Volume): string | undefined => {
    const claimName = claimOfVolume(volume, pod.metadata?.name ?? '')?.name;
    if (!claimName) return csiDriverOf(volume);
    const claim = existing(persistentVolumeClaims, pod.metadata?.namespace ?? '', claimName);
    const spec = claim && existing(persistentVolumes, '', claim.spec?.volumeName ?? '')?.spec;
    return spec && csiDriverOf(spec);
  };
  for (const volume of pod.spec?.volumes ?? []) {
    const driver = driverOf(volume);
    if (driver === undefined) continue;
    const requests = existing(csiDrivers, '', driver)?.spec.tokenRequests ?? [];
    if (requests.some((token) => token.audience === audience)) return { found: true, missing: [] };
  }
  return { found: false, missing };
}

export function nodeRestriction(api: Pick<LocalApi, 'get'>, graph: PodGraph, authorizer: Authorizer): AdmissionPlugin {
  const judgePod = (node: string, { operation, object, old }: AdmissionRequest): Verdict => {
    if (operation === 'DELETE') {
      const pod: Pod | undefined = old;
      return pod?.spec?.nodeName === node
        ? undefined
        : `node ${quoted(node)} can only delete pods with spec.nodeName set to itself`;
    }
    if (operation !== 'CREATE') {
      return `unexpected operation ${quoted(operation)}, node ${quoted(node)} can only create and delete mirror pods`;
    }
    const pod = object as Pod;
    const verdict = judgeMirrorPod(node, pod);
    if (verdict !== undefined) return verdict;
    const self = api.get(nodes, '', node);
    if (!self) throw notFound(nodes, node);
    const [wanted, uid] = [pod.metadata?.ownerReferences?.[0]?.uid ?? '', self.metadata?.uid ?? ''];
    if (wanted !== uid) return `node ${node} UID mismatch: expected ${wanted} got ${uid}`;
    const reference = apiReference(pod.spec);
    return reference && `node ${quoted(node)} can not create pods that reference ${reference}`;
  };

  const judgeEviction = (node: string, { operation, namespace, name }: AdmissionRequest): Verdict => {
    if (operation !== 'CREATE') return `unexpected operation ${operation}`;
    const boundTo = graph.nodeOf(namespace, name);
    if (boundTo === undefined) throw notFound(pods, name);
    return boundTo === node ? undefined : `node ${node} can only evict pods with spec.nodeName set to itself`;
  };

  /** Audiences that the pod's own volumes name, or that RBAC allows: a compromised node must not act as its pods elsewhere. */
  const judgeAudiences = async (
    pod: Pod | undefined,
    audiences: readonly string[],
    request: AdmissionRequest,
  ): Promise<Verdict> => {
    const { user, namespace, name } = request;
    const [audience = '', ...others] = audiences;
    if (others.length > 0) return 'node may only request 0 or 1 audiences';
    if (showsTokenFor(pod, audience)) return undefined;
    const { found, missing } = pod ? judgeDriverAudiences(api, pod, audience) : { found: false, missing: [] };
    if (found) return undefined;
    const [only = ''] = missing;
    if (missing.length > 0) {
      const told = missing.length === 1 ? only : `[${[...new Set(missing)].join(', ')}]`;
      return `error validating audience ${quoted(audience)}: ${told}`;
    }
    const { allowed } = await authorizer.authorize(user, {
      ...{ isResource: true, path: '', verb: 'request-serviceaccounts-token-audience', name, namespace },
      ...{ group: '', version: 'v1', resource: audience, subresource: '' },
    });
    if (allowed) return undefined;
    return `audience ${quoted(audience)} not found in pod spec volume, ${user.name} is not authorized to request tokens for this audience`;
  };

  /** A node gets tokens for its pods, each bound to its pod. */
  const judgeToken = (node: string, request: AdmissionRequest): Verdict | Promise<Verdict> => {
    const { operation, subresource, namespace, object } = request;
    if (operation !== 'CREATE' || subresource !== 'token') return undefined;
    const { boundObjectRef: reference, audiences } = (object as TokenRequest).spec ?? {};
    if (reference?.apiVersion !== 'v1' || reference.kind !== 'Pod' || !reference.name) {
      return 'node requested token not bound to a pod';
    }
    if (!reference.uid) return 'node requested token with a pod binding without a uid';
    const life = graph.lifetime(namespace, reference.name);
    if (!life) throw notFound(pods, reference.name);
    if (life.uid !== reference.uid) {
      return `the UID in the bound object reference (${reference.uid}) does not match the UID in record. The object might have been deleted and then recreated`;
    }
    if (graph.nodeOf(namespace, reference.name) !== node) {
      return 'node requested token bound to a pod scheduled on a different node';
    }
    return judgeAudiences(api.get(pods, namespace, reference.name), audiences ?? [], request);
  };

  const judge = (node: string, request: AdmissionRequest): Verdict | Promise<Verdict> => {
    switch (groupResource(request.kind)) {
      case 'pods':
        if (request.subresource === '') return judgePod(node, request);
        if (request.subresource === 'status') return judgePodStatus(node, request);
        if (request.subresource === 'eviction') return judgeEviction(node, request);
        return `unexpected pod subresource ${quoted(request.subresource)}, only 'status' and 'eviction' are allowed`;
      case 'nodes':
        return judgeNode(node, request);
      case 'serviceaccounts':
        return judgeToken(node, request);
      case 'leases.coordination.k8s.io':
        return judgeLease(node, request);
      case 'persistentvolumeclaims':
        return judgeClaim(node, request);
      case 'persistentvolumes':
        return judgeVolume(node, request);
      case 'csinodes.storage.k8s.io':
        return judgeCsiNode(node, request);
      case 'resourceslices.resource.k8s.io':
        return judgeSlice(node, request);
      case 'certificatesigningrequests.certificates.k8s.io':
        return judgeCertificateRequest(request);
      default:
        return undefined;
    }
  };

  return {
    name: 'NodeRestriction',
    mutate(request) {
      // Authorization alone decides about connections, as upstream.
      if (request.operation === 'CONNECT') return;
      const node = nodeNameOf(request.user);
      if (node === undefined) return;
      const verdict =
        node === '' ? `could not determine node from user ${quoted(request.user.name)}` : judge(node, request);
      const enforce = (reason: Verdict): void => {
        if (reason !== undefined) throw forbidden(request.kind, request.name, reason);
      };
      return verdict instanceof Promise ? verdict.then(enforce) : enforce(verdict);
    },
  };
}
