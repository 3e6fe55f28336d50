/** The server's side of a WebSocket handshake (RFC 6455, 4.2). Rarely used: import it on demand. */
import { WebSocketServer, type ServerOptions, type WebSocket } from 'ws';
import { badRequest } from '../../../api/machinery/status-error.ts';
import { ClientGoneError } from './back-pressure.ts';
import type { Upgrade } from './upgrade.ts';

/**
 * Accepts the client's handshake and takes the connection over. Throws a 400 StatusError for one that is none, ClientGoneError for a connection that was closed while
 * the request waited: of both, `ws` calls nothing back.
 */
export function acceptWebSocket(
  upgrade: Upgrade,
  options: Pick<ServerOptions, 'autoPong' | 'maxPayload' | 'handleProtocols'>,
): Promise<WebSocket> {
  const { request, socket, head } = upgrade;
  const server = new WebSocketServer({ ...options, noServer: true, clientTracking: false, perMessageDeflate: false });
  return new Promise((resolve, reject) => {
    server.once('wsClientError', ({ message }) => reject(badRequest(message)));
    server.handleUpgrade(request, socket, head, (client) => {
      // At once: what comes right behind the handshake may be no frame.
      client.on('error', () => client.terminate());
      upgrade.take();
      resolve(client);
    });
    if (socket.destroyed) reject(new ClientGoneError());
  });
}
