/** How the administrator's commands connect to the cluster. */
import { access } from 'node:fs/promises';
import { delimiter } from 'node:path';
import { parse } from 'yaml';
import { CLUSTER_INFO } from '../api/domain/bootstrap-token.ts';
import { IpAddress } from '../api/domain/address.ts';
import { serverUrl } from '../api/domain/server-url.ts';
import { configMaps } from '../api/kinds/core/config-map.ts';
import { isNotFound } from '../api/machinery/status-error.ts';
import { ApiClient } from '../client/api-client.ts';
import { KubeconfigError, loadKubeconfig, type Kubeconfig } from '../client/kubeconfig.ts';
import { endpoints } from '../client/resources.gen.ts';
import { SettingsError } from './settings.ts';
import type { ConfigMap, Endpoints } from '../api/types/core/v1.gen.ts';

/** The Service whose endpoints are the servers, and the name in their certificates. */
const SERVERS = { namespace: 'default', name: 'kubernetes' };
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
export const openCluster = (given: string | undefined): Promise<ClusterAccess> =>
  open(given, (kubeconfig) => kubeconfig);

/** The same for one server of several. @param server its URL, as `serversOf` has it */
export const openServer = (given: string | undefined, server: string): Promise<ClusterAccess> =>
  // Its certificate has the name that agents know servers by.
  open(given, (kubeconfig) => ({ ...kubeconfig, server, serverName: SERVERS.name }));

async function open(given: string | undefined, change: (kubeconfig: Kubeconfig) => Kubeconfig): Promise<ClusterAccess> {
  const file = await kubeconfigFile(given, process.env);
  try {
    const kubeconfig = change(await loadKubeconfig(file));
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

/**
 * URLs of the servers that are alive, in the order of their addresses: the endpoints of the Service `kubernetes`. None where hosts cannot reach the
 * server, as by a loopback address.
 */
export async function serversOf(client: ApiClient): Promise<readonly string[]> {
  const found = await client.get<Endpoints>(endpoints, SERVERS.namespace, SERVERS.name).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  return (found?.subsets ?? []).flatMap(({ addresses = [], ports = [] }) =>
    addresses.flatMap(({ ip }) => {
      const port = ports.find(({ name }) => name === 'https')?.port;
      return IpAddress.parse(ip) && port !== undefined ? serverUrl(ip, port) : [];
    }),
  );
}

/**
 * An address of the cluster for hosts that join and kubeconfigs: the one that is published in kube-public/cluster-info, or, when that one has just
 * gone, another one's. Throws SettingsError when there is none.
 */
export async function advertisedServer(client: ApiClient): Promise<string> {
  const info = await client.get<ConfigMap>(configMaps, CLUSTER_INFO.namespace, CLUSTER_INFO.name);
  const published = parse(info.data?.['kubeconfig'] ?? '') as { clusters?: { cluster?: { server?: string } }[] } | null;
  const server = published?.clusters?.[0]?.cluster?.server;
  if (!server) throw new SettingsError('ConfigMap kube-public/cluster-info has no server; restart kedge server');
  const alive = await serversOf(client);
  return alive.includes(server) ? server : (alive[0] ?? server);
}
