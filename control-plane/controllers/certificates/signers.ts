/** What the built-in signers sign, and what is approved without a human. https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests */
import { isServersOwn } from '../../../api/domain/api-server-names.ts';
import { NODE_USER_PREFIX, NODES_GROUP } from '../../../api/domain/node-identity.ts';
import { CLIENT_SIGNER, KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER } from '../../../api/domain/signer-names.ts';
import type { CertificateRequest } from '../../../api/kinds/certificates/certificate-request.ts';
import type {
  CertificateSigningRequest,
  CertificateSigningRequestSpec,
} from '../../../api/types/certificates/v1.gen.ts';
import type { NodeAddress } from '../../../api/types/core/v1.gen.ts';
import { normalized } from './address-holders.ts';

export const SIGNERS: ReadonlySet<string> = new Set([KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER, CLIENT_SIGNER]);

/** What a signer goes by. */
export type RequestedNames = Pick<
  CertificateRequest,
  'commonName' | 'organizations' | 'dnsNames' | 'ipAddresses' | 'otherNames'
>;

const usesOnly = (usages: readonly string[], required: readonly string[], allowed: readonly string[]): boolean =>
  required.every((usage) => usages.includes(usage)) &&
  usages.every((usage) => required.includes(usage) || allowed.includes(usage));

/** Why a signer must not sign this request; undefined when it may. */
export function signerObjection(
  { signerName, usages = [] }: Pick<CertificateSigningRequestSpec, 'signerName' | 'usages'>,
  content: RequestedNames,
): string | undefined {
  const { commonName, organizations, dnsNames, ipAddresses, otherNames } = content;
  const isNode = commonName.startsWith(NODE_USER_PREFIX) && commonName.length > NODE_USER_PREFIX.length;
  const isOfNodes = organizations.length === 1 && organizations[0] === NODES_GROUP;
  switch (signerName) {
    case CLIENT_SIGNER:
      return usesOnly(usages, ['client auth'], ['digital signature', 'key encipherment'])
        ? undefined
        : 'usages must be client auth, and at most digital signature and key encipherment besides';
    case KUBELET_CLIENT_SIGNER:
      if (!isOfNodes) return `subject organization is not ${NODES_GROUP}`;
      if (dnsNames.length + ipAddresses.length + otherNames > 0) return 'subject alternative names are not allowed';
      if (!isNode) return `subject common name does not begin with ${NODE_USER_PREFIX}`;
      return usesOnly(usages, ['client auth', 'digital signature'], ['key encipherment'])
        ? undefined
        : 'usages must be digital signature and client auth, and at most key encipherment besides';
    case KUBELET_SERVING_SIGNER:
      if (!isOfNodes) return `subject organization is not ${NODES_GROUP}`;
      if (dnsNames.length + ipAddresses.length === 0) return 'DNS names or IP addresses are required';
      if (otherNames > 0) return 'mail addresses and URIs are not allowed';
      if (!isNode) return `subject common name does not begin with ${NODE_USER_PREFIX}`;
      return usesOnly(usages, ['server auth', 'digital signature'], ['key encipherment'])
        ? undefined
        : 'usages must be digital signature and server auth, and at most key encipherment besides';
    default:
      return `signer ${signerName} is not one of this cluster's`;
  }
}

export type Approval =
  | { readonly type: 'none' }
  /** Approved when the requester may create this subresource of certificatesigningrequests. */
  | { readonly type: 'if allowed'; readonly subresource: 'nodeclient' | 'selfnodeclient'; readonly message: string }
  | { readonly type: 'approve'; readonly message: string; readonly node: string; readonly names: readonly string[] };

/** Addresses by which everybody in the cluster knows its api-servers. */
export interface ServersAddresses {
  /** Of the Service `kubernetes`: no host's. */
  readonly ofService: readonly string[];
  /** Of the hosts of servers, which may be nodes. */
  readonly ofHosts: readonly string[];
}

/** The first of the names by which a node could be taken for an api-server. @param isServer whether its host is one of a server */
export function nameOfServers(names: readonly string[], isServer: boolean, servers: ServersAddresses) {
  const taken = new Set([...servers.ofService, ...(isServer ? [] : servers.ofHosts)].map(normalized));
  return names.find((name) => taken.has(normalized(name)));
}

/**
 * Whether a request is approved without a human: a node's first client certificate and its renewals when RBAC says that the
 * requester may have them, a node's serving certificate when it names nothing but the node's own addresses. A node says itself which ones it
 * has: those by which api-servers are known are nobody's, so that no node can be taken for one. Neither are those that another node had before,
 * or has, too, when it is not clear who was first: one of the two is not what it says. Of addresses of api-servers and of other nodes, who approves has to know: `nameOfServers`, `address-holders.ts`.
 * `addressesOf` returns undefined for a node that does not exist.
 */
export function planApproval(
  { spec }: CertificateSigningRequest,
  content: RequestedNames,
  addressesOf: (nodeName: string) => readonly NodeAddress[] | undefined,
): Approval {
  if (signerObjection(spec, content) !== undefined) return { type: 'none' };
  const isSelf = spec.username === content.commonName;
  if (spec.signerName === KUBELET_CLIENT_SIGNER) {
    return isSelf
      ? {
          type: 'if allowed',
          subresource: 'selfnodeclient',
          message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
        }
      : {
          type: 'if allowed',
          subresource: 'nodeclient',
          message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
        };
  }
  if (spec.signerName !== KUBELET_SERVING_SIGNER || !isSelf || !spec.groups?.includes(NODES_GROUP))
    return { type: 'none' };
  const node = content.commonName.slice(NODE_USER_PREFIX.length);
  const own = new Set(addressesOf(node)?.map(({ address }) => address));
  const names = [...content.dnsNames, ...content.ipAddresses];
  const isOwn = names.every((name) => own.has(name) && !isServersOwn(name));
  const message = "Auto approving kubelet serving certificate for the node's own addresses.";
  return isOwn ? { type: 'approve', message, node, names } : { type: 'none' };
}
