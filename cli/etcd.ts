/** `kedge etcd`: the etcd that Kedge runs, `etcd: managed` in the server's settings. */
import { constants } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Command } from 'commander';
import { clusterRanges } from '../api/domain/cluster-ranges.ts';
import { advertisedAddress } from '../control-plane/apiserver/bootstrap/advertised-address.ts';
import type { ServerConfig } from '../control-plane/config.ts';
import { dataDirectory, etcdDirectory } from '../control-plane/store/etcd/managed/member-record.ts';
import { pkiDirectoryOf } from '../control-plane/store/etcd/managed/settings.ts';
import { daemonLogger } from '../daemon/daemon-logger.ts';
import { etcdsEnvironment, findEtcd, versionOf } from './etcd-program.ts';
import { etcdRecoverCommand } from './etcd-recover.ts';
import { managedConfig, managedFlags, onManagedCluster, type ManagedFlags } from './managed-cluster.ts';
import { print } from './output.ts';
import { ending } from './run-command.ts';
import { SettingsError } from './settings.ts';
import { userMessage } from './plain-errors.ts';

/** The unit does not start it again: nothing but an operator changes what is wrong. */
const EXIT_LEFT = 78;
const MEGABYTE = 2 ** 20;

/** The database as it was before a newer etcd changes it: `etcdctl snapshot restore --skip-hash-check` reads it. */
async function keepDatabase(config: ServerConfig, from: string): Promise<void> {
  const directory = path.join(etcdDirectory(config.dataDir), 'before-upgrade');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const [name, part] = [`etcd-${from}.db`, path.join(directory, 'incomplete')];
  try {
    await copyFile(path.join(dataDirectory(config.dataDir), 'member/snap/db'), part, constants.COPYFILE_FICLONE);
    await using file = await open(part);
    await file.sync();
  } catch (error) {
    // Where there is no room for it, it takes none: the unit tries again and again.
    await rm(part, { force: true });
    throw error;
  }
  await rename(part, path.join(directory, name));
  for (const old of await readdir(directory)) if (old !== name) await rm(path.join(directory, old));
}

/** Replaces this process by etcd. */
async function runEtcd(flags: ManagedFlags): Promise<void> {
  const config = await managedConfig('etcd run', flags);
  const logger = daemonLogger('kedge-etcd', config.logLevel);
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => controller.abort());
  const program = await findEtcd();
  // Loaded when it is run: it brings a library.
  const { beginMember, LeftError } = await import('../control-plane/store/etcd/managed/begin-member.ts');
  const { finishRecovery } = await import('./etcd-recovery.ts');
  try {
    await finishRecovery({ config, program, signal: controller.signal, logger });
    const [family] = clusterRanges(config.serviceCidr);
    const args = await beginMember({
      ...config,
      pkiDirectory: pkiDirectoryOf(config),
      address: async () => config.advertiseAddress || (await advertisedAddress(family.family)),
      quotaBytes: config.etcdQuotaMegabytes * MEGABYTE,
      version: await versionOf(program),
      versionChanges: async (from, to) => {
        logger.info({ from, to }, 'a newer etcd: the database is copied first');
        await keepDatabase(config, from);
      },
      signal: controller.signal,
      logger,
    });
    // Nothing of Kedge stays in memory, and systemd has one process to look after.
    if (!process.execve)
      throw new SettingsError('this Node.js cannot become another program: it takes the one of the package');
    process.execve(program, [program, ...args], etcdsEnvironment());
  } catch (error) {
    if (controller.signal.aborted) return;
    const sentence = userMessage(error);
    if (sentence === undefined) throw error;
    logger.fatal(sentence);
    process.exitCode = error instanceof LeftError ? EXIT_LEFT : 1;
  }
}

async function defragment(flags: ManagedFlags): Promise<void> {
  const { defragmentAll, disarmAlarms } = await import('../control-plane/store/etcd/managed/maintenance.ts');
  await onManagedCluster(await managedConfig('etcd defrag', flags), async (cluster) => {
    await defragmentAll(cluster, print);
    await disarmAlarms(cluster, print);
  });
}

async function snapshot(file: string, flags: ManagedFlags): Promise<void> {
  const { saveSnapshot } = await import('../control-plane/store/etcd/managed/maintenance.ts');
  await onManagedCluster(await managedConfig('etcd snapshot', flags), async (cluster, signal) => {
    print(`${file}: ${await saveSnapshot(cluster, path.resolve(file), signal)} bytes`);
  });
}

/** `kedge etcd`. */
export const etcdCommand = (): Command =>
  new Command('etcd')
    .description('run and look after the etcd of this cluster, where etcd is managed (docs/etcd.md)')
    .addCommand(
      managedFlags(new Command('run'))
        .description('run the member of this host, as the unit kedge-etcd does')
        .action((flags: ManagedFlags) => runEtcd(flags)),
    )
    .addCommand(
      managedFlags(new Command('defrag'))
        .description(
          'give the room that databases do not use back to the disks, one member after the other, and clear alarms for want of it',
        )
        .action(ending((flags: ManagedFlags) => defragment(flags))),
    )
    .addCommand(
      managedFlags(new Command('snapshot'))
        .description('save the database, as etcdctl snapshot save does')
        .argument('<file>', 'a new file')
        .action(ending((file: string, flags: ManagedFlags) => snapshot(file, flags))),
    )
    .addCommand(etcdRecoverCommand());
