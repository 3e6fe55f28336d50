/**
 * exec and attach for WebSocket clients of the v5 protocol (kubectl 1.30 and later), which container runtimes do not speak:
 * each channel of the WebSocket becomes a stream of a SPDY/3.1 connection to the runtime. Upstream: KEP-4006, KEP-3396.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer, type RawData, type ServerOptions } from 'ws';
import { internalError } from '../../api/machinery/status-error.ts';
import type { StreamOptions } from '../../api/kinds/core/pod-stream-options.ts';
import { holdOpen, LINGER_IDLE_MS } from '../../client/upgrade.ts';
import { SpdyClient, type SpdyStream } from './spdy-client.ts';

export const V5_PROTOCOL = 'v5.channel.k8s.io';

/** The first byte of each message. */
const Channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** How much output is buffered for a slow client before the runtime has to wait. */
const MAX_UNSENT_BYTES = 1024 * 1024;
/** client-go sends 32 KiB at a time; no sensible client comes near this. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** A Status is a few hundred bytes. */
const MAX_STATUS_BYTES = 64 * 1024;
/**
 * How long after its input has ended an attachment may last that ends with it. containerd misses the end of an input that comes
 * while it attaches, and would say nothing until the container's end.
 */
const DETACH_LIMIT_MS = 2_000;
/** In the JSON of a Status that is no failure; quotes in a failure's message are escaped. */
const SUCCESS = '"status":"Success"';
/** As the runtime says it. */
const SUCCEEDED = { metadata: {}, status: 'Success' };

export interface CommandOptions {
  readonly streams: StreamOptions;
  /** The failure message of a command that succeeds without any output. */
  readonly silence?: string;
  /** The end of the client's input is that of the command, as of an attachment to a container whose input stays open. */
  readonly endsWithInput?: boolean;
}

export interface ClientConnection {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** Accepts the client's handshake with `protocol`. Undefined when the handshake was invalid (the response says so). */
export function acceptWebSocket(client: ClientConnection, protocol: string): Promise<WebSocket | undefined> {
  // The types do not know of closeTimeout yet.
  const options: ServerOptions & { closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    // Counted from when the command has ended; a slow client still reads its output then.
    closeTimeout: LINGER_IDLE_MS,
    handleProtocols: () => protocol,
  };
  const server = new WebSocketServer(options);
  return new Promise((resolve) => {
    server.on('wsClientError', () => client.socket.destroy());
    client.socket.once('close', () => resolve(undefined));
    holdOpen(client.socket);
    server.handleUpgrade(client.request, client.socket, client.head, (webSocket) => {
      // Nothing may be read before there is a listener.
      webSocket.pause();
      webSocket.on('error', () => webSocket.terminate());
      resolve(webSocket);
    });
    // Of a connection that is closed already, nothing is called back.
    if (client.socket.destroyed) resolve(undefined);
  });
}

/** Carries a command's streams between the client and the runtime's streaming server. */
export class WebSocketCommand {
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  readonly #spdy: SpdyClient;
  readonly #options: CommandOptions;
  readonly #status: Buffer[] = [];
  #statusBytes = 0;
  #isSilent = true;
  #stdin: SpdyStream | undefined;
  #resize: SpdyStream | undefined;
  #detaching: NodeJS.Timeout | undefined;

  /** `socket` is the upgraded connection to the runtime, `head` what was read of it already. */
  constructor(webSocket: WebSocket, socket: Duplex, head: Buffer, options: CommandOptions) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#options = options;
    this.#spdy = new SpdyClient(socket, head);
  }

  /** Resolves when the client is gone. */
  async run(): Promise<void> {
    holdOpen(this.#socket);
    const closed = new Promise<void>((resolve) => {
      this.#webSocket.on('close', () => {
        clearTimeout(this.#detaching);
        this.#socket.destroy();
        resolve();
      });
    });
    // Without the streams there is nothing to say to the client.
    this.#begin().catch(() => this.#webSocket.terminate());
    return closed;
  }

  async #begin(): Promise<void> {
    const ends: Promise<void>[] = [];
    const open = (streamType: string, data: (chunk: Buffer) => void): SpdyStream => {
      const { promise, resolve } = Promise.withResolvers<void>();
      ends.push(promise);
      return this.#spdy.open({ streamtype: streamType }, { data, end: resolve });
    };
    const nothing = (): void => {};
    const { stdin, stdout, stderr, tty } = this.#options.streams;
    const opened = [open('error', (chunk) => this.#keepStatus(chunk))];
    if (stdout) opened.push(open('stdout', (chunk) => this.#output(Channel.stdout, chunk)));
    if (stderr) opened.push(open('stderr', (chunk) => this.#output(Channel.stderr, chunk)));
    // Those that the client writes have no end of the runtime's to wait for.
    const outputs = Promise.all([...ends]);
    if (stdin) opened.push((this.#stdin = open('stdin', nothing)));
    if (tty) opened.push((this.#resize = open('resize', nothing)));

    await Promise.all(opened.map((stream) => stream.accepted));
    // As upstream: an empty message says that it is connected. kubectl complains of one that comes before it has made its
    // streams.
    const first = stdout ? Channel.stdout : stderr ? Channel.stderr : Channel.error;
    this.#webSocket.send(Buffer.from([first]));
    this.#webSocket.on('message', (message) => this.#input(bytesOf(message)));
    this.#socket.on('drain', () => this.#webSocket.resume());
    this.#webSocket.resume();
    await outputs;
    this.#finish();
  }

  #input(message: Buffer): void {
    const channel = message[0];
    const bytes = message.subarray(1);
    if (channel === Channel.close) {
      if (bytes[0] === Channel.stdin) this.#endInput();
      return;
    }
    const stream = channel === Channel.stdin ? this.#stdin : channel === Channel.resize ? this.#resize : undefined;
    if (stream === undefined || bytes.length === 0) return;
    if (!stream.write(bytes)) this.#webSocket.pause();
  }

  #endInput(): void {
    this.#stdin?.finish();
    if (this.#options.endsWithInput)
      this.#detaching ??= setTimeout(() => this.#finish(Buffer.from(JSON.stringify(SUCCEEDED))), DETACH_LIMIT_MS);
  }

  #output(channel: number, chunk: Buffer): void {
    this.#isSilent = false;
    const message = Buffer.allocUnsafe(chunk.length + 1);
    message[0] = channel;
    chunk.copy(message, 1);
    this.#webSocket.send(message, () => {
      if (this.#socket.isPaused() && this.#webSocket.bufferedAmount < MAX_UNSENT_BYTES / 2) this.#socket.resume();
    });
    if (this.#webSocket.bufferedAmount > MAX_UNSENT_BYTES) this.#socket.pause();
  }

  #keepStatus(chunk: Buffer): void {
    this.#statusBytes += chunk.length;
    if (this.#statusBytes <= MAX_STATUS_BYTES) this.#status.push(Buffer.from(chunk));
  }

  /** All output has been sent: sends the exit status to the client. */
  #finish(outcome = this.#outcome()): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return;
    // What the client still sends goes nowhere, and is read so that its closing is seen.
    this.#webSocket.removeAllListeners('message');
    this.#webSocket.resume();
    this.#webSocket.send(Buffer.concat([Buffer.from([Channel.error]), outcome]));
    this.#webSocket.close(1000);
    this.#socket.destroy();
  }

  #outcome(): Buffer {
    const status = Buffer.concat(this.#status);
    if (status.length === 0) return failed('the connection to the container runtime was lost');
    const { silence } = this.#options;
    return silence !== undefined && this.#isSilent && status.includes(SUCCESS) ? failed(silence) : status;
  }
}

/** A Status, as JSON. */
const failed = (words: string): Buffer => Buffer.from(JSON.stringify(internalError(words).status));

function bytesOf(message: RawData): Buffer {
  if (Buffer.isBuffer(message)) return message;
  return Array.isArray(message) ? Buffer.concat(message) : Buffer.from(message);
}
