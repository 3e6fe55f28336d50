/** Carries one request to a backend and its answer back, whole HTTP or an upgraded connection. */
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { badRequest, StatusError } from '../../../api/machinery/status-error.ts';
import { withDeadline } from '../../../client/deadline.ts';
import { joinConnections, relayResponse, requestUpgradeFor, responseHead } from '../../../client/upgrade.ts';
import type { Request, Response } from '../http/message.ts';
import type { Upgrade } from '../http/upgrade.ts';
import { dialFailure, type Backend } from './backend.ts';
import { AddressNotAllowedError } from './proxyable.ts';
import { setOwn } from '../../../api/machinery/own.ts';

/**
 * Those that concern one connection (RFC 9110, 7.6.1), and those by which a caller shows who it is: they end here. Where a gateway hands
 * headers on as variables, an underscore is a hyphen.
 */
const NOT_FORWARDED =
  /^(:.*|connection|proxy-connection|keep-alive|proxy-authenticate|proxy-authorization|te|trailer|transfer-encoding|upgrade|http2-settings|host|authorization|impersonate[-_].*|x[-_]remote[-_].*)$/;

/** Browsers, which can set no header for a WebSocket, send their bearer token as the name of a protocol. */
const PROTOCOLS = 'sec-websocket-protocol';
const BEARER_PROTOCOL = 'base64url.bearer.authorization.k8s.io.';

/** The protocols without the token; undefined when nothing is left. */
function withoutToken(values: string | readonly string[] | undefined): string | undefined {
  const protocols = [values ?? []].flat().flatMap((value) => value.split(','));
  const kept = protocols.map((protocol) => protocol.trim()).filter((protocol) => !protocol.startsWith(BEARER_PROTOCOL));
  return kept.join(', ') || undefined;
}

/** Whether the other side is to see a header: those that `Connection` names are of this connection, too. */
function forwards({ connection }: Request['headers']): (name: string) => boolean {
  const named = new Set((connection ?? '').split(',').map((option) => option.trim().toLowerCase()));
  return (name) => !NOT_FORWARDED.test(name) && !named.has(name);
}

/** The headers of `message` that the other side is to see, with all their values. */
export function forwardedHeaders(message: Pick<Request, 'headers'>): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  const isForwarded = forwards(message.headers);
  for (const [name, value] of Object.entries(message.headers)) if (isForwarded(name)) setOwn(headers, name, value);
  return withoutBearer(headers, message.headers);
}

/** The same for a request that upgrades, where values on lines of their own mean something. */
function upgradeHeaders(request: IncomingMessage): OutgoingHttpHeaders {
  const { upgrade } = request.headers;
  // Of what the client says of its connection only this: a server that took the rest for its own would drop what is added here.
  const headers: OutgoingHttpHeaders = { connection: 'Upgrade', upgrade };
  const isForwarded = forwards(request.headers);
  for (const [name, values] of Object.entries(request.headersDistinct))
    if (isForwarded(name)) setOwn(headers, name, values);
  return withoutBearer(headers, request.headers);
}

function withoutBearer(headers: OutgoingHttpHeaders, given: Request['headers']): OutgoingHttpHeaders {
  const protocols = given[PROTOCOLS];
  if (protocols === undefined || !String(protocols).includes(BEARER_PROTOCOL)) return headers;
  const kept = { ...headers };
  delete kept[PROTOCOLS];
  const others = withoutToken(protocols);
  return others === undefined ? kept : { ...kept, [PROTOCOLS]: others };
}

/** A signal that aborts when the client goes away before it was answered to the end. */
export function clientGone(response: Response): AbortSignal {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  return gone.signal;
}

export interface OutgoingRequest {
  readonly backend: Backend;
  readonly url: URL;
  readonly method: string;
  readonly headers: OutgoingHttpHeaders;
  /** Sent as the body. */
  readonly body?: Request;
  readonly signal: AbortSignal;
}

/** A backend that takes no connection is given up after this long: upstream's dial timeout. */
const CONNECT_LIMIT_MS = 30_000;

/** Sends the request and gives the answer's head. Rejects with what kept it from getting there. */
export function sendRequest(request: OutgoingRequest): Promise<IncomingMessage> {
  const { backend, url, method, headers, body, signal } = request;
  return new Promise((resolve, reject) => {
    const send = backend.scheme === 'https' ? httpsRequest : httpRequest;
    const agent = backend.agent ?? false;
    // Node would send the body of a DELETE without a word about its end.
    const framing = body && headers['content-length'] === undefined ? { 'transfer-encoding': 'chunked' } : {};
    const outgoing = send(url, {
      method,
      headers: { ...headers, ...framing },
      signal,
      agent,
      lookup: backend.lookup,
      ...backend.tls,
    });
    // The limit is for connecting: an answer may take as long as it likes.
    const { promise, resolve: connected } = Promise.withResolvers<void>();
    withDeadline({ what: `the connection to ${url.host}`, limitMs: CONNECT_LIMIT_MS }, () => promise).catch(() =>
      outgoing.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' })),
    );
    outgoing.on('socket', (socket) => {
      if (socket.connecting) socket.once(backend.scheme === 'https' ? 'secureConnect' : 'connect', connected);
      else connected();
    });
    outgoing.on('close', connected);
    outgoing.on('response', resolve);
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      // A kept connection that the other side closed at the same moment: the request never got there.
      const stale = outgoing.reusedSocket && error.code === 'ECONNRESET' && body === undefined && !signal.aborted;
      if (stale) resolve(sendRequest(request));
      else reject(error);
    });
    if (body === undefined) outgoing.end();
    else pipeline(body, outgoing).catch(reject);
  });
}

/** Gives the client the answer as it comes, changed by what it passes `through`. */
export async function copyResponse(
  answer: IncomingMessage,
  response: Response,
  headers: OutgoingHttpHeaders,
  signal: AbortSignal,
  through: readonly Transform[] = [],
): Promise<void> {
  // The two responses type their overloads differently; both take a plain object.
  const writable = response as ServerResponse;
  try {
    writable.writeHead(answer.statusCode ?? 502, headers);
  } catch (error) {
    // It will not be read, and must not keep the connection.
    answer.destroy();
    throw badGateway(`the backend's answer cannot be passed on: ${(error as Error).message}`);
  }
  writable.flushHeaders();
  try {
    await pipeline([answer, ...through, writable], { signal });
  } catch (error) {
    // The client left, or the backend broke off: the client sees that the answer has no end.
    writable.destroy();
    if (!signal.aborted) throw error;
  }
}

/**
 * Throws a 502 StatusError for an answer that sends the client elsewhere: it would follow with its credentials, which the backend
 * itself never sees. Upstream: `RejectForwardingRedirects`.
 */
export function rejectRedirect(answer: IncomingMessage): void {
  const { statusCode = 0, headers } = answer;
  if (statusCode < 300 || statusCode > 399 || !headers.location) return;
  answer.destroy();
  throw badGateway('the backend attempted to redirect this request, which is not permitted');
}

/**
 * Upgrades to the backend, with `more` headers, and joins the two connections, or passes the backend's refusal on. Resolves at the end of both;
 * rejects only as long as the client has been answered nothing.
 * @param inspect throws when the client is not to see a refusal
 */
export async function joinUpgrade(
  upgrade: Upgrade,
  backend: Backend,
  url: URL,
  more: OutgoingHttpHeaders = {},
  inspect: (refusal: IncomingMessage) => void = () => undefined,
): Promise<void> {
  const { request, socket, head } = upgrade;
  const answer = await requestUpgradeFor(socket, {
    url,
    method: request.method ?? 'GET',
    headers: { ...upgradeHeaders(request), ...more },
    tls: backend.tls,
    agent: false,
    lookup: backend.lookup,
  }).catch((error: unknown) => {
    if (error instanceof AddressNotAllowedError) throw badRequest(error.message);
    throw dialError(`error dialing backend: ${dialFailure(backend, error)}`);
  });
  if (!answer.upgraded) inspect(answer.response);
  upgrade.take(answer.response.statusCode);
  if (!answer.upgraded) return relayResponse(answer.response, socket);
  socket.write(responseHead(answer.response));
  if (answer.head.length > 0) socket.write(answer.head);
  if (head.length > 0) answer.socket.write(head);
  await joinConnections(socket, answer.socket);
}

const badGateway = (message: string): StatusError =>
  new StatusError({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, code: 502 });

/** A node that cannot be reached: a 500 without a reason, which kubectl shows as `Error from server: MESSAGE`. */
export const dialError = (message: string): StatusError =>
  new StatusError({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, code: 500 });
