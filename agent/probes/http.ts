/** HTTP GET as probes and lifecycle hooks make it. */
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { DeadlineError, withDeadline, type TimeLimit } from '../../client/deadline.ts';
import type { AnyContainer } from '../pods/sync/actions.ts';
import { portNumber } from './container-port.ts';
import { headerLines } from './http-headers.ts';
import { HttpResponseReader, type HttpResponse } from './http-response.ts';
import { bracketed, requestTarget, urlOf, type HttpTarget } from './http-target.ts';
import { CONNECT_ERRORS } from './tcp.ts';
import type { HTTPGetAction } from '../../api/types/core/v1.gen.ts';

/** Also of a redirect that was not followed: one to another host, or to nowhere. */
export type HttpGetResponse = Pick<HttpResponse, 'status' | 'body'>;

export interface HttpRequest {
  readonly action: HTTPGetAction;
  readonly container: AnyContainer;
  readonly podIP: string;
  /** `probe`, `lifecycle` */
  readonly purpose: string;
}

const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** OpenSSL's error code when the first bytes are not a TLS record. */
const NO_TLS = /wrong version number|packet length too long/;

/** There is no response, or it is not HTTP. */
export class HttpGetError extends Error {
  override readonly name = 'HttpGetError';
  constructor(message: string, cause: unknown) {
    super(message, { cause });
  }
  /** The server speaks plain HTTP where TLS was expected. */
  get isPlainServer(): boolean {
    return NO_TLS.test((this.cause as Error).message);
  }
}

/** Follows redirects on the same host. Certificates are not verified, as with the kubelet. */
export async function httpGet(request: HttpRequest, limit: TimeLimit): Promise<HttpGetResponse> {
  const { action, container, podIP } = request;
  const first: HttpTarget = {
    scheme: action.scheme === 'HTTPS' ? 'https' : 'http',
    host: action.host || podIP,
    port: portNumber(action.port, container),
    target: requestTarget(action.path ?? ''),
  };
  const asked = { target: first };
  try {
    return await withDeadline({ ...limit, what: urlOf(first) }, (signal) => follow(asked, request, signal));
  } catch (error) {
    limit.signal?.throwIfAborted();
    const message = `Get "${urlOf(asked.target)}": ${errorMessage(error as NodeJS.ErrnoException, asked.target)}`;
    throw new HttpGetError(message, error);
  }
}

/** `asked.target` is the target of the last request. */
async function follow(
  asked: { target: HttpTarget },
  { action, purpose }: HttpRequest,
  signal: AbortSignal,
): Promise<HttpGetResponse> {
  const { host } = asked.target;
  let keepsHost = true;
  for (let redirects = 0; ; redirects++) {
    const { target } = asked;
    const head = `GET ${target.target} HTTP/1.1\r\n${headerLines(action.httpHeaders ?? [], purpose, target, keepsHost)}\r\n`;
    const response = await exchange(target, head, signal);
    const { status, location } = response;
    if (!REDIRECTS.has(status) || !location) return response;
    const next = redirected(target, location);
    if (next.host !== host) return response;
    if (redirects === MAX_REDIRECTS - 1) throw new Error(`stopped after ${MAX_REDIRECTS} redirects`);
    keepsHost &&= !URL.canParse(location);
    asked.target = next;
  }
}

function redirected(from: HttpTarget, location: string): HttpTarget {
  const url = URL.parse(location, urlOf(from));
  if (!url) throw new Error(`failed to parse Location header ${JSON.stringify(location)}`);
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'http' && scheme !== 'https') throw new Error(`unsupported protocol scheme "${scheme}"`);
  return {
    scheme,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_PORTS[scheme] : Number(url.port),
    target: `${url.pathname}${url.search}`,
  };
}
const DEFAULT_PORTS = { http: 80, https: 443 } as const;

/** One request on a connection of its own, which is closed after the response, whatever the peer does. */
function exchange({ scheme, host, port }: HttpTarget, head: string, signal: AbortSignal): Promise<HttpResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
  const socket =
    scheme === 'https'
      ? connectTls({
          host,
          port,
          rejectUnauthorized: false,
          ALPNProtocols: ['http/1.1'],
          ...(!isIP(host) && { servername: host }),
        })
      : connectTcp({ host, port });
  const reader = new HttpResponseReader();
  const finish = (read: () => HttpResponse | undefined): void => {
    try {
      const response = read();
      if (!response) return;
      resolve(response);
    } catch (error) {
      reject(error);
    }
    socket.destroy();
  };
  socket.on('data', (bytes: Buffer) => finish(() => reader.push(bytes)));
  socket.on('end', () => finish(() => reader.end()));
  socket.on('error', reject);
  const stop = (): void => void socket.destroy();
  socket.on('close', () => {
    signal.removeEventListener('abort', stop);
    reject(new Error('EOF'));
  });
  signal.addEventListener('abort', stop, { once: true });
  socket.write(head);
  return promise;
}

/** Go's error texts for the common failures, which people search for. */
function errorMessage(error: NodeJS.ErrnoException, { host, port }: HttpTarget): string {
  if (error instanceof DeadlineError)
    return 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)';
  const reason = CONNECT_ERRORS.get(error.code ?? '');
  if (reason !== undefined) return `dial tcp ${bracketed(host)}:${port}: ${reason}`;
  if (NO_TLS.test(error.message)) return 'http: server gave HTTP response to HTTPS client';
  return error.code === 'ECONNRESET' ? 'EOF' : error.message;
}
