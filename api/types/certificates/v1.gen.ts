// Generated from api/types/facts.txt by `npm run generate`.
import { bytes, int32, list, mapOf, oneOf, optional, required, string, struct, time } from '../../machinery/schema.ts';
import { ObjectMeta } from '../meta/v1.gen.ts';

export const CertificateSigningRequest = struct('io.k8s.api.certificates.v1.CertificateSigningRequest', () => ({
  spec: required(2, CertificateSigningRequestSpec),
  apiVersion: optional(undefined, string),
  kind: optional(undefined, string),
  metadata: optional(1, ObjectMeta, { always: true }),
  status: optional(3, CertificateSigningRequestStatus, { always: true }),
}));
export type CertificateSigningRequest = {
  spec: CertificateSigningRequestSpec;
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
  status?: CertificateSigningRequestStatus;
};

export const CertificateSigningRequestCondition = struct('io.k8s.api.certificates.v1.CertificateSigningRequestCondition', () => ({
  status: required(6, string, { goType: 'v1.ConditionStatus' }),
  type: required(1, string, { goType: 'v1.RequestConditionType' }),
  lastTransitionTime: optional(5, time, { always: true }),
  lastUpdateTime: optional(4, time, { always: true }),
  message: optional(3, string),
  reason: optional(2, string),
}));
export type CertificateSigningRequestCondition = {
  status: string;
  type: string;
  lastTransitionTime?: string | null;
  lastUpdateTime?: string | null;
  message?: string;
  reason?: string;
};

export const CertificateSigningRequestSpec = struct('io.k8s.api.certificates.v1.CertificateSigningRequestSpec', () => ({
  request: required(1, bytes),
  signerName: required(7, string, { nonEmpty: true }),
  expirationSeconds: optional(8, int32, { pointer: true }),
  extra: optional(6, mapOf(list(string)), { goType: 'map[string]v1.ExtraValue' }),
  groups: optional(4, list(string), { listType: 'atomic' }),
  uid: optional(3, string),
  usages: optional(5, list(oneOf('any', 'cert sign', 'client auth', 'code signing', 'content commitment', 'crl sign', 'data encipherment', 'decipher only', 'digital signature', 'email protection', 'encipher only', 'ipsec end system', 'ipsec tunnel', 'ipsec user', 'key agreement', 'key encipherment', 'microsoft sgc', 'netscape sgc', 'ocsp signing', 's/mime', 'server auth', 'signing', 'timestamping')), { listType: 'atomic', nonEmpty: true, supported: ['any', 'cert sign', 'client auth', 'code signing', 'content commitment', 'crl sign', 'data encipherment', 'decipher only', 'digital signature', 'email protection', 'encipher only', 'ipsec end system', 'ipsec tunnel', 'ipsec user', 'key agreement', 'key encipherment', 'microsoft sgc', 'netscape sgc', 'ocsp signing', 's/mime', 'server auth', 'signing', 'timestamping'], goType: '[]v1.KeyUsage' }),
  username: optional(2, string),
}));
export type CertificateSigningRequestSpec = {
  request: string;
  signerName: string;
  expirationSeconds?: number;
  extra?: Record<string, string[]>;
  groups?: string[];
  uid?: string;
  usages?: ('any' | 'cert sign' | 'client auth' | 'code signing' | 'content commitment' | 'crl sign' | 'data encipherment' | 'decipher only' | 'digital signature' | 'email protection' | 'encipher only' | 'ipsec end system' | 'ipsec tunnel' | 'ipsec user' | 'key agreement' | 'key encipherment' | 'microsoft sgc' | 'netscape sgc' | 'ocsp signing' | 's/mime' | 'server auth' | 'signing' | 'timestamping')[];
  username?: string;
};

export const CertificateSigningRequestStatus = struct('io.k8s.api.certificates.v1.CertificateSigningRequestStatus', () => ({
  certificate: optional(2, bytes),
  conditions: optional(1, list(CertificateSigningRequestCondition), { listType: 'map', listMapKeys: ['type'] }),
}));
export type CertificateSigningRequestStatus = {
  certificate?: string;
  conditions?: CertificateSigningRequestCondition[];
};
