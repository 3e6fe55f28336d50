/**
 * A load generator's HTTP/1.1 over TLS: keep-alive connections that send prepared bytes and count what comes back. It does as
 * little as it can per answer, since it shares the machine with the server that it measures.
 */
import tls from 'node:tls';

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly token: string;
}

export interface Answer {
  readonly status: number;
  /** Of the body. */
  readonly bytes: number;
}

const HEADERS_END = Buffer.from('\r\n\r\n');

export const requestBytes = (
  { host, port, token }: Target,
  method: string,
  path: string,
  body = '',
  type = 'application/json',
): Buffer =>
  Buffer.from(
    `${method} ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nAuthorization: Bearer ${token}\r\nAccept: application/json\r\n` +
      (body ? `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` : '') +
      `\r\n${body}`,
  );

/** One connection; one request at a time. */
export class Connection implements Disposable {
  readonly #socket: tls.TLSSocket;
  #head: Buffer | undefined;
  #status = 0;
  /** Bytes of the body still to come; undefined while the head is read, -1 for a chunked one. */
  #missing: number | undefined;
  #tail = '';
  #bytes = 0;
  #settle: ((answer: Answer) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;

  private constructor(socket: tls.TLSSocket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (data: Buffer) => this.#onData(data));
    socket.on('error', (error) => this.#fail?.(error));
    socket.on('close', () => this.#fail?.(new Error('the server closed the connection')));
  }

  static open({ host, port }: Target): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = tls.connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }, () => {
        socket.off('error', reject);
        resolve(new Connection(socket));
      });
      socket.once('error', reject);
    });
  }

  send(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
      this.#socket.write(request);
    });
  }

  [Symbol.dispose](): void {
    this.#settle = this.#fail = undefined;
    this.#socket.destroy();
  }

  #onData(data: Buffer): void {
    if (this.#missing === undefined) {
      const head: Buffer = this.#head ? Buffer.concat([this.#head, data]) : data;
      const end = head.indexOf(HEADERS_END);
      if (end < 0) {
        this.#head = head;
        return;
      }
      this.#head = undefined;
      const text = head.toString('latin1', 0, end);
      this.#status = Number(text.slice(9, 12));
      const length = /\r\ncontent-length: (\d+)/i.exec(text);
      this.#missing = length ? Number(length[1]) : -1;
      this.#bytes = 0;
      this.#tail = '';
      data = head.subarray(end + HEADERS_END.length);
    }
    this.#bytes += data.length;
    if (this.#missing === -1) {
      this.#tail = (this.#tail + data.subarray(-7).toString('latin1')).slice(-7);
      if (!this.#tail.endsWith('0\r\n\r\n')) return;
    } else if (this.#bytes < this.#missing) return;
    this.#missing = undefined;
    const settle = this.#settle;
    this.#settle = this.#fail = undefined;
    settle?.({ status: this.#status, bytes: this.#bytes });
  }
}

export interface Rate {
  /** Answers. */
  readonly count: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly perSecond: number;
}

/** Sends what `next` gives, over so many connections, until it gives undefined; every answer must have the status. */
export async function load(
  target: Target,
  connections: number,
  status: number,
  next: () => Buffer | undefined,
): Promise<Rate> {
  using stack = new DisposableStack();
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(target)));
  for (const connection of open) stack.use(connection);
  let [count, bytes] = [0, 0];
  const start = performance.now();
  await Promise.all(
    open.map(async (connection) => {
      for (let request = next(); request; request = next()) {
        const answer = await connection.send(request);
        if (answer.status !== status) throw new Error(`the server answered ${answer.status} instead of ${status}`);
        count++;
        bytes += answer.bytes;
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  return { count, bytes, seconds, perSecond: count / seconds };
}
