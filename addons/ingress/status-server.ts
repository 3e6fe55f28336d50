/** /healthz and /metrics of the controller: what the proxy counts, by Ingress. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Logger } from '../../client/logger.ts';
import type { RuntimeApi } from './haproxy/runtime-api.ts';
import { metricsText, type OwnCounts } from './metrics.ts';

export interface StatusServerOptions {
  readonly address: string;
  readonly port: number;
  /** Of the running worker; undefined while there is none. */
  readonly api: () => RuntimeApi | undefined;
  readonly counts: () => OwnCounts;
  /** The backend that a section of the proxy is for. */
  readonly ownerOf: (section: string) => string;
  readonly logger: Logger;
}

const REQUEST_LIMIT_MS = 10_000;

export async function startStatusServer(options: StatusServerOptions): Promise<Server> {
  const { address, port, api, counts, ownerOf, logger } = options;
  const asked = new Map<string, Promise<string>>();
  /** Those who ask at the same time get the same answer: anybody on the network may, and it costs what there are Ingresses. */
  const ask = (command: string, worker: RuntimeApi): Promise<string> => {
    const answered = asked.get(command) ?? worker.ask(command).finally(() => asked.delete(command));
    asked.set(command, answered);
    return answered;
  };
  const answer = async (url: string): Promise<{ status: number; text: string }> => {
    const worker = api();
    if (!worker) return { status: 503, text: 'the proxy does not run\n' };
    if (url === '/healthz') {
      await ask('show info', worker);
      return { status: 200, text: 'ok\n' };
    }
    if (url === '/metrics')
      return { status: 200, text: metricsText(await ask('show stat', worker), counts(), ownerOf) };
    return { status: 404, text: '404 page not found\n' };
  };
  const server = createServer((request, response) => {
    request.resume();
    answer(request.url ?? '').then(
      ({ status, text }) => response.writeHead(status, { 'content-type': 'text/plain; version=0.0.4' }).end(text),
      (error: unknown) => {
        logger.warn({ err: error, path: request.url }, 'proxy does not answer');
        response.writeHead(503).end('the proxy does not answer\n');
      },
    );
  });
  server.requestTimeout = REQUEST_LIMIT_MS;
  server.headersTimeout = REQUEST_LIMIT_MS;
  server.listen(port, address);
  await once(server, 'listening');
  return server;
}
