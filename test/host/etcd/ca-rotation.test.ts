/** A new CA of an etcd that runs: clients of either CA are served, and the one before is dropped when the member knows the new one. */
import { copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import t from 'tap';
import { carryOutRotation, requestRotation } from '../../../control-plane/pki/ca-rotation.ts';
import { openPki } from '../../../control-plane/pki/cluster-pki.ts';
import { membersBehind } from '../../../control-plane/store/etcd/managed/ca-rollover.ts';
import { openEtcdPki } from '../../../control-plane/store/etcd/managed/certificates.ts';
import { openManagedCluster } from '../../../control-plane/store/etcd/managed/managed-etcd.ts';
import type { Daemon } from '../../support/daemon.ts';
import { ManagedMembers } from '../../support/managed-members.ts';

t.setTimeout(300_000);
const address = '127.79.0.1';
const members = await ManagedMembers.create({ name: 'kedge-etcd-ca', addresses: [address] });
t.teardown(() => members[Symbol.asyncDispose]());
const config = members.configOf(0);
const pki = members.directory(0, 'pki');
const signal = AbortSignal.timeout(280_000);

async function start(): Promise<Daemon> {
  const daemon = members.start(0);
  await members.ready(0);
  return daemon;
}

/** What a client has kept since before, or has now. */
const write = (directory: string): Promise<string> => members.etcdctl(0, ['put', 'a', 'b'], directory);

async function behind(): Promise<readonly string[]> {
  using cluster = await openManagedCluster(config, signal);
  return await membersBehind(pki, await cluster.list(), signal);
}

async function carryOut(step: 'etcd-ca' | 'drop-etcd-ca'): Promise<void> {
  await requestRotation(pki, step);
  await carryOutRotation(pki, [], true, Date.now());
  await openEtcdPki(pki, address, config);
}

t.test('clients of the CA before and of the new one are served, with no restart in between', async (t) => {
  const etcd = await start();
  await openPki({ directory: pki, serverNames: ['localhost'] });
  t.strictSame(await behind(), []);
  await mkdir(members.at('before'));
  for (const name of ['etcd-ca.crt', 'etcd-client.crt', 'etcd-client.key'])
    await copyFile(path.join(pki, name), members.at('before', name));

  await carryOut('etcd-ca');
  await write(members.at('before'));
  await write(pki);
  t.strictSame(await behind(), [address], 'it does not trust the new CA by itself yet');
  await etcd.end();
  const restarted = await start();
  await write(members.at('before'));
  await write(pki);
  t.strictSame(await behind(), [], 'it does now');

  await carryOut('drop-etcd-ca');
  await write(pki);
  await restarted.end();
  await start();
  await write(pki);
  await t.rejects(write(members.at('before')), 'a client of the CA before is a stranger');
});
