/** Whether this host's member of etcd may become the only one. Pure. */
import type { StatusResponse } from '../messages.ts';
import type { MemberState } from './member-record.ts';

export interface RecoverRequest {
  readonly state: MemberState;
  /** The address of this host, and so the name of its member. */
  readonly address: string;
  readonly hasData: boolean;
  /** Whether the data are to be those of a snapshot. */
  readonly hasSnapshot: boolean;
  /** Whether a quorum of the members that this host knows answers. */
  readonly hasQuorum: boolean;
  /** Of this host's member, when it runs. */
  readonly own: StatusResponse | undefined;
  /** The other members that this host knows, by their client URLs. */
  readonly others: readonly { readonly url: string; readonly status: StatusResponse | undefined }[];
}

export type RecoverPlan =
  | { readonly kind: 'refused'; readonly reason: string }
  /** What an operator has to know before, a sentence each. */
  | { readonly kind: 'recover'; readonly warnings: readonly string[] };

const STATE_REFUSALS: Readonly<Partial<Record<MemberState, string>>> = {
  left: 'this host has left the cluster: it has no data of it',
  joining: 'this host has not been a full member of etcd: its data may be incomplete. Use a server that was',
};

/** A quorum that answers can take lost members away itself, and loses nothing. */
export function planRecovery(request: RecoverRequest): RecoverPlan {
  const refusal = whyRefused(request);
  if (refusal !== undefined) return { kind: 'refused', reason: refusal };
  const { own, others, hasSnapshot, address } = request;
  const names = others.map(({ url }) => hostIn(url)).join(', ');
  const lost = hasSnapshot
    ? 'everything that was written after the snapshot is lost; the data that this member has now are kept in etcd/before-recovery'
    : 'what the other members have acknowledged and this one has not received is lost, at least what was written in the last moments';
  const position =
    own && !hasSnapshot
      ? [`the data of this member are of revision ${own.header.revision}, and its log ends at ${own.raftIndex}`]
      : [];
  const never =
    names === ''
      ? []
      : [
          `${names} must not come back with their data: they would go on as the cluster that was. On each that can be started again: ` +
            `kedge server leave, and then kedge server join by way of ${address}`,
        ];
  return { kind: 'recover', warnings: [lost, ...position, ...never] };
}

function whyRefused(request: RecoverRequest): string | undefined {
  const { state, hasData, hasSnapshot, hasQuorum, own, others } = request;
  const refusal = STATE_REFUSALS[state];
  if (refusal !== undefined) return refusal;
  if (hasQuorum && others.length === 0)
    return `the only member of etcd answers: there is nothing to recover${hasSnapshot ? ' (to replace its data: stop kedge-server and kedge-etcd)' : ''}`;
  if (hasQuorum)
    return 'most members of etcd answer: nothing is lost. kedge server leave --name ADDRESS takes away one that is gone';
  if (!hasData && !hasSnapshot)
    return 'this member has no data: use a server whose member has, or give a snapshot (--snapshot)';
  const [alive] = others.filter(({ status }) => status !== undefined);
  if (alive?.status) {
    const ends = own ? ` (its log ends at ${alive.status.raftIndex}, that of this one at ${own.raftIndex})` : '';
    return (
      `the member of ${hostIn(alive.url)} answers, too${ends}: recover by the one whose log is longer, and stop the other first ` +
      '(systemctl disable --now kedge-server kedge-etcd)'
    );
  }
  return undefined;
}

const hostIn = (url: string): string => new URL(url).hostname.replace(/[[\]]/g, '');
