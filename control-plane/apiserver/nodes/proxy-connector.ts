/** `pods/proxy`, `services/proxy` and `nodes/proxy`: plain HTTP through the api-server. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Transform } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { badRequest, serviceUnavailable } from '../../../api/machinery/status-error.ts';
import type { AdmittedConnect } from '../admission/pipeline.ts';
import type { Request } from '../http/message.ts';
import type { RequestInfo } from '../http/request-info.ts';
import type { Upgrade } from '../http/upgrade.ts';
import type { Connector } from '../verbs/handlers.ts';
import { backendUrl, dialFailure, type Backend } from './backend.ts';
import { HtmlLinks } from './html-links.ts';
import { AddressNotAllowedError } from './proxyable.ts';
import { sendRequest, clientGone, forwardedHeaders, copyResponse, joinUpgrade } from './relay.ts';

/** Returns where a request goes. Throws a StatusError when there is nothing to proxy to. */
export type FindBackend = (info: RequestInfo) => Backend;

export class ProxyConnector implements Connector {
  readonly methods = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']);
  readonly takesPath = true;
  readonly #find: FindBackend;

  constructor(find: FindBackend) {
    this.#find = find;
  }

  async serve({ request: { request, response, info, audit } }: AdmittedConnect): Promise<void> {
    const { written: prefix, rest, method } = info;
    const query = info.query.toString();
    const backend = this.#find(info);
    if (rest === '' && (method === 'GET' || method === 'HEAD')) {
      // Without the slash, the links of the page would lead elsewhere.
      (response as ServerResponse).writeHead(301, { location: `${prefix}/${query && `?${query}`}` });
      response.end();
      return;
    }
    const url = backendUrl(backend, rest || '/', queryOf(request));
    const signal = clientGone(response);
    const answer = await sendRequest({
      backend,
      url,
      method,
      headers: { ...forwardedHeaders(request), ...forwardingHeaders(request, info) },
      body: hasBody(request) ? request : undefined,
      signal,
    }).catch((error: unknown) => {
      if (error instanceof AddressNotAllowedError) throw badRequest(error.message);
      throw serviceUnavailable(`error trying to reach service: ${dialFailure(backend, error)}`);
    });
    const headers = forwardedHeaders(answer);
    const rewrite = (link: string): string => linkBehindProxy(link, url, prefix);
    if (answer.headers.location !== undefined) headers['location'] = rewrite(answer.headers.location);
    const through = method === 'HEAD' ? [] : pageTransforms(answer, rewrite);
    if (through.length > 0) delete headers['content-length'];
    audit?.started(answer.statusCode ?? 502);
    await copyResponse(answer, response, headers, signal, through);
  }

  async upgrade({ request: { info } }: AdmittedConnect, upgrade: Upgrade): Promise<void> {
    const backend = this.#find(info);
    await joinUpgrade(upgrade, backend, backendUrl(backend, info.rest || '/', queryOf(upgrade.request)));
  }
}

/** The query as it was sent: a service may distinguish `a` from `a=`. */
function queryOf(request: Request): string {
  const target = request.url ?? '';
  const question = target.indexOf('?');
  return question < 0 ? '' : target.slice(question + 1);
}

/** The forwarding headers for a service behind a proxy. */
function forwardingHeaders(request: Request, info: RequestInfo): OutgoingHttpHeaders {
  const { host, ':authority': authority, 'x-forwarded-for': earlier } = request.headers;
  const address = request.socket.remoteAddress ?? '';
  return {
    'x-forwarded-uri': info.written + info.rest,
    'x-forwarded-host': String(host ?? authority ?? ''),
    'x-forwarded-proto': 'https',
    'x-forwarded-for': [earlier, address].flat().filter(Boolean).join(', '),
  };
}

/** Whether a body comes with the request, whatever its method. */
function hasBody(request: Request): boolean {
  if ('stream' in request) return !request.stream.endAfterHeaders;
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers;
  return length !== '0' || encoding !== undefined;
}

/** What changes the links of an answer that is a page; nothing for any other, or where it cannot be read. */
function pageTransforms({ headers }: IncomingMessage, rewrite: (link: string) => string): Transform[] {
  if (headers.location !== undefined || !/^text\/html\s*(;|$)/i.test(headers['content-type'] ?? '')) return [];
  switch (headers['content-encoding']) {
    case undefined:
      return [new HtmlLinks(rewrite)];
    case 'gzip':
      return [createGunzip(), new HtmlLinks(rewrite), createGzip()];
    default:
      return [];
  }
}

/** A link from the root of the backend stays behind the proxy. */
function linkBehindProxy(link: string, { origin }: URL, prefix: string): string {
  const path = link.startsWith(`${origin}/`) ? link.slice(origin.length) : link;
  if (!path.startsWith('/') || path.startsWith('//')) return link;
  // A backend that honours X-Forwarded-Uri has put the prefix there already.
  return path.startsWith(`${prefix}/`) ? path : `${prefix}${path}`;
}
