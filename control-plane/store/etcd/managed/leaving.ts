/** Whether a member of etcd may be removed. Pure. */
import type { Member } from '../messages.ts';
import type { MemberStatus } from './etcd-cluster.ts';

export interface Leave {
  readonly member: Member;
  /** A voter that leads, and one that is to lead instead. */
  readonly lead: { readonly from: Member; readonly to: Member } | undefined;
}

export type LeavePlan =
  | { readonly kind: 'absent' }
  | { readonly kind: 'refused'; readonly reason: string }
  | ({ readonly kind: 'leave' } & Leave);

export interface LeaveRequest {
  /** The address of the host whose member is to be removed, which is its name. */
  readonly peerUrl: string;
  /** Whether it is removed by another host, since it is lost. */
  readonly isLost: boolean;
  readonly force: boolean;
  readonly members: readonly MemberStatus[];
}

const isAlive = ({ status }: MemberStatus): boolean => status !== undefined;
const quorumOf = (voters: number): number => Math.floor(voters / 2) + 1;
const names = (members: readonly MemberStatus[]): string =>
  members.map(({ member }) => member.name || member.peerURLs.join()).join(', ');

/** etcd itself refuses less: it counts who has been started, not who answers. */
export function planLeave({ peerUrl, isLost, force, members }: LeaveRequest): LeavePlan {
  const own = members.find(({ member }) => member.peerURLs.includes(peerUrl));
  if (!own) return { kind: 'absent' };
  const { member } = own;
  if (isLost && isAlive(own) && !force) {
    const reason = `${member.name} is alive: run kedge server leave on that host, or give --force`;
    return { kind: 'refused', reason };
  }
  if (member.isLearner) return { kind: 'leave', member, lead: undefined };
  const left = members.filter((one) => one !== own && !one.member.isLearner);
  if (left.length === 0) {
    const reason = 'it is the only member: without it, the cluster has no objects (scripts/clean-host.sh ends it)';
    return { kind: 'refused', reason };
  }
  const [alive, needed] = [left.filter(isAlive), quorumOf(left.length)];
  if (alive.length < needed && !force) {
    const dead = names(left.filter((one) => !isAlive(one)));
    const reason =
      `of the ${left.length} members that would be left, ${needed} have to be alive for anything to be written, and ${dead} ` +
      `does not answer: bring that back or remove it first (kedge server leave --name), or give --force`;
    return { kind: 'refused', reason };
  }
  const [next] = alive;
  const leads = own.status?.leader === member.ID;
  return { kind: 'leave', member, lead: leads && next ? { from: member, to: next.member } : undefined };
}
