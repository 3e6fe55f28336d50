/** Errors of gRPC calls. */
import { status } from '@grpc/grpc-js';

export { status };

/** As Go prints a code of gRPC. */
export function rpcCodeName(code: number): string {
  if (code === Number(status.OK)) return 'OK';
  const words = (status[code] ?? '').toLowerCase().split('_');
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('') || `Code(${code})`;
  return name === 'Cancelled' ? 'Canceled' : name;
}

/** As Go prints the failure of a call: what people search for. */
export const rpcErrorText = (code: number, message: string): string =>
  `rpc error: code = ${rpcCodeName(code)} desc = ${message}`;

/** A failed call. The message is the runtime's own; `code` is gRPC's status code. */
export class CriError extends Error {
  override readonly name = 'CriError';
  readonly code: status;
  constructor(call: string, code: status, message: string) {
    super(message);
    this.code = code;
    this.call = call;
  }
  readonly call: string;
  get notFound(): boolean {
    return this.code === status.NOT_FOUND;
  }
  /** As Go prints the failure of a call: what people search for. */
  get rpcText(): string {
    return rpcErrorText(this.code, this.message);
  }
  /** The request can never be fulfilled. */
  get isInvalid(): boolean {
    return [status.INVALID_ARGUMENT, status.OUT_OF_RANGE, status.NOT_FOUND].includes(this.code);
  }
  get unimplemented(): boolean {
    return this.code === status.UNIMPLEMENTED;
  }
}
