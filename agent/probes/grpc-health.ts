/** A gRPC health check: https://github.com/grpc/grpc/blob/master/doc/health-checking.md */
import { connect, type ClientHttp2Session, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2';
import { kubernetesVersion } from '../../api/version.ts';
import { DeadlineError, withDeadline, type TimeLimit } from '../../client/deadline.ts';
import { rpcErrorText, status as code } from '../cri/rpc-error.ts';
import {
  decodeServingStatus,
  encodeHealthRequest,
  frame,
  SERVING,
  statusName,
  unframe,
} from './grpc-health-messages.ts';
import { bracketed } from './http-target.ts';
import { CONNECT_ERRORS } from './tcp.ts';

/** A response is one number; a server that sends more than this is not a health service. */
const MAX_RESPONSE_BYTES = 64 * 1024;
const USER_AGENT = `kube-probe/${kubernetesVersion.major}.${kubernetesVersion.minor}`;

type ResponseHeaders = IncomingHttpHeaders & IncomingHttpStatusHeader;

interface RpcResponse {
  /** With the trailers. */
  readonly headers: ResponseHeaders;
  readonly body: Buffer;
}

/** A call that has ended without a response. */
class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: code;
  constructor(code: code, message: string) {
    super(message);
    this.code = code;
  }
}

/** Rejects with the reason when the service does not serve. */
export async function checkGrpcHealth(host: string, port: number, service: string, limit: TimeLimit): Promise<void> {
  const address = `${bracketed(host)}:${port}`;
  let status: number;
  try {
    status = await withDeadline({ ...limit, what: `the gRPC health check of ${address}` }, (signal) =>
      check(address, service, limit.limitMs, signal),
    );
  } catch (error) {
    limit.signal?.throwIfAborted();
    throw new Error(failureWords(error as Error, address, limit.limitMs), { cause: error });
  }
  if (status !== SERVING) throw new Error(`service unhealthy (responded with "${statusName(status)}")`);
}

/** One call on a connection of its own, which is closed after the response: a gRPC library would keep it open. */
function check(address: string, service: string, limitMs: number, signal: AbortSignal): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const session = connect(`http://${address}`);
  session.on('error', reject);
  session.on('close', () => reject(new RpcError(code.UNAVAILABLE, 'the connection was closed')));
  signal.addEventListener('abort', () => session.destroy(), { once: true });
  call(session, service, limitMs)
    .then(servingStatus)
    .then(resolve, reject)
    .finally(() => session.destroy());
  return promise;
}

function call(session: ClientHttp2Session, service: string, limitMs: number): Promise<RpcResponse> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': USER_AGENT,
      'grpc-timeout': `${Math.ceil(limitMs)}m`,
    });
    const chunks: Buffer[] = [];
    let responseBytes = 0;
    let headers: ResponseHeaders = {};
    stream.on('response', (response) => (headers = response));
    stream.on('trailers', (trailers) => (headers = { ...headers, ...trailers }));
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      responseBytes += chunk.length;
      if (responseBytes > MAX_RESPONSE_BYTES)
        reject(new RpcError(code.RESOURCE_EXHAUSTED, 'response is too long for a health check'));
    });
    stream.on('error', reject);
    stream.on('close', () => resolve({ headers, body: Buffer.concat(chunks) }));
    stream.end(frame(encodeHealthRequest(service)));
  });
}

function servingStatus({ headers, body }: RpcResponse): number {
  const grpcStatus = headers['grpc-status'];
  if (grpcStatus === undefined) {
    const status = headers[':status'];
    if (status === undefined || status === 200) throw new RpcError(code.UNAVAILABLE, 'the call was interrupted');
    throw new RpcError(code.UNKNOWN, `unexpected HTTP status code received from server: ${status}`);
  }
  const status: code = Number(grpcStatus);
  if (status !== code.OK) throw new RpcError(status, plainText(headers['grpc-message']));
  return decodeServingStatus(unframe(body));
}

/** grpc-message is percent-encoded; an invalid encoding is shown as it is. */
function plainText(message: string | string[] | undefined): string {
  const text = String(message ?? '');
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

function failureWords(error: Error, address: string, limitMs: number): string {
  const timedOut = `timeout: health rpc did not complete within ${limitMs / 1000}s`;
  if (error instanceof DeadlineError) return timedOut;
  if (error instanceof RpcError) {
    if (error.code === code.DEADLINE_EXCEEDED) return timedOut;
    if (error.code === code.UNIMPLEMENTED)
      return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.message}`;
    return `error: health rpc probe failed: ${rpcErrorText(error.code, error.message)}`;
  }
  const message = CONNECT_ERRORS.get((error as NodeJS.ErrnoException).code ?? '');
  const why = message === undefined ? error.message : `dial tcp ${address}: ${message}`;
  return `error: failed to connect service at "${address}": ${why}`;
}
