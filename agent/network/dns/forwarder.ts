/**
 * Asks other servers what the cluster's zone does not know. A query goes on as it came, over what it came by, but from a port and with an
 * id that nobody can guess (RFC 5452); its response comes back as it is.
 */
import { createSocket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import { connect } from 'node:net';
import { withDeadline } from '../../../client/deadline.ts';
import { Rcode, readResponse, withId, type Query, type Response } from './message.ts';
import { ResponseCache } from './response-cache.ts';
import { TcpMessages, withLength } from './tcp-messages.ts';

/** A server that is asked for what nobody here knows. */
export interface DnsUpstream {
  readonly address: string;
  readonly port: number;
}

export type Transport = 'udp' | 'tcp';

/** How long one server has, and all together: those who ask wait 5 s. */
const ATTEMPT_MS = 1_500;
const LIMIT_MS = 4_500;
/** How long a server that did not answer is asked after the others. */
const DISTRUST_MS = 10_000;
/** Of all clients together: each holds a socket. */
const MAX_PENDING = 2_000;
const MAX_ID = 0x1_0000;

/** Nobody could say: the client is told of a failure, and may ask again. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
}

interface Received {
  readonly bytes: Buffer;
  readonly response: Response;
}

export class Forwarder {
  readonly #cache: ResponseCache;
  readonly #pending = new Map<string, Promise<Buffer>>();
  readonly #distrustedUntil = new Map<string, number>();

  constructor(cache = new ResponseCache()) {
    this.#cache = cache;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /**
   * The response to a query, with its id. Queries that say the same at the same time are asked once.
   * @param upstreams in the order in which they are asked
   * @throws UpstreamError
   */
  async ask(
    query: Query,
    upstreams: readonly DnsUpstream[],
    transport: Transport,
    signal: AbortSignal,
  ): Promise<Buffer> {
    const id = query.bytes.readUInt16BE(0);
    const key = keyOf(query, upstreams, transport);
    const cached = this.#cache.get(key, id);
    if (cached) return cached;
    let asking = this.#pending.get(key);
    if (!asking) {
      if (this.#pending.size >= MAX_PENDING) throw new UpstreamError('too many queries wait for other servers');
      asking = this.#askAll(query, upstreams, transport, key, signal).finally(() => this.#pending.delete(key));
      this.#pending.set(key, asking);
    }
    return withId(await asking, id);
  }

  async #askAll(
    query: Query,
    upstreams: readonly DnsUpstream[],
    transport: Transport,
    key: string,
    signal: AbortSignal,
  ): Promise<Buffer> {
    const startedAt = performance.now();
    const order = upstreams.toSorted((a, b) => this.#distrust(a, startedAt) - this.#distrust(b, startedAt));
    let failure: Buffer | undefined;
    // Twice: one packet is easily lost. The last has all the time that is left: some names take a server seconds to find.
    const attempts = [...order, ...order];
    for (const [index, upstream] of attempts.entries()) {
      const leftMs = LIMIT_MS - (performance.now() - startedAt);
      const limitMs = index === attempts.length - 1 ? leftMs : Math.min(ATTEMPT_MS, leftMs);
      if (limitMs <= 0 || signal.aborted) break;
      const received = await this.#attempt(query, upstream, transport, { limitMs, signal });
      if (!received) continue;
      const { bytes, response } = received;
      // Another may know.
      if (response.rcode === Rcode.serverFailure || response.rcode === Rcode.refused) failure = bytes;
      else {
        this.#cache.set(key, bytes, response);
        return bytes;
      }
    }
    if (failure) return failure;
    throw new UpstreamError('no other server answers');
  }

  #distrust({ address, port }: DnsUpstream, now: number): number {
    return (this.#distrustedUntil.get(`${address} ${port}`) ?? 0) > now ? 1 : 0;
  }

  async #attempt(
    query: Query,
    upstream: DnsUpstream,
    transport: Transport,
    { limitMs, signal }: { readonly limitMs: number; readonly signal: AbortSignal },
  ): Promise<Received | undefined> {
    const place = `${upstream.address} ${upstream.port}`;
    const own = withId(query.bytes, randomInt(MAX_ID));
    const ask = transport === 'udp' ? askByUdp : askByTcp;
    try {
      const what = `query to the DNS server ${upstream.address}`;
      const received = await withDeadline({ what, limitMs, signal }, (stop) =>
        ask(own, query.questionEnd, upstream, stop),
      );
      this.#distrustedUntil.delete(place);
      return received;
    } catch {
      // Silence and refusal come to the same; the next is asked, and whoever asked is told when there is none.
      this.#distrustedUntil.set(place, performance.now() + DISTRUST_MS);
      return undefined;
    }
  }
}

/** Where, how, and everything that a query says but its id: also its flags and options. */
function keyOf({ bytes }: Query, upstreams: readonly DnsUpstream[], transport: Transport): string {
  const first = upstreams[0];
  return `${transport} ${first?.address} ${first?.port} ${bytes.toString('latin1', 2)}`;
}

function askByUdp(
  query: Buffer,
  questionEnd: number,
  { address, port }: DnsUpstream,
  signal: AbortSignal,
): Promise<Received> {
  const { promise, resolve, reject } = Promise.withResolvers<Received>();
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', reject);
  // A connected socket takes messages of this server only, and hears when nobody is there.
  socket.connect(port, address, (error?: Error) => {
    if (error) return reject(error);
    socket.on('message', (bytes) => {
      const response = readResponse(bytes, query, questionEnd);
      if (response) resolve({ bytes, response });
    });
    socket.send(query, (sendError) => sendError && reject(sendError));
  });
  const stop = (): void => reject(new UpstreamError('given up'));
  signal.addEventListener('abort', stop, { once: true });
  return promise.finally(() => {
    signal.removeEventListener('abort', stop);
    socket.close();
  });
}

function askByTcp(
  query: Buffer,
  questionEnd: number,
  { address, port }: DnsUpstream,
  signal: AbortSignal,
): Promise<Received> {
  const { promise, resolve, reject } = Promise.withResolvers<Received>();
  const socket = connect({ host: address, port });
  socket.on('error', reject);
  socket.on('close', () => reject(new UpstreamError('the server has closed the connection')));
  const messages = new TcpMessages();
  socket.on('data', (piece: Buffer) => {
    for (const bytes of messages.add(piece)) {
      const response = readResponse(bytes, query, questionEnd);
      if (response) resolve({ bytes, response });
    }
  });
  socket.write(withLength(query));
  const stop = (): void => reject(new UpstreamError('given up'));
  signal.addEventListener('abort', stop, { once: true });
  return promise.finally(() => {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  });
}
