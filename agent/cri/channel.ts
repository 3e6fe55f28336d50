/** The connection to the container runtime, or to a plugin of the node: calls of gRPC services over a unix socket, each with a limit. */
import {
  Client,
  connectivityState,
  credentials,
  Metadata,
  status,
  type ClientReadableStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { DeadlineError, withDeadline } from '../../client/deadline.ts';
import { unaryCall } from '../../client/unary-call.ts';
import { report, since } from '../recorder/report.ts';
import { isTold, targetOf } from './told-calls.ts';
import { CriError } from './rpc-error.ts';
import type { Service } from './service.ts';

/** kubelet's `--runtime-request-timeout`. */
export const CALL_LIMIT_MS = 2 * 60_000;
/** containerd returns long lists of containers; this is the kubelet's limit for a CRI message. */
const MESSAGE_LIMIT_BYTES = 16 * 1024 * 1024;
/** The longest back-off between attempts to reconnect. */
const RECONNECT_LIMIT_MS = 2_000;

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Every call has a limit, whatever the runtime does. */
  readonly limitMs?: number;
}

const RUNTIME = 'the container runtime';

/** Called at the end of every call, for metrics. */
export type CallObserver = (call: string, seconds: number, failed: boolean) => void;

export interface ChannelOptions {
  readonly called?: CallObserver;
  /** Who it is, for errors; default: the container runtime. */
  readonly server?: string;
  /** Default: that of the container runtime. */
  readonly messageLimitBytes?: number;
}

export class RuntimeChannel {
  readonly socket: string;
  readonly #client: Client;
  readonly #called: CallObserver | undefined;
  readonly #server: string;

  /** Connects on the first call, and again whenever the server has been away. */
  constructor(socket: string, { called, server, messageLimitBytes }: ChannelOptions = {}) {
    this.socket = socket;
    this.#called = called;
    this.#server = server ?? RUNTIME;
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': messageLimitBytes ?? MESSAGE_LIMIT_BYTES,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': RECONNECT_LIMIT_MS,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_channelz': 0,
    });
  }

  close(): void {
    this.#client.close();
  }

  /**
   * Calls back with whether there is a connection, now and whenever that changes, until the channel is closed. Keeps it connected from
   * then on: without a call, nobody would learn that the server has gone away or come back.
   */
  watchConnection(onChange: (isConnected: boolean) => void): void {
    const channel = this.#client.getChannel();
    const look = (): void => {
      if (channel.getConnectivityState(false) === connectivityState.SHUTDOWN) return;
      const state = channel.getConnectivityState(true);
      onChange(state === connectivityState.READY);
      channel.watchConnectivityState(state, Infinity, look);
    };
    look();
  }

  /** A stream of what the runtime sends; it ends with an `error` event, of gRPC's ServiceError, when the runtime goes away. */
  stream(service: Service, name: string, request: object): ClientReadableStream<unknown> {
    const method = service.method(name);
    return this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
    );
  }

  /** `T` is what the descriptor says of the response. Throws CriError. */
  async call<T>(
    service: Service,
    name: string,
    request: object,
    { signal, limitMs = CALL_LIMIT_MS }: CallOptions = {},
    metadata = new Metadata(),
  ): Promise<T> {
    const method = service.method(name);
    const startedAt = performance.now();
    let failure: CriError | undefined;
    let response: object | undefined;
    try {
      response = await withDeadline({ what: name, limitMs, signal }, (within) =>
        unaryCall(this.#client, method, request, { metadata, limitMs, signal: within }),
      );
      return response as T;
    } catch (error) {
      if (error instanceof DeadlineError) failure = new CriError(name, status.DEADLINE_EXCEEDED, error.message);
      else if (signal?.aborted) failure = new CriError(name, status.CANCELLED, `${name}: ${String(signal.reason)}`);
      else failure = this.#errorOf(name, error as ServiceError);
      throw failure;
    } finally {
      const ms = since(startedAt);
      this.#called?.(name, ms / 1000, failure !== undefined);
      this.#report(name, targetOf(request, response), ms, failure);
    }
  }

  #report(call: string, target: ReturnType<typeof targetOf>, ms: number, failure: CriError | undefined): void {
    if (!isTold(call, ms, failure !== undefined)) return;
    const server = this.#server === RUNTIME ? {} : { server: this.#server };
    report({ kind: 'cri', ...server, call, ...target, ms, ...(failure && { error: failure.rpcText }) });
  }

  #errorOf(call: string, error: ServiceError): CriError {
    if (error.code === status.UNAVAILABLE) {
      const reason = /connect \w+ \S+\w/.exec(error.details)?.[0] ?? error.details;
      return new CriError(call, error.code, `${reason}: is ${this.#server} running?`);
    }
    return new CriError(call, error.code, error.details);
  }
}
