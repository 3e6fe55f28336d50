import { DeadlineError } from './deadline.ts';

/** The api-server could not be reached: connection refused, DNS or TLS failure, timeout. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  /** The cause's error code from Node.js, OpenSSL or undici, such as `ECONNREFUSED`. */
  readonly code: string;
  /** Set when the outage that caused it has been logged, so that callers need not log it again. */
  wasLogged = false;
  constructor(server: string, cause: unknown) {
    const code = codeOf(cause);
    super(`failed to connect to ${server}: ${describe(code, cause)}`, { cause });
    this.code = code;
  }

  /** The client itself was closed: another attempt fails likewise. */
  get isOfClosedClient(): boolean {
    return CLOSED.has(this.code);
  }
}

const DEADLINE = 'DEADLINE';
/** The client has left the server for another one. */
export const MOVED = 'MOVED';
const CLOSED: ReadonlySet<string> = new Set(['UND_ERR_DESTROYED', 'UND_ERR_CLOSED', 'CLOSED']);

const SENTENCES: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'connection refused (nothing is listening)'],
  ['ECONNRESET', 'the connection was reset'],
  ['EPIPE', 'the connection was closed'],
  ['EHOSTUNREACH', 'no route to the host'],
  ['ENETUNREACH', 'the network is unreachable'],
  ['ENOTFOUND', 'the host name does not resolve'],
  ['EAI_AGAIN', 'temporary failure resolving the host name'],
  ['ETIMEDOUT', 'the connection timed out'],
  [DEADLINE, 'timed out waiting for the response to finish'],
  ['UND_ERR_CONNECT_TIMEOUT', 'timed out connecting'],
  ['UND_ERR_HEADERS_TIMEOUT', 'timed out waiting for a response'],
  ['UND_ERR_BODY_TIMEOUT', 'timed out reading the response'],
  ['UND_ERR_SOCKET', 'the connection was closed'],
  ['ERR_STREAM_PREMATURE_CLOSE', 'the connection was closed'],
  ['ERR_HTTP2_STREAM_CANCEL', 'the connection was closed'],
  ['ERR_HTTP2_STREAM_ERROR', 'the server ended the stream'],
  ['ERR_HTTP2_SESSION_ERROR', 'the server ended the connection'],
  ['UND_ERR_DESTROYED', 'the client is closed'],
  ['UND_ERR_CLOSED', 'the client is closed'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'its certificate is self-signed and is not the given CA'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'its certificate is signed by a CA other than the given one'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'its certificate is not signed by the given CA'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'its certificate is not signed by the given CA'],
  ['CERT_SIGNATURE_FAILURE', 'its certificate is not signed by the given CA'],
  ['CERT_HAS_EXPIRED', 'its certificate has expired'],
  ['CERT_NOT_YET_VALID', 'its certificate is not valid yet (is the clock right?)'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is not valid for this address'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'it does not speak TLS'],
  ['EPROTO', 'the TLS handshake failed'],
]);

function codeOf(cause: unknown): string {
  if (cause instanceof DeadlineError) return DEADLINE;
  if (cause instanceof AggregateError && cause.errors.length > 0) return codeOf(cause.errors[0]);
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code;
  return 'UNKNOWN';
}

function describe(code: string, cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const sentence = SENTENCES.get(code);
  if (!sentence) return message || code;
  // Keep undici's detail for UND_ERR_SOCKET: it says what the peer did.
  return code === 'UND_ERR_SOCKET' && message ? `${sentence} (${message})` : sentence;
}
