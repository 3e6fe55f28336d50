/** Follows every request to its response: parsing, time limit, the Status that a failure is answered with. */
import { timeout as timedOut } from '../../../api/machinery/status-error.ts';
import { guarded } from '../../../client/guard.ts';
import type { Logger } from '../../../client/logger.ts';
import type { ServedKinds } from '../catalogue/served-kinds.ts';
import { abandonRequest, ClientGoneError, isClosed } from './back-pressure.ts';
import { BodyMemory } from './body-memory.ts';
import { Compressor } from './compression.ts';
import { Exchange } from './exchange.ts';
import type { Request, Response } from './message.ts';
import { BodyParser } from './request-body.ts';
import { parseRequestInfo } from './request-info.ts';
import { endTrace } from './request-trace.ts';
import { requestTimeoutMs } from './request-timeout.ts';
import { sendStatus, statusOf, unexpectedError } from './status-responses.ts';
import { UnreadResponses } from './unread-responses.ts';
import type { Upgrade } from './upgrade.ts';

export interface RequestMetrics {
  /** Counts a response. @param seconds its latency; undefined for long-running requests. */
  answered(exchange: Exchange, seconds: number | undefined): void;
  /** Counts a long-running request; returns a function that ends it. */
  longRunning(exchange: Exchange): () => void;
}

export interface ResponderOptions {
  /** Serves a request. Throws or rejects with the error that the client gets. */
  readonly route: (exchange: Exchange) => void | Promise<void>;
  /** The kinds that bodies may be of. */
  readonly kinds: ServedKinds;
  readonly metrics: RequestMetrics;
  readonly logger: Logger;
}

export class Responder {
  readonly #options: ResponderOptions;
  readonly #bodies: BodyParser;
  readonly #memory = new BodyMemory();
  readonly #compressor = new Compressor();
  /** Requests in flight for longer than a turn of the event loop, without upgraded connections. */
  #answering = 0;
  readonly #unread = new UnreadResponses();
  /** Never throws or rejects. */
  readonly respond: (request: Request, response: Response, upgrade?: Upgrade) => void;

  constructor(options: ResponderOptions) {
    this.#options = options;
    this.#bodies = new BodyParser(options.kinds);
    this.respond = guarded(
      (request: Request, response: Response, upgrade?: Upgrade) => this.#answer(request, response, upgrade),
      (error, request, response) => this.#abandon(error, request, response),
    );
  }

  /** Resolves when no request is in flight, at the latest after `limitMs`. Upgraded connections are not waited for. */
  async settled(limitMs: number): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (this.#answering > 0 && performance.now() < deadline) {
      await new Promise((resume) => setTimeout(resume, 10));
    }
  }

  close(): void {
    this.#unread.close();
  }

  #answer(request: Request, response: Response, upgrade: Upgrade | undefined): void | Promise<void> {
    if (isClosed(response)) return;
    let exchange: Exchange;
    try {
      const info = parseRequestInfo(request.method ?? 'GET', request.url ?? '/');
      exchange = new Exchange(request, response, info, this.#bodies, this.#memory, this.#compressor, upgrade);
    } catch (error) {
      exchange = new Exchange(
        request,
        response,
        parseRequestInfo('GET', '/'),
        this.#bodies,
        this.#memory,
        this.#compressor,
        upgrade,
      );
      this.#fail(exchange, error);
      return this.#unread.add(request, response);
    }
    const startedAt = performance.now();
    let done: void | Promise<void> = undefined;
    let timeoutMs: number | undefined;
    try {
      timeoutMs = requestTimeoutMs(exchange.info);
      done = this.#options.route(exchange);
    } catch (error) {
      this.#fail(exchange, error);
    }
    if (done) return this.#follow(exchange, done, startedAt, timeoutMs);
    this.#finish(exchange, (performance.now() - startedAt) / 1000);
  }

  /** @param seconds the latency; undefined for long-running requests. */
  #finish(exchange: Exchange, seconds: number | undefined): void {
    const { request, response, upgrade } = exchange;
    this.#options.metrics.answered(exchange, seconds);
    if (exchange.span) endTrace(exchange.span, response.statusCode);
    exchange.audit?.completed(response.headersSent || upgrade?.taken ? response.statusCode : 0);
    this.#unread.add(request, response);
  }

  /** Without a time limit, the request is long-running. */
  async #follow(
    exchange: Exchange,
    done: Promise<void>,
    startedAt: number,
    timeoutMs: number | undefined,
  ): Promise<void> {
    if (!exchange.upgrade) this.#answering++;
    const longRunning = timeoutMs === undefined;
    const timer = longRunning ? undefined : setTimeout(this.#late, timeoutMs, exchange);
    const uncount = longRunning ? this.#options.metrics.longRunning(exchange) : undefined;
    try {
      await done;
    } catch (error) {
      this.#fail(exchange, error);
    } finally {
      clearTimeout(timer);
      uncount?.();
      exchange.forgetBody();
      if (!exchange.upgrade) this.#answering--;
      this.#finish(exchange, longRunning ? undefined : (performance.now() - startedAt) / 1000);
    }
  }

  readonly #late = guarded(
    (exchange: Exchange) => this.#expire(exchange),
    (error, { request, response }) => this.#abandon(error, request, response),
  );

  #expire(exchange: Exchange): void {
    this.#fail(exchange, requestTimeout());
    abandonRequest(exchange.request, exchange.response);
  }

  #fail(exchange: Exchange, error: unknown): void {
    const { response, info } = exchange;
    if (error instanceof ClientGoneError || isClosed(response)) return;
    let status = statusOf(error);
    if (!status) {
      status = unexpectedError(error);
      exchange.audit?.panicked(error);
      this.#options.logger.error(
        { err: error, verb: info.verb, path: info.path, auditId: exchange.auditId },
        'request failed',
      );
    }
    if (exchange.upgrade?.taken) exchange.upgrade.socket.destroy();
    else if (response.headersSent) response.destroy();
    else sendStatus(exchange, status);
  }

  /** Last resort, when sending the error response has failed, too. */
  #abandon(error: unknown, { method, url }: Request, response: Response): void {
    this.#options.logger.error({ err: error, method, path: url }, 'failed to respond to request');
    response.destroy();
  }
}

const requestTimeout = () => timedOut('Timeout: request did not complete within the allotted timeout', 1);
