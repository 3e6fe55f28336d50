/** A connection whose client requests an upgrade to WebSocket or SPDY/3.1. */
import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { endConnection } from '../../../client/upgrade.ts';

const SWITCHING_PROTOCOLS = 101;

/** Versions of HTTP itself, and TLS: whoever speaks them to a backend makes further requests, which nobody has authorized. */
const CARRIES_REQUESTS = /^\s*(h2c?|h3|http|tls)\b/i;

/**
 * Whether a request that asks to upgrade its connection can be one that is: to a protocol of its own, and without a body, which would
 * be taken for the beginning of that protocol. Others are answered as if they had not asked (RFC 9110, 7.8).
 */
export function mayUpgrade({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  const { upgrade = '', 'content-length': length = '0', 'transfer-encoding': encoding } = headers;
  if (Number(length) !== 0 || encoding !== undefined) return false;
  return !upgrade.split(',').some((protocol) => CARRIES_REQUESTS.test(protocol));
}

/**
 * Until a handler takes over the connection, the request is answered like any other: Node.js creates no response for an upgrade
 * request, so this does. An error response is sent through it and closes the connection.
 */
export class Upgrade {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Duplex;
  /** Bytes read past the headers. */
  readonly head: Buffer;
  #taken = false;
  #tellTaken: ((code: number) => void) | undefined;

  constructor(request: IncomingMessage, socket: Duplex, head: Buffer) {
    this.request = request;
    this.socket = socket;
    this.head = head;
    this.response = new ServerResponse(request);
    this.response.shouldKeepAlive = false;
    // The listener always passes a net.Socket; Node.js types it as a Duplex.
    this.response.assignSocket(socket as Socket);
    this.response.once('finish', () => {
      this.response.detachSocket(socket as Socket);
      endConnection(socket, '');
    });
  }

  /** @param tell called with the code of the response when a handler takes over. */
  onTaken(tell: (code: number) => void): void {
    this.#tellTaken = tell;
  }

  get taken(): boolean {
    return this.#taken;
  }

  /** Hands `socket` over to the caller, which responds itself. @param code of its response, for the metrics. */
  take(code = SWITCHING_PROTOCOLS): void {
    this.#taken = true;
    this.#tellTaken?.(code);
    this.response.statusCode = code;
    this.response.detachSocket(this.socket as Socket);
  }
}
