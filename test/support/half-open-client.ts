/** A TLS client that reads what it is answered, to the end, and does not close its own half of the connection. */
import { once } from 'node:events';
import { connect } from 'node:tls';
import { eventually } from './wait.ts';

/** Resolves with the answer once the server has closed the connection for good; throws when it does not do that in time. */
export async function heldUntilClosed(
  to: { readonly port: number; readonly ca: string },
  text: string,
): Promise<string> {
  const options = { ...to, host: '127.0.0.1', allowHalfOpen: true };
  const socket = connect(options);
  socket.on('error', () => socket.destroy());
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  socket.write(text);
  try {
    await once(socket, 'end');
    // What is sent to a connection that is closed, and not only ended, resets it.
    await eventually('the connection to be closed', () => socket.destroyed || (socket.write('\n'), false), 20);
  } finally {
    socket.destroy();
  }
  return answer;
}
