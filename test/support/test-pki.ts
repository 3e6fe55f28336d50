/** Keys and certificates for an api-server under test. */
import { cp } from 'node:fs/promises';
import { openPki, type ClusterPki } from '../../control-plane/pki/cluster-pki.ts';

const SERVER_NAMES = ['127.0.0.1', 'localhost'];
/** Created once per run by the runner: generating keys takes longer than most tests. */
export const SHARED_PKI = 'KEDGE_TEST_PKI';

/** Opens the PKI in the directory; an empty directory gets a copy of the shared one. */
export async function openTestPki(directory: string): Promise<ClusterPki> {
  const shared = process.env[SHARED_PKI];
  if (shared !== undefined && shared !== directory) await cp(shared, directory, { recursive: true, force: false });
  return openPki({ directory, serverNames: SERVER_NAMES });
}
