/** Objects in memory behind list, watch, create, merge patch and delete over HTTP: enough of an API for an agent. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomUUID } from 'node:crypto';
import type { KubeObject } from '../../api/machinery/kind.ts';
import type { Event, Pod } from '../../api/types/core/v1.gen.ts';

type Json = Record<string, unknown>;

export class MemoryApi implements AsyncDisposable {
  /** Keyed by collection path and name: `/api/v1/namespaces/default/pods/web`. */
  readonly objects = new Map<string, KubeObject>();
  /** The error for a rejected create; undefined to accept it. */
  refuse: (object: KubeObject) => { code: number; message: string } | undefined = () => undefined;
  /** The number of rejected creates. */
  refused = 0;
  readonly #watchers = new Set<{
    plural: string;
    response: ServerResponse;
    selects: (object: KubeObject) => boolean;
  }>();
  readonly #http = createServer((request, response) => void this.#serve(request, response));
  #revision = 1;

  static async start(): Promise<MemoryApi> {
    const api = new MemoryApi();
    api.#http.listen(0, '127.0.0.1');
    await once(api.#http, 'listening');
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  put<T extends KubeObject>(plural: string, object: T): T {
    const { namespace = 'default', name = '' } = object.metadata ?? {};
    const isNamespaced = plural !== 'nodes';
    const path = isNamespaced ? `/api/v1/namespaces/${namespace}/${plural}/${name}` : `/api/v1/${plural}/${name}`;
    const type = this.objects.has(path) ? 'MODIFIED' : 'ADDED';
    const stored = {
      ...object,
      metadata: {
        creationTimestamp: new Date().toISOString(),
        uid: randomUUID(),
        ...object.metadata,
        ...(isNamespaced && { namespace }),
        resourceVersion: String(++this.#revision),
      },
    };
    this.objects.set(path, stored);
    this.#tell(plural, type, stored);
    return stored;
  }

  pod(name: string): Pod | undefined {
    return this.objects.get(`/api/v1/namespaces/default/pods/${name}`);
  }

  events(podName: string): Event[] {
    return [...this.objects]
      .filter(([path]) => path.includes('/events/'))
      .map(([, event]) => event as Event)
      .filter(({ involvedObject }) => involvedObject.name === podName);
  }

  /** As the api-server does: a running pod gets a deletionTimestamp, and the agent deletes it in the end. */
  deletePod(name: string, graceSeconds: number): void {
    const pod = this.pod(name);
    if (!pod) return;
    const deletionTimestamp = new Date(Date.now() + graceSeconds * 1000).toISOString();
    this.put('pods', {
      ...pod,
      metadata: { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: graceSeconds },
    });
  }

  #tell(plural: string, type: string, object: KubeObject): void {
    for (const watcher of this.#watchers) {
      if (watcher.plural === plural && watcher.selects(object))
        watcher.response.write(`${JSON.stringify({ type, object })}\n`);
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString('utf8');
    const url = new URL(request.url ?? '', 'http://api');
    const answer = (code: number, object: object) =>
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(object));
    const missing = () => answer(404, { kind: 'Status', status: 'Failure', code: 404, reason: 'NotFound' });
    // `PLURAL[/NAME]`, namespaced or cluster-scoped.
    const parts = url.pathname.split('/').slice(url.pathname.startsWith('/apis/') ? 4 : 3);
    const [plural = '', name] = parts[0] === 'namespaces' && parts.length > 2 ? parts.slice(2) : parts;
    const wanted = /metadata\.name=([^,]+)/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1];
    const selects = (object: KubeObject): boolean => wanted === undefined || object.metadata?.name === wanted;
    if (request.method === 'GET' && url.searchParams.get('watch')) {
      const watcher = { plural, response, selects };
      this.#watchers.add(watcher);
      response.on('close', () => this.#watchers.delete(watcher));
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      const seen = Number(url.searchParams.get('resourceVersion') ?? 0);
      for (const [path, object] of this.objects) {
        if (path.includes(`/${plural}/`) && selects(object) && Number(object.metadata?.resourceVersion) > seen) {
          response.write(`${JSON.stringify({ type: 'ADDED', object })}\n`);
        }
      }
      return;
    }
    if (request.method === 'GET' && name === undefined) {
      const ofKind = [...this.objects].filter(([path]) => path.includes(`/${plural}/`));
      const items = ofKind.map(([, object]) => object).filter(selects);
      answer(200, { metadata: { resourceVersion: String(this.#revision) }, items });
      return;
    }
    if (request.method === 'POST') {
      const object = JSON.parse(body) as KubeObject;
      const isThere = this.objects.has(`${url.pathname}/${object.metadata?.name ?? ''}`);
      const refusal = this.refuse(object);
      if (refusal) this.refused++;
      if (refusal) answer(refusal.code, { kind: 'Status', status: 'Failure', ...refusal });
      else if (isThere) answer(409, { kind: 'Status', status: 'Failure', code: 409, reason: 'AlreadyExists' });
      else answer(201, this.put(plural, object));
      return;
    }
    const path = url.pathname.replace(/\/status$/, '');
    const object = this.objects.get(path);
    if (!object) {
      missing();
      return;
    }
    if (request.method === 'DELETE') {
      this.objects.delete(path);
      object.metadata = { ...object.metadata, resourceVersion: String(++this.#revision) };
      this.#tell(plural, 'DELETED', object);
      answer(200, { kind: 'Status', status: 'Success' });
    } else if (request.method === 'PATCH') {
      const patch = JSON.parse(body) as Json;
      delete patch.metadata;
      answer(200, this.put(plural, merge(object as Json, patch)));
    } else {
      answer(200, object);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }
}

/** RFC 7396. */
function merge(target: Json, patch: Json): Json {
  const result = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (typeof value === 'object' && !Array.isArray(value))
      result[key] = merge((result[key] ?? {}) as Json, value as Json);
    else result[key] = value;
  }
  return result;
}
