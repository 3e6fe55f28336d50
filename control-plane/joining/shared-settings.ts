/** Which settings the servers of a cluster have alike. Pure. */
import type { SharedSetting } from '../../api/domain/server-join.ts';
import { own } from '../../api/machinery/own.ts';
import { defaultServerConfig, type ServerConfig } from '../config.ts';
import { FILE_SETTINGS } from '../file-settings.ts';

type Name = keyof ServerConfig;

/** Of a host alone. */
const LOCAL: ReadonlySet<string> = new Set<Name>([
  ...(['dataDir', 'bindAddress', 'portFile', 'advertiseAddress', 'adminKubeconfig', 'logLevel'] as const),
  ...(['roles', 'schedulerPort', 'controllersPort', 'rolesAddress', 'kubeconfig'] as const),
  // A collector is beside its server.
  ...(['tracingConfigFile', 'profiling'] as const),
  // Of several servers, one makes the backups.
  ...(['backupSchedule', 'backupDestination', 'backupRetention'] as const),
  // What a disk of a host has room for.
  ...(['etcdQuotaMegabytes'] as const),
  ...(['backupKeyFile', 'backupPassphraseFile', 'backupS3Config'] as const),
]);

/** They come from the cluster, and a host may have others. */
const INHERITED: ReadonlySet<string> = new Set<Name>([
  ...(['tlsSan', 'etcdServers', 'etcdCafile', 'etcdCertfile', 'etcdKeyfile'] as const),
  ...(['kubeletClientCertificate', 'kubeletClientKey', 'kubeletCertificateAuthority'] as const),
  ...(['maxRequestsInflight', 'maxMutatingRequestsInflight'] as const),
  ...(['auditLogPath', 'auditLogMaxage', 'auditLogMaxbackup', 'auditLogMaxsize', 'auditLogCompress'] as const),
]);

/** Names of files whose contents are what counts. */
export const FILES: ReadonlySet<string> = new Set(FILE_SETTINGS);

/** Those that a server that joins takes over, without files. */
export const sharedSettings = (config: ServerConfig): Record<string, SharedSetting> =>
  Object.fromEntries(Object.entries(config).filter(([name]) => !LOCAL.has(name) && !FILES.has(name)));

/** What a host was told before it joins, by the settings' names. */
export type GivenSettings = ReadonlyMap<string, SharedSetting>;

export interface Contradiction {
  readonly name: string;
  readonly here: SharedSetting;
  readonly inCluster: SharedSetting;
}

export interface Agreement {
  /** Those that are not the defaults. */
  readonly settings: Readonly<Record<string, SharedSetting>>;
  readonly contradictions: readonly Contradiction[];
  /** Settings of the cluster that this version of Kedge does not have. */
  readonly unknown: readonly string[];
}

/**
 * The settings of a server that joins: the cluster's, and its own where these may differ.
 * @param cluster as `sharedSettings` returns them, perhaps of another version of Kedge
 */
export function agree(given: GivenSettings, cluster: Readonly<Record<string, SharedSetting>>): Agreement {
  const contradictions: Contradiction[] = [];
  const unknown: string[] = [];
  const settings = new Map<string, SharedSetting>();
  for (const [name, inCluster] of Object.entries(cluster)) {
    const fallback = own<SharedSetting>(defaultServerConfig, name);
    if (fallback === undefined) unknown.push(name);
    if (fallback === undefined || LOCAL.has(name) || FILES.has(name)) continue;
    if (!isEqual(inCluster, fallback)) settings.set(name, inCluster);
    const here = given.get(name);
    if (here !== undefined && !INHERITED.has(name) && !isEqual(here, inCluster))
      contradictions.push({ name, here, inCluster });
  }
  for (const [name, value] of given) if (LOCAL.has(name) || INHERITED.has(name)) settings.set(name, value);
  return { settings: Object.fromEntries(settings), contradictions, unknown };
}

const isEqual = (a: SharedSetting, b: SharedSetting): boolean => JSON.stringify(a) === JSON.stringify(b);
