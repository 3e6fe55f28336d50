/** A thread with a TLS server that only sends constant responses: the maximum of the load generator. */
import tls from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';

export interface TrivialServer {
  readonly cert: string;
  readonly key: string;
  readonly longBodyBytes: number;
}

/** The size of a pod. */
const SHORT_BODY_BYTES = 2_700;

const { cert, key, longBodyBytes } = workerData as TrivialServer;
const head = (length: number): string => `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`;
const short = Buffer.from(head(SHORT_BODY_BYTES) + 'x'.repeat(SHORT_BODY_BYTES));
const long = Buffer.alloc(longBodyBytes, 'x');

// A request arrives in one chunk: the load generator writes it as one.
const server = tls.createServer({ cert, key, noDelay: true }, (socket) => {
  socket.on('data', (request: Buffer) => {
    if (request.indexOf('/long') < 0) {
      socket.write(short);
      return;
    }
    socket.write(head(long.length));
    socket.write(long);
  });
  socket.on('error', () => socket.destroy());
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') parentPort?.postMessage(address.port);
});
