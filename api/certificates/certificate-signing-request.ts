import { defineKind } from '../machinery/define-kind.ts';
import {
  always,
  atomic,
  bytes,
  int32,
  list,
  mapList,
  mapOf,
  oneOf,
  pointer,
  string,
  struct,
  time,
  type Static,
} from '../machinery/schema.ts';
import { ObjectMeta } from '../meta/object-meta.ts';

export const CertificateSigningRequestSpec = struct(
  'io.k8s.api.certificates.v1.CertificateSigningRequestSpec',
  {
    request: bytes(),
    signerName: string(),
  },
  {
    expirationSeconds: pointer(int32()),
    extra: mapOf(list(string())),
    groups: atomic(string()),
    uid: string(),
    usages: atomic(
      oneOf(
        'any',
        'cert sign',
        'client auth',
        'code signing',
        'content commitment',
        'crl sign',
        'data encipherment',
        'decipher only',
        'digital signature',
        'email protection',
        'encipher only',
        'ipsec end system',
        'ipsec tunnel',
        'ipsec user',
        'key agreement',
        'key encipherment',
        'microsoft sgc',
        'netscape sgc',
        'ocsp signing',
        's/mime',
        'server auth',
        'signing',
        'timestamping',
      ),
    ),
    username: string(),
  },
);
export type CertificateSigningRequestSpec = Static<typeof CertificateSigningRequestSpec>;

export const CertificateSigningRequestCondition = struct(
  'io.k8s.api.certificates.v1.CertificateSigningRequestCondition',
  {
    status: string(),
    type: string(),
  },
  {
    lastTransitionTime: always(time()),
    lastUpdateTime: always(time()),
    message: string(),
    reason: string(),
  },
);
export type CertificateSigningRequestCondition = Static<typeof CertificateSigningRequestCondition>;

export const CertificateSigningRequestStatus = struct(
  'io.k8s.api.certificates.v1.CertificateSigningRequestStatus',
  {},
  {
    certificate: bytes(),
    conditions: mapList(CertificateSigningRequestCondition, ['type']),
  },
);
export type CertificateSigningRequestStatus = Static<typeof CertificateSigningRequestStatus>;

export const CertificateSigningRequest = struct(
  'io.k8s.api.certificates.v1.CertificateSigningRequest',
  {
    spec: CertificateSigningRequestSpec,
  },
  {
    apiVersion: string(),
    kind: string(),
    metadata: always(ObjectMeta),
    status: always(CertificateSigningRequestStatus),
  },
);
export type CertificateSigningRequest = Static<typeof CertificateSigningRequest>;

export const certificateSigningRequests = defineKind<CertificateSigningRequest>({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  shortNames: ['csr'],
  namespaced: false,
  schema: CertificateSigningRequest,
  subresources: [
    { name: 'approval', verbs: ['get', 'patch', 'update'] },
    { name: 'status', verbs: ['get', 'patch', 'update'] },
  ],
});
