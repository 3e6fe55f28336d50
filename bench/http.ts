/**
 * The load generator's HTTP/1.1 client over TLS: keep-alive connections that send prepared bytes and count responses. It
 * does as little as possible per response, since it shares the machine with the server under test.
 */
import tls from 'node:tls';

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly token: string;
}

export interface Answer {
  readonly status: number;
  /** Size of the body. */
  readonly bytes: number;
}

const HEADERS_END = Buffer.from('\r\n\r\n');
/** Terminates a chunked body. */
const LAST_CHUNK = '0\r\n\r\n';

export const requestBytes = (
  { host, port, token }: Target,
  method: string,
  path: string,
  body = '',
  type = 'application/json',
  accept = 'application/json',
): Buffer =>
  Buffer.from(
    `${method} ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nAuthorization: Bearer ${token}\r\nAccept: ${accept}\r\n` +
      (body ? `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` : '') +
      `\r\n${body}`,
  );

/** The certificate is not verified: the benchmark has started the server itself. */
export const connect = ({ host, port }: Target, connected: () => void): tls.TLSSocket =>
  tls.connect({ host, port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }, connected).setNoDelay(true);

/** One connection with one request at a time. */
export class Connection implements Disposable {
  readonly #socket: tls.TLSSocket;
  readonly #keepBody: boolean;
  #head: Buffer | undefined;
  #status = 0;
  /** Length of the body; undefined while the headers are read, -1 for a chunked body. */
  #expected: number | undefined;
  #isChunked = false;
  #tail = '';
  #bytes = 0;
  #body: Buffer[] = [];
  #settle: ((answer: Answer) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;

  private constructor(socket: tls.TLSSocket, keepBody: boolean) {
    this.#socket = socket;
    this.#keepBody = keepBody;
    socket.on('data', (data: Buffer) => this.#onData(data));
    socket.on('error', (error) => this.#fail?.(error));
    socket.on('close', () => this.#fail?.(new Error('the server closed the connection')));
  }

  static open(target: Target, { keepBody = false } = {}): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect(target, () => {
        socket.off('error', reject);
        resolve(new Connection(socket, keepBody));
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

  /** The last response's body. */
  get body(): string {
    const raw = Buffer.concat(this.#body);
    return (this.#isChunked ? joinedChunks(raw) : raw).toString();
  }

  [Symbol.dispose](): void {
    this.#settle = this.#fail = undefined;
    this.#socket.destroy();
  }

  #onData(data: Buffer): void {
    if (this.#expected === undefined) {
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
      this.#expected = length ? Number(length[1]) : -1;
      this.#isChunked = !length;
      this.#bytes = 0;
      this.#tail = '';
      this.#body = [];
      data = head.subarray(end + HEADERS_END.length);
    }
    this.#bytes += data.length;
    if (this.#keepBody) this.#body.push(data);
    if (this.#expected === -1) {
      const keep = LAST_CHUNK.length;
      this.#tail = (this.#tail + data.subarray(-keep).toString('latin1')).slice(-keep);
      if (this.#tail !== LAST_CHUNK) return;
    } else if (this.#bytes < this.#expected) return;
    this.#expected = undefined;
    const settle = this.#settle;
    this.#settle = this.#fail = undefined;
    settle?.({ status: this.#status, bytes: this.#bytes });
  }
}

/** A body of `Transfer-Encoding: chunked` without its framing (RFC 9112, section 7.1). Long responses are sent that way. */
function joinedChunks(raw: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = raw.indexOf('\r\n', at);
    const size = parseInt(raw.toString('latin1', at, lineEnd), 16);
    if (lineEnd < 0 || !(size > 0)) return Buffer.concat(chunks);
    const start = lineEnd + 2;
    chunks.push(raw.subarray(start, start + size));
    at = start + size + 2;
  }
}

export interface Rate {
  /** The number of responses. */
  readonly count: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly perSecond: number;
}

/** Sends all requests over this many connections. Throws when a response has another status. */
export async function load(
  target: Target,
  connections: number,
  status: number,
  requests: readonly Buffer[],
): Promise<Rate> {
  using stack = new DisposableStack();
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(target)));
  for (const connection of open) stack.use(connection);
  let [next, bytes] = [0, 0];
  const start = performance.now();
  await Promise.all(
    open.map(async (connection) => {
      for (let request = requests[next++]; request; request = requests[next++]) {
        const answer = await connection.send(request);
        if (answer.status !== status) throw new Error(`the server answered ${answer.status} instead of ${status}`);
        bytes += answer.bytes;
      }
    }),
  );
  const seconds = (performance.now() - start) / 1000;
  return { count: requests.length, bytes, seconds, perSecond: requests.length / seconds };
}

/** Sends a single request and parses the JSON object of the response. */
export async function ask<T>(target: Target, method: string, path: string, body?: object): Promise<T> {
  using connection = await Connection.open(target, { keepBody: true });
  const { status } = await connection.send(requestBytes(target, method, path, body && JSON.stringify(body)));
  if (status >= 300) throw new Error(`${method} ${path}: ${status}: ${connection.body}`);
  return JSON.parse(connection.body) as T;
}
