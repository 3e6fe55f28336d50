/**
 * `/backup`: what is stored, as it is stored, page by page as of one revision, for `kedge backup save`. Values that are encrypted stay so,
 * and the keys of the cluster are not in it. As every path, it is for administrators and whom a role allows it.
 */
import { badRequest, gone } from '../../../api/machinery/status-error.ts';
import { encodeRecord } from '../../backup/records.ts';
import { MAX_PAGE, type PagePosition, type RecordSource } from '../../backup/store-pages.ts';
import { CompactedError } from '../../store/store.ts';
import type { RequestInfo } from '../http/request-info.ts';
import type { PathHandler } from '../verbs/handlers.ts';
import { requireGet } from './paths.ts';

export const BACKUP_PATH = '/backup';

/** The first line of a page; the others are records (`backup/records.ts`). */
export interface PageHead {
  readonly home: RecordSource['home'];
  readonly root: string;
  readonly revision: number;
  readonly next?: string | undefined;
}

export const backupHandler =
  (source: RecordSource): PathHandler =>
  async (exchange) => {
    if (exchange.info.path !== BACKUP_PATH) return false;
    requireGet(exchange.info);
    try {
      const { revision, next, records } = await source.page(positionOf(exchange.info.query), exchange.gone);
      const head: PageHead = { home: source.home, root: source.root, revision, next };
      const lines = [Buffer.from(`${JSON.stringify(head)}\n`), ...records.map(encodeRecord)];
      exchange.sendBytes(200, 'application/jsonl', Buffer.concat(lines));
    } catch (error) {
      if (error instanceof CompactedError) throw gone(error.message);
      throw error;
    }
    return true;
  };

function positionOf(query: RequestInfo['query']): PagePosition | undefined {
  const [revision, after, limit] = ['revision', 'after', 'limit'].map((name) => query.get(name));
  if (revision === null && after === null && limit === null) return undefined;
  const [at, most] = [Number(revision), Number(limit)];
  if (!after || !Number.isSafeInteger(at) || at < 1 || !Number.isInteger(most) || most < 1 || most > MAX_PAGE)
    throw badRequest(`revision, after and limit (at most ${MAX_PAGE}) belong together`);
  return { revision: at, after, limit: most };
}
