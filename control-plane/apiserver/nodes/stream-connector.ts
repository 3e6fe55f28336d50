/** `pods/{name}/exec`, `attach` and `portforward`: connections that are handed through to the pod's node. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { pods } from '../../../api/kinds/core/pod.ts';
import { readStreamOptions, streamQuery } from '../../../api/kinds/core/pod-stream-options.ts';
import { badRequest, forbidden, notFound } from '../../../api/machinery/status-error.ts';
import type { Connector } from '../http/action.ts';
import type { Authorizer } from '../access/authorization/authorizer.ts';
import type { Request, Response } from '../http/message.ts';
import type { LocalApi } from '../catalogue/local-api.ts';
import type { User } from '../http/user.ts';
import type { RequestInfo } from '../http/request-info.ts';
import { backendUrl, type Backend } from './backend.ts';
import type { NodeBackends } from './node-backend.ts';
import { chooseContainer } from './pod-container.ts';
import { joinUpgrade } from './relay.ts';

export type PodStream = 'exec' | 'attach' | 'portforward';

export class StreamConnector implements Connector {
  readonly methods = new Set(['GET', 'POST']);
  readonly takesPath = false;
  readonly #stream: PodStream;
  readonly #api: LocalApi;
  readonly #nodes: NodeBackends;
  readonly #authorizer: Authorizer;

  constructor(stream: PodStream, api: LocalApi, nodes: NodeBackends, authorizer: Authorizer) {
    this.#stream = stream;
    this.#api = api;
    this.#nodes = nodes;
    this.#authorizer = authorizer;
  }

  async serve(_request: Request, _response: Response, info: RequestInfo, user: User): Promise<void> {
    // What is wrong with the request itself is worth more than that it does not upgrade.
    this.#target(info, user);
    throw badRequest('Upgrade request required');
  }

  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, info: RequestInfo, user: User): Promise<void> {
    const { backend, url } = this.#target(info, user);
    await joinUpgrade({ request, socket, head }, backend, url);
  }

  #target(info: RequestInfo, user: User): { backend: Backend; url: URL } {
    this.#allowGet(info, user);
    const { namespace, name, query } = info;
    const pod = this.#api.get(pods, namespace, name);
    if (pod === undefined) throw notFound(pods, name);
    const container = this.#stream === 'portforward' ? '' : chooseContainer(pod, query.get('container') ?? '');
    if (!pod.spec?.nodeName) throw badRequest(`pod ${name} does not have a host assigned`);
    const backend = this.#nodes.find(pod.spec.nodeName);
    if (this.#stream === 'portforward') {
      const ports = query.getAll('ports').join(',');
      return {
        backend,
        url: backendUrl(backend, `/portForward/${namespace}/${name}`, ports && `port=${encodeURIComponent(ports)}`),
      };
    }
    const parameters = streamQuery(readStreamOptions(query));
    if (this.#stream === 'exec') for (const word of query.getAll('command')) parameters.append('command', word);
    const path = `/${this.#stream}/${namespace}/${name}/${container}`;
    return { backend, url: backendUrl(backend, path, parameters.toString()) };
  }

  /** WebSockets come as a GET, which is authorized as `get`; what they do takes `create`. */
  #allowGet(info: RequestInfo, user: User): void {
    if (info.verb === 'create') return;
    if (this.#authorizer.authorize(user, { ...info, verb: 'create' }).allowed) return;
    const resource = `pods/${this.#stream}`;
    throw forbidden(
      pods,
      info.name,
      `User ${JSON.stringify(user.name)} cannot create resource ${JSON.stringify(resource)} in API group "" in the namespace ${JSON.stringify(info.namespace)}`,
    );
  }
}
