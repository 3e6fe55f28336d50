/** Two members of etcd of which one is lost, which takes the majority away, on addresses of the loopback, without servers. */
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import t from 'tap';
import { run } from '../../../agent/host/run.ts';
import { writeEndpoints } from '../../../control-plane/store/etcd/managed/member-record.ts';
import { ManagedMembers } from '../../support/managed-members.ts';
import { eventually } from '../../support/wait.ts';

t.setTimeout(900_000);
const members = await ManagedMembers.create({ name: 'kedge-etcd-recover', addresses: ['127.78.0.1', '127.78.0.2'] });
t.teardown(() => members[Symbol.asyncDispose]());

const get = async (index: number, key: string): Promise<string> =>
  (await members.etcdctl(index, ['get', '--print-value-only', key])).trim();
const onlyMember = /^SERVER.*\n127\.78\.0\.1 +leader.*\n$/;

/** As `kedge server join` leaves a host. */
async function join(index: number, by: number): Promise<void> {
  await members.receiveKeys(index, by);
  members.start(index);
  await members.ready(index);
}

t.before(async () => {
  members.start(0);
  await members.ready(0);
  await join(1, 0);
  // What the server of the first host does all the time.
  await writeEndpoints(members.directory(0), [members.url(0), members.url(1)]);
  await members.etcdctl(0, ['put', 'kept', 'yes']);
  await members.kedge(0, 'etcd', 'snapshot', members.at('snapshot.db'));
  await members.etcdctl(0, ['put', 'later', 'yes']);
});

t.test('nothing is recovered while a quorum answers, or before it is said with --yes', async (t) => {
  t.match(
    (await members.refusal(0, 'etcd', 'recover', '--yes')).stderr,
    /most members of etcd answer: nothing is lost/,
  );
  await members.kill(0);
  t.match(
    (await members.refusal(0, 'etcd', 'recover', '--yes')).stderr,
    /the member of 127\.78\.0\.2 answers, too: recover by the one whose log is longer/,
  );
  await members.kill(1);
  members.start(0);
  const { stderr, ...unsure } = await eventually('it to answer alone', async () => {
    const said = await members.refusal(0, 'etcd', 'recover');
    return /nothing has been done/.test(said.stderr) ? said : undefined;
  });
  t.match(stderr, /nothing has been done: --yes does it/);
  t.equal(unsure.exitCode, 1);
  await t.rejects(members.etcdctl(0, ['put', 'a', 'b']), 'still no quorum');
});

t.test('the survivor becomes the only member with all that it has, however often it is killed meanwhile', async (t) => {
  const said = await members.kedge(0, 'etcd', 'recover', '--yes');
  t.match(said.stdout, /what the other members have acknowledged and this one has not received is lost/);
  t.match(said.stdout, /127\.78\.0\.2 must not come back with their data/);
  await members.kill(0);
  // Once the copy is made, and while etcd runs with the flag or after that.
  for (const seen of ['before-recovery', 'leader']) {
    const daemon = members.start(0);
    await eventually(`it to be as far as ${seen}, or further`, async () => {
      const names = await readdir(members.directory(0, 'etcd'));
      if (names.includes(seen) || (await isMember())) return true;
      return seen === 'leader' && (await get(0, 'kept')) === 'yes';
    });
    await daemon.end('SIGKILL');
  }
  members.start(0);
  await members.ready(0);
  t.equal(await get(0, 'kept'), 'yes');
  t.equal(await get(0, 'later'), 'yes');
  await members.etcdctl(0, ['put', 'new', 'yes']);
  t.match((await members.kedge(0, 'server', 'status')).stdout, onlyMember);
  t.ok((await readdir(members.directory(0, 'etcd'))).includes('before-recovery'), 'what it had is kept');
});

const isMember = async (): Promise<boolean> =>
  (await run('cat', [members.directory(0, 'etcd', 'member.json')])).stdout.includes('"state":"member"');

t.test('a lost member that comes back with its data ends, and joins anew', async (t) => {
  const lost = members.start(1);
  await eventually('it to end', () => !lost.alive, 60);
  t.ok((await lost.output()).includes('removed from the cluster'));
  await members.kedge(1, 'server', 'leave');
  // As kedge server join does on a host that has left.
  await rm(members.directory(1, 'etcd'), { recursive: true });
  await join(1, 0);
  t.equal(await get(1, 'new'), 'yes');
  await members.kill(0);
  members.start(0);
  await eventually('both to be well after a restart', () => members.kedge(0, 'server', 'status'), 60);
  t.match(await members.etcdctl(0, ['member', 'list']), /127\.78\.0\.2/, 'which takes nobody away again');
});

t.test('a member without data becomes the only one with those of a snapshot', async (t) => {
  await members.kill(0);
  await members.kill(1);
  await rename(members.directory(0, 'etcd', 'data'), members.at('lost'));
  t.match((await members.refusal(0, 'etcd', 'recover', '--yes')).stderr, /has no data.*--snapshot/);
  await writeFile(members.at('damaged.db'), 'not a database');
  t.ok((await members.refusal(0, 'etcd', 'recover', '--snapshot', members.at('damaged.db'), '--yes')).exitCode);
  t.match((await run('cat', [members.directory(0, 'etcd', 'member.json')])).stdout, /"member"/, 'nothing has changed');
  await members.kedge(0, 'etcd', 'recover', '--snapshot', members.at('snapshot.db'), '--yes');
  members.start(0);
  await members.ready(0);
  t.equal(await get(0, 'kept'), 'yes');
  t.equal(await get(0, 'later'), '', 'what was written later is lost, as was said');
  t.match((await members.kedge(0, 'server', 'status')).stdout, onlyMember);
  await rm(members.at('lost'), { recursive: true });
});
