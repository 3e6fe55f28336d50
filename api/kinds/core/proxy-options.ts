/** `proxy` of pods, services and nodes: plain HTTP to what the object stands for. */
import { unescape } from 'node:querystring';
import type { ConnectionName, ConnectSubresource, KubeObject } from '../../machinery/kind.ts';

export interface ProxyOptions extends KubeObject {
  /** The path for the proxied server, decoded and without dot segments; '' where the URL ends with `proxy`. */
  readonly path: string;
}

/** What is authorized must be what is asked for: the server behind the proxy gets no dot segments either. */
function readPath(written: string): string {
  if (written === '') return '';
  const url = new URL('http://backend');
  url.pathname = written;
  // Not `decodeURIComponent`, which throws for bytes that are no UTF-8: what the backend makes of those is its own affair.
  return unescape(url.pathname);
}

const proxyOf = (
  connection: ConnectionName,
  kind: string,
  takesCreate: (path: string) => boolean,
): ConnectSubresource => ({
  name: 'proxy',
  connection,
  verbs: ['create', 'delete', 'get', 'patch', 'update'],
  group: '',
  version: 'v1',
  kind,
  readOptions: (_query, path): ProxyOptions => ({ apiVersion: 'v1', kind, path: readPath(path) }),
  takesCreate: (options) => takesCreate((options as ProxyOptions).path),
});

export const podProxy = proxyOf('pods/proxy', 'PodProxyOptions', () => false);
export const serviceProxy = proxyOf('services/proxy', 'ServiceProxyOptions', () => false);

/** What of the node's API runs something in a pod, or connects to it. The node sees the api-server's own rights only. */
const COMMANDS = /^\/+(exec|attach|run|portForward)(\/|$)/i;

export const nodeProxy = proxyOf('nodes/proxy', 'NodeProxyOptions', (path) => COMMANDS.test(path));
