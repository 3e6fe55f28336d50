/** `kedge server leave`: a host is a server, and a member of etcd, no longer; or one that is lost is forgotten. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { run } from '../agent/host/run.ts';
import { IpAddress } from '../api/domain/address.ts';
import { CONTROL_PLANE_LABEL } from '../api/domain/control-plane-node.ts';
import { serverUrl } from '../api/domain/server-url.ts';
import type { ServerConfig } from '../control-plane/config.ts';
import { openEtcd } from '../control-plane/open-store.ts';
import { clientUrl, peerUrl } from '../control-plane/store/etcd/managed/arguments.ts';
import type { EtcdCluster } from '../control-plane/store/etcd/managed/etcd-cluster.ts';
import type { Member } from '../control-plane/store/etcd/messages.ts';
import { planLeave } from '../control-plane/store/etcd/managed/leaving.ts';
import { withManagedEtcd } from '../control-plane/store/etcd/managed/settings.ts';
import {
  readMemberRecord,
  removeAllData,
  writeEndpoints,
  writeMemberRecord,
} from '../control-plane/store/etcd/managed/member-record.ts';
import { upstreamKeys } from '../control-plane/apiserver/catalogue/key-layout.ts';
import { ConflictError } from '../control-plane/store/store.ts';
import { daemonLogger } from '../daemon/daemon-logger.ts';
import { demoteNode } from './demoted-node.ts';
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

const SYSTEMCTL_LIMIT_MS = 60_000;
const END_LIMIT_MS = 30_000;
const END_PAUSE_MS = 200;

interface Flags extends ManagedFlags {
  readonly name?: string;
  readonly force?: true;
}

export const serverLeaveCommand = (): Command =>
  managedFlags(new Command('leave'))
    .description('make this host no server any more, or forget another one that is lost, where etcd is managed')
    .option('--name <address>', 'a server that is lost, by its address (kedge server status)')
    .option('--force', 'also when the members that are left cannot agree on anything, or the lost one is alive')
    .action(ending(leave));

async function leave({ name, force, ...flags }: Flags): Promise<void> {
  const config = await managedConfig('server leave', flags);
  const own = await readMemberRecord(config.dataDir);
  const address = name === undefined ? own?.address : IpAddress.parse(name)?.text;
  if (address === undefined)
    throw new SettingsError(
      name === undefined ? 'this host has no member of etcd' : '--name must be the address of a server, as 10.0.0.2',
    );
  const isLost = address !== own?.address;
  // Loaded when it is used: it brings a library.
  const { votersUrls } = await import('../control-plane/store/etcd/managed/etcd-cluster.ts');
  // A command that was broken off before its end is gone on with.
  if (isLost || own.state !== 'left') {
    let isMember = false;
    await onManagedCluster(config, async (cluster, signal) => {
      const members = await cluster.list();
      // Who is asked afterwards: this host may have been without a server when others joined, and not know of them.
      await writeEndpoints(config.dataDir, votersUrls(members));
      isMember = await remove(cluster, members, { address, isLost, force: force === true });
      await forgetServer(config, address, signal);
      if (!isLost) await stop(cluster, address, flags.config);
      // After its server has ended, which would mark the Node again.
      await demote(config, address, members, signal);
    });
    if (isLost) return print(isMember ? `${address} is forgotten` : `${address} is no member of etcd`);
    if (own) await writeMemberRecord(config.dataDir, { ...own, state: 'left' });
  }
  await removeAllData(config.dataDir);
  for (const folder of ['shared', 'pki']) await rm(path.join(config.dataDir, folder), { recursive: true, force: true });
  print(
    `this host, ${address}, is no server any more; its keys of the cluster and its data of etcd are removed, with all copies of these`,
  );
}

/** Returns whether it was a member. */
async function remove(
  cluster: EtcdCluster,
  listed: readonly Member[],
  { address, isLost, force }: { readonly address: string; readonly isLost: boolean; readonly force: boolean },
): Promise<boolean> {
  const members = await cluster.statuses(listed);
  const plan = planLeave({ peerUrl: peerUrl(address), isLost, force, members });
  if (plan.kind === 'absent') return false;
  if (plan.kind === 'refused') throw new SettingsError(plan.reason);
  if (plan.lead) await cluster.moveLeader(plan.lead.from, plan.lead.to.ID);
  await cluster.remove(plan.member.ID);
  return true;
}

/** Its address is no endpoint of the Service `kubernetes` any more. */
async function forgetServer(config: ServerConfig, address: string, signal: AbortSignal): Promise<void> {
  const managed = await withManagedEtcd(config);
  const { root } = upstreamKeys(config.etcdPrefix);
  const others = managed.etcdServers.filter((url) => new URL(url).hostname.replace(/[[\]]/g, '') !== address);
  const logger = daemonLogger('kedge-server-leave', 'error');
  const settings = { ...managed, etcdServers: others, etcdCompactionIntervalSeconds: 0 };
  const store = await openEtcd(settings, root, signal, logger);
  try {
    await store.delete(`${root}masterleases/${address}`);
  } catch (error) {
    // It has expired.
    if (!(error instanceof ConflictError)) throw error;
  } finally {
    await store.close();
  }
}

/** Pods may run on the host as on any other one, and who lists control-plane nodes does not find it. */
async function demote(
  config: ServerConfig,
  address: string,
  members: readonly Member[],
  signal: AbortSignal,
): Promise<void> {
  const servers = members.flatMap(({ name }) =>
    name === address || name === '' ? [] : [serverUrl(name, config.port)],
  );
  const reason = await demoteNode({ kubeconfig: config.adminKubeconfig, servers, address, signal });
  if (reason !== undefined)
    print(
      `a Node of ${address} keeps its marks of the control plane (${reason}): kubectl label node NAME ${CONTROL_PLANE_LABEL}- and ` +
        `kubectl taint node NAME ${CONTROL_PLANE_LABEL}:NoSchedule- take them away`,
    );
}

/** Resolves when etcd has ended: its data can be removed then. Without systemd, both end by themselves, since the member has been removed. */
async function stop(cluster: EtcdCluster, address: string, config: string | undefined): Promise<void> {
  if (await isInstalled(config))
    await run('systemctl', ['disable', '--quiet', '--now', ...MANAGED_UNITS], { timeoutMs: SYSTEMCTL_LIMIT_MS });
  const deadline = performance.now() + END_LIMIT_MS;
  while ((await cluster.statusesOf([clientUrl(address)]))[0]?.status) {
    if (performance.now() > deadline)
      throw new SettingsError('etcd of this host does not end: stop kedge-etcd, and run this again');
    await delay(END_PAUSE_MS);
  }
}
