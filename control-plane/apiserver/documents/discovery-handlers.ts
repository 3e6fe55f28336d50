/** Discovery: `/api`, `/apis` and the groups and versions below. */
import { createHash } from 'node:crypto';
import type { ServedKinds } from '../catalogue/served-kinds.ts';
import {
  aggregatedDiscovery,
  apiGroupList,
  apiResourceList,
  groupKinds,
  type GroupKinds,
} from './discovery-documents.ts';
import type { Exchange } from '../http/exchange.ts';
import type { PathHandler } from '../verbs/handlers.ts';
import { negotiate, parseMediaType } from '../http/negotiate.ts';
import { requireGet } from './paths.ts';
import type { RemoteDiscovery, RemoteVersion } from './remote-discovery.ts';

const AGGREGATED = 'APIGroupDiscoveryList';
const AGGREGATED_VERSIONS = new Set(['v2', 'v2beta1']);

/** @param remote what other servers serve; kinds of a group version that they serve are not there. */
export function discoveryHandler(kinds: ServedKinds, remote: RemoteDiscovery): PathHandler {
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
    const others = root === 'apis' ? remote.versions() : [];
    if (first === undefined) return sendRoot(exchange, root, groups, others);
    const group = root === 'api' ? groups[0] : groups.find((known) => known.group === first);
    const version = root === 'api' ? first : second;
    if (version === undefined && root === 'apis') {
      const found = apiGroupList(group ? [group] : [], others).groups.find(({ name }) => name === first);
      return found ? send(exchange, { kind: 'APIGroup', apiVersion: 'v1', ...found }) : false;
    }
    if (!group || version === undefined || (root === 'api' && second !== undefined)) return false;
    const found = group.versions.get(version);
    return found ? send(exchange, apiResourceList(found)) : false;
  };
}

function sendRoot(
  exchange: Exchange,
  root: string,
  groups: readonly GroupKinds[],
  others: readonly RemoteVersion[],
): true {
  requireGet(exchange.info);
  const version = aggregatedVersion(exchange.header('accept'));
  if (version) {
    const body = JSON.stringify(aggregatedDiscovery(groups, version, others));
    sendTagged(exchange, `application/json;g=apidiscovery.k8s.io;v=${version};as=${AGGREGATED}`, body);
    return true;
  }
  if (root === 'apis') return send(exchange, apiGroupList(groups, others));
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
