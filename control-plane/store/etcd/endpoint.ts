/** One member of etcd: its connection, made on demand and again after failures, and calls over it. */
import { Client, Metadata, status, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { DeadlineError, withDeadline } from '../../../client/deadline.ts';
import { unaryCall } from '../../../client/unary-call.ts';
import type { Access } from './credentials.ts';
import type { Method, WatchRequest, WatchResponse } from './messages.ts';
import { connectionReason, failureKind, type FailureKind } from './rpc-failure.ts';

/**
 * A frozen peer is found by pings: etcd closes connections that ping more often than every 5 s (its default
 * `--grpc-keepalive-min-time`). With the timeout, less than the limit of a call.
 */
const KEEPALIVE_MS = 5_500;
const KEEPALIVE_TIMEOUT_MS = 3_000;
const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 2_000;

/** A failed call. The message says which member, and why. */
export class EndpointError extends Error {
  override readonly name = 'EndpointError';
  readonly kind: FailureKind;
  /** gRPC's words, which are etcd's for what it refuses. */
  readonly details: string;
  /** Whether the member did not respond in time. */
  readonly isSilent: boolean;
  constructor(url: string, kind: FailureKind, details: string, isSilent = false) {
    super(`etcd at ${url}: ${kind === 'unsent' || kind === 'lost' ? connectionReason(details) : details}`);
    this.kind = kind;
    this.details = details;
    this.isSilent = isSilent;
  }
}

/** Members that have lost their leader fail the call, instead of waiting for one. */
const requireLeader = (): Metadata => metadataOf({});

function metadataOf({ needsLeader = true, traceparent }: Pick<EndpointCall, 'needsLeader' | 'traceparent'>): Metadata {
  const metadata = new Metadata();
  if (needsLeader) metadata.set('hasleader', 'true');
  if (traceparent !== undefined) metadata.set('traceparent', traceparent);
  return metadata;
}

export interface EndpointCall {
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** Whether a member that knows of no leader fails it; default: it does. */
  readonly needsLeader?: boolean | undefined;
  /** Of the request that it is made for, where that is traced. */
  readonly traceparent?: string | undefined;
}

export class Endpoint {
  readonly url: string;
  readonly #client: Client;
  readonly #streams = new Set<ClientDuplexStream<object, object>>();

  /** @param url as https://10.0.0.1:2379 */
  constructor(url: string, { credentials, options }: Access) {
    this.url = url;
    this.#client = new Client(new URL(url).host, credentials, {
      ...options,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.initial_reconnect_backoff_ms': RECONNECT_MIN_MS,
      'grpc.max_reconnect_backoff_ms': RECONNECT_MAX_MS,
      // A list and a batch of events are as large as they are.
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_channelz': 0,
      // Two stores of one process do not share a connection: each closes its own.
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  /** `T` is what the descriptor says of the response. Throws EndpointError, or the signal's reason. */
  async call<T>(method: Method, request: object, { limitMs, signal, ...asked }: EndpointCall): Promise<T> {
    const metadata = metadataOf(asked);
    try {
      const limit = { what: `etcd at ${this.url}`, limitMs, signal };
      return (await withDeadline(limit, (within) =>
        unaryCall(this.#client, method, request, { metadata, limitMs, signal: within }),
      )) as T;
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof DeadlineError)
        throw new EndpointError(this.url, 'lost', `no response within ${Math.round(limitMs)} ms`, true);
      throw this.failure(error as ServiceError);
    }
  }

  /** The responses of a call that has many. Throws EndpointError. */
  async *responses<T>(method: Method, request: object, signal: AbortSignal): AsyncGenerator<T> {
    signal.throwIfAborted();
    const stream = this.#client.makeServerStreamRequest<object, object>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      requireLeader(),
    );
    const cancel = (): void => stream.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      for await (const response of stream) yield response as T;
    } catch (error) {
      signal.throwIfAborted();
      throw this.failure(error as ServiceError);
    } finally {
      signal.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  /** Opens a stream of watches. It ends with an `error` event, also when `abandon` is called. */
  stream(method: Method): ClientDuplexStream<WatchRequest, WatchResponse> {
    const stream = this.#client.makeBidiStreamRequest<object, object>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      requireLeader(),
    );
    this.#streams.add(stream);
    stream.once('status', () => this.#streams.delete(stream));
    return stream as ClientDuplexStream<WatchRequest, WatchResponse>;
  }

  /** Ends the streams of a member that does not respond: the pings of the connection would find it much later. */
  abandon(): void {
    for (const stream of this.#streams) stream.cancel();
  }

  failure({ code, details }: ServiceError): EndpointError {
    return new EndpointError(this.url, failureKind(code, details), details, code === status.DEADLINE_EXCEEDED);
  }

  close(): void {
    this.abandon();
    this.#client.close();
  }
}
