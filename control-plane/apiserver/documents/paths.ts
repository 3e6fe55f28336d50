/** Non-resource paths: the index, and constant documents. */
import { methodNotAllowed } from '../../../api/machinery/status-error.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import type { ServedKinds } from '../catalogue/served-kinds.ts';
import { kubernetesVersion } from '../../../api/version.ts';
import type { RequestInfo } from '../http/request-info.ts';
import type { PathHandler } from '../verbs/handlers.ts';

/** Throws a 405 StatusError for other methods on paths that upstream routes by method. */
export function requireGet({ method }: RequestInfo): void {
  if (method !== 'GET') throw methodNotAllowed();
}

export const versionHandler: PathHandler = (exchange) => {
  if (exchange.info.path !== '/version') return false;
  requireGet(exchange.info);
  exchange.sendObject(200, {
    ...kubernetesVersion,
    gitCommit: '',
    gitTreeState: '',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: '',
    platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  });
  return true;
};

/** `/`: lists the served paths. */
export function indexHandler(kinds: ServedKinds, documents: ReadonlyMap<string, PublicDocument>): PathHandler {
  const paths = kinds.derived((all) => indexedPaths(all, documents));
  return (exchange) => {
    if (exchange.info.path !== '/') return false;
    exchange.sendObject(200, { paths: paths() });
    return true;
  };
}

function indexedPaths(kinds: readonly Kind[], documents: ReadonlyMap<string, PublicDocument>): string[] {
  const groups = kinds
    .filter(({ group }) => group !== '')
    .flatMap(({ group, version }) => [`/apis/${group}`, `/apis/${group}/${version}`]);
  const fixed = [
    '/api',
    '/api/v1',
    '/apis',
    '/healthz',
    '/livez',
    '/metrics',
    '/openapi/v2',
    '/openapi/v3',
    '/readyz',
    '/version',
  ];
  return [...new Set([...fixed, ...groups, ...documents.keys()])].sort();
}

/** A constant document. */
export interface PublicDocument {
  readonly contentType: string;
  readonly content: object;
}

/** Clients that verify tokens may cache the keys: upstream's `keyserver` sends the same header. */
const CACHE_FOR_AN_HOUR = 'public, max-age=3600';

/** Documents by path. */
export const documentsHandler =
  (documents: ReadonlyMap<string, PublicDocument>): PathHandler =>
  (exchange) => {
    const document = documents.get(exchange.info.path);
    if (!document) return false;
    requireGet(exchange.info);
    const { contentType, content } = document;
    exchange.write(200, contentType, JSON.stringify(content), { 'Cache-Control': CACHE_FOR_AN_HOUR });
    return true;
  };
