/** What is decided before a member of etcd becomes the only one, and when its CA is replaced. */
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test, type Test } from 'tap';
import { carryOutRotation, requestRotation } from '../../../control-plane/pki/ca-rotation.ts';
import { openPki } from '../../../control-plane/pki/cluster-pki.ts';
import { clientUrl } from '../../../control-plane/store/etcd/managed/arguments.ts';
import { clientFiles, memberFiles, openEtcdPki } from '../../../control-plane/store/etcd/managed/certificates.ts';
import { planRecovery, type RecoverRequest } from '../../../control-plane/store/etcd/managed/recovering.ts';
import type { StatusResponse } from '../../../control-plane/store/etcd/messages.ts';

const statusAt = (raftIndex: string): StatusResponse => ({
  header: { clusterId: '9', memberId: '1', revision: '50' },
  ...{ version: '3.4.23', dbSize: '2097152', dbSizeInUse: '1048576', leader: '0', raftIndex, errors: [] },
  isLearner: false,
});
const LOST: RecoverRequest = {
  ...{ state: 'member', address: '10.0.0.1', hasData: true, hasSnapshot: false, hasQuorum: false },
  own: statusAt('70'),
  others: [2, 3].map((number) => ({ url: clientUrl(`10.0.0.${number}`), status: undefined })),
};

test('a member becomes the only one when no quorum answers, and what may be lost is said', async (t) => {
  const plan = planRecovery(LOST);
  t.match(plan, {
    kind: 'recover',
    warnings: [
      /has not received is lost/,
      /of revision 50, and its log ends at 70/,
      /^10\.0\.0\.2, 10\.0\.0\.3 must not come back/,
    ],
  });
  t.match(planRecovery({ ...LOST, own: undefined }), { kind: 'recover', warnings: { length: 2 } });
  const snapshot = { ...LOST, hasSnapshot: true, hasData: false };
  t.match(planRecovery(snapshot), { kind: 'recover', warnings: [/after the snapshot is lost/] });
  t.match(planRecovery({ ...snapshot, others: [] }), { kind: 'recover', warnings: { length: 1 } });
});

test('nothing is recovered that is not lost, or by a member that is not the best', async (t) => {
  const reason = (request: Partial<RecoverRequest>): string => {
    const plan = planRecovery({ ...LOST, ...request });
    return plan.kind === 'refused' ? plan.reason : '';
  };
  t.match(reason({ hasQuorum: true }), /most members of etcd answer: nothing is lost/);
  t.match(reason({ hasQuorum: true, others: [] }), /the only member of etcd answers/);
  t.match(reason({ hasQuorum: true, others: [], hasSnapshot: true }), /stop kedge-server and kedge-etcd/);
  t.match(reason({ hasData: false }), /has no data/);
  t.match(reason({ state: 'joining' }), /has not been a full member/);
  t.match(reason({ state: 'left' }), /has left/);
  const others = [{ url: clientUrl('10.0.0.3'), status: statusAt('90') }];
  t.match(reason({ others }), /10\.0\.0\.3 answers, too \(its log ends at 90, that of this one at 70\)/);
  t.match(reason({ others, hasSnapshot: true }), /answers, too/, 'a snapshot does not make it safer');
});

const NAMES = { clusterDomain: 'cluster.local', serviceCidr: '10.96.0.0/12', clusterCidr: '10.244.0.0/16' };

async function folder(t: Test): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kedge-etcd-pki-'));
  t.teardown(() => rm(directory, { recursive: true }));
  return directory;
}

test("etcd's CA is replaced while the one before is trusted, and certificates lead to both", async (t) => {
  const directory = await folder(t);
  const open = (isDue = false): Promise<void> => openEtcdPki(directory, '10.0.0.1', NAMES, { isDue, mayMakeCa: true });
  const read = (name: string): Promise<string> => readFile(path.join(directory, name), 'utf8');
  await t.rejects(requestRotation(directory, 'etcd-ca'), /no CA/);
  await openPki({ directory, serverNames: ['localhost'] });
  await t.rejects(requestRotation(directory, 'etcd-ca'), /not run by kedge/);
  await open();
  const [ca, member] = [await read('etcd-ca.crt'), await read('etcd-member.crt')];
  await open();
  t.equal(await read('etcd-member.crt'), member, 'what is good stays');
  await open(true);
  t.not(await read('etcd-member.crt'), member, 'unless that is asked for');

  await requestRotation(directory, 'etcd-ca');
  await carryOutRotation(directory, [], true, Date.now());
  await open();
  t.not(await read('etcd-ca.crt'), ca);
  const { caFile } = memberFiles(directory);
  t.equal((await readFile(caFile, 'utf8')).trim(), `${(await read('etcd-ca.crt')).trim()}\n${ca}`.trim());
  t.equal((await clientFiles(directory)).caFile, caFile);
  for (const name of ['etcd-member.crt', 'etcd-client.crt']) {
    const [leaf = '', cross = ''] = (await read(name)).split(/(?<=END CERTIFICATE-----\n)/);
    t.ok(new X509Certificate(leaf).verify(new X509Certificate(await read('etcd-ca.crt')).publicKey), `${name} is new`);
    t.ok(new X509Certificate(cross).verify(new X509Certificate(ca).publicKey), 'and leads to the CA before, too');
  }
  await requestRotation(directory, 'drop-etcd-ca');
  await carryOutRotation(directory, [], true, Date.now());
  await open();
  t.equal((await readFile(caFile, 'utf8')).trim(), (await read('etcd-ca.crt')).trim());
  t.equal((await read('etcd-member.crt')).match(/BEGIN CERTIFICATE/g)?.length, 1);
});
