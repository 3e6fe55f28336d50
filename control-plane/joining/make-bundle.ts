/** What this server gives to one that joins: read when it is asked for, since files change. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServerBundle } from '../../api/domain/server-join.ts';
import type { ServerConfig } from '../config.ts';
import { OVERLAP_FILES } from '../pki/ca-rotation.ts';
import { SERVICE_ACCOUNT_KEY_FILES } from '../pki/service-account-keys.ts';
import type { ClusterPki } from '../pki/cluster-pki.ts';
import { readIfThere } from '../pki/pem-files.ts';
import { ETCD_CA_FILES } from '../store/etcd/managed/certificates.ts';
import { FILES, sharedSettings } from './shared-settings.ts';

type GivenPki = Pick<ClusterPki, 'ca' | 'directory' | 'frontProxyCa' | 'serviceAccountKey'>;

/** @param config as it was given @param etcdMembers of an etcd that Kedge runs. Rejects when a file that a setting names cannot be read. */
export async function makeServerBundle(
  config: ServerConfig,
  etcdMembers: readonly string[],
  { ca, directory, frontProxyCa, serviceAccountKey }: GivenPki,
): Promise<ServerBundle> {
  const named = Object.entries(config).filter(([name, file]) => FILES.has(name) && file !== '');
  const files = await Promise.all(named.map(async ([name, file]) => [name, await readFile(String(file), 'utf8')]));
  const more = [...OVERLAP_FILES, ...SERVICE_ACCOUNT_KEY_FILES, ...ETCD_CA_FILES].map(
    async (name) => [name, await readIfThere(join(directory, name))] as const,
  );
  return {
    settings: sharedSettings(config),
    files: Object.fromEntries(files) as Record<string, string>,
    pki: {
      'ca.crt': ca.certificate,
      'ca.key': ca.key,
      'front-proxy-ca.crt': frontProxyCa.certificate,
      'front-proxy-ca.key': frontProxyCa.key,
      'sa.key': serviceAccountKey,
      ...Object.fromEntries(
        (await Promise.all(more)).flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])),
      ),
    },
    ...(config.etcd === 'managed' && { etcdMembers }),
  };
}
