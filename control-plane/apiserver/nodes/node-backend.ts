/** The way to a node's API: its address, its port, and the api-server's client certificate. */
import { Agent } from 'node:https';
import { isDeepStrictEqual } from 'node:util';
import { nodes } from '../../../api/kinds/core/node.ts';
import { internalError, notFound } from '../../../api/machinery/status-error.ts';
import type { ReadApi } from '../verbs/handlers.ts';
import type { KubeletIdentity } from '../../pki/kubelet-identity.ts';
import type { Backend } from './backend.ts';
import type { Node } from '../../../api/types/core/v1.gen.ts';

/** Which of a node's addresses is taken, the first that there is. */
const ADDRESS_TYPES = ['InternalIP', 'ExternalIP', 'InternalDNS', 'ExternalDNS', 'Hostname'];
const DEFAULT_PORT = 10250;
/** How many idle connections to one node are kept; each saves a TLS handshake. */
const MAX_IDLE_CONNECTIONS = 4;

function nodeAddress(node: Node): { host: string; port: number } | undefined {
  const addresses = node.status?.addresses ?? [];
  for (const type of ADDRESS_TYPES) {
    const host = addresses.find((address) => address.type === type)?.address;
    if (host) return { host, port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port || DEFAULT_PORT };
  }
  return undefined;
}

export class NodeBackends implements Disposable {
  readonly #api: ReadApi;
  readonly #identity: () => KubeletIdentity;
  #current: { identity: KubeletIdentity; agent: Agent } | undefined;

  /** `identity` is read for every request, so that a rotated certificate is used at once. */
  constructor(api: ReadApi, identity: () => KubeletIdentity) {
    this.#api = api;
    this.#identity = identity;
  }

  /** Throws a 404 for a node that does not exist and a 500 for one that has not said where it is. */
  find(nodeName: string, skipVerification = false): Backend {
    const node = this.#api.get(nodes, '', nodeName);
    if (node === undefined) throw notFound(nodes, nodeName);
    const address = nodeAddress(node);
    if (address === undefined)
      throw internalError(
        `no preferred addresses found; known addresses: ${JSON.stringify(node.status?.addresses ?? [])}`,
      );
    const { identity, agent } = this.#connections();
    const { cert, key, ca } = identity;
    const rejectUnauthorized = ca !== undefined && !skipVerification;
    return { scheme: 'https', ...address, tls: { cert, key, ca, rejectUnauthorized }, agent };
  }

  #connections(): { identity: KubeletIdentity; agent: Agent } {
    const identity = this.#identity();
    if (this.#current === undefined || !isDeepStrictEqual(this.#current.identity, identity)) {
      this.#current?.agent.destroy();
      const agent = new Agent({ keepAlive: true, maxFreeSockets: MAX_IDLE_CONNECTIONS });
      this.#current = { identity, agent };
    }
    return this.#current;
  }

  [Symbol.dispose](): void {
    this.#current?.agent.destroy();
  }
}
