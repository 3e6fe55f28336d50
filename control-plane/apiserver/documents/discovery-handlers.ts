/** Discovery: `/api`, `/apis` and the groups and versions below. */
import { createHash } from 'node:crypto';
import type { ServedKinds } from '../catalogue/served-kinds.ts';
import {
  aggregatedDiscovery,
  apiGroup,
  apiGroupList,
  apiResourceList,
  groupKinds,
  type GroupKinds,
} from './discovery-documents.ts';
import type { Exchange } from '../http/exchange.ts';
import type { PathHandler } from '../verbs/handlers.ts';
import { negotiate, parseMediaType } from '../http/negotiate.ts';
import { requireGet } from './paths.ts';

const AGGREGATED = 'APIGroupDiscoveryList';
const AGGREGATED_VERSIONS = new Set(['v2', 'v2beta1']);

export function discoveryHandler(kinds: ServedKinds): PathHandler {
  const served = kinds.derived((all) => {
    const groups = groupKinds(all);
    return {
      core: groups.filter(({ group }) => group === ''),
      named: groups.filter(({ group }) => group !== ''),
    };
  });
  return (exchange) => {
    const { path } = exchange.info;
    const [root, first, second, ...more] = path.split('/').filter((part) => part !== '');
    if ((root !== 'api' && root !== 'apis') || more.length > 0) return false;
    const { core, named } = served();
    const groups = root === 'api' ? core : named;
    if (first === undefined) return sendRoot(exchange, root, groups);
    const group = root === 'api' ? groups[0] : groups.find((known) => known.group === first);
    const version = root === 'api' ? first : second;
    if (!group || (root === 'api' && second !== undefined)) return false;
    if (version === undefined) return send(exchange, { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(group) });
    const found = group.versions.get(version);
    return found ? send(exchange, apiResourceList(found)) : false;
  };
}

function sendRoot(exchange: Exchange, root: string, groups: readonly GroupKinds[]): true {
  requireGet(exchange.info);
  const version = aggregatedVersion(exchange.header('accept'));
  if (version) {
    const body = JSON.stringify(aggregatedDiscovery(groups, version));
    sendTagged(exchange, `application/json;g=apidiscovery.k8s.io;v=${version};as=${AGGREGATED}`, body);
    return true;
  }
  if (root === 'apis') return send(exchange, apiGroupList(groups));
  const serverAddress = exchange.header('host') ?? '';
  return send(exchange, {
    kind: 'APIVersions',
    versions: groups.flatMap(({ versions }) => [...versions.keys()]),
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  });
}

function send(exchange: Exchange, document: object): true {
  requireGet(exchange.info);
  exchange.accepted = negotiate(exchange.header('accept'));
  exchange.sendObject(200, document);
  return true;
}

/** The version of the aggregated document that the client prefers over the unaggregated one; undefined when it does not. */
function aggregatedVersion(accept: string | undefined): string | undefined {
  for (const clause of (accept ?? '').split(',')) {
    const { type, parameters } = parseMediaType(clause);
    if (type !== 'application/json') continue;
    if (parameters.get('as') !== AGGREGATED) return undefined;
    const version = parameters.get('v') ?? '';
    if (AGGREGATED_VERSIONS.has(version)) return version;
  }
  return undefined;
}

/** With an ETag: clients that have the document get a 304. */
export function sendTagged(exchange: Exchange, contentType: string, body: string | Buffer): void {
  const etag = `"${createHash('sha512').update(body).digest('hex').toUpperCase()}"`;
  const headers = { ETag: etag, Vary: 'Accept' };
  if (exchange.header('if-none-match') === etag) exchange.write(304, contentType, '', headers);
  else exchange.write(200, contentType, body, headers);
}
