/** Errors of gRPC calls. */
import { status } from '@grpc/grpc-js';

export { status };

/** As Go prints the failure of a call: what people search for. */
export function rpcErrorText(code: number, message: string): string {
  const words = (status[code] ?? '').toLowerCase().split('_');
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('') || `Code(${code})`;
  return `rpc error: code = ${name === 'Cancelled' ? 'Canceled' : name} desc = ${message}`;
}
