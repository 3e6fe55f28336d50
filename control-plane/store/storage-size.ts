/** How large the store is: upstream's stable metric (`k8s.io/apiserver`, `pkg/storage/etcd3/metrics`). */
import { stat } from 'node:fs/promises';
import type { Logger } from '../../client/logger.ts';
import { Exposition } from '../../daemon/metrics/exposition.ts';

const NAME = 'apiserver_storage_size_bytes';
/** Of `st_blocks`, whatever the file system's blocks are. */
const BLOCK_BYTES = 512;

export interface StorageSize {
  /** Upstream calls the first etcd so; the embedded store is none. */
  readonly cluster: 'etcd-0' | 'embedded-0';
  /** Bytes that are allocated on a disk; of one member, as upstream. */
  readonly read: () => Promise<number>;
}

export const sizeOfFile = (file: string): StorageSize => ({
  cluster: 'embedded-0',
  read: async () => (await stat(file)).blocks * BLOCK_BYTES,
});

/** In the text format. A size that cannot be read is not written, as upstream: what is scraped with it is. It does not reject. */
export async function storageSizeMetric({ cluster, read }: StorageSize, logger: Logger): Promise<string> {
  try {
    const size = await read();
    const help = 'Size of the storage database file physically allocated in bytes.';
    return new Exposition().family(NAME, 'gauge', help).sample(NAME, { storage_cluster_id: cluster }, size).toString();
  } catch (error) {
    logger.debug({ err: error }, 'failed to read the size of the store');
    return '';
  }
}
