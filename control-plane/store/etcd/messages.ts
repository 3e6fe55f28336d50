/** The methods of etcd's API that the store calls, and their messages (proto/etcd-v3.proto). Numbers of 64 bits are strings. */
import { fromJSON, type MethodDefinition, type Options } from '@grpc/proto-loader';
import { own } from '../../../api/machinery/own.ts';
import descriptor from '../../../proto/etcd-v3.json' with { type: 'json' };

/** IDs of clusters and leases need all their bits, so no number is converted. */
const OPTIONS: Options = { longs: String, enums: String, defaults: true };

export interface ResponseHeader {
  readonly clusterId: string;
  readonly revision: string;
}

export interface KeyValue {
  readonly key: Buffer;
  readonly modRevision: string;
  /** How often it has been written since it was created. */
  readonly version: string;
  readonly value: Buffer;
}

export interface RangeRequest {
  readonly key: Buffer;
  readonly rangeEnd?: Buffer;
  readonly limit?: number;
  readonly revision?: number;
  readonly countOnly?: boolean;
}

export interface RangeResponse {
  readonly header: ResponseHeader;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  /** Of all keys in the range, whatever the limit. */
  readonly count: string;
}

export type RequestOp =
  | { readonly requestRange: RangeRequest }
  | { readonly requestPut: { readonly key: Buffer; readonly value: Buffer; readonly lease?: string } }
  | { readonly requestDeleteRange: { readonly key: Buffer } };

export interface Compare {
  readonly result: 'EQUAL' | 'GREATER';
  readonly target: 'VERSION' | 'MOD';
  readonly key: Buffer;
  readonly version?: number | string;
  readonly modRevision?: number;
}

export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

export interface TxnResponse {
  readonly header: ResponseHeader;
  readonly succeeded: boolean;
  readonly responses: readonly { readonly responseRange?: RangeResponse | null }[];
}

export interface WatchRequest {
  readonly createRequest?: {
    readonly key: Buffer;
    readonly rangeEnd: Buffer;
    readonly startRevision: number;
    readonly prevKv: boolean;
  };
  readonly progressRequest?: object;
}

export interface WatchResponse {
  readonly header: ResponseHeader;
  readonly created: boolean;
  readonly canceled: boolean;
  /** Above 0 when events that the watch has to deliver have been compacted. */
  readonly compactRevision: string;
  readonly cancelReason: string;
  readonly events: readonly {
    readonly type: 'PUT' | 'DELETE';
    readonly kv: KeyValue;
    readonly prevKv: KeyValue | null;
  }[];
}

export interface LeaseGrantResponse {
  readonly header: ResponseHeader;
  readonly ID: string;
}

export interface StatusResponse {
  readonly header: ResponseHeader & { readonly memberId: string };
  /** Of the member, as 3.4.23. */
  readonly version: string;
  /** Bytes of its database, and what of them is in use. */
  readonly dbSize: string;
  readonly dbSizeInUse: string;
  /** The ID of the member that leads; 0: none. */
  readonly leader: string;
  readonly raftIndex: string;
  readonly errors: readonly string[];
  readonly isLearner: boolean;
}

/** A member of the cluster, as its members know it. */
export interface Member {
  readonly ID: string;
  /** '' until it has been started. */
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}

export interface MembersResponse {
  readonly header: ResponseHeader;
  readonly members: readonly Member[];
}

export interface Alarm {
  readonly memberID: string;
  readonly alarm: 'NONE' | 'NOSPACE' | 'CORRUPT';
}

export interface AlarmResponse {
  readonly header: ResponseHeader | null;
  readonly alarms: readonly Alarm[];
}

export interface SnapshotResponse {
  readonly remainingBytes: string;
  readonly blob: Buffer;
}

export type Method = MethodDefinition<object, object>;

const definitions = fromJSON(descriptor as object, OPTIONS);

function methodOf(service: string, name: string): Method {
  const methods = own(definitions, `etcdserverpb.${service}`) as Record<string, Method> | undefined;
  const method = methods && own(methods, name);
  if (!method) throw new Error(`proto: no ${service}.${name}`);
  return method;
}

export const METHODS = {
  range: methodOf('KV', 'Range'),
  txn: methodOf('KV', 'Txn'),
  compact: methodOf('KV', 'Compact'),
  watch: methodOf('Watch', 'Watch'),
  grantLease: methodOf('Lease', 'LeaseGrant'),
  status: methodOf('Maintenance', 'Status'),
  listMembers: methodOf('Cluster', 'MemberList'),
  addMember: methodOf('Cluster', 'MemberAdd'),
  removeMember: methodOf('Cluster', 'MemberRemove'),
  promoteMember: methodOf('Cluster', 'MemberPromote'),
  moveLeader: methodOf('Maintenance', 'MoveLeader'),
  alarm: methodOf('Maintenance', 'Alarm'),
  defragment: methodOf('Maintenance', 'Defragment'),
  snapshot: methodOf('Maintenance', 'Snapshot'),
} as const;
