/** What is wrong with the members of etcd, and what to do about each. Pure. */
import { failure, ok, warning, type Finding } from '../agent/inspect/doctor/finding.ts';
import { humanDuration } from '../api/machinery/duration.ts';
import type { MemberStatus } from '../control-plane/store/etcd/managed/etcd-cluster.ts';
import type { MemberMetrics } from '../control-plane/store/etcd/managed/member-metrics.ts';
import type { Alarm, StatusResponse } from '../control-plane/store/etcd/messages.ts';

/** etcd refuses requests of a member that has not applied more of its log than this (`maxGapBetweenApplyAndCommitIndex`). */
const MAX_LAG = 5_000;
/** Of its quota; the rest is little time to delete something in. */
const FULL_SOON = 0.8;
/** As the alert etcdDatabaseQuotaLowSpace of etcd's own mixin. */
const ALMOST_FULL = 0.95;
/** Of the database: what `defrag` would give back is worth it. */
const MUCH_UNUSED = 0.3;
/** etcd's own advice: https://etcd.io/docs/v3.4/faq/#what-does-the-etcd-warning-failed-to-send-out-heartbeat-on-time-mean */
const SLOW_FSYNC_SECONDS = 0.01;
const SLOW_COMMIT_SECONDS = 0.025;
/** Servers renew theirs a month before they expire, and look once a day. */
const LATE_MS = 28 * 24 * 3600 * 1000;
const MEGABYTE = 2 ** 20;

export interface EtcdFacts {
  readonly members: readonly MemberStatus[];
  readonly alarms: readonly Alarm[];
  /** By the ID of the member; an Error says why there are none. */
  readonly metrics: ReadonlyMap<string, MemberMetrics | Error>;
  /** Whether Kedge runs it. */
  readonly isManaged: boolean;
  readonly nowMs: number;
}

type Answered = MemberStatus & { readonly status: StatusResponse };

const nameOf = ({ member }: MemberStatus): string => member.name || member.peerURLs.join();
const isAnswered = (one: MemberStatus): one is Answered => one.status !== undefined;
const megabytes = (bytes: number): string => `${(bytes / MEGABYTE).toFixed(1)} MB`;
const milliseconds = (seconds: number): string => `${Math.round(seconds * 1000)} ms`;

/** Entries of the log, and revisions, that others have and a member has not. */
export function lagOf(
  members: readonly MemberStatus[],
  { status }: MemberStatus,
): { entries: number; revisions: number } {
  if (!status) return { entries: 0, revisions: 0 };
  const answered = members.filter(isAnswered);
  const last = (of: (one: StatusResponse) => number): number => Math.max(...answered.map((one) => of(one.status)));
  const [index, revision] = [
    (one: StatusResponse) => Number(one.raftIndex),
    (one: StatusResponse) => Number(one.header.revision),
  ];
  return { entries: last(index) - index(status), revisions: last(revision) - revision(status) };
}

/** One finding per thing that is not as it should be, in the order of the members; one that is ok when all is. */
export function judgeEtcd(facts: EtcdFacts): Finding[] {
  const findings = [...facts.members.flatMap((one) => judgeMember(facts, one)), ...judgeAll(facts)];
  if (findings.length > 0) return findings;
  const leader = facts.members.find(({ member, status }) => status?.leader === member.ID);
  const [count, who] = [facts.members.length, leader ? nameOf(leader) : ''];
  return [ok(count === 1 ? `the only member, ${who}, is well` : `all ${count} members are well, and ${who} leads`)];
}

function judgeMember(facts: EtcdFacts, one: MemberStatus): Finding[] {
  const name = nameOf(one);
  if (!isAnswered(one)) return [judgeAway(facts, one)];
  const metrics = facts.metrics.get(one.member.ID);
  return [
    ...(one.status.leader === '0' ? [leaderless(name)] : []),
    ...facts.alarms.flatMap(({ memberID, alarm }) =>
      memberID === one.member.ID ? judgeAlarm(facts, name, alarm) : [],
    ),
    ...(one.member.isLearner ? [learner(name)] : []),
    ...judgeLag(facts, one),
    ...(metrics instanceof Error ? [unmeasured(name, metrics)] : []),
    ...(metrics && !(metrics instanceof Error)
      ? [...judgeSize(facts, one, metrics), ...judgeDisk(name, metrics), ...judgeCertificate(facts, name, metrics)]
      : []),
  ];
}

function judgeAway({ members, isManaged }: EtcdFacts, one: MemberStatus): Finding {
  const name = nameOf(one);
  const voters = members.filter(({ member }) => !member.isLearner);
  const [alive, quorum] = [voters.filter(isAnswered).length, Math.floor(voters.length / 2) + 1];
  const left =
    alive < quorum
      ? `, and without ${quorum} of ${voters.length} members nothing can be written`
      : alive === quorum && !one.member.isLearner
        ? ', and when one more is lost, nothing can be written'
        : '';
  const unit = isManaged
    ? 'systemctl status kedge-etcd and journalctl -u kedge-etcd on its host'
    : 'the log of etcd on its host';
  const lost = isManaged ? `; when the host is lost: kedge server leave --name ${name}, and join another one` : '';
  const most = alive < quorum && isManaged ? '; when most are lost for good: kedge etcd recover (docs/etcd.md)' : '';
  return failure(`${name} is away (${one.problem})${left}`, 'an answer', `${unit}${alive < quorum ? most : lost}`);
}

const leaderless = (name: string): Finding =>
  failure(
    `${name} knows no leader: nothing can be written by way of it`,
    'a leader, which a majority of the members elects',
    'bring back members that are away, and see that each reaches port 2380 of the others',
  );

const learner = (name: string): Finding =>
  warning(
    `${name} is a learner, and has no vote yet`,
    'a member with a vote',
    'its server promotes it when it has all data: journalctl -u kedge-server on its host says what it waits for',
  );

function judgeAlarm({ isManaged }: EtcdFacts, name: string, alarm: Alarm['alarm']): Finding[] {
  if (alarm === 'NOSPACE')
    return [
      failure(
        `${name} has the alarm NOSPACE: its database has reached its quota, and etcd accepts no writes but deletions`,
        'room in the database',
        isManaged
          ? 'delete what fills it, wait five minutes for the next compaction, and run kedge etcd defrag; or raise etcd-quota-megabytes first (docs/etcd.md)'
          : 'delete what fills it, wait for the next compaction, and run etcdctl defrag and etcdctl alarm disarm',
      ),
    ];
  if (alarm === 'CORRUPT')
    return [
      failure(
        `${name} has the alarm CORRUPT: its data are not those of the others`,
        'the same data on all members',
        isManaged
          ? 'kedge etcd snapshot FILE; then kedge server leave on its host, and kedge server join by way of one of the others'
          : 'save a snapshot; then remove the member, delete its data, and add it again',
      ),
    ];
  return [];
}

function judgeLag({ members }: EtcdFacts, one: Answered): Finding[] {
  const { entries, revisions } = lagOf(members, one);
  if (entries <= MAX_LAG) return [];
  return [
    warning(
      `${nameOf(one)} is ${entries} entries of the log, ${revisions} revisions, behind`,
      `less than ${MAX_LAG} entries`,
      'it catches up when its disk and network are fast enough: look at the disk of its host, and at what else writes to it',
    ),
  ];
}

function judgeSize({ isManaged }: EtcdFacts, { member, status }: Answered, { quotaBytes }: MemberMetrics): Finding[] {
  if (quotaBytes === undefined) return [];
  const [size, inUse] = [Number(status.dbSize), Number(status.dbSizeInUse)];
  const used = size / quotaBytes;
  if (used < FULL_SOON) return [];
  const isFragmented = (size - inUse) / size > MUCH_UNUSED;
  const defrag = isManaged ? 'kedge etcd defrag' : 'etcdctl defrag';
  const raise = isManaged ? 'raise etcd-quota-megabytes on all hosts' : 'raise --quota-backend-bytes';
  const found = `the database of ${member.name} has ${megabytes(size)} of its quota of ${megabytes(quotaBytes)} (${Math.round(used * 100)} %), ${megabytes(inUse)} in use`;
  const mend = isFragmented
    ? `${defrag} gives back what is not in use`
    : `delete what fills it, or ${raise} (docs/etcd.md)`;
  return [(used < ALMOST_FULL ? warning : failure)(found, `less than ${FULL_SOON * 100} %`, mend)];
}

function judgeDisk(name: string, { fsyncSeconds = 0, commitSeconds = 0 }: MemberMetrics): Finding[] {
  const slow = [
    ...(fsyncSeconds > SLOW_FSYNC_SECONDS
      ? [`99 % of the syncs of its log take up to ${milliseconds(fsyncSeconds)}`]
      : []),
    ...(commitSeconds > SLOW_COMMIT_SECONDS
      ? [`of the commits of its database up to ${milliseconds(commitSeconds)}`]
      : []),
  ];
  if (slow.length === 0) return [];
  return [
    warning(
      `the disk of ${name} is slow: ${slow.join(', ')} since it was started`,
      `${milliseconds(SLOW_FSYNC_SECONDS)} and ${milliseconds(SLOW_COMMIT_SECONDS)}: writes are no faster, and leaders lose elections`,
      'give etcd a disk of its own, an SSD, or take away what else writes to it',
    ),
  ];
}

function judgeCertificate({ nowMs }: EtcdFacts, name: string, { certificateEndMs }: MemberMetrics): Finding[] {
  if (certificateEndMs === undefined || certificateEndMs - nowMs > LATE_MS) return [];
  return [
    warning(
      `the certificate of ${name} expires in ${humanDuration(Math.max(0, certificateEndMs - nowMs))}`,
      'one that is valid for longer: its server renews it a month before',
      'systemctl reload kedge-server on its host; journalctl -u kedge-server says why it was not renewed',
    ),
  ];
}

const unmeasured = (name: string, { message }: Error): Finding =>
  warning(
    `the metrics of ${name} cannot be read: ${message}`,
    "its quota, and how fast its disk is, from /metrics at its clients' port",
    'see that it serves metrics there, as it does unless --listen-metrics-urls says otherwise',
  );

/** What concerns no single member. */
function judgeAll({ members, isManaged }: EtcdFacts): Finding[] {
  const voters = members.filter(({ member }) => !member.isLearner);
  const minors = new Set(
    members.flatMap(({ status }) => (status ? [status.version.split('.').slice(0, 2).join('.')] : [])),
  );
  return [
    ...(voters.length === 2
      ? [
          warning(
            'etcd has two members: when either is away, nothing can be written',
            'three, of which one may be away, or one',
            isManaged ? 'kedge server join on a third host (docs/high-availability.md)' : 'add a member',
          ),
        ]
      : []),
    ...(minors.size > 1
      ? [
          warning(
            `the members run different versions of etcd: ${[...minors].sort().join(', ')}`,
            'one version, when an upgrade has ended',
            'upgrade the others, one after the other',
          ),
        ]
      : []),
  ];
}
