/** How many seats a request takes: upstream's `listWorkEstimator`, by the number of objects. */
import { isTrue } from '../../../api/machinery/query-values.ts';
import type { Exchange } from '../http/exchange.ts';

const OBJECTS_PER_SEAT = 100;
const MAX_SEATS = 10;

/**
 * One for most requests. A list takes more the more objects it shows, and so does a watch that begins with one.
 * @param most that the priority level has for one request.
 */
export function seatsOf({ info, resource }: Exchange, most: number): number {
  const { verb, name, query } = info;
  if ((verb !== 'list' && verb !== 'watch') || name !== '' || !resource) return 1;
  if (verb === 'watch' && !showsObjects(query.get('sendInitialEvents'), query.get('resourceVersion'))) return 1;
  // The cache is in the order of namespaces: those of other namespaces are not looked at.
  const stored = resource.cache.countAfter(info.namespace, info.namespace && `${info.namespace}/`);
  if (stored <= OBJECTS_PER_SEAT) return 1;
  const limit = info.fieldSelector === '' && info.labelSelector === '' ? Number(query.get('limit') ?? 0) : 0;
  const shown = limit > 0 ? Math.min(limit, stored) : stored;
  return Math.max(1, Math.min(Math.ceil(shown / OBJECTS_PER_SEAT), most, MAX_SEATS));
}

const showsObjects = (sendInitialEvents: string | null, version: string | null): boolean =>
  isTrue(sendInitialEvents) || version === null || version === '' || version === '0';
