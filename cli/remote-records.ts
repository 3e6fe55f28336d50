/** The objects of a server that runs, from its path `/backup`. */
import { isJsonObject, own } from '../api/machinery/own.ts';
import { StatusError } from '../api/machinery/status-error.ts';
import type { ApiClient } from '../client/api-client.ts';
import { BackupError } from '../control-plane/backup/backup-error.ts';
import { decodeRecord, linesOf } from '../control-plane/backup/records.ts';
import type { PagePosition, RecordPage, RecordSource } from '../control-plane/backup/store-pages.ts';
import { CompactedError } from '../control-plane/store/store.ts';

const PATH = '/backup';
const PAGE_LIMIT_MS = 60_000;

/** Throws BackupError for a server that has no such path. */
export async function remoteSource(client: ApiClient, signal: AbortSignal): Promise<RecordSource> {
  const first = await fetchPage(client, undefined, signal);
  return {
    home: first.home,
    root: first.root,
    page: (position, signal) => fetchPage(client, position, signal),
  };
}

async function fetchPage(
  client: ApiClient,
  position: PagePosition | undefined,
  signal: AbortSignal,
): Promise<RecordPage & Pick<RecordSource, 'home' | 'root'>> {
  const query = position && {
    revision: String(position.revision),
    after: position.after,
    limit: String(position.limit),
  };
  const { body } = await client
    .request('GET', PATH, { ...(query && { query }), timeoutMs: PAGE_LIMIT_MS, signal })
    .catch((error: unknown) => {
      if (!(error instanceof StatusError)) throw error;
      if (error.code === 410) throw new CompactedError(position?.revision ?? 0);
      if (error.code === 404)
        throw new BackupError('the server has no path /backup: it is of another version than this command', {
          cause: error,
        });
      throw error;
    });
  const [head, ...lines] = linesOf(Buffer.from(body));
  const value: unknown = JSON.parse(head?.toString() ?? '');
  if (!isJsonObject(value)) throw new BackupError('the server does not answer as kedge does');
  const [home, root, revision, next] = ['home', 'root', 'revision', 'next'].map((name) => own(value, name));
  const isRight =
    (home === 'embedded' || home === 'etcd') && typeof root === 'string' && Number.isSafeInteger(revision);
  if (!isRight || (next !== undefined && typeof next !== 'string'))
    throw new BackupError('the server does not answer as kedge does');
  return { home, root, revision: Number(revision), next, records: lines.map(decodeRecord) };
}
