/** A watch over a WebSocket: a text message per event, as upstream's. What the client sends is ignored. */
import { Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Upgrade } from '../http/upgrade.ts';
import { acceptWebSocket } from '../http/web-socket.ts';

/** A credential, not a protocol: it is not repeated. */
const BEARER_PROTOCOL = 'base64url.bearer.authorization.k8s.io.';
const NORMAL_CLOSURE = 1000;
const MAX_RECEIVED_BYTES = 64 * 1024;
/** Events that wait for the client, at most; then the watch waits. */
const MAX_BUFFERED_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** Takes lines of JSON, in chunks of any length. A line that comes in several chunks is a message in several frames. */
export class WatchSocket extends Writable {
  readonly #client: WebSocket;

  constructor(client: WebSocket) {
    super({ highWaterMark: MAX_BUFFERED_BYTES });
    this.#client = client;
    // Both mean that the client is gone, which the watch learns by 'close'.
    this.on('error', () => client.terminate());
    client.on('error', () => this.destroy());
    client.on('close', () => this.destroy());
    client.on('ping', (data) => {
      // A client that reads nothing gets no answers that would pile up.
      if (client.bufferedAmount < MAX_BUFFERED_BYTES) client.pong(data);
    });
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    for (let at = 0; at < chunk.length;) {
      const newline = chunk.indexOf(NEWLINE, at);
      const end = newline < 0 ? chunk.length : newline + 1;
      const options = { binary: false, fin: newline >= 0 };
      if (end < chunk.length) this.#client.send(chunk.subarray(at, end), options);
      else this.#client.send(chunk.subarray(at, end), options, done);
      at = end;
    }
  }

  override _final(done: () => void): void {
    this.#client.close(NORMAL_CLOSURE);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.writableFinished) this.#client.terminate();
    done(error);
  }
}

/** Takes the connection over. Throws what `acceptWebSocket` throws. */
export async function openWatchSocket(upgrade: Upgrade): Promise<WatchSocket> {
  const client = await acceptWebSocket(upgrade, {
    autoPong: false,
    maxPayload: MAX_RECEIVED_BYTES,
    handleProtocols: (offered) => [...offered].find((protocol) => !protocol.startsWith(BEARER_PROTOCOL)) ?? false,
  });
  return new WatchSocket(client);
}
