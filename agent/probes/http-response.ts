/**
 * Reads an HTTP/1 response as leniently as Go's client does, where Node's parser is strict: lines may end with LF alone, heads
 * may be large, the same Content-Length may come twice. It keeps what a probe asks: the status, where a redirect leads, and the
 * beginning of the body. The connection is closed after it, so nothing that follows can be taken for another response.
 */

/** Go's limit of the head of a response, here of all its heads together (1xx come before the last one). */
const MAX_HEAD_BYTES = 10 * 1024 * 1024;
/** The kubelet's limit of a body. */
const MAX_BODY_BYTES = 10 * 1024;
/** Lines between chunks, and the trailer, which is ignored. */
const MAX_FRAMING_BYTES = 16 * 1024;
const NEW_LINE = 0x0a;
/** How much of an invalid line is quoted. */
const MAX_SHOWN = 64;
const SWITCHING_PROTOCOLS = 101;
const FIELD_NAME = /^[\w!#$%&'*+.^`|~ -]*$/;

export interface HttpResponse {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

type State = 'status' | 'header' | 'body' | 'chunk size' | 'chunk' | 'chunk end' | 'trailer' | 'complete';

export class HttpResponseReader {
  #state: State = 'status';
  /** The beginning of a line whose end has not been read yet. */
  #line: Buffer[] = [];
  #headBytes = 0;
  #framingBytes = 0;
  #status = 0;
  #isHttp10 = false;
  #headers = new Map<string, string[]>();
  /** Of the body, or of the chunk that is being read. */
  #left = Infinity;
  readonly #body: Buffer[] = [];
  #bodyBytes = 0;

  /**
   * Takes the next bytes; returns the response once it is complete or its body has reached the limit. Throws for what is not
   * HTTP/1.
   */
  push(bytes: Buffer): HttpResponse | undefined {
    let at = 0;
    while (at < bytes.length && this.#state !== 'complete') {
      if (this.#state === 'body' || this.#state === 'chunk') at += this.#takeData(bytes.subarray(at));
      else at += this.#takeLine(bytes.subarray(at));
    }
    return this.#state === 'complete' ? this.#response() : undefined;
  }

  /** The connection has ended. Throws when that cuts the response off. */
  end(): HttpResponse {
    if (this.#state === 'body' && this.#left === Infinity) return this.#response();
    throw new Error(this.#state === 'status' ? 'EOF' : 'unexpected EOF');
  }

  #response(): HttpResponse {
    const body = Buffer.concat(this.#body).toString('utf8');
    const location = this.#headers.get('location')?.[0];
    return {
      status: this.#status,
      // Heads are read byte by byte.
      location: location === undefined ? undefined : Buffer.from(location, 'latin1').toString('utf8'),
      body,
    };
  }

  #takeData(bytes: Buffer): number {
    const piece = bytes.subarray(0, Math.min(this.#left, MAX_BODY_BYTES - this.#bodyBytes));
    this.#body.push(piece);
    this.#bodyBytes += piece.length;
    this.#left -= piece.length;
    if (this.#bodyBytes === MAX_BODY_BYTES) this.#state = 'complete';
    else if (this.#left === 0) this.#state = this.#state === 'chunk' ? 'chunk end' : 'complete';
    return piece.length;
  }

  #takeLine(bytes: Buffer): number {
    const end = bytes.indexOf(NEW_LINE);
    const piece = end < 0 ? bytes : bytes.subarray(0, end + 1);
    this.#line.push(piece);
    if (this.#state === 'status' || this.#state === 'header') this.#headBytes += piece.length;
    else this.#framingBytes += piece.length;
    if (this.#headBytes > MAX_HEAD_BYTES)
      throw new Error(`server response headers exceeded ${MAX_HEAD_BYTES} bytes; aborted`);
    if (this.#framingBytes > MAX_FRAMING_BYTES) throw new Error('malformed chunked encoding');
    if (end >= 0) {
      const line = (this.#line.length === 1 ? piece : Buffer.concat(this.#line)).toString('latin1');
      this.#line = [];
      this.#handleLine(line.replace(/\r?\n$/, ''));
    }
    return piece.length;
  }

  #handleLine(line: string): void {
    switch (this.#state) {
      case 'status':
        this.#readStatus(line);
        break;
      case 'header':
        if (line === '') this.#endHead();
        else this.#readHeader(line);
        break;
      case 'chunk size':
        this.#left = chunkSize(line);
        this.#state = this.#left === 0 ? 'trailer' : 'chunk';
        break;
      case 'chunk end':
        if (line !== '') throw new Error('malformed chunked encoding');
        this.#state = 'chunk size';
        break;
      case 'trailer':
        if (line === '') this.#state = 'complete';
        break;
      case 'body':
      case 'chunk':
      case 'complete':
        throw new Error(`there are no lines in the state ${this.#state}`);
    }
  }

  #readStatus(line: string): void {
    const [, version, rest] = /^(\S*) +(.*)$/s.exec(line) ?? [];
    if (version === undefined || rest === undefined) throw malformed('HTTP response', line);
    const code = rest.split(' ', 1)[0] ?? '';
    if (!/^\d{3}$/.test(code)) throw malformed('HTTP status code', code);
    if (!/^HTTP\/\d\.\d$/.test(version)) throw malformed('HTTP version', version);
    this.#status = Number(code);
    this.#isHttp10 = version === 'HTTP/1.0';
    this.#headers = new Map();
    this.#state = 'header';
  }

  #readHeader(line: string): void {
    // What begins with a space goes on with the line before it: no header that matters here is ever folded.
    if (/^[ \t]/.test(line) && this.#headers.size > 0) return;
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon));
    if (colon < 0 || !FIELD_NAME.test(name)) throw malformed('MIME header line', line);
    const key = name.toLowerCase();
    const values = this.#headers.get(key);
    const value = line.slice(colon + 1).trim();
    if (values) values.push(value);
    else this.#headers.set(key, [value]);
  }

  #endHead(): void {
    const isInformational = this.#status < 200 && this.#status !== SWITCHING_PROTOCOLS;
    this.#state = isInformational ? 'status' : this.#bodyState();
  }

  #bodyState(): State {
    const status = this.#status;
    if (status === SWITCHING_PROTOCOLS || status === 204 || status === 304) return 'complete';
    const encodings = this.#isHttp10 ? undefined : this.#headers.get('transfer-encoding');
    if (encodings) {
      if (encodings.length === 1 && encodings[0]?.toLowerCase() === 'chunked') return 'chunk size';
      throw new Error(`unsupported transfer encoding: ${JSON.stringify(shown(encodings.join(', ')))}`);
    }
    const [length, ...others] = this.#headers.get('content-length') ?? [];
    if (length === undefined) return 'body';
    if (others.some((other) => other !== length))
      throw new Error('http: message cannot contain multiple Content-Length headers');
    if (!/^\d+$/.test(length)) throw new Error(`bad Content-Length ${JSON.stringify(shown(length))}`);
    this.#left = Number(length);
    return this.#left === 0 ? 'complete' : 'body';
  }
}

function chunkSize(line: string): number {
  const digits = line.split(';', 1)[0]?.trim() ?? '';
  if (!/^[0-9A-Fa-f]{1,16}$/.test(digits)) throw new Error('invalid byte in chunk length');
  return Number.parseInt(digits, 16);
}

const shown = (text: string): string => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text);

const malformed = (what: string, text: string): Error => new Error(`malformed ${what} ${JSON.stringify(shown(text))}`);
