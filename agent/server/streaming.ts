/**
 * exec, attach and port-forward. The runtime's own streaming server does the work; it speaks SPDY/3.1 and the older WebSocket
 * protocols, so those clients are joined to it. Newer WebSocket protocols are translated.
 */
import type { Query } from '../../api/machinery/query-values.ts';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream } from 'ws';
import { parsePortNumber } from '../../api/domain/port-number.ts';
import { readStreamOptions, type StreamOptions } from '../../api/kinds/core/pod-stream-options.ts';
import {
  joinConnections,
  relayResponse,
  requestUpgradeFor,
  responseHead,
  type Upgraded,
  type UpgradeResponse,
  type UpgradeRequest,
} from '../../client/upgrade.ts';
import { containerOf } from '../pods/sync/plan.ts';
import type { PodDirectory } from '../pods/sync/pod-directory.ts';
import { findPod, findRunningContainer, findSandbox } from './container-lookup.ts';
import { NodeApiError } from './node-api-error.ts';
import type { StreamPath } from './node-path.ts';
import type { NodeRuntime } from './node-runtime.ts';
import { spdyRelay } from './spdy-relay.ts';
import {
  acceptWebSocket,
  V5_PROTOCOL,
  WebSocketCommand,
  type ClientConnection,
  type CommandOptions,
} from './web-socket-command.ts';
import { own, setOwn } from '../../api/machinery/own.ts';
import type { Pod } from '../../api/types/core/v1.gen.ts';

interface StreamParts {
  readonly pods: PodDirectory;
  readonly runtime: NodeRuntime;
}

/** SPDY's subprotocols, carried inside a WebSocket (KEP-4006). */
const TUNNEL_PREFIX = 'SPDY/3.1+';
/** The runtime's newest version of the remote command protocol; its status is JSON, which the older ones lack. */
const RUNTIME_PROTOCOL = 'v4.channel.k8s.io';
/**
 * A container that ends while kubectl attaches has said everything before. `kubectl run -i` and `kubectl debug -i` show its log
 * when they cannot attach.
 */
const SILENT_ATTACH = 'the container has ended, and what it said before the attachment is in its log';
/** The headers of a client's handshake that are passed to the runtime. */
const HANDSHAKE_HEADERS = [
  'connection',
  'upgrade',
  'x-stream-protocol-version',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
  'origin',
];

/** Throws NodeApiError (or the runtime's own error) before the response; resolves when the stream ends. */
export async function serveStream(
  parts: StreamParts,
  path: StreamPath,
  query: Query,
  client: ClientConnection,
): Promise<void> {
  const offered = webSocketProtocols(client);
  if (path.at === 'portForward') {
    const tunnel = offered?.find((protocol) => protocol.startsWith(TUNNEL_PREFIX));
    const ports = offered === undefined || tunnel !== undefined ? [] : readPorts(query);
    const pod = findPod(parts.pods, path.namespace, path.pod, path.uid);
    const url = await parts.runtime.portForward(findSandbox(parts.pods, pod), ports);
    return tunnel === undefined ? passThrough(url, client) : serveTunnel(url, tunnel, client);
  }
  const asked = readStreamOptions(query);
  if (!asked.stdin && !asked.stdout && !asked.stderr)
    throw new NodeApiError(400, 'you must specify at least 1 of stdin, stdout, stderr');
  const pod = findPod(parts.pods, path.namespace, path.pod, path.uid);
  // Whether a container has a terminal was settled when it started, and the runtime attaches to nothing else.
  const streams = path.at === 'attach' ? { ...asked, tty: containerOf(pod, path.container)?.tty === true } : asked;
  const container = findRunningContainer(parts.pods, pod, path.container);
  using held = new DisposableStack();
  if (path.at === 'exec' && streams.stdin) held.use(parts.runtime.dropUnreadInput(container));
  const url = await (path.at === 'exec'
    ? parts.runtime.exec(container, query.getAll('command'), streams)
    : parts.runtime.attach(container, streams));
  if (!offered?.includes(V5_PROTOCOL)) return await passThrough(url, client);
  if (path.at === 'exec') return await serveV5(url, { streams }, client);
  const ending = lastsAsTheContainer(pod, path.container, streams)
    ? { silence: SILENT_ATTACH }
    : { endsWithInput: true };
  return await serveV5(url, { streams, ...ending }, client);
}

/** Whether the container's end is what ends an attachment: where input stays open for the next client, its end does, too. */
const lastsAsTheContainer = (pod: Pod, container: string, { stdin }: StreamOptions): boolean =>
  !stdin || containerOf(pod, container)?.stdinOnce === true;

/** The subprotocols that a WebSocket client offers; undefined for other clients. */
function webSocketProtocols({ request }: ClientConnection): string[] | undefined {
  if (request.headers.upgrade?.toLowerCase() !== 'websocket') return undefined;
  return (request.headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim());
}

function readPorts(query: Query): number[] {
  const texts = [...query.getAll('port'), ...query.getAll('ports')];
  if (texts.length === 0) throw new NodeApiError(400, 'query parameter "port" is required');
  return texts
    .flatMap((text) => text.split(','))
    .map((text) => {
      const port = parsePortNumber(text);
      if (port === undefined) throw new NodeApiError(400, `unable to parse ${JSON.stringify(text)} as a port`);
      return port;
    });
}

async function passThrough(url: URL, { request, socket, head }: ClientConnection): Promise<void> {
  const headers: OutgoingHttpHeaders = {};
  // One header per protocol: the runtime reads one protocol from each.
  for (const name of HANDSHAKE_HEADERS) {
    const values = own(request.headersDistinct, name);
    if (values !== undefined) setOwn(headers, name, values);
  }
  const answer = await reachRuntime(socket, { url, method: request.method ?? 'POST', headers });
  if (!answer.upgraded) return relayResponse(answer.response, socket);
  socket.write(responseHead(answer.response));
  if (isSpdy(answer.response)) return joinSpdy(socket, head, answer);
  if (answer.head.length > 0) socket.write(answer.head);
  if (head.length > 0) answer.socket.write(head);
  await joinConnections(socket, answer.socket);
}

async function serveV5(url: URL, options: CommandOptions, client: ClientConnection): Promise<void> {
  const runtime = await upgradeToSpdy(url, RUNTIME_PROTOCOL, client);
  const webSocket = await acceptWebSocket(client, V5_PROTOCOL);
  if (webSocket === undefined) runtime.socket.destroy();
  else await new WebSocketCommand(webSocket, runtime.socket, runtime.head, options).run();
}

async function serveTunnel(url: URL, protocol: string, client: ClientConnection): Promise<void> {
  const runtime = await upgradeToSpdy(url, protocol.slice(TUNNEL_PREFIX.length), client);
  const webSocket = await acceptWebSocket(client, protocol);
  if (webSocket === undefined) {
    runtime.socket.destroy();
    return;
  }
  const stream = createWebSocketStream(webSocket);
  webSocket.resume();
  await joinSpdy(stream, Buffer.alloc(0), runtime);
}

const isSpdy = ({ headers }: IncomingMessage): boolean => headers.upgrade?.toLowerCase() === 'spdy/3.1';

/** `head` is what of the client's frames was read already. */
async function joinSpdy(client: Duplex, head: Buffer, runtime: Upgraded): Promise<void> {
  const { toClient, toRuntime } = spdyRelay();
  if (runtime.head.length > 0) toClient.write(runtime.head);
  if (head.length > 0) toRuntime.write(head);
  await joinConnections(client, runtime.socket, { toOne: toClient, toOther: toRuntime });
}

async function upgradeToSpdy(url: URL, protocol: string, { socket }: ClientConnection): Promise<Upgraded> {
  const headers = { Connection: 'Upgrade', Upgrade: 'SPDY/3.1', 'X-Stream-Protocol-Version': protocol };
  const answer = await reachRuntime(socket, { url, method: 'POST', headers });
  if (answer.upgraded) return answer;
  const text = (await answer.response.toArray()).join('');
  throw new NodeApiError(answer.response.statusCode ?? 500, text || 'container runtime did not upgrade the connection');
}

async function reachRuntime(client: Duplex, request: UpgradeRequest): Promise<UpgradeResponse> {
  try {
    return await requestUpgradeFor(client, { ...request, agent: false });
  } catch (error) {
    throw new NodeApiError(
      500,
      `failed to connect to the streaming server of the container runtime: ${(error as Error).message}`,
    );
  }
}
