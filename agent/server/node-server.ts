/** The node's HTTPS API: the other end of `kubectl logs`, `exec`, `attach` and `port-forward`, and of monitoring. */
import type { Query } from '../../api/machinery/query-values.ts';
import { once } from 'node:events';
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { guarded } from '../../client/guard.ts';
import type { Logger } from '../../client/logger.ts';
import { endConnection, MAX_HEADER_BYTES } from '../../client/upgrade.ts';
import { CallerAuthentication, type TokenReviews } from '../../daemon/access/caller.ts';
import type { AccessReviews } from '../../daemon/access/reviewed-access.ts';
import { accessOf, CallerAuthorization } from './access.ts';
import { findPod, findRunningContainer } from './container-lookup.ts';
import { serveContainerLogs } from './container-logs.ts';
import { readDocument, type DocumentSources } from './documents.ts';
import { serveLogDirectory } from './log-directory.ts';
import { NodeApiError } from './node-api-error.ts';
import { isStream, parseNodePath, requireRoute, type ContainerPath, type NodePath } from './node-path.ts';
import type { NodeRuntime } from './node-runtime.ts';
import { serveStream } from './streaming.ts';

/** PEM texts: the node's serving certificate and its key, and the CA of clients' certificates. */
export interface ServingCertificate {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca: string | Buffer;
}

export interface NodeServerOptions extends DocumentSources {
  readonly nodeName: string;
  /** Where to listen; port 0 selects a free one. */
  readonly address: string;
  readonly port: number;
  readonly certificate: ServingCertificate;
  readonly reviews: AccessReviews & TokenReviews;
  readonly runtime: NodeRuntime;
  /** What `/logs/` shows: /var/log. */
  readonly logDirectory: string;
  readonly logger: Logger;
}

/** A request's URL has no authority of its own. */
const BASE = 'https://node';

/** An authorized request. */
interface Admitted {
  readonly path: NodePath;
  readonly query: Query;
}

export class NodeServer {
  readonly #options: NodeServerOptions;
  readonly #server: Server;
  readonly #authentication: CallerAuthentication;
  readonly #authorization: CallerAuthorization;
  readonly #closing = new AbortController();
  /** Upgraded connections, which the HTTP server no longer tracks. */
  readonly #upgraded = new Set<Duplex>();

  constructor(options: NodeServerOptions) {
    this.#options = options;
    this.#authentication = new CallerAuthentication(options.reviews);
    this.#authorization = new CallerAuthorization(options.reviews, options.nodeName);
    // Client certificates are requested, not required: there are clients with tokens.
    this.#server = createServer({
      ...tlsOptions(options.certificate),
      requestCert: true,
      rejectUnauthorized: false,
      maxHeaderSize: MAX_HEADER_BYTES,
      shouldUpgradeCallback: upgrades,
    });
    // A followed log and a port-forward last as long as their clients want.
    this.#server.requestTimeout = 0;
    const { logger } = options;
    const lost = (error: unknown): void => logger.error({ err: error }, 'failed to serve request');
    this.#server.on(
      'request',
      guarded(
        (request, response) => this.#serve(request, response),
        (error, _request, response) => {
          lost(error);
          response.destroy();
        },
      ),
    );
    this.#server.on(
      'upgrade',
      guarded(
        (request, socket, head) => this.#upgrade(request, socket, head),
        (error, _request, socket) => {
          lost(error);
          socket.destroy();
        },
      ),
    );
  }

  /** Resolves with the port once connections are accepted. Rejects when the address cannot be bound. */
  async listen(): Promise<number> {
    this.#server.listen(this.#options.port, this.#options.address);
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** New connections get the new certificate; open ones are kept. */
  replaceCertificate(certificate: ServingCertificate): void {
    this.#server.setSecureContext(tlsOptions(certificate));
  }

  /** Aborts open requests, too. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const socket of this.#upgraded) socket.destroy();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    // Without a listener the emitter would throw; the close event is handled.
    response.on('error', () => response.destroy());
    const signal = AbortSignal.any([gone.signal, this.#closing.signal]);
    try {
      await this.#answer(request, response, signal);
    } catch (error) {
      if (signal.aborted) return;
      const failure = this.#failure(request, error);
      // A stream that breaks in the middle must not look as if it had come to its end.
      if (response.headersSent) response.destroy();
      else {
        response.writeHead(failure.code, { 'Content-Type': 'text/plain; charset=utf-8' });
        response.end(failure.message);
      }
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { path, query } = await this.#admit(request);
    switch (path.at) {
      case 'containerLogs':
        return serveContainerLogs(this.#options, path, query, response, signal);
      case 'run':
        return this.#run(path, query, response, signal);
      case 'logs':
        return serveLogDirectory(this.#options.logDirectory, path.path, response, signal);
      case 'document': {
        const { type, body } = await readDocument(this.#options, path.name);
        response.writeHead(200, { 'Content-Type': type });
        response.end(body);
        return;
      }
      case 'exec':
      case 'attach':
      case 'portForward':
        throw new NodeApiError(400, 'Upgrade request required');
      case 'unknown':
        throw new NodeApiError(404, '404 page not found');
    }
  }

  async #run(path: ContainerPath, query: Query, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { pods, runtime } = this.#options;
    const container = findRunningContainer(pods, findPod(pods, path.namespace, path.pod, path.uid), path.container);
    const { output, exitCode } = await runtime.run(container, (query.get('cmd') ?? '').split(' '), signal);
    if (exitCode !== 0)
      throw new NodeApiError(500, `command terminated with exit code ${exitCode}: ${output.toString()}`);
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(output);
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    this.#upgraded.add(socket);
    socket.on('close', () => this.#upgraded.delete(socket));
    // Whatever goes wrong with the connection closes it, and closing is what the streams act on.
    socket.on('error', () => socket.destroy());
    try {
      const { path, query } = await this.#admit(request);
      if (!isStream(path)) throw new NodeApiError(400, 'nothing to upgrade to at this path');
      await serveStream(this.#options, path, query, { request, socket, head });
    } catch (error) {
      const { code, message } = this.#failure(request, error);
      endConnection(
        socket,
        `HTTP/1.1 ${code} ${STATUS_CODES[code] ?? ''}\r\n` +
          'Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n' +
          `Content-Length: ${Buffer.byteLength(message)}\r\n\r\n${message}`,
      );
    }
  }

  /** Authenticates and authorizes a request. */
  async #admit(request: IncomingMessage): Promise<Admitted> {
    const caller = await this.#authentication.authenticate(request);
    if (caller === undefined) throw new NodeApiError(401, 'Unauthorized');
    const { method = '', url = '/' } = request;
    const target = parseTarget(url);
    const access = accessOf(method, target.path);
    if (await this.#authorization.allows(caller, access)) {
      requireRoute(target.path, method);
      return target;
    }
    throw new NodeApiError(
      403,
      `Forbidden (user=${caller.name}, verb=${access.verb}, resource=nodes, subresource(s)=[${access.subresources.join(' ')}])\n`,
    );
  }

  #failure(request: IncomingMessage, error: unknown): NodeApiError {
    if (error instanceof NodeApiError) return error;
    const message = error instanceof Error ? error.message : String(error);
    this.#options.logger.warn(
      { method: request.method, path: request.url?.split('?', 1)[0], err: error },
      'request failed',
    );
    return new NodeApiError(500, message);
  }
}

/** Throws a 400 for an invalid URL. */
function parseTarget(target: string): Admitted {
  // Two slashes in front would otherwise be read as the beginning of an authority.
  const url = target.startsWith('/') ? URL.parse(BASE + target) : URL.parse(target);
  if (url === null) throw new NodeApiError(400, 'Bad Request');
  return { path: parseNodePath(url.pathname), query: url.searchParams };
}

/** Whether a request that offers to upgrade its connection is taken at its word; to all others the offer is void. */
function upgrades({ url = '/' }: IncomingMessage): boolean {
  try {
    return isStream(parseTarget(url).path);
  } catch {
    // It gets an ordinary error response.
    return false;
  }
}

const tlsOptions = ({ cert, key, ca }: ServingCertificate) => ({ cert, key, ca, minVersion: 'TLSv1.2' as const });
