/** A connection that its client wants to use for another protocol: WebSocket or SPDY/3.1. */
import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { endConnection } from '../../../client/upgrade.ts';

const SWITCHING_PROTOCOLS = 101;

/**
 * Until a handler takes the connection, the request is answered like any other: Node leaves a request that upgrades without a
 * response, so that it gets one here. A refusal goes out through it and ends the connection.
 */
export class Upgrade {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Duplex;
  /** What was read past the headers. */
  readonly head: Buffer;
  #taken = false;

  constructor(request: IncomingMessage, socket: Duplex, head: Buffer) {
    this.request = request;
    this.socket = socket;
    this.head = head;
    this.response = new ServerResponse(request);
    this.response.shouldKeepAlive = false;
    // Whatever the listener hands out is a socket; Node types it as the stream that a test may use instead.
    this.response.assignSocket(socket as Socket);
    this.response.once('finish', () => {
      this.response.detachSocket(socket as Socket);
      endConnection(socket, '');
    });
  }

  get taken(): boolean {
    return this.#taken;
  }

  /** From now on the caller answers, on `socket`. @param code of its answer, for the metrics. */
  take(code = SWITCHING_PROTOCOLS): void {
    this.#taken = true;
    this.response.statusCode = code;
    this.response.detachSocket(this.socket as Socket);
  }
}
