/** Where the etcd is that Kedge runs, from the files of this host: nothing is asked, and no client is loaded. */
import path from 'node:path';
import type { ServerConfig } from '../../../config.ts';
import { StoreUnavailableError } from '../../store.ts';
import { clientUrl } from './arguments.ts';
import { clientFiles, hasClient } from './certificates.ts';
import { readEndpoints, readMemberRecord, type MemberRecord } from './member-record.ts';

export const pkiDirectoryOf = ({ dataDir }: Pick<ServerConfig, 'dataDir'>): string => path.join(dataDir, 'pki');

export const NOT_STARTED =
  'the etcd of this host has not been started: systemctl start kedge-etcd (journalctl -u kedge-etcd says why it does not run)';

/** The settings with those of etcd, where Kedge runs it: as if they had been given. Throws StoreUnavailableError or PkiError. */
export async function withManagedEtcd(config: ServerConfig): Promise<ServerConfig> {
  if (config.etcd !== 'managed') return config;
  const record = await readMemberRecord(config.dataDir);
  if (!record || !(await hasClient(pkiDirectoryOf(config)))) throw new StoreUnavailableError(NOT_STARTED);
  return settingsFor(config, record);
}

/** @param record of this host's member */
export async function settingsFor(config: ServerConfig, { address }: MemberRecord): Promise<ServerConfig> {
  const own = clientUrl(address);
  const others = (await readEndpoints(config.dataDir)).filter((url) => url !== own);
  const { caFile, certFile, keyFile } = await clientFiles(pkiDirectoryOf(config));
  return {
    ...config,
    ...{ store: 'etcd', etcdServers: [own, ...others] },
    ...{ etcdCafile: caFile, etcdCertfile: certFile, etcdKeyfile: keyFile },
  };
}
