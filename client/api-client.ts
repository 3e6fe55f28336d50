/** A typed Kubernetes API client. Throws StatusError for error responses, ConnectionError when there is no valid response. */
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import type { KubeObject } from '../api/machinery/kind.ts';
import { APPLY_MEDIA_TYPE, PATCH_MEDIA_TYPES } from '../api/machinery/patch/media-types.ts';
import { StatusError } from '../api/machinery/status-error.ts';
import type {
  Answer,
  CallOptions,
  DeleteCallOptions,
  KubeList,
  ListCallOptions,
  ObservedCall,
  PatchOptions,
  RawOptions,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './api-calls.ts';
import { ConnectionError, MOVED } from './connection-error.ts';
import { DeadlineError, withDeadline, type Deadline } from './deadline.ts';
import type { StreamResponse } from './http2-streams.ts';
import { forEachLine } from './line-stream.ts';
import type { Logger } from './logger.ts';
import { Reachability } from './reachability.ts';
import { resourcePath, withQuery, type Query, type Resource, type Selection } from './resource.ts';
import { toStatusError } from './status-answer.ts';
import { withSilenceLimit } from './silence-limit.ts';
import { Transport, type Credentials, type ServerTarget, type TransportOptions } from './transport.ts';
import type { DeleteOptions, Status } from '../api/types/meta/v1.gen.ts';

export interface ApiClientOptions extends TransportOptions {
  /** Logs outages of the server, once per outage; without it every caller has to log its own failures. */
  readonly logger?: Logger;
  /** Told of every request. */
  readonly observe?: (call: ObservedCall) => void;
  /** Told when a request has found no server, or lost it. */
  readonly onUnreachable?: () => void;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const WHOLE_ANSWER = 10;
/**
 * Watches are restarted after 15 to 30 minutes, randomized so that clients do not reconnect all at once. client-go takes 5 to 10; here
 * bookmarks tell sooner whether the server is there, and restarts are a good part of what an idle cluster does.
 */
const WATCH_TIMEOUT_SECONDS = 900;
const WATCH_MARGIN_MS = 30_000;
/** Upper limit for the server's Retry-After. */
const MAX_RETRY_AFTER_MS = 60_000;
/** client-go gives up after this many responses with Retry-After. */
const MAX_THROTTLED_ATTEMPTS = 10;
const PAGE_SIZE = 500;
/** Nothing here reads managedFields, which are half of an object. Servers that do not know `omit` take the next choice. */
const OBJECTS = 'application/json;omit=managedFields,application/json';
const PARTIAL_LIST = partial('PartialObjectMetadataList');
const PARTIAL = partial('PartialObjectMetadata');
const PATCH_CONTENT_TYPES = { ...PATCH_MEDIA_TYPES, apply: APPLY_MEDIA_TYPE };

function partial(as: string): string {
  const transformed = `as=${as};g=meta.k8s.io;v=v1`;
  return `application/json;${transformed};omit=managedFields,application/json;${transformed},application/json`;
}

const writeQuery = ({ fieldManager, dryRun }: WriteOptions): Query => ({
  fieldManager,
  dryRun: dryRun ? 'All' : undefined,
});

export class ApiClient implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #reachability: Reachability | undefined;
  readonly #observe: ((call: ObservedCall) => void) | undefined;
  readonly #onUnreachable: (() => void) | undefined;

  constructor(options: ApiClientOptions) {
    this.#observe = options.observe;
    this.#onUnreachable = options.onUnreachable;
    this.#transport = new Transport(options);
    this.#reachability = options.logger && new Reachability(() => this.server, options.logger);
  }

  /** `https://host:port`. */
  get server(): string {
    return this.#transport.server;
  }

  /** Replaces the credentials, for example with a rotated client certificate. Watches reconnect. */
  replaceCredentials(credentials: Credentials): Promise<void> {
    return this.#transport.replaceCredentials(credentials);
  }

  /** Uses another server of the same cluster from now on, where watches go on; see Transport. */
  moveTo(target: ServerTarget, isGone: boolean): Promise<void> {
    return this.#transport.moveTo(target, isGone);
  }

  /** Whether the server responds; undefined when no connection is open that could tell. Throws the signal's reason. */
  ping(limitMs: number, signal: AbortSignal): Promise<boolean | undefined> {
    return this.#transport.ping(limitMs, signal);
  }

  /** The status code of a GET at any server of the cluster. Throws ConnectionError, DeadlineError, or the signal's reason. */
  probe(target: ServerTarget, path: string, limitMs: number, signal: AbortSignal): Promise<number> {
    return this.#transport.probe(target, path, limitMs, signal);
  }

  async get<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    options: CallOptions & { resourceVersion?: string } = {},
  ): Promise<T> {
    const path = resourcePath(resource, namespace, name);
    return this.#json('GET', withQuery(path, { resourceVersion: options.resourceVersion }), options);
  }

  /** Returns one page when `limit` is given, otherwise the whole list in one response. */
  list<T extends KubeObject>(resource: Resource<T>, options: ListCallOptions = {}): Promise<KubeList<T>> {
    const { signal, timeoutMs, namespace, metadataOnly, ...query } = options;
    const path = withQuery(resourcePath(resource, namespace), query);
    return this.#json('GET', path, { signal, timeoutMs, accept: metadataOnly ? PARTIAL_LIST : OBJECTS });
  }

  /**
   * Lists page by page and passes each page to `onPage`. Returns the resourceVersion of the list. A StatusError with code 410
   * means that the continue token has expired: list again from the start.
   */
  async listPages<T extends KubeObject>(
    resource: Resource<T>,
    onPage: (items: T[]) => void,
    options: ListCallOptions = {},
  ): Promise<string> {
    let page = await this.list(resource, { limit: PAGE_SIZE, ...options });
    onPage(page.items);
    while (page.metadata.continue) {
      // A continue token implies the resourceVersion of the first page; the server rejects requests with both.
      page = await this.list(resource, {
        limit: PAGE_SIZE,
        ...options,
        resourceVersion: undefined,
        resourceVersionMatch: undefined,
        continue: page.metadata.continue,
      });
      onPage(page.items);
    }
    return page.metadata.resourceVersion ?? '';
  }

  /** Lists page by page and returns all objects. */
  async listAll<T extends KubeObject>(resource: Resource<T>, options: ListCallOptions = {}): Promise<T[]> {
    const all: T[] = [];
    await this.listPages(resource, (items) => all.push(...items), options);
    return all;
  }

  /** Creates the object in the namespace of its metadata. */
  create<T extends KubeObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const path = withQuery(resourcePath(resource, object.metadata?.namespace), writeQuery(options));
    return this.#json('POST', path, { ...options, body: object });
  }

  /** Replaces the object. A resourceVersion in its metadata is a precondition (optimistic concurrency). */
  update<T extends KubeObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    return this.updateSubresource(resource, '', object, options);
  }

  updateStatus<T extends KubeObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<T> {
    return this.updateSubresource(resource, 'status', object, options);
  }

  /** PUTs a subresource (`status`, `approval`, `finalize`, `scale`, ...) of the object named by `object`. */
  async updateSubresource<T extends KubeObject, S extends KubeObject>(
    resource: Resource<T>,
    subresource: string,
    object: S,
    options: WriteOptions = {},
  ): Promise<S> {
    const { namespace, name } = object.metadata ?? {};
    const path = withQuery(resourcePath(resource, namespace, name, subresource), writeQuery(options));
    return this.#json('PUT', path, { ...options, body: object });
  }

  async patch<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    patch: unknown,
    options: PatchOptions = {},
  ): Promise<T> {
    const path = resourcePath(resource, namespace, name, options.subresource);
    return this.#json('PATCH', withQuery(path, { ...writeQuery(options), force: options.force }), {
      ...options,
      body: patch,
      contentType: PATCH_CONTENT_TYPES[options.type ?? 'merge'],
    });
  }

  /** Returns the object while finalizers or its grace period keep it, otherwise a Status with `status: Success`. */
  async delete(
    resource: Resource,
    namespace: string,
    name: string,
    options: DeleteCallOptions = {},
  ): Promise<KubeObject | Status> {
    const body = deleteOptions(options);
    return this.#json('DELETE', resourcePath(resource, namespace, name), { ...options, body });
  }

  deleteCollection(resource: Resource, options: DeleteCallOptions & Selection = {}): Promise<KubeObject> {
    const { labelSelector, fieldSelector } = options;
    const path = withQuery(resourcePath(resource, options.namespace), { labelSelector, fieldSelector });
    return this.#json('DELETE', path, { ...options, body: deleteOptions({ ...options, resourceVersion: undefined }) });
  }

  /** POSTs a subresource (`binding`, `eviction`, `token`, ...); `R` is the type of the response. */
  async createSubresource<R extends KubeObject>(
    resource: Resource,
    namespace: string,
    name: string,
    subresource: string,
    body: KubeObject,
    options: WriteOptions = {},
  ): Promise<R> {
    const path = withQuery(resourcePath(resource, namespace, name, subresource), writeQuery(options));
    return this.#json('POST', path, { ...options, body });
  }

  /** Sends any request. Throws StatusError for status codes of 400 and above; 429 and 503 with Retry-After are retried. */
  request(method: Dispatcher.HttpMethod, path: string, options: RawOptions = {}): Promise<Answer> {
    return this.#request(method, path, options, text);
  }

  /** The bytes of a GET, which are no text. Throws as `request`. */
  async bytes(path: string, options: RawOptions = {}): Promise<Buffer> {
    return (await this.#request('GET', path, { accept: '*/*', ...options }, buffer)).body;
  }

  async #request<B extends string | Buffer>(
    method: Dispatcher.HttpMethod,
    path: string,
    options: RawOptions,
    read: (body: StreamResponse['body']) => Promise<B>,
  ): Promise<Omit<Answer, 'body'> & { readonly body: B }> {
    const { body, query = {}, accept = 'application/json', contentType = 'application/json' } = options;
    const encoded =
      body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const request = {
      method,
      path: withQuery(path, query),
      headers: { accept, ...(encoded !== undefined && { 'content-type': contentType }), ...options.headers },
      body: encoded,
      headersTimeoutMs: timeoutMs,
      bodyTimeoutMs: timeoutMs,
    };
    const limit = { what: `${method} ${path}`, limitMs: WHOLE_ANSWER * timeoutMs, signal: options.signal };
    for (let attempt = 1; ; attempt++) {
      let answer: Omit<Answer, 'body'> & { readonly body: B };
      const startedAtMs = this.#reachability?.now() ?? 0;
      try {
        answer = await this.#within(limit, async (signal) => {
          const response = await this.#observed(method, this.#transport.send({ ...request, signal }));
          const body = await this.#whole(response, read, signal);
          return { status: response.statusCode, headers: response.headers, body };
        });
      } catch (error) {
        // The server may close a kept-alive connection just as a request is sent on it, or the client has moved.
        if (attempt === 1 && method === 'GET' && isStaleConnection(error)) continue;
        if (error instanceof ConnectionError) this.#failed(startedAtMs, error);
        throw error;
      }
      this.#reachability?.answered();
      if (answer.status < 400) return answer;
      const retryAfterSeconds = Number(answer.headers['retry-after']);
      const isThrottled = (answer.status === 429 || answer.status === 503) && retryAfterSeconds >= 0;
      if (!isThrottled || attempt >= (options.maxAttempts ?? MAX_THROTTLED_ATTEMPTS))
        throw toStatusError({ ...answer, body: String(answer.body) });
      await delay(Math.min(retryAfterSeconds * 1000, MAX_RETRY_AFTER_MS), undefined, { signal: options.signal });
    }
  }

  #failed(startedAtMs: number, error: ConnectionError): void {
    this.#reachability?.failed(startedAtMs, error);
    if (error.code !== MOVED) this.#onUnreachable?.();
  }

  /** Tells the observer of a request that has just been sent. */
  async #observed<R extends { readonly statusCode: number }>(method: string, sent: Promise<R>): Promise<R> {
    if (!this.#observe) return sent;
    const sentAt = performance.now();
    let code: number | undefined;
    try {
      const response = await sent;
      code = response.statusCode;
      return response;
    } finally {
      this.#observe({ method, code, ms: performance.now() - sentAt });
    }
  }

  /** As `withDeadline`, but a timeout is a ConnectionError: the server does not respond. */
  async #within<R>(limit: Deadline, run: (signal: AbortSignal) => Promise<R>): Promise<R> {
    try {
      return await withDeadline(limit, run);
    } catch (error) {
      throw error instanceof DeadlineError ? new ConnectionError(this.server, error) : error;
    }
  }

  async #json<R>(method: Dispatcher.HttpMethod, path: string, options: RawOptions): Promise<R> {
    const { body } = await this.request(method, path, options);
    return this.#parse<R>(body);
  }

  /** A success response that is not JSON does not come from an api-server but from a proxy or login page. */
  #parse<R>(text: string): R {
    try {
      return JSON.parse(text) as R;
    } catch (error) {
      throw new ConnectionError(this.server, error);
    }
  }

  async #whole<B>(
    { body }: Pick<StreamResponse, 'body'>,
    read: (body: StreamResponse['body']) => Promise<B>,
    signal: AbortSignal | undefined,
  ): Promise<B> {
    try {
      return await read(body);
    } catch (error) {
      throw this.#transport.failure(error, signal);
    }
  }

  /**
   * Calls `onEvent` for each event until the server ends the watch, then resolves. Throws StatusError for an ERROR event
   * (such as 410 Expired when the resourceVersion is too old), ConnectionError when the connection breaks.
   */
  async watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
    onEvent: (event: WatchEvent<T>) => void,
  ): Promise<void> {
    const { timeoutSeconds = Math.round(WATCH_TIMEOUT_SECONDS * (1 + Math.random())), signal } = options;
    const limitMs = timeoutSeconds * 1000 + WATCH_MARGIN_MS;
    const startedAtMs = this.#reachability?.now() ?? 0;
    try {
      await this.#within({ what: `the watch of ${resource.plural}`, limitMs, signal }, (within) =>
        this.#watch(resource, { ...options, timeoutSeconds }, within, onEvent),
      );
    } catch (error) {
      if (error instanceof ConnectionError) this.#failed(startedAtMs, error);
      throw error;
    }
  }

  async #watch<T extends KubeObject>(
    resource: Resource<T>,
    { namespace, metadataOnly, silenceLimitMs, signal: _, ...query }: WatchOptions,
    signal: AbortSignal,
    onEvent: (event: WatchEvent<T>) => void,
  ): Promise<void> {
    const sent = this.#transport.stream({
      path: withQuery(resourcePath(resource, namespace), {
        watch: true,
        resourceVersionMatch: query.sendInitialEvents ? 'NotOlderThan' : undefined,
        ...query,
      }),
      headers: { accept: metadataOnly ? PARTIAL : OBJECTS },
      headersTimeoutMs: DEFAULT_TIMEOUT_MS,
      signal,
    });
    const response = await this.#observed('GET', sent);
    this.#reachability?.answered();
    if (response.statusCode !== 200) {
      throw toStatusError({ status: response.statusCode, body: await this.#whole(response, text, signal) });
    }
    const onLine = (line: string): void => {
      if (!line) return;
      // Deliver nothing after the watch was aborted.
      signal.throwIfAborted();
      const event = this.#parse<WatchEvent<T> | { type: 'ERROR'; object: Status }>(line);
      if (event.type === 'ERROR') throw new StatusError(event.object);
      onEvent(event);
    };
    const body = silenceLimitMs ? withSilenceLimit(response.body, silenceLimitMs) : response.body;
    await forEachLine(body, onLine, (error) => this.#transport.failure(error, signal));
    const cutOff = response.cutOff?.();
    if (cutOff) throw this.#transport.failure(cutOff, signal);
  }

  /** Closes all connections; requests in flight reject. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#transport[Symbol.asyncDispose]();
  }
}

function deleteOptions(options: DeleteCallOptions): DeleteOptions {
  const { gracePeriodSeconds, propagationPolicy, uid, resourceVersion } = options;
  return {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    gracePeriodSeconds,
    propagationPolicy,
    ...((uid || resourceVersion) && { preconditions: { uid, resourceVersion } }),
  };
}

const isStaleConnection = (error: unknown): boolean =>
  error instanceof ConnectionError && ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', MOVED].includes(error.code);
