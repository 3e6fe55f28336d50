/** What is decided about the members of an etcd that Kedge runs. */
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test, type Test } from 'tap';
import { memberRows } from '../../../cli/server-status.ts';
import { clientUrl, etcdArguments, peerUrl } from '../../../control-plane/store/etcd/managed/arguments.ts';
import { beginMember, LeftError, type BeginOptions } from '../../../control-plane/store/etcd/managed/begin-member.ts';
import type { MemberStatus } from '../../../control-plane/store/etcd/managed/etcd-cluster.ts';
import { planLeave } from '../../../control-plane/store/etcd/managed/leaving.ts';
import {
  dataDirectory,
  readEndpoints,
  readMemberRecord,
  removeAllData,
  updateMemberRecord,
  writeEndpoints,
  writeMemberRecord,
} from '../../../control-plane/store/etcd/managed/member-record.ts';
import type { StatusResponse } from '../../../control-plane/store/etcd/messages.ts';
import { Log } from '../../support/log.ts';

const LEADER = '1';
const ipOf = (number: number): string => `10.0.0.${number}`;

function statusOf(ID: string, isLearner = false): StatusResponse {
  return {
    header: { clusterId: '9', memberId: ID, revision: '5' },
    ...{ version: '3.4.23', dbSize: '2097152', dbSizeInUse: '1048576', leader: LEADER },
    ...{ raftIndex: String(100 - Number(ID)), errors: [], isLearner },
  };
}

function member(number: number, { isAlive = true, isLearner = false } = {}): MemberStatus {
  const ID = String(number);
  const urls = { peerURLs: [peerUrl(ipOf(number))], clientURLs: [clientUrl(ipOf(number))] };
  return {
    member: { ID, name: ipOf(number), ...urls, isLearner },
    status: isAlive ? statusOf(ID, isLearner) : undefined,
    problem: isAlive ? '' : 'it does not answer',
  };
}

function plan(number: number, members: readonly MemberStatus[], { isLost = false, force = false } = {}) {
  return planLeave({ peerUrl: peerUrl(ipOf(number)), isLost, force, members });
}

test('a member leaves when those that are left can go on', async (t) => {
  const all = [member(1), member(2), member(3)];
  t.match(plan(2, all), { kind: 'leave', member: { ID: '2' }, lead: undefined });
  t.match(plan(1, all), { kind: 'leave', lead: { from: { ID: '1' }, to: { ID: '2' } } }, 'another one leads first');
  t.match(plan(1, [member(1), member(2)]), { kind: 'leave', lead: { to: { ID: '2' } } });
  t.strictSame(plan(4, all), { kind: 'absent' });
  const dead = member(3, { isAlive: false });
  t.match(plan(3, [member(1), member(2), dead], { isLost: true }), { kind: 'leave', member: { ID: '3' } });
  const learner = member(2, { isLearner: true, isAlive: false });
  t.match(plan(2, [member(1), learner], { isLost: true }), { kind: 'leave' }, 'a learner has no vote');
});

test('a member stays when the cluster could not be written to without it', async (t) => {
  const dead = member(3, { isAlive: false });
  t.match(plan(2, [member(1), member(2), dead]), {
    kind: 'refused',
    reason: /of the 2 members that would be left, 2 have to be alive .* and 10\.0\.0\.3 does not answer/,
  });
  t.match(plan(2, [member(1), member(2), dead], { force: true }), { kind: 'leave' });
  t.match(plan(1, [member(1)], { force: true }), { kind: 'refused', reason: /the only member/ }, 'not even with force');
  const learner = member(2, { isLearner: true });
  t.match(plan(1, [member(1), learner]), { kind: 'refused', reason: /the only member/ });
  t.match(plan(2, [member(1), member(2), member(3)], { isLost: true }), { kind: 'refused', reason: /is alive/ });
});

test('the status has what each member says, and who is away', async (t) => {
  const rows = memberRows({
    members: [member(1), member(2, { isLearner: true }), member(3, { isAlive: false })],
    alarms: [{ memberID: '1', alarm: 'NOSPACE' }],
    metrics: new Map([
      ['1', { quotaBytes: 4194304, fsyncSeconds: 0.004, commitSeconds: undefined, certificateEndMs: 0 }],
    ]),
    ...{ isManaged: true, nowMs: 0 },
  });
  t.match(rows, [
    {
      name: '10.0.0.1',
      role: 'leader',
      lag: 0,
      databaseSize: 2097152,
      inUse: 1048576,
      ...{ quota: 4194304, revision: 5, fsync: 0.004, commit: undefined, certificateEnd: '1970-01-01T00:00:00.000Z' },
      alarms: ['NOSPACE'],
      problem: '',
    },
    { role: 'learner', lag: 1, alarms: [] },
    { role: 'away', version: '', problem: 'it does not answer' },
  ]);
});

test('etcd listens at the address of the host alone, with certificates of both sides', async (t) => {
  const tls = { caFile: '/pki/ca', certFile: '/pki/cert', keyFile: '/pki/key' };
  const args = etcdArguments({
    ...{ address: 'fd00::2', dataDirectory: '/data', tls, quotaBytes: 1024 },
    beginning: {
      state: 'existing',
      members: [
        ['10.0.0.1', peerUrl('10.0.0.1')],
        ['fd00::2', peerUrl('fd00::2')],
      ],
      token: 't',
    },
  });
  for (const wanted of [
    '--listen-client-urls=https://[fd00::2]:2379',
    '--initial-cluster=10.0.0.1=https://10.0.0.1:2380,fd00::2=https://[fd00::2]:2380',
    ...['--client-cert-auth=true', '--peer-client-cert-auth=true', '--peer-trusted-ca-file=/pki/ca'],
    ...['--initial-cluster-state=existing', '--quota-backend-bytes=1024', '--auto-compaction-retention=0'],
  ])
    t.ok(args.includes(wanted), wanted);
  const again = etcdArguments({
    address: '10.0.0.1',
    dataDirectory: '/data',
    tls,
    quotaBytes: 1,
    beginning: undefined,
  });
  for (const wanted of ['--initial-cluster=10.0.0.1=https://10.0.0.1:2380', '--initial-cluster-state=existing'])
    t.ok(again.includes(wanted), 'one that has data knows its cluster, and begins none when it finds that it has not');
});

async function host(t: Test): Promise<BeginOptions> {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'kedge-managed-etcd-'));
  t.teardown(() => rm(dataDir, { recursive: true, force: true }));
  return {
    ...{ dataDir, pkiDirectory: path.join(dataDir, 'pki'), quotaBytes: 1, version: '3.4.23' },
    ...{ clusterDomain: 'cluster.local', serviceCidr: '10.43.0.0/16', clusterCidr: '10.42.0.0/16' },
    address: async () => '192.0.2.1',
    versionChanges: async () => undefined,
    signal: AbortSignal.timeout(30_000),
    logger: new Log(),
  };
}
async function withData(dataDir: string): Promise<void> {
  const wal = path.join(dataDirectory(dataDir), 'member/wal');
  await mkdir(wal, { recursive: true });
  await writeFile(path.join(wal, '0000000000000000-0000000000000000.wal'), '');
}
const NOT_NEW = '--initial-cluster-state=existing';

test('the first host begins a cluster of one, again after it was killed, and never a second one', async (t) => {
  const options = await host(t);
  const { dataDir } = options;
  const args = await beginMember(options);
  t.ok(args.includes('--initial-cluster=192.0.2.1=https://192.0.2.1:2380'));
  t.match(await readMemberRecord(dataDir), { state: 'new', address: '192.0.2.1', version: '3.4.23' });
  t.equal((await stat(path.join(dataDir, 'etcd'))).mode & 0o777, 0o700);
  t.equal((await stat(path.join(dataDir, 'pki/etcd-ca.key'))).mode & 0o777, 0o600);
  t.strictSame(await beginMember(options), args, 'the same again, with the same CA');
  await withData(dataDir);
  t.ok((await beginMember(options)).includes(NOT_NEW), 'it has begun');
  await writeMemberRecord(dataDir, { state: 'member', address: '192.0.2.1', version: '3.4.23' });
  await beginMember({ ...options, address: async () => '192.0.2.9' });
  t.match(await readMemberRecord(dataDir), { address: '192.0.2.1' }, 'it keeps its address');
  await rm(dataDirectory(dataDir), { recursive: true });
  // What a log is kept in is no log: etcd itself begins a cluster then.
  await mkdir(path.join(dataDirectory(dataDir), 'member/wal'), { recursive: true });
  await t.rejects(
    beginMember(options),
    /the data of this member of etcd are gone .*kedge server leave --name 192\.0\.2\.1/s,
  );
  await writeMemberRecord(dataDir, { state: 'left', address: '192.0.2.1', version: '3.4.23' });
  await t.rejects(beginMember(options), LeftError);
  await rm(path.join(dataDir, 'etcd'), { recursive: true });
  await t.rejects(beginMember(options), /has the CA of an etcd that this host has no member of/);
});

test('another version of etcd finds a copy of the database made before it starts', async (t) => {
  const options = await host(t);
  const seen: string[] = [];
  const versionChanges = async (from: string, to: string): Promise<void> => void seen.push(`${from} ${to}`);
  await beginMember({ ...options, versionChanges });
  await beginMember({ ...options, versionChanges, version: '3.5.1' });
  t.strictSame(seen, [], 'without data there is nothing to keep');
  await withData(options.dataDir);
  await t.rejects(
    beginMember({ ...options, version: '3.5.9', versionChanges: () => Promise.reject(new Error('no room')) }),
    /no room/,
  );
  await beginMember({ ...options, versionChanges, version: '3.5.9' });
  await beginMember({ ...options, versionChanges, version: '3.5.9' });
  t.strictSame(seen, ['3.5.1 3.5.9'], 'also after it has failed, and once');
  await beginMember({ ...options, versionChanges, version: '3.5.8' });
  await beginMember({ ...options, versionChanges, version: '3.5.9' });
  t.strictSame(seen, ['3.5.1 3.5.9'], 'an older one that does not start does not replace the copy');
  await beginMember({ ...options, versionChanges, version: '3.5.10' });
  t.strictSame(seen, ['3.5.1 3.5.9', '3.5.9 3.5.10']);
});

test('a host that has left has no copy of what the cluster has, and knows that it has left', async (t) => {
  const dataDir = await mkdtemp(path.join(os.tmpdir(), 'kedge-left-'));
  t.teardown(() => rm(dataDir, { recursive: true }));
  const record = { state: 'left', address: ipOf(1), version: '3.4.23' } as const;
  await writeMemberRecord(dataDir, record);
  await writeEndpoints(dataDir, [clientUrl(ipOf(2))]);
  const etcd = path.dirname(dataDirectory(dataDir));
  for (const name of ['data', 'before-recovery', 'before-upgrade', 'restored', 'restored.incomplete']) {
    await mkdir(path.join(etcd, name));
    await writeFile(path.join(etcd, name, 'db'), 'Secrets');
  }
  await removeAllData(dataDir);
  t.strictSame((await readdir(etcd)).length, 2);
  t.strictSame(await readMemberRecord(dataDir), record);
  t.strictSame(await readEndpoints(dataDir), [clientUrl(ipOf(2))]);
});

test('a member has one name, however its address is written', async (t) => {
  const options = await host(t);
  const args = await beginMember({ ...options, address: async () => 'FD00:0::02' });
  t.ok(args.includes('--name=fd00::2'));
});

test('what several parts of a host change at once they change one after the other', async (t) => {
  const { dataDir } = await host(t);
  t.equal(await updateMemberRecord(dataDir, (record) => record), undefined, 'there is none yet');
  await writeMemberRecord(dataDir, { state: 'member', address: '10.0.0.1', version: '3.4.0' });
  const raise = () =>
    updateMemberRecord(dataDir, ({ version, ...rest }) => ({
      ...rest,
      version: `3.4.${Number(version.slice(4)) + 1}`,
    }));
  await Promise.all([raise(), raise(), raise()]);
  t.equal((await readMemberRecord(dataDir))?.version, '3.4.3');
});

test('records that nobody of Kedge has written are refused', async (t) => {
  const { dataDir } = await host(t);
  t.equal(await readMemberRecord(dataDir), undefined);
  t.strictSame(await readEndpoints(dataDir), []);
  await writeEndpoints(dataDir, ['https://10.0.0.1:2379']);
  t.strictSame(await readEndpoints(dataDir), ['https://10.0.0.1:2379']);
  for (const text of [
    '{"state":"odd","address":"10.0.0.1","version":""}',
    '{"state":"new","address":"x,y=z","version":""}',
    '[]',
  ]) {
    await writeFile(path.join(dataDir, 'etcd/member.json'), text);
    await t.rejects(readMemberRecord(dataDir), /is not one that kedge has written/, text);
  }
  await writeFile(path.join(dataDir, 'etcd/endpoints.json'), '["file:///etc"]');
  await t.rejects(readEndpoints(dataDir), /is not one that kedge has written/);
});
