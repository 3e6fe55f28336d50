/** `pods/{name}/exec`, `attach` and `portforward`: connections that are handed through to the pod's node. */
import {
  streamQuery,
  type PodAttachOptions,
  type PodExecOptions,
  type PodPortForwardOptions,
} from '../../../api/kinds/core/pod-stream-options.ts';
import { pods } from '../../../api/kinds/core/pod.ts';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { badRequest, notFound } from '../../../api/machinery/status-error.ts';
import type { Pod } from '../../../api/types/core/v1.gen.ts';
import type { AdmittedConnect } from '../admission/pipeline.ts';
import type { Upgrade } from '../http/upgrade.ts';
import type { Connector, ReadApi } from '../verbs/handlers.ts';
import { backendUrl, type Backend } from './backend.ts';
import type { NodeBackends } from './node-backend.ts';
import { chooseContainer } from './pod-container.ts';
import { joinUpgrade } from './relay.ts';

/** Where on the pod's node the connection leads. Throws a 400 StatusError for options that do not fit the pod. */
export type StreamTarget = (pod: Pod, options: KubeObject) => { readonly path: string; readonly query: string };

const podPath = ({ metadata }: Pod): string => `${metadata?.namespace}/${metadata?.name}`;

export const execTarget: StreamTarget = (pod, given) => {
  const options = given as PodExecOptions;
  const query = streamQuery(options);
  for (const word of options.command) query.append('command', word);
  return { path: `/exec/${podPath(pod)}/${chooseContainer(pod, options.container)}`, query: query.toString() };
};

export const attachTarget: StreamTarget = (pod, given) => {
  const options = given as PodAttachOptions;
  const path = `/attach/${podPath(pod)}/${chooseContainer(pod, options.container)}`;
  return { path, query: streamQuery(options).toString() };
};

export const portForwardTarget: StreamTarget = (pod, given) => {
  const { ports } = given as PodPortForwardOptions;
  const query = ports.length > 0 ? `port=${encodeURIComponent(ports.join(','))}` : '';
  return { path: `/portForward/${podPath(pod)}`, query };
};

export class StreamConnector implements Connector {
  readonly methods = new Set(['GET', 'POST']);
  readonly takesPath = false;
  readonly #target: StreamTarget;
  readonly #api: ReadApi;
  readonly #nodes: NodeBackends;

  constructor(target: StreamTarget, api: ReadApi, nodes: NodeBackends) {
    this.#target = target;
    this.#api = api;
    this.#nodes = nodes;
  }

  async serve(connect: AdmittedConnect): Promise<void> {
    // What is wrong with the request itself is worth more than that it does not upgrade.
    this.#find(connect);
    throw badRequest('Upgrade request required');
  }

  async upgrade(connect: AdmittedConnect, upgrade: Upgrade): Promise<void> {
    const { backend, url } = this.#find(connect);
    await joinUpgrade(upgrade, backend, url);
  }

  #find({ request: { info }, options }: AdmittedConnect): { backend: Backend; url: URL } {
    const { namespace, name } = info;
    const pod = this.#api.get(pods, namespace, name);
    if (pod === undefined) throw notFound(pods, name);
    const { path, query } = this.#target(pod, options);
    if (!pod.spec?.nodeName) throw badRequest(`pod ${name} does not have a host assigned`);
    const backend = this.#nodes.find(pod.spec.nodeName);
    return { backend, url: backendUrl(backend, path, query) };
  }
}
