/** Opens a TCP connection and closes it again. */
import { connect } from 'node:net';

/** Rejects with Go's words for the failure, which people search for. */
export function touchTcp(host: string, port: number, signal: AbortSignal): Promise<void> {
  const where = `dial tcp ${host.includes(':') ? `[${host}]` : host}:${port}`;
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.on('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      reject(new Error(`${where}: ${WORDS.get(error.code ?? '') ?? error.message}`));
    });
  });
}

const WORDS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'connect: connection refused'],
  ['EHOSTUNREACH', 'connect: no route to host'],
  ['ENETUNREACH', 'connect: network is unreachable'],
  ['ABORT_ERR', 'i/o timeout'],
]);
