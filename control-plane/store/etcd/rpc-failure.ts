/** What a failed call of etcd means for the request. Pure. */
import { status } from '@grpc/grpc-js';

/**
 * - `unsent`: etcd has not begun to execute it; it may be repeated, also on another member.
 * - `lost`: whether it has been executed is unknown.
 * - `busy`: etcd has too many requests and has not executed this one.
 * - `compacted`: it asks for a revision whose history is gone.
 * - `refused`: etcd has executed nothing, and will not; but for the write that uses up its quota, which it may carry out and refuse.
 */
export type FailureKind = 'unsent' | 'lost' | 'busy' | 'compacted' | 'refused';

/** What grpc-js says when it had no connection, and etcd before it proposes a request to the cluster. */
const UNSENT =
  /^(No connection established|Name resolution failed|etcdserver: (no leader|not leader|not capable|rpc not supported for learner))/;

export function failureKind(code: status, details: string): FailureKind {
  switch (code) {
    case status.UNAVAILABLE:
    case status.FAILED_PRECONDITION:
      if (UNSENT.test(details)) return 'unsent';
      return code === status.UNAVAILABLE ? 'lost' : 'refused';
    case status.RESOURCE_EXHAUSTED:
      return details.includes('too many requests') ? 'busy' : 'refused';
    case status.OUT_OF_RANGE:
      return details.includes('compacted') ? 'compacted' : 'refused';
    case status.INVALID_ARGUMENT:
    case status.NOT_FOUND:
    case status.ALREADY_EXISTS:
    case status.PERMISSION_DENIED:
    case status.UNAUTHENTICATED:
    case status.UNIMPLEMENTED:
      return 'refused';
    default:
      return 'lost';
  }
}

/** Whether the member responds, and has no leader: an election is under way, or most members are away. */
export const hasNoLeader = (details: string): boolean => details.includes('etcdserver: no leader');

/** Whether the lease that a put names has expired. */
export const isLeaseGone = (details: string): boolean => details.includes('requested lease not found');

/** What grpc-js says of a connection, as one sentence for an operator. */
export function connectionReason(details: string): string {
  const [, alert] = /\balert ([a-z ]+)/.exec(details) ?? [];
  if (alert) return `it does not accept this client's certificate (TLS alert: ${alert.trim()})`;
  const reason = details
    .replace(/^No connection established\. /, '')
    .replace(/^Last error: /, '')
    .replace(/\.? ?Resolution note:.*$/s, '')
    .replace(/^Error( \[\w+\])?: /, '')
    .replace(/ \(\d{4}-\d\d-\d\dT[^)]*\)$/, '')
    .replace(/; if the root CA is installed locally.*$/s, '')
    .trim();
  // What grpc-js says when the peer closes the connection at once, as one that expects TLS does.
  return reason === 'Failed to connect' || reason === '' ? 'no connection: does it expect https?' : reason;
}
