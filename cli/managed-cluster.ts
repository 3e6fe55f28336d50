/** What commands about an etcd that Kedge runs have in common. */
import type { Command } from 'commander';
import { isSystemdRunning } from '../agent/host/survey.ts';
import type { ServerConfig } from '../control-plane/config.ts';
import type { EtcdCluster } from '../control-plane/store/etcd/managed/etcd-cluster.ts';
import { requireRoot } from './daemon.ts';
import { givenServerConfig, INSTALLED, SERVER_CONFIG, serverConfigFile } from './server-config.ts';
import { SettingsError } from './settings.ts';

/** What systemd runs on the host of a server with a member of etcd: one that stops stops them in this order. */
export const MANAGED_UNITS = ['kedge-server', 'kedge-etcd'] as const;

export interface ManagedFlags {
  readonly config?: string;
  readonly dataDir?: string;
}

export const managedFlags = (command: Command): Command =>
  command
    .option('--config <file>', SERVER_CONFIG)
    .option('--data-dir <directory>', "the server's data-dir, where --config does not say");

/** The settings, for root. @param command as `kedge COMMAND`. Throws SettingsError when others run etcd. */
export async function managedConfig(command: string, { config, dataDir }: ManagedFlags): Promise<ServerConfig> {
  requireRoot(command, 'uses keys of the cluster');
  const settings = await givenServerConfig({ config, dataDir });
  if (settings.etcd === 'managed') return settings;
  throw new SettingsError(
    "etcd is not run by kedge here: etcd: managed in the server's settings says so (docs/etcd.md)",
  );
}

/** Whether the units of this host are those of these settings. @param config the file that was given */
export const isInstalled = async (config: string | undefined): Promise<boolean> =>
  (await serverConfigFile(config)) === INSTALLED && (await isSystemdRunning());

/** Runs `act` with the members of etcd. SIGINT and SIGTERM end it. Throws StoreUnavailableError with what a member says. */
export async function onManagedCluster(
  config: ServerConfig,
  act: (cluster: EtcdCluster, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => controller.abort(new SettingsError(`ended by ${signal}`)));
  // Loaded when they are used: they bring a library.
  const { openManagedCluster } = await import('../control-plane/store/etcd/managed/managed-etcd.ts');
  const { inPlainWords } = await import('../control-plane/store/etcd/managed/etcd-cluster.ts');
  using cluster = await openManagedCluster(config, controller.signal);
  await inPlainWords(() => act(cluster, controller.signal));
}
