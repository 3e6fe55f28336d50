/** `/apis/GROUP/VERSION` of other servers: authorized here, and carried there with the user's name. */
import type { OutgoingHttpHeaders } from 'node:http';
import { badRequest, serviceUnavailable } from '../../../api/machinery/status-error.ts';
import type { AuthorizedRequest } from '../admission/pipeline.ts';
import type { RequestInfo } from '../http/request-info.ts';
import type { User } from '../http/user.ts';
import type { KeyPair } from '../../pki/pem-files.ts';
import { backendUrl, dialFailure } from '../nodes/backend.ts';
import {
  clientGone,
  copyResponse,
  forwardedHeaders,
  joinUpgrade,
  rejectRedirect,
  sendRequest,
} from '../nodes/relay.ts';
import { setOwn } from '../../../api/machinery/own.ts';
import { remoteBackend, type RemoteApi, type RemoteApis, type ResolveService } from './remote-apis.ts';

/** Characters of a header's name (RFC 9110); others are percent-encoded, as is the percent sign itself. */
const NOT_OF_A_NAME = /[^!#$&'*+\-.^_`|~0-9a-z]/g;
/** Values of headers are bytes; what cannot be one ends the request. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const NOT_OF_A_VALUE = /[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]/;

/** What a URL would resolve: the path that was authorized is the one that is asked for. */
const RESOLVED = /\\|(\/|%2f)(\.|%2e){1,2}(\/|%2f|$)/i;

const encoded = (key: string): string =>
  key
    .toLowerCase()
    .replace(NOT_OF_A_NAME, (char) =>
      [...Buffer.from(char)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
    );

/** Who asks, as upstream's `requestheader` authentication reads it. Values are sent as UTF-8. */
export function remoteUserHeaders({ name, uid, groups, extra = {} }: User): OutgoingHttpHeaders {
  const bytes = (value: string): string => Buffer.from(value).toString('latin1');
  const headers: OutgoingHttpHeaders = {
    'x-remote-user': bytes(name),
    'x-remote-group': groups.map(bytes),
    ...(uid && { 'x-remote-uid': bytes(uid) }),
  };
  for (const [key, values] of Object.entries(extra))
    setOwn(headers, `x-remote-extra-${encoded(key)}`, values.map(bytes));
  for (const value of Object.values(headers).flat())
    if (NOT_OF_A_VALUE.test(String(value))) throw serviceUnavailable('the name of the user cannot be passed on');
  return headers;
}

export class AggregationProxy {
  readonly #apis: RemoteApis;
  readonly #resolve: ResolveService;
  readonly #identity: () => KeyPair;

  /** `identity` is read for every request, so that a renewed certificate is used at once. */
  constructor(apis: RemoteApis, resolve: ResolveService, identity: () => KeyPair) {
    this.#apis = apis;
    this.#resolve = resolve;
    this.#identity = identity;
  }

  /** Whether another server answers the path. */
  readonly takes = (info: RequestInfo): boolean => this.#find(info) !== undefined;

  /** Returns false for paths that no other server has. Throws a 503 StatusError when it cannot be reached. */
  readonly serve = async (request: AuthorizedRequest): Promise<boolean> => {
    const remote = this.#find(request.info);
    if (!remote) return false;
    await this.#carry(request, remote);
    return true;
  };

  #find(info: RequestInfo): RemoteApi | undefined {
    if (this.#apis.isEmpty) return undefined;
    if (info.isResource) return this.#apis.find(info.group, info.version);
    const [, root, group, version, ...more] = info.path.split('/');
    if (root !== 'apis' || !group || !version || more.some((part) => part !== '')) return undefined;
    return this.#apis.find(group, version);
  }

  async #carry(exchange: AuthorizedRequest, remote: RemoteApi): Promise<void> {
    const { request, response, info, user, upgrade } = exchange;
    const written = info.written + info.rest;
    if (RESOLVED.test(written)) throw badRequest(`invalid path ${JSON.stringify(written)}`);
    if (!remote.isAvailable) throw serviceUnavailable('service unavailable');
    const backend = remoteBackend(remote, this.#resolve, this.#identity());
    const target = request.url ?? '/';
    const question = target.indexOf('?');
    const url = backendUrl(backend, written, question < 0 ? '' : target.slice(question + 1));
    const identity = { ...remoteUserHeaders(user), 'audit-id': exchange.auditId };
    if (upgrade) return joinUpgrade(upgrade, backend, url, identity, rejectRedirect);
    const signal = clientGone(response);
    const answer = await sendRequest({
      backend,
      url,
      method: info.method,
      headers: { ...forwardedHeaders(request), ...identity },
      body: hasBody(request.headers, info.method) ? request : undefined,
      signal,
    }).catch((error: unknown) => {
      throw serviceUnavailable(`error trying to reach service: ${dialFailure(backend, error)}`);
    });
    rejectRedirect(answer);
    // A watch costs the other server more than this one.
    exchange.initialized?.();
    exchange.audit?.started(answer.statusCode ?? 502);
    await copyResponse(answer, response, forwardedHeaders(answer), signal);
  }
}

const hasBody = (headers: AuthorizedRequest['request']['headers'], method: string): boolean =>
  (headers['content-length'] ?? '0') !== '0' ||
  headers['transfer-encoding'] !== undefined ||
  (headers[':method'] !== undefined && method !== 'GET' && method !== 'HEAD');
