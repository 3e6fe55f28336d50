/** Connections that stop being HTTP: asks a server to upgrade one (SPDY/3.1, WebSocket) and joins two of them byte for byte. */
import { request as httpRequest, type Agent, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';

export interface UpgradeRequest {
  readonly url: URL;
  readonly method: string;
  /** `Connection` and `Upgrade` are among them. */
  readonly headers: OutgoingHttpHeaders;
  readonly tls?: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized' | 'secureContext'>;
  readonly agent?: Agent | false;
  /** Gives up connecting and waiting for the answer. */
  readonly signal?: AbortSignal;
}

/** The server's answer: upgraded, with the connection and what was read past its headers, or an ordinary response. */
export type UpgradeAnswer =
  | { readonly upgraded: true; readonly response: IncomingMessage; readonly socket: Duplex; readonly head: Buffer }
  | { readonly upgraded: false; readonly response: IncomingMessage };

/** Rejects when the server cannot be reached. */
export function requestUpgrade({ url, method, headers, tls, agent, signal }: UpgradeRequest): Promise<UpgradeAnswer> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const outgoing = send(url, { method, headers, agent, signal, ...tls });
    outgoing.on('upgrade', (response, socket, head) => resolve({ upgraded: true, response, socket, head }));
    outgoing.on('response', (response) => resolve({ upgraded: false, response }));
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** The head of a response as it came, for a client that is to see it unchanged. */
export function responseHead({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  let head = `HTTP/1.1 ${statusCode} ${statusMessage}\r\n`;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) head += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
  return `${head}\r\n`;
}

/** kubelet's and upstream's idle limit of a streaming connection. */
export const STREAM_IDLE_MS = 4 * 3600 * 1000;

type IdleDuplex = Duplex & { setTimeout?(ms: number, onIdle: () => void): unknown; setNoDelay?(on: boolean): unknown };

/**
 * Joins two connections until either ends or nothing has moved for STREAM_IDLE_MS. Each is read only as fast as the other
 * takes it. What one has sent before it ended still reaches the other.
 */
export function joinConnections(one: Duplex, other: Duplex): Promise<void> {
  return new Promise((resolve) => {
    let open = 2;
    const carry = (from: IdleDuplex, to: Duplex): void => {
      from.setNoDelay?.(true);
      from.setTimeout?.(STREAM_IDLE_MS, () => from.destroy());
      from.pipe(to);
      // A connection that fails closes; that is all that there is to say about it.
      from.on('error', () => from.destroy());
      from.on('close', () => {
        if (from.readableEnded) to.end();
        else to.destroy();
        if (--open === 0) resolve();
      });
    };
    carry(one, other);
    carry(other, one);
  });
}
