/** The etcd that Kedge runs, without servers: its commands, two members on addresses of the loopback, and want of space. */
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import t from 'tap';
import { openPki } from '../../../control-plane/pki/cluster-pki.ts';
import { writeEndpoints, writeMemberRecord } from '../../../control-plane/store/etcd/managed/member-record.ts';
import { openTestEtcd } from '../../support/etcd.ts';
import { ManagedMembers } from '../../support/managed-members.ts';
import { eventually } from '../../support/wait.ts';

t.setTimeout(600_000);
const members = await ManagedMembers.create({
  ...{ name: 'kedge-managed-etcd', addresses: ['127.77.0.1', '127.77.0.2'] },
  settings: { 'etcd-quota-megabytes': 16 },
});
t.teardown(() => members[Symbol.asyncDispose]());

let first = members.start(0);

t.test('a first member is a cluster of its own, for clients with its certificates alone', async (t) => {
  await members.ready(0);
  t.match((await members.kedge(0, 'server', 'status')).stdout, /^127\.77\.0\.1 +leader +3\..* 16\.0 MB +0 /m);
  const [row] = JSON.parse((await members.kedge(0, 'server', 'status', '-o', 'json')).stdout) as Record<
    string,
    unknown
  >[];
  t.ok(Number(row?.['fsync']) > 0, 'how fast its disk is');
  t.ok(Date.parse(String(row?.['certificateEnd'])) > Date.now(), 'until when its certificate is good');
  t.equal((await stat(members.directory(0, 'etcd', 'data'))).mode & 0o777, 0o700);
  const pki = await openPki({ directory: members.at('cluster'), serverNames: [] });
  await writeFile(members.at('node.crt'), pki.admin.certificate);
  await writeFile(members.at('node.key'), pki.admin.key, { mode: 0o600 });
  const stranger = ['--cert', members.at('node.crt'), '--key', members.at('node.key')];
  await t.rejects(members.etcdctl(0, [...stranger, 'get', 'a']), 'a certificate of the cluster is none of etcd');
  t.match((await members.refusal(0, 'server', 'leave')).stderr, /it is the only member/);
});

t.test('a snapshot is what etcdctl reads, and replaces no file', async (t) => {
  await members.etcdctl(0, ['put', 'kept', 'yes']);
  // As somebody else does who may write to the folder: everybody could read what is written there.
  await writeFile(members.at('snapshot.db.incomplete'), '', { mode: 0o666 });
  await members.kedge(0, 'etcd', 'snapshot', members.at('snapshot.db'));
  t.equal((await stat(members.at('snapshot.db'))).mode & 0o777, 0o600);
  t.equal((await stat(members.at('snapshot.db.incomplete'))).size, 0);
  await rm(members.at('snapshot.db.incomplete'));
  t.match(await members.etcdctl(0, ['snapshot', 'status', '-w', 'json', members.at('snapshot.db')]), /"revision":2\b/);
  t.match((await members.refusal(0, 'etcd', 'snapshot', members.at('snapshot.db'))).stderr, /exist/);
  t.notOk(
    (await readdir(members.at())).some((name) => name.endsWith('.incomplete')),
    'nothing else is left',
  );
});

t.test('a second member is a learner first, and leaves again', async (t) => {
  await members.receiveKeys(1, 0);
  let second = members.start(1);
  await eventually(
    'it to be added',
    async () => (await members.etcdctl(0, ['member', 'list'])).split('\n').length === 3,
    120,
  );
  await second.end('SIGKILL');
  second = members.start(1);
  const { etcdServers } = await members.ready(1);
  t.strictSame(etcdServers.toSorted(), [members.url(0), members.url(1)]);
  // The leader of one alone steps down when its second voter is slow to answer; another election follows.
  const { stdout } = await eventually('both to be well', () => members.kedge(1, 'server', 'status', '-o', 'json'), 120);
  t.match(stdout, /"role": "follower"/);

  await second.end('SIGKILL');
  t.match((await members.refusal(0, 'server', 'leave')).stderr, /127\.77\.0\.2 does not answer/, 'not below quorum');
  t.match((await members.refusal(0, 'server', 'leave', '--name', 'odd')).stderr, /must be the address of a server/);
  second = members.start(1);
  await eventually('it to be back', () => members.kedge(0, 'server', 'status'), 120);
  // As of a host without a server while others join.
  await writeEndpoints(members.directory(1), [members.url(1)]);
  await members.kedge(1, 'server', 'leave');
  await second.ended();
  t.strictSame(await readdir(members.directory(1)), ['etcd'], 'its keys are gone');
  const again = members.start(1);
  await again.ended();
  t.equal(again.exitCode, 78, 'and its unit is not started again');
  t.match(await again.output(), /this host has left the cluster/);
  const left = (await members.kedge(0, 'server', 'status')).stdout;
  t.match(left, /^SERVER.*\n127\.77\.0\.1 +leader/, 'one is left');
  t.notMatch(left, '127.77.0.2');
});

t.test('a host that joins with data of a member of before does not begin another cluster', async (t) => {
  await members.receiveKeys(1, 0);
  // It was removed by another server while it was joining.
  await writeMemberRecord(members.directory(1), { state: 'joining', address: members.addresses[1] ?? '', version: '' });
  await mkdir(members.directory(1, 'etcd', 'data', 'member', 'wal'), { recursive: true });
  await writeFile(members.directory(1, 'etcd', 'data', 'member', 'wal', '0000000000000000-0000000000000000.wal'), '');
  const second = members.start(1);
  await members.ready(1);
  t.match(
    (await members.kedge(0, 'server', 'status')).stdout,
    /^127\.77\.0\.2 +follower/m,
    'the first one has it, too',
  );
  await members.kedge(1, 'server', 'leave');
  await second.ended();
});

// Last of those that write: who joins later goes through the writes in the log, and may find as little room.
t.test('a database that has no room left is shown, and made to have some', async (t) => {
  const pki = (name: string): string => members.directory(0, 'pki', name);
  const files = { caFile: pki('etcd-ca.crt'), certFile: pki('etcd-client.crt'), keyFile: pki('etcd-client.key') };
  const store = await openTestEtcd([members.url(0)], files);
  let failure: unknown;
  try {
    // More than the quota: pages of what was overwritten are in use until history is compacted.
    for (let written = 0; written < 40 && !failure; written++)
      await store.put('/registry/big', Buffer.alloc(900_000, written)).catch((error: unknown) => (failure = error));
  } finally {
    await store.close();
  }
  t.match(failure, { message: /database space exceeded/ });
  const shown = await members.refusal(0, 'server', 'status');
  t.equal(shown.exitCode, 2);
  t.match(
    await members.saidBy(0, 'server', 'status'),
    /127\.77\.0\.1 has the alarm NOSPACE: .*\. To mend it: .*kedge etcd defrag/,
  );
  const revision = /"revision":(\d+)/.exec(await members.etcdctl(0, ['endpoint', 'status', '-w', 'json']))?.[1] ?? '';
  await members.etcdctl(0, ['compact', revision]);
  const { stdout } = await members.kedge(0, 'etcd', 'defrag');
  t.match(stdout, /^127\.77\.0\.1: \d+\.\d MB before, \d\.\d MB now\ncleared the alarm NOSPACE of member/);
  await members.etcdctl(0, ['put', 'again', 'yes']);
  t.notMatch((await members.kedge(0, 'server', 'status')).stdout, /NOSPACE/);
});

t.test('a member whose data are gone does not begin another cluster', async (t) => {
  await first.end('SIGKILL');
  await rm(members.directory(0, 'etcd', 'data'), { recursive: true });
  first = members.start(0);
  await first.ended();
  t.equal(first.exitCode, 1);
  t.match(await first.output(), /the data of this member of etcd are gone/);
});
