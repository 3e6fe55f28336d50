/** Opens a TCP connection and closes it again. */
import { connect } from 'node:net';
import { DeadlineError, withDeadline, type TimeLimit } from '../../client/deadline.ts';
import { bracketed } from './http-target.ts';

/** Go's error text for a failed connection, which people search for. */
export const CONNECT_ERRORS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'connect: connection refused'],
  ['EHOSTUNREACH', 'connect: no route to host'],
  ['ENETUNREACH', 'connect: network is unreachable'],
  ['ETIMEDOUT', 'connect: connection timed out'],
]);

export async function checkTcp(host: string, port: number, limit: TimeLimit): Promise<void> {
  const where = `dial tcp ${bracketed(host)}:${port}`;
  try {
    await withDeadline({ ...limit, what: where }, (signal) => touch(host, port, signal));
  } catch (error) {
    limit.signal?.throwIfAborted();
    const { code, message } = error as NodeJS.ErrnoException;
    const words = error instanceof DeadlineError ? 'i/o timeout' : (CONNECT_ERRORS.get(code ?? '') ?? message);
    throw new Error(`${where}: ${words}`, { cause: error });
  }
}

function touch(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.on('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}
