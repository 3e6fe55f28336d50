/** A collection of one kind with list and watch over HTTPS like an api-server's, with its history in memory. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { KubeObject } from '../../../api/machinery/kind.ts';
import { gone, notFound } from '../../../api/machinery/status-error.ts';
import { bodyOf, startServer, type TestServer } from '../../support/https-server.ts';

interface Change {
  readonly revision: number;
  readonly line: string;
}

export class WatchedCollection implements AsyncDisposable {
  readonly objects = new Map<string, KubeObject>();
  lists = 0;
  watches = 0;
  /** While set, requests get a 503. */
  broken = false;
  readonly writes: string[] = [];
  #revision = 10;
  #oldest = 0;
  #history: Change[] = [];
  readonly #watchers = new Set<ServerResponse>();
  #server: TestServer | undefined;

  static async start(): Promise<WatchedCollection> {
    const collection = new WatchedCollection();
    collection.#server = await startServer((request, response) => void collection.#serve(request, response));
    return collection;
  }

  get clientOptions() {
    return { server: this.#server!.url, ca: this.#server!.ca.cert };
  }

  put(name: string, labels: Record<string, string> = {}): void {
    const type = this.objects.has(name) ? 'MODIFIED' : 'ADDED';
    const object = { metadata: { name, namespace: 'default', labels, resourceVersion: String(++this.#revision) } };
    this.objects.set(name, object);
    this.#record(type, object);
  }

  delete(name: string): void {
    const object = this.objects.get(name)!;
    this.objects.delete(name);
    this.#record('DELETED', {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(++this.#revision) },
    });
  }

  bookmark(): void {
    const line = JSON.stringify({
      type: 'BOOKMARK',
      object: { metadata: { resourceVersion: String(++this.#revision) } },
    });
    for (const watcher of this.#watchers) watcher.write(`${line}\n`);
  }

  /** Drops all history: resuming from before gets a 410. */
  compact(): void {
    this.#oldest = this.#revision;
    this.#history = [];
  }

  cutWatches(): void {
    for (const watcher of this.#watchers) watcher.destroy();
  }

  #record(type: string, object: KubeObject): void {
    const change = { revision: this.#revision, line: `${JSON.stringify({ type, object })}\n` };
    this.#history.push(change);
    for (const watcher of this.#watchers) watcher.write(change.line);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    if (this.broken) return void response.writeHead(503).end('starting');
    const url = new URL(request.url!, 'https://host');
    if (request.method !== 'GET') return this.#write(request.method!, url.pathname, body, response);
    if (url.searchParams.get('watch')) return this.#watch(Number(url.searchParams.get('resourceVersion')), response);
    if (!url.searchParams.get('continue')) this.lists++;
    const items = [...this.objects.values()];
    response.end(JSON.stringify({ metadata: { resourceVersion: String(this.#revision) }, items }));
  }

  #write(method: string, path: string, body: string, response: ServerResponse): void {
    this.writes.push(`${method} ${body}`);
    const name = path.split('/').at(-1)!;
    if (method === 'PATCH' && !this.objects.has(name)) {
      const { status } = notFound({ group: '', plural: 'events' }, name);
      return void response.writeHead(404).end(JSON.stringify(status));
    }
    const object = JSON.parse(body) as KubeObject;
    if (method === 'POST') this.objects.set(object.metadata!.name!, object);
    response.end(body);
  }

  #watch(after: number, response: ServerResponse): void {
    this.watches++;
    if (after < this.#oldest) {
      response.end(`${JSON.stringify({ type: 'ERROR', object: gone('too old resource version').status })}\n`);
      return;
    }
    response.writeHead(200).flushHeaders();
    for (const { revision, line } of this.#history) if (revision > after) response.write(line);
    this.#watchers.add(response);
    response.once('close', () => this.#watchers.delete(response));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server![Symbol.asyncDispose]();
  }
}
