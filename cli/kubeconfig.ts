import { Command } from 'commander';
import { join } from 'node:path';
import { parseDuration } from '../api/machinery/duration.ts';
import { readAuthority } from '../control-plane/pki/cluster-pki.ts';
import { kubeconfig } from '../control-plane/pki/kubeconfig.ts';
import { PkiError } from '../control-plane/pki/pem-files.ts';
import { advertisedServer, KUBECONFIG_HELP, openCluster } from './cluster-access.ts';
import { SettingsError } from './settings.ts';
import { print } from './output.ts';
import { UsageError } from './usage.ts';

interface KubeconfigCommandOptions {
  readonly user: string;
  readonly group: readonly string[];
  readonly ttl: string;
  readonly server?: string;
  readonly dataDir: string;
  readonly kubeconfig?: string;
}

async function findServer(kubeconfig: string | undefined): Promise<string> {
  await using cluster = await openCluster(kubeconfig);
  return await advertisedServer(cluster.client);
}

async function printKubeconfig(options: KubeconfigCommandOptions): Promise<void> {
  const lifetimeMs = parseDuration(options.ttl);
  if (lifetimeMs === undefined || lifetimeMs <= 0) {
    throw new UsageError(`--ttl must be a duration such as 24h or 8760h, not "${options.ttl}"`);
  }
  if (options.user === '') throw new UsageError('--user must not be empty: it is who the certificate is for');
  if (options.server !== undefined && !/^https:\/\/[^/]+/.test(options.server)) {
    throw new UsageError(`--server must be like https://10.0.0.1:6443, not "${options.server}"`);
  }
  const server = options.server ?? (await findServer(options.kubeconfig));
  try {
    const ca = await readAuthority(join(options.dataDir, 'pki'));
    const { issueCertificate } = await import('../control-plane/pki/signing.ts');
    const credentials = await issueCertificate(ca, {
      commonName: options.user,
      organizations: options.group,
      usages: ['digital signature', 'client auth'],
      lifetimeMs,
      now: Date.now(),
    });
    print(kubeconfig({ server, caCertificate: ca.certificate, user: options.user, credentials }).trimEnd());
  } catch (error) {
    if (error instanceof PkiError) throw new SettingsError(error.message, { cause: error });
    throw error;
  }
}

/** `kedge kubeconfig`: prints a kubeconfig with a new client certificate. Runs on the server, since it needs the CA's key. */
export const kubeconfigCommand = (): Command =>
  new Command('kubeconfig')
    .description("print a kubeconfig; without --user and --group an administrator's")
    .option('--user <name>', 'user name in the certificate', 'kubernetes-admin')
    .option(
      '--group <name...>',
      'the groups of the user; system:masters for the administrator',
      (group: string, groups: readonly string[]) => [...groups, group],
      [] as readonly string[],
    )
    .option('--ttl <duration>', 'lifetime of the certificate', '8760h')
    .option('--server <url>', 'address of the api-server; default: the address published in kube-public/cluster-info')
    .option('--data-dir <folder>', 'data directory of the server', '/var/lib/kedge/server')
    .option('--kubeconfig <file>', `used to find the server: ${KUBECONFIG_HELP}`)
    .action((options: KubeconfigCommandOptions) => {
      const administrator = options.user === 'kubernetes-admin' && options.group.length === 0;
      return printKubeconfig(administrator ? { ...options, group: ['system:masters'] } : options);
    });
