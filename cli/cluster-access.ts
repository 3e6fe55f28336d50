/** How the administrator's commands connect to the cluster. */
import { access } from 'node:fs/promises';
import { delimiter } from 'node:path';
import { parse } from 'yaml';
import { CLUSTER_INFO } from '../api/domain/bootstrap-token.ts';
import { configMaps } from '../api/kinds/core/config-map.ts';
import { ApiClient } from '../client/api-client.ts';
import { KubeconfigError, loadKubeconfig } from '../client/kubeconfig.ts';
import { SettingsError } from './settings.ts';
import type { ConfigMap } from '../api/types/core/v1.gen.ts';

const ADMIN_KUBECONFIG = '/etc/kedge/admin.kubeconfig';

/** Help text of the `--kubeconfig` flag. */
export const KUBECONFIG_HELP = `an administrator's kubeconfig (default: the first file of $KUBECONFIG that exists, or ${ADMIN_KUBECONFIG})`;

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Returns `given`, or else the kubeconfig to use by default. $KUBECONFIG is a list of files, as for kubectl. */
export async function kubeconfigFile(given: string | undefined, environment: NodeJS.ProcessEnv): Promise<string> {
  if (given !== undefined) return given;
  for (const path of (environment['KUBECONFIG'] ?? '').split(delimiter))
    if (path !== '' && (await exists(path))) return path;
  return ADMIN_KUBECONFIG;
}

export interface ClusterAccess extends AsyncDisposable {
  readonly client: ApiClient;
  /** The cluster's CA, PEM. */
  readonly ca: string;
}

/** Opens a client for the given kubeconfig or the default one; the caller disposes of it. Throws SettingsError. */
export async function openCluster(given: string | undefined): Promise<ClusterAccess> {
  const file = await kubeconfigFile(given, process.env);
  try {
    const kubeconfig = await loadKubeconfig(file);
    if (!kubeconfig.ca) throw new SettingsError(`kubeconfig ${file}: has no certificate-authority`);
    const client = new ApiClient({ ...kubeconfig, userAgent: 'kedge' });
    return { client, ca: kubeconfig.ca.toString(), [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
  } catch (error) {
    if (!(error instanceof KubeconfigError)) throw error;
    const isElsewhere = file === ADMIN_KUBECONFIG && !(await exists(file));
    const hint = isElsewhere ? "; it is on the server's host, and --kubeconfig names another one" : '';
    throw new SettingsError(`${error.message}${hint}`, { cause: error });
  }
}

/** The api-server's address as published in kube-public/cluster-info. Throws SettingsError when there is none. */
export async function advertisedServer(client: ApiClient): Promise<string> {
  const info = await client.get<ConfigMap>(configMaps, CLUSTER_INFO.namespace, CLUSTER_INFO.name);
  const published = parse(info.data?.['kubeconfig'] ?? '') as { clusters?: { cluster?: { server?: string } }[] } | null;
  const server = published?.clusters?.[0]?.cluster?.server;
  if (!server) throw new SettingsError('ConfigMap kube-public/cluster-info has no server; restart kedge server');
  return server;
}
