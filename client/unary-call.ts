/** A call of a gRPC service that has one request and one response. */
import { Metadata, type Client } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import { timeIn } from './clock.ts';

/** The server is told of a later end than the caller's own, which then comes first and says what it was. */
const LATER_MS = 1_000;

export interface UnaryCallOptions {
  /** The call is cancelled when it is aborted. */
  readonly signal: AbortSignal;
  /** How long the caller waits (`withDeadline`); the server gives up soon after it. */
  readonly limitMs: number;
  readonly metadata?: Metadata;
}

/** Resolves with the response as its descriptor says, if there is one. Rejects with gRPC's ServiceError. */
export const unaryCall = (
  client: Client,
  { path, requestSerialize, responseDeserialize }: MethodDefinition<object, object>,
  request: object,
  { signal, limitMs, metadata = new Metadata() }: UnaryCallOptions,
): Promise<object | undefined> =>
  new Promise((resolve, reject) => {
    const call = client.makeUnaryRequest<object, object>(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      { deadline: timeIn(limitMs + LATER_MS) },
      (error, response) => (error ? reject(error) : resolve(response)),
    );
    signal.addEventListener('abort', () => call.cancel(), { once: true });
  });
