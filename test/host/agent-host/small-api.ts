/** A small API over HTTP: objects by path with watches of one name, and service account tokens. For the agent's parts that only read. */
import { createServer, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { KubeObject } from '../../../api/machinery/kind.ts';

interface Watcher {
  readonly path: string;
  readonly response: ServerResponse;
}

export interface SmallApi extends AsyncDisposable {
  readonly server: string;
  /** Every request's method and path, in order. */
  readonly requests: string[];
  /** How long tokens live. */
  tokenSeconds: number;
  put(collection: string, object: KubeObject): void;
  remove(collection: string, name: string): void;
  /** Drops the history, as a restarted server does, and ends all watches. */
  compact(): void;
  watchers(): number;
}

const jwt = (claims: object): string =>
  ['{}', JSON.stringify(claims), 'signature'].map((part) => Buffer.from(part).toString('base64url')).join('.');

export async function startSmallApi(): Promise<SmallApi> {
  const objects = new Map<string, KubeObject>();
  const watchers = new Set<Watcher>();
  const requests: string[] = [];
  let revision = 1;
  let oldest = 1;
  const tell = (path: string, type: string, object: KubeObject): void => {
    for (const watcher of watchers)
      if (watcher.path === path) watcher.response.write(`${JSON.stringify({ type, object })}\n`);
  };
  const http = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://api');
    const name = url.searchParams.get('fieldSelector')?.replace('metadata.name=', '');
    requests.push(`${request.method} ${url.pathname}`);
    const answer = (code: number, body: object): void => {
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (request.method === 'POST' && url.pathname.endsWith('/token')) {
      const now = Math.floor(Date.now() / 1000);
      const exp = now + api.tokenSeconds;
      const token = jwt({ iat: now, exp, n: requests.length });
      answer(201, { status: { token, expirationTimestamp: new Date(exp * 1000).toISOString() } });
    } else if (url.searchParams.get('watch')) {
      const watcher = { path: `${url.pathname}/${name}`, response };
      watchers.add(watcher);
      response.on('close', () => watchers.delete(watcher));
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      const current = objects.get(watcher.path);
      const seen = Number(url.searchParams.get('resourceVersion'));
      if (seen < oldest) {
        const gone = { kind: 'Status', code: 410, reason: 'Expired', message: `too old resource version: ${seen}` };
        response.end(`${JSON.stringify({ type: 'ERROR', object: gone })}\n`);
      } else if (current && Number(current.metadata?.resourceVersion) > seen) tell(watcher.path, 'MODIFIED', current);
    } else if (name !== undefined) {
      const object = objects.get(`${url.pathname}/${name}`);
      answer(200, { metadata: { resourceVersion: String(revision) }, items: object ? [object] : [] });
    } else {
      const object = objects.get(url.pathname);
      if (object) answer(200, object);
      else answer(404, { kind: 'Status', code: 404, reason: 'NotFound', message: `${url.pathname} not found` });
    }
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const api: SmallApi = {
    server: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    requests,
    tokenSeconds: 3600,
    put(collection, object) {
      const path = `${collection}/${object.metadata?.name}`;
      const type = objects.has(path) ? 'MODIFIED' : 'ADDED';
      const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++revision) } };
      objects.set(path, stored);
      tell(path, type, stored);
    },
    remove(collection, name) {
      const path = `${collection}/${name}`;
      const object = objects.get(path);
      objects.delete(path);
      if (object) tell(path, 'DELETED', object);
    },
    compact() {
      oldest = ++revision;
      for (const { response } of watchers) response.end();
    },
    watchers: () => watchers.size,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  return api;
}
