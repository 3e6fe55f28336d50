/** A log over a WebSocket: messages of bytes, or of base64 text, as the client's subprotocol says. */
import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import type { Upgrade } from '../http/upgrade.ts';
import { acceptWebSocket } from '../http/web-socket.ts';

const BASE64 = 'base64.binary.k8s.io';
const PROTOCOLS: readonly string[] = ['binary.k8s.io', BASE64];
/** Ends the connection, nothing being wrong (RFC 6455, 7.4.1). */
const NORMAL_CLOSURE = 1000;
/** A client that reads slowly holds this much at most; the node waits meanwhile. */
const MAX_BUFFERED_BYTES = 64 * 1024;

/** Resolves when the log has ended or the client is gone; `log` is undefined where there is none. Throws what `acceptWebSocket` throws. */
export async function serveLogSocket(
  upgrade: Upgrade,
  log: IncomingMessage | undefined,
  signal: AbortSignal,
): Promise<void> {
  const client = await acceptWebSocket(upgrade, {
    handleProtocols: (offered) => PROTOCOLS.find((protocol) => offered.has(protocol)) ?? false,
  });
  const encode = (bytes: Buffer): Buffer | string => (client.protocol === BASE64 ? bytes.toString('base64') : bytes);
  try {
    // Clients know by an empty message that they are through.
    await send(client, encode(Buffer.alloc(0)));
    for await (const chunk of log ?? []) await send(client, encode(chunk as Buffer));
    client.close(NORMAL_CLOSURE);
  } catch (error) {
    client.terminate();
    if (!signal.aborted) throw error;
  }
}

/** Resolves at once while there is room for more, and otherwise when the message is on its way. */
async function send(client: WebSocket, message: Buffer | string): Promise<void> {
  const sent = new Promise<void>((resolve, reject) =>
    client.send(message, (error) => {
      if (error) reject(error);
      else resolve();
    }),
  );
  if (client.bufferedAmount > MAX_BUFFERED_BYTES) await sent;
  else sent.catch(() => client.terminate());
}
