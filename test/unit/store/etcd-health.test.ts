/** What is said of the members of etcd. */
import { test } from 'tap';
import { judgeEtcd, type EtcdFacts } from '../../../cli/etcd-health.ts';
import type { MemberStatus } from '../../../control-plane/store/etcd/managed/etcd-cluster.ts';
import { metricsIn, type MemberMetrics } from '../../../control-plane/store/etcd/managed/member-metrics.ts';
import type { StatusResponse } from '../../../control-plane/store/etcd/messages.ts';

const MB = 2 ** 20;
const DAY_MS = 24 * 3600 * 1000;
const NOW_MS = Date.parse('2026-01-01T00:00:00Z');

function member(number: number, more: Partial<StatusResponse> = {}, isLearner = false): MemberStatus {
  const ID = String(number);
  const address = `10.0.0.${number}`;
  return {
    member: {
      ID,
      name: address,
      peerURLs: [`https://${address}:2380`],
      clientURLs: [`https://${address}:2379`],
      isLearner,
    },
    status: {
      header: { clusterId: '9', memberId: ID, revision: '500' },
      ...{ version: '3.4.23', dbSize: String(10 * MB), dbSizeInUse: String(9 * MB), leader: '1' },
      ...{ raftIndex: '9000', errors: [], isLearner, ...more },
    },
    problem: '',
  };
}
const away = (number: number): MemberStatus => ({
  ...member(number),
  status: undefined,
  problem: 'connection refused',
});

const measured = (more: Partial<MemberMetrics> = {}): MemberMetrics => ({
  ...{ quotaBytes: 100 * MB, fsyncSeconds: 0.008, commitSeconds: 0.016, certificateEndMs: NOW_MS + 60 * DAY_MS },
  ...more,
});
const judge = (members: readonly MemberStatus[], more: Partial<EtcdFacts> = {}) =>
  judgeEtcd({
    ...{ members, alarms: [], isManaged: true, nowMs: NOW_MS },
    metrics: new Map(members.map(({ member: { ID } }) => [ID, measured()])),
    ...more,
  });
const three = [member(1), member(2), member(3)];
const withFirst = (metrics: MemberMetrics | Error): Partial<EtcdFacts> => ({ metrics: new Map([['1', metrics]]) });

test('members that are well are said to be in one line', async (t) => {
  t.strictSame(judge(three), [{ level: 'ok', found: 'all 3 members are well, and 10.0.0.1 leads' }]);
  t.strictSame(judge([member(1)]), [{ level: 'ok', found: 'the only member, 10.0.0.1, is well' }]);
});

test('who is away is named, with what that means for the others', async (t) => {
  t.match(judge([member(1), member(2), away(3)]), [
    {
      level: 'failure',
      found: '10.0.0.3 is away (connection refused), and when one more is lost, nothing can be written',
      mend: /journalctl -u kedge-etcd on its host; when the host is lost: kedge server leave --name 10\.0\.0\.3/,
    },
  ]);
  const alone = judge([member(1, { leader: '0' }), away(2), away(3)]);
  t.match(alone[0], { level: 'failure', found: /^10\.0\.0\.1 knows no leader/, mend: /port 2380/ });
  t.match(alone[1], { found: /without 2 of 3 members nothing can be written/, mend: /kedge etcd recover/ });
  t.notMatch(judge([...three, away(4), away(5)])[0]?.found, /without/, 'of five, three suffice');
  t.notMatch(
    judge([member(1), away(2)], { isManaged: false })[0]?.mend,
    /kedge/,
    'an etcd of others has no units of ours',
  );
});

test('alarms say what to do', async (t) => {
  const [noSpace, corrupt] = judge(three, {
    alarms: [
      { memberID: '1', alarm: 'NOSPACE' },
      { memberID: '2', alarm: 'CORRUPT' },
      { memberID: '3', alarm: 'NONE' },
    ],
  });
  t.match(noSpace, { level: 'failure', found: /^10\.0\.0\.1 has the alarm NOSPACE/, mend: /kedge etcd defrag/ });
  t.match(corrupt, { level: 'failure', found: /^10\.0\.0\.2 has the alarm CORRUPT/, mend: /kedge server leave/ });
});

test('a database near its quota is told, and whether defragmenting helps', async (t) => {
  const sized = (size: number, inUse: number) =>
    judge([member(1, { dbSize: String(size * MB), dbSizeInUse: String(inUse * MB) })]);
  t.match(sized(79, 79), [{ level: 'ok' }]);
  t.match(sized(80, 79), [
    { level: 'warning', found: /80\.0 MB of its quota of 100\.0 MB \(80 %\)/, mend: /delete what/ },
  ]);
  t.match(sized(96, 40), [{ level: 'failure', mend: /kedge etcd defrag gives back/ }]);
  t.match(judge([member(1, { dbSize: String(99 * MB) })], withFirst(measured({ quotaBytes: undefined }))), [
    { level: 'ok' },
  ]);
});

test('a slow disk, a late certificate, lag and a learner are warnings', async (t) => {
  t.match(judge(three, withFirst(measured({ fsyncSeconds: 0.064, commitSeconds: 0.256 }))), [
    {
      level: 'warning',
      found: /the disk of 10\.0\.0\.1 is slow: .* up to 64 ms, of the commits of its database up to 256 ms/,
    },
  ]);
  t.match(judge(three, withFirst(measured({ certificateEndMs: NOW_MS + 5 * DAY_MS }))), [
    { level: 'warning', found: 'the certificate of 10.0.0.1 expires in 5d', mend: /reload kedge-server/ },
  ]);
  t.match(judge(three, withFirst(new Error('no answer'))), [{ level: 'warning', found: /cannot be read: no answer/ }]);
  const slow = member(3, { raftIndex: '3999', header: { clusterId: '9', memberId: '3', revision: '100' } });
  t.match(judge([member(1), member(2), slow]), [
    { level: 'warning', found: '10.0.0.3 is 5001 entries of the log, 400 revisions, behind' },
  ]);
  t.match(judge([member(1), member(2, {}, true)]), [{ level: 'warning', found: /10\.0\.0\.2 is a learner/ }]);
});

test('what concerns all: two members, and different versions', async (t) => {
  t.match(judge([member(1), member(2)]), [{ level: 'warning', found: /^etcd has two members/ }]);
  t.match(judge([member(1), member(2), member(3, { version: '3.5.16' })]), [
    { level: 'warning', found: 'the members run different versions of etcd: 3.4, 3.5' },
  ]);
});

test("quantiles are read of etcd's histograms", async (t) => {
  const text = [
    '# TYPE etcd_disk_wal_fsync_duration_seconds histogram',
    'etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 10',
    'etcd_disk_wal_fsync_duration_seconds_bucket{le="0.002"} 98',
    'etcd_disk_wal_fsync_duration_seconds_bucket{le="0.004"} 99',
    'etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 100',
    'etcd_disk_wal_fsync_duration_seconds_sum 1',
    'etcd_disk_backend_commit_duration_seconds_bucket{le="+Inf"} 0',
    'etcd_server_quota_backend_bytes 8.589934592e+09',
  ].join('\n');
  t.strictSame(metricsIn(text), { quotaBytes: 8_589_934_592, fsyncSeconds: 0.004, commitSeconds: undefined });
  t.strictSame(metricsIn(''), { quotaBytes: undefined, fsyncSeconds: undefined, commitSeconds: undefined });
});
