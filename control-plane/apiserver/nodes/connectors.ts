/** The subresources that lead to a node, a pod or a service, keyed as RBAC names them. */
import type { Connector } from '../http/action.ts';
import type { Authorizer } from '../access/authorization/authorizer.ts';
import type { KubeletIdentity } from '../../pki/kubelet-identity.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import { LogConnector } from './log-connector.ts';
import { NodeBackends } from './node-backend.ts';
import { ProxyConnector } from './proxy-connector.ts';
import { nodeBackend, podBackend, requireCreateForCommands, serviceBackend } from './proxy-target.ts';
import { StreamConnector } from './stream-connector.ts';

export interface NodeProxyOptions {
  readonly api: LocalApi;
  readonly authorizer: Authorizer;
  /** The certificate that the api-server shows to nodes, and the CA of theirs; asked at every request. */
  readonly identity: () => KubeletIdentity;
}

export function createNodeConnectors({ api, authorizer, identity }: NodeProxyOptions): ReadonlyMap<string, Connector> {
  const nodes = new NodeBackends(api, identity);
  return new Map<string, Connector>([
    ['pods/log', new LogConnector(api, nodes)],
    ['pods/exec', new StreamConnector('exec', api, nodes, authorizer)],
    ['pods/attach', new StreamConnector('attach', api, nodes, authorizer)],
    ['pods/portforward', new StreamConnector('portforward', api, nodes, authorizer)],
    ['pods/proxy', new ProxyConnector((info) => podBackend(api, info))],
    ['services/proxy', new ProxyConnector((info) => serviceBackend(api, info))],
    [
      'nodes/proxy',
      new ProxyConnector((info, path, user) => {
        requireCreateForCommands(authorizer, info, path, user);
        return nodeBackend(api, nodes, info);
      }),
    ],
  ]);
}
