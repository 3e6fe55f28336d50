/** The keys and certificates of an api-server under test. */
import { cp } from 'node:fs/promises';
import { openPki, type ClusterPki } from '../../control-plane/pki/cluster-pki.ts';

const SERVER_NAMES = ['127.0.0.1', 'localhost'];
/** Made by the runner, for all files of a run: making keys takes longer than most tests. */
export const SHARED_PKI = 'KEDGE_TEST_PKI';

/** Opens what is in the directory; what is not there yet is a copy of the run's. */
export async function openTestPki(directory: string): Promise<ClusterPki> {
  const shared = process.env[SHARED_PKI];
  if (shared !== undefined && shared !== directory) await cp(shared, directory, { recursive: true, force: false });
  return openPki({ directory, serverNames: SERVER_NAMES });
}
