/** `kedge etcd recover`: makes the member of this host the only one when most are lost for good. `etcd-recovery.ts` carries it out. */
import path from 'node:path';
import { Command } from 'commander';
import { run } from '../agent/host/run.ts';
import type { ServerConfig } from '../control-plane/config.ts';
import { clientUrl } from '../control-plane/store/etcd/managed/arguments.ts';
import { hasClient } from '../control-plane/store/etcd/managed/certificates.ts';
import type { EtcdCluster } from '../control-plane/store/etcd/managed/etcd-cluster.ts';
import {
  hasData,
  readEndpoints,
  readMemberRecord,
  writeMemberRecord,
  type MemberRecord,
} from '../control-plane/store/etcd/managed/member-record.ts';
import { planRecovery, type RecoverPlan } from '../control-plane/store/etcd/managed/recovering.ts';
import { pkiDirectoryOf } from '../control-plane/store/etcd/managed/settings.ts';
import { forgetFormerRecovery, restoreSnapshot } from './etcd-recovery.ts';
import {
  isInstalled,
  managedConfig,
  managedFlags,
  MANAGED_UNITS,
  onManagedCluster,
  type ManagedFlags,
} from './managed-cluster.ts';
import { print } from './output.ts';
import { ending } from './run-command.ts';
import { SettingsError } from './settings.ts';

/** etcd reads all of its log, and a copy of its data is made first: of 8 GB at 50 MB/s, in three minutes. */
const RESTART_LIMIT_MS = 15 * 60_000;

interface Flags extends ManagedFlags {
  readonly snapshot?: string;
  readonly yes?: true;
}

export const etcdRecoverCommand = (): Command =>
  managedFlags(new Command('recover'))
    .description('make the member of this host the only one, when most members are lost for good')
    .option('--snapshot <file>', 'with the data of a snapshot (kedge etcd snapshot) instead of its own')
    .option('--yes', 'do it: without it, what would be done and lost is said')
    .action(ending(recover));

async function recover({ snapshot, yes, ...flags }: Flags): Promise<void> {
  const config = await managedConfig('etcd recover', flags);
  const record = await readMemberRecord(config.dataDir);
  if (!record || !(await hasClient(pkiDirectoryOf(config))))
    throw new SettingsError('this host has no member of etcd: use a server that has');
  // One that was begun is carried out, whatever becomes of this command.
  if (record.state !== 'recovering' || snapshot !== undefined) {
    const plan = await planOf(config, record, snapshot !== undefined);
    if (plan.kind === 'refused') throw new SettingsError(plan.reason);
    for (const warning of plan.warnings) print(`kedge: ${warning}`);
    if (!yes) throw new SettingsError('nothing has been done: --yes does it');
    await forgetFormerRecovery(config.dataDir);
    if (snapshot !== undefined) await restoreSnapshot(config, record, path.resolve(snapshot));
    await writeMemberRecord(config.dataDir, { ...record, state: 'recovering' });
  }
  if (!(await isInstalled(flags.config))) {
    print('kedge: this is carried out when etcd of this host starts next; its server is to be restarted, too');
    return;
  }
  const [server, etcd] = MANAGED_UNITS;
  for (const unit of [etcd, server]) await run('systemctl', ['restart', unit], { timeoutMs: RESTART_LIMIT_MS });
  print(`kedge: ${record.address} is the only member of etcd: kedge server status`);
}

async function planOf(config: ServerConfig, record: MemberRecord, hasSnapshot: boolean): Promise<RecoverPlan> {
  const own = clientUrl(record.address);
  const urls = (await readEndpoints(config.dataDir)).filter((url) => url !== own);
  let plan: RecoverPlan | undefined;
  await onManagedCluster(config, async (cluster) => {
    const [hasQuorum, [ownStatus, ...others]] = await Promise.all([
      quorumAnswers(cluster),
      cluster.statusesOf([own, ...urls]),
    ]);
    plan = planRecovery({
      ...{ state: record.state, address: record.address, hasSnapshot, hasQuorum, own: ownStatus?.status },
      hasData: await hasData(config.dataDir),
      others: others.map(({ status }, index) => ({ url: urls[index] ?? '', status })),
    });
  });
  if (!plan) throw new Error('no plan was made');
  return plan;
}

/** They elect a leader meanwhile, if they can. */
async function quorumAnswers(cluster: EtcdCluster): Promise<boolean> {
  const { EndpointError } = await import('../control-plane/store/etcd/endpoint.ts');
  try {
    await cluster.agree();
    return true;
  } catch (error) {
    if (error instanceof EndpointError) return false;
    throw error;
  }
}
