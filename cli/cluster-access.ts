/** How the commands of an administrator reach the cluster. */
import { parse } from 'yaml';
import { configMaps, type ConfigMap } from '../api/core/config-map.ts';
import { ApiClient } from '../client/api-client.ts';
import { KubeconfigError, loadKubeconfig } from '../client/kubeconfig.ts';
import { SettingsError } from './settings.ts';

export const ADMIN_KUBECONFIG = '/etc/kedge/admin.kubeconfig';

export interface ClusterAccess extends AsyncDisposable {
  readonly client: ApiClient;
  /** The cluster's CA, PEM. */
  readonly ca: string;
}

/** Opens the api of a kubeconfig; the caller disposes of it. Throws SettingsError. */
export async function openCluster(kubeconfig: string): Promise<ClusterAccess> {
  try {
    const access = await loadKubeconfig(kubeconfig);
    if (!access.ca) throw new SettingsError(`kubeconfig ${kubeconfig}: names no certificate-authority`);
    const client = new ApiClient({ ...access, userAgent: 'kedge' });
    return { client, ca: access.ca.toString(), [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
  } catch (error) {
    if (error instanceof KubeconfigError) throw new SettingsError(error.message, { cause: error });
    throw error;
  }
}

/** Where other hosts reach the api-server, as the cluster publishes it. */
export async function advertisedServer(client: ApiClient): Promise<string> {
  const info = await client.get<ConfigMap>(configMaps, 'kube-public', 'cluster-info');
  const published = parse(info.data?.['kubeconfig'] ?? '') as { clusters?: { cluster?: { server?: string } }[] } | null;
  const server = published?.clusters?.[0]?.cluster?.server;
  if (!server) throw new SettingsError('the ConfigMap kube-public/cluster-info names no server; restart kedge server');
  return server;
}
