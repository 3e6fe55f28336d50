/** Discovery: `/api`, `/apis` and the groups and versions below. */
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
import { sendTagged, tagged, type TaggedBody } from './tagged-body.ts';

const AGGREGATED = 'APIGroupDiscoveryList';
const AGGREGATED_VERSIONS = new Set(['v2', 'v2beta1']);

/** Kept, as every client begins with it and controllers ask for it each half minute. */
interface AggregatedDocument extends TaggedBody {
  readonly others: readonly RemoteVersion[];
}

const aggregatedDocument = (
  groups: readonly GroupKinds[],
  version: string,
  others: readonly RemoteVersion[],
): AggregatedDocument => ({ ...tagged(JSON.stringify(aggregatedDiscovery(groups, version, others))), others });

/** @param remote what other servers serve; kinds of a group version that they serve are not there. */
export function discoveryHandler(kinds: ServedKinds, remote: RemoteDiscovery): PathHandler {
  const served = kinds.derived((all) => {
    const groups = groupKinds(all);
    return {
      core: groups.filter(({ group }) => group === ''),
      named: groups.filter(({ group }) => group !== ''),
      aggregated: new Map<string, AggregatedDocument>(),
    };
  });
  return (exchange) => {
    const { path } = exchange.info;
    const [root, first, second, ...more] = path.split('/').filter((part) => part !== '');
    if ((root !== 'api' && root !== 'apis') || more.length > 0) return false;
    const { core, named, aggregated } = served();
    const groups = root === 'api' ? core : named;
    const others = root === 'apis' ? remote.versions() : [];
    if (first === undefined) return sendRoot(exchange, root, groups, others, aggregated);
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
  aggregated: Map<string, AggregatedDocument>,
): true {
  requireGet(exchange.info);
  const version = aggregatedVersion(exchange.header('accept'));
  if (version) {
    const known = aggregated.get(`${root} ${version}`);
    const isCurrent = known?.others.length === others.length && others.every((other, at) => other === known.others[at]);
    const document = isCurrent ? known : aggregatedDocument(groups, version, others);
    aggregated.set(`${root} ${version}`, document);
    sendTagged(exchange, `application/json;g=apidiscovery.k8s.io;v=${version};as=${AGGREGATED}`, document);
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
