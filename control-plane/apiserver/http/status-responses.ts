/** Errors as Status responses. */
import {
  internalError,
  serviceUnavailable,
  StatusError,
  timeout,
  tooManyRequests,
  unclassified,
} from '../../../api/machinery/status-error.ts';
import { StoreBusyError, StoreRefusedError, StoreTimeoutError, StoreUnavailableError } from '../../store/store.ts';
import { indented, type Exchange } from './exchange.ts';
import { prefersProtobuf, PROTOBUF_TYPE } from './negotiate.ts';
import type { Status } from '../../../api/types/meta/v1.gen.ts';

/** The Status for an error; undefined for an unexpected one, whose message is for the log only. */
export function statusOf(error: unknown): Status | undefined {
  if (error instanceof StatusError) return error.status;
  if (error instanceof StoreBusyError) return tooManyRequests(error.message, 1).status;
  // In the store's own words, as upstream: they are what an operator looks for.
  if (error instanceof StoreRefusedError) return unclassified(error.message).status;
  if (error instanceof StoreUnavailableError) {
    return serviceUnavailable(`the store cannot be written to: ${error.message}`).status;
  }
  if (error instanceof StoreTimeoutError) return timeout(`Timeout: ${error.message}`, 1).status;
  return undefined;
}

export const unexpectedError = (error: unknown): Status =>
  internalError(error instanceof Error ? error.message : String(error)).status;

/** Status bodies are JSON, except for clients that prefer protobuf. */
export function sendStatus(exchange: Exchange, status: Status): void {
  const code = status.code ?? 500;
  exchange.audit?.responded(status);
  const retryAfter = status.details?.retryAfterSeconds;
  const headers: Record<string, string> = retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) };
  if (prefersProtobuf(exchange.header('accept')))
    return exchange.write(code, PROTOBUF_TYPE, exchange.protobuf.encode(status), headers);
  const json = JSON.stringify(status);
  exchange.write(code, 'application/json', exchange.indents ? indented(json) : `${json}\n`, headers);
}

/** A whole HTTP/1.1 response, for a socket without a ServerResponse. */
export function rawResponse(status: Status): string {
  const body = `${JSON.stringify(status)}\n`;
  return (
    `HTTP/1.1 ${status.code ?? 500} \r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
    `Connection: close\r\n\r\n${body}`
  );
}
