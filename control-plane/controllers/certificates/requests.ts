/** What a CertificateSigningRequest asks for, how far it has come, and until when it is kept. */
import {
  CertificateRequestError,
  parseCertificateRequest,
  type CertificateRequest,
} from '../../../api/kinds/certificates/certificate-request.ts';
import { timeOf } from '../../../api/machinery/time.ts';
import type {
  CertificateSigningRequest,
  CertificateSigningRequestCondition,
} from '../../../api/types/certificates/v1.gen.ts';

/** The error says why the content cannot be parsed. */
export function contentOf({ spec }: CertificateSigningRequest): CertificateRequest | CertificateRequestError {
  try {
    return parseCertificateRequest(spec.request);
  } catch (error) {
    if (error instanceof CertificateRequestError) return error;
    throw error;
  }
}

const hasCondition = ({ status }: CertificateSigningRequest, ...types: string[]): boolean =>
  status?.conditions?.some(({ type }) => types.includes(type)) ?? false;

/** Neither approved nor denied, nor done with. */
export const isUndecided = (request: CertificateSigningRequest): boolean =>
  !hasCondition(request, 'Approved', 'Denied', 'Failed') && !request.status?.certificate;

/** Approved, and waiting for its signer. */
export const isApproved = (request: CertificateSigningRequest): boolean =>
  hasCondition(request, 'Approved') && !hasCondition(request, 'Denied', 'Failed') && !request.status?.certificate;

export function withRequestCondition(
  request: CertificateSigningRequest,
  type: string,
  reason: string,
  message: string,
): CertificateSigningRequest {
  const time = timeOf(Date.now());
  const condition: CertificateSigningRequestCondition = {
    ...{ type, status: 'True', reason, message },
    lastUpdateTime: time,
    lastTransitionTime: time,
  };
  return { ...request, status: { ...request.status, conditions: [...(request.status?.conditions ?? []), condition] } };
}

/** How long requests are kept: upstream's csrcleaner. */
const DECIDED_MS = 3_600_000;
const PENDING_MS = 24 * 3_600_000;

/** When a request has served its purpose and can be deleted, in ms since the epoch. */
export function expiryOf({ metadata, status }: CertificateSigningRequest): number {
  const decided = status?.conditions?.find(({ type }) => ['Approved', 'Denied', 'Failed'].includes(type));
  const decidedAt = Date.parse(decided?.lastUpdateTime ?? decided?.lastTransitionTime ?? '');
  if (decided && !Number.isNaN(decidedAt)) return decidedAt + DECIDED_MS;
  return Date.parse(metadata?.creationTimestamp ?? '') + PENDING_MS;
}
