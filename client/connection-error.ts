import { DeadlineError } from './deadline.ts';

/** The api-server did not answer: nobody there, a name that does not resolve, TLS that fails, silence. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  /** Node's, OpenSSL's or undici's code of the cause, such as `ECONNREFUSED`. */
  readonly code: string;
  constructor(server: string, cause: unknown) {
    const code = codeOf(cause);
    super(`cannot talk to ${server}: ${wordsFor(code, cause)}`, { cause });
    this.code = code;
  }
}

const DEADLINE = 'DEADLINE';

const SENTENCES: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'connection refused (nothing listens there)'],
  ['ECONNRESET', 'the connection was reset'],
  ['EPIPE', 'the connection was closed'],
  ['EHOSTUNREACH', 'no route to the host'],
  ['ENETUNREACH', 'the network is unreachable'],
  ['ENOTFOUND', 'the host name does not resolve'],
  ['EAI_AGAIN', 'the host name cannot be resolved at the moment'],
  ['ETIMEDOUT', 'the connection timed out'],
  [DEADLINE, 'the answer did not end within the time limit'],
  ['UND_ERR_CONNECT_TIMEOUT', 'no connection within the time limit'],
  ['UND_ERR_HEADERS_TIMEOUT', 'no answer within the time limit'],
  ['UND_ERR_BODY_TIMEOUT', 'the answer stopped coming'],
  ['UND_ERR_SOCKET', 'the connection was closed'],
  ['UND_ERR_DESTROYED', 'the client is closed'],
  ['UND_ERR_CLOSED', 'the client is closed'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'its certificate is self-signed and not the CA that was given'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'its certificate comes from a CA that is not the one that was given'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'its certificate does not come from the CA that was given'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'its certificate does not come from the CA that was given'],
  ['CERT_SIGNATURE_FAILURE', 'its certificate was not signed by the CA that was given'],
  ['CERT_HAS_EXPIRED', 'its certificate has expired'],
  ['CERT_NOT_YET_VALID', 'its certificate is not valid yet (does the clock run right?)'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate does not name this address'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'it does not speak TLS'],
  ['EPROTO', 'the TLS handshake failed'],
]);

function codeOf(cause: unknown): string {
  if (cause instanceof DeadlineError) return DEADLINE;
  if (cause instanceof AggregateError && cause.errors.length > 0) return codeOf(cause.errors[0]);
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code;
  return 'UNKNOWN';
}

function wordsFor(code: string, cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const sentence = SENTENCES.get(code);
  if (!sentence) return message || code;
  // undici says more than its code in one case worth keeping: what the other side did.
  return code === 'UND_ERR_SOCKET' && message ? `${sentence} (${message})` : sentence;
}
