/** `GET pods/{name}/log`. */
import type { IncomingMessage } from 'node:http';
import { pods } from '../../../api/kinds/core/pod.ts';
import { podLogQuery, readPodLogOptions, validatePodLogOptions } from '../../../api/kinds/core/pod-log-options.ts';
import {
  badRequest,
  internalError,
  invalidObject,
  notFound,
  StatusError,
} from '../../../api/machinery/status-error.ts';
import type { AuthorizedRequest } from '../admission/pipeline.ts';
import type { RequestInfo } from '../http/request-info.ts';
import type { Upgrade } from '../http/upgrade.ts';
import type { ReadApi, Stream } from '../verbs/handlers.ts';
import { backendUrl, dialFailure } from './backend.ts';
import type { NodeBackends } from './node-backend.ts';
import { chooseContainer } from './pod-container.ts';
import { sendRequest, clientGone, dialError, copyResponse } from './relay.ts';

/** As much of a node's words as goes into a Status. */
const MAX_ERROR_BYTES = 50_000;

export class LogStream implements Stream {
  readonly methods = new Set(['GET']);
  readonly takesPath = false;
  readonly #api: ReadApi;
  readonly #nodes: NodeBackends;

  constructor(api: ReadApi, nodes: NodeBackends) {
    this.#api = api;
    this.#nodes = nodes;
  }

  async serve({ response, info, audit }: AuthorizedRequest): Promise<void> {
    const signal = clientGone(response);
    const answer = await this.#open(info, signal);
    if (answer === undefined) {
      // Nothing has run, so there is nothing to show; upstream answers so.
      response.statusCode = 204;
      response.end();
      return;
    }
    audit?.started(answer.statusCode ?? 502);
    await copyResponse(
      answer,
      response,
      { 'content-type': 'text/plain', 'cache-control': 'no-cache, private' },
      signal,
    );
  }

  async upgrade({ info }: AuthorizedRequest, upgrade: Upgrade): Promise<void> {
    const { request, socket } = upgrade;
    if (request.headers.upgrade?.toLowerCase() !== 'websocket')
      throw badRequest('logs can be upgraded to WebSocket only');
    const gone = new AbortController();
    socket.once('close', () => gone.abort());
    const answer = await this.#open(info, gone.signal);
    // Rarely used: the code is loaded on demand.
    const { serveLogSocket } = await import('./log-socket.ts');
    await serveLogSocket(upgrade, answer, gone.signal);
  }

  /** The node's answer; undefined when the pod has no node yet. */
  async #open(info: RequestInfo, signal: AbortSignal): Promise<IncomingMessage | undefined> {
    const options = readPodLogOptions(info.query);
    const errors = validatePodLogOptions(options);
    if (errors.length > 0) throw invalidObject({ group: '', kind: 'PodLogOptions' }, info.name, errors);
    const pod = this.#api.get(pods, info.namespace, info.name);
    if (pod === undefined) throw notFound(pods, info.name);
    const container = chooseContainer(pod, options.container);
    if (!pod.spec?.nodeName) return undefined;
    const backend = this.#nodes.find(pod.spec.nodeName, options.insecureSkipTLSVerifyBackend);
    const path = `/containerLogs/${info.namespace}/${info.name}/${container}`;
    const url = backendUrl(backend, path, podLogQuery(options).toString());
    const answer = await sendRequest({ backend, url, method: 'GET', headers: {}, signal }).catch((error: unknown) => {
      throw dialError(`Get ${JSON.stringify(url.href)}: ${dialFailure(backend, error)}`);
    });
    const code = answer.statusCode ?? 500;
    if (code < 200 || code > 206) {
      const text = Buffer.concat(await answer.toArray()).toString('utf8', 0, MAX_ERROR_BYTES);
      throw refusal(code, text, info.name);
    }
    return answer;
  }
}

/** A node's refusal as upstream's `GenericHttpResponseChecker` puts it. */
function refusal(code: number, text: string, name: string): StatusError {
  if (code === 400) return badRequest(text);
  if (code === 500) return internalError(text);
  const [reason, message] =
    code === 404
      ? ['NotFound', 'the server could not find the requested resource']
      : code === 403
        ? ['Forbidden', text.trim()]
        : code === 401
          ? ['Unauthorized', 'the server has asked for the client to provide credentials']
          : ['Unknown', `the server responded with the status code ${code} but did not return more information`];
  return new StatusError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `${message} ( pods/log ${name})`,
    reason,
    details: { name, kind: 'pods/log' },
    code,
  });
}
