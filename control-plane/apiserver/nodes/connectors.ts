/** The subresources that lead to a node, a pod or a service. */
import type { Handlers, ReadApi } from '../verbs/handlers.ts';
import { LogStream } from './log-stream.ts';
import type { NodeBackends } from './node-backend.ts';
import { ProxyConnector } from './proxy-connector.ts';
import { nodeBackend, podBackend, serviceBackend } from './proxy-target.ts';
import { attachTarget, execTarget, portForwardTarget, StreamConnector } from './stream-connector.ts';

export function createNodeHandlers(api: ReadApi, nodes: NodeBackends): Pick<Handlers, 'connectors' | 'streams'> {
  return {
    connectors: {
      'pods/exec': new StreamConnector(execTarget, api, nodes),
      'pods/attach': new StreamConnector(attachTarget, api, nodes),
      'pods/portforward': new StreamConnector(portForwardTarget, api, nodes),
      'pods/proxy': new ProxyConnector((info) => podBackend(api, info)),
      'services/proxy': new ProxyConnector((info) => serviceBackend(api, info)),
      'nodes/proxy': new ProxyConnector((info) => nodeBackend(api, nodes, info)),
    },
    streams: { 'pods/log': new LogStream(api, nodes) },
  };
}
