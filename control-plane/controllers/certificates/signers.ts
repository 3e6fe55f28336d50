/** What the built-in signers sign, and what is approved without a human. https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests */
import { NODE_USER_PREFIX, NODES_GROUP } from '../../../api/domain/node-identity.ts';
import { CLIENT_SIGNER, KUBELET_CLIENT_SIGNER, KUBELET_SERVING_SIGNER } from '../../../api/domain/signer-names.ts';
import type { CertificateRequest } from '../../../api/kinds/certificates/certificate-request.ts';
import type {
  CertificateSigningRequest,
  CertificateSigningRequestSpec,
} from '../../../api/types/certificates/v1.gen.ts';
import type { NodeAddress } from '../../../api/types/core/v1.gen.ts';

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
  | { readonly type: 'approve'; readonly message: string };

/**
 * Whether a request is approved without a human: a node's first client certificate and its renewals when RBAC says that the
 * requester may have them, a node's serving certificate when it names nothing but the node's own addresses.
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
  const addresses = addressesOf(content.commonName.slice(NODE_USER_PREFIX.length));
  const own = new Set(addresses?.map(({ address }) => address));
  const isOwn = [...content.dnsNames, ...content.ipAddresses].every((name) => own.has(name));
  return isOwn
    ? { type: 'approve', message: "Auto approving kubelet serving certificate for the node's own addresses." }
    : { type: 'none' };
}
