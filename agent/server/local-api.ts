/**
 * What the agent tells commands on its own host, over a unix socket in its data directory: the documents of the node API, and
 * what it has recorded of late. Root alone may connect, as the mode of the socket says: there is no other authentication, so it
 * works without an api-server.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { rm } from 'node:fs/promises';
import { guarded } from '../../client/guard.ts';
import type { Logger } from '../../client/logger.ts';
import { localSocket, readLocally } from '../inspect/local-agent.ts';
import { readDocument, type Document, type DocumentSources } from './documents.ts';
import { NodeApiError } from './node-api-error.ts';
import { parseNodePath } from './node-path.ts';

export interface LocalApiOptions extends DocumentSources {
  /** The agent's data directory. */
  readonly dataDir: string;
  /** The Node as the agent has it; undefined before it is registered. */
  readonly node: () => object | undefined;
  /** The Events that the agent has recorded last, whether or not the api-server has them. */
  readonly events: () => readonly object[];
  readonly logger: Logger;
}

/** sun_path of unix(7), without the NUL at its end. */
const MAX_PATH_BYTES = 107;
const PRIVATE = 0o177;
const EVENTS = '/events';
const NODE = '/node';

/** Serves until the signal is aborted. A socket that cannot be is a warning: pods do not depend on it. */
export async function serveLocalApi(options: LocalApiOptions, signal: AbortSignal): Promise<void> {
  const { logger, dataDir } = options;
  const socket = localSocket(dataDir);
  const server = createServer();
  server.on(
    'request',
    guarded(
      (request: IncomingMessage, response: ServerResponse) => answer(options, request, response),
      (error, _request, response: ServerResponse) => {
        logger.error({ err: error }, 'failed to serve request of a local command');
        response.destroy();
      },
    ),
  );
  try {
    if (Buffer.byteLength(socket) > MAX_PATH_BYTES)
      throw new Error(`${socket} is longer than a socket's name may be (${MAX_PATH_BYTES} bytes)`);
    if ((await readLocally(dataDir, '/healthz', signal)).isThere) throw new Error(`another process serves ${socket}`);
    await rm(socket, { force: true });
    await listenPrivately(server, socket);
  } catch (error) {
    if (!signal.aborted) logger.warn({ err: error }, 'commands on this host cannot ask the agent');
    return;
  }
  server.on('error', (error) => logger.warn({ err: error }, 'failed to accept a local command'));
  if (!signal.aborted) await once(signal, 'abort');
  server.close();
  server.closeAllConnections();
}

/** There is no moment at which others than root could connect: the kernel takes the mode from the umask when it binds. */
async function listenPrivately(server: Server, socket: string): Promise<void> {
  const before = process.umask(PRIVATE);
  try {
    server.listen(socket);
  } finally {
    process.umask(before);
  }
  await once(server, 'listening');
}

async function answer(options: LocalApiOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const { type, body } = await documentAt(options, request);
    response.writeHead(200, { 'Content-Type': type });
    response.end(body);
  } catch (error) {
    const known = error instanceof NodeApiError;
    if (!known) options.logger.warn({ err: error, path: request.url }, 'request of a local command failed');
    response.writeHead(known ? error.code : 500, { 'Content-Type': 'text/plain; charset=utf-8' });
    response.end((error as Error).message);
  }
}

async function documentAt(options: LocalApiOptions, { method, url = '/' }: IncomingMessage): Promise<Document> {
  if (method !== 'GET') throw new NodeApiError(405, 'Method Not Allowed');
  if (url === EVENTS) return { type: 'application/json', body: JSON.stringify({ items: options.events() }) };
  if (url === NODE) return { type: 'application/json', body: JSON.stringify(options.node() ?? null) };
  const path = parseNodePath(url);
  if (path.at !== 'document') throw new NodeApiError(404, '404 page not found');
  return readDocument(options, path.name);
}
