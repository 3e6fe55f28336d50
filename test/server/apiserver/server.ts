/** A real api-server over a real store in its own directory, and a small HTTP client for it. */
import type { ServiceNetwork } from '../../../control-plane/apiserver/storage/allocation/service-allocation.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { kinds } from '../../../api/registry.ts';
import type { Kind } from '../../../api/machinery/kind.ts';
import type { AdmissionPlugin } from '../../../control-plane/apiserver/admission/plugin.ts';
import type { ResolveService } from '../../../control-plane/apiserver/admission/webhooks/webhook-client.ts';
import type { Authorizer } from '../../../control-plane/apiserver/access/authorization/authorizer.ts';
import { openCore, type ApiCore } from '../../../control-plane/apiserver/core.ts';
import type { Authenticator } from '../../../control-plane/apiserver/access/authentication/authenticator.ts';
import type { InFlightLimits } from '../../../control-plane/apiserver/fairness/request-fairness.ts';
import type { ClusterPki } from '../../../control-plane/pki/cluster-pki.ts';
import { serve, type ApiServer, type ServeOptions } from '../../../control-plane/apiserver/server.ts';
import { GROUPED_KEYS, upstreamKeys, type KeyLayout } from '../../../control-plane/apiserver/catalogue/key-layout.ts';
import { openEmbeddedStore } from '../../../control-plane/store/embedded/embedded-store.ts';
import { handlersWith, type SomeHandlers } from '../../support/handlers.ts';
import { Etcd, openTestEtcd } from '../../support/etcd.ts';
import { openTestPki } from '../../support/test-pki.ts';
import type { Store } from '../../../control-plane/store/store.ts';

const nothing = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
export const silent = { ...nothing, child: () => nothing };

export interface Json {
  [key: string]: unknown;
  kind?: string;
  metadata?: Record<string, unknown>;
  items?: Json[];
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Json;
  readonly text: string;
  readonly bytes: Buffer;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly type?: string;
  readonly accept?: string;
  readonly user?: string;
  readonly headers?: Record<string, string | string[]>;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: Json & { metadata: Record<string, unknown> };
}

export interface TestServerOptions {
  readonly directory?: string;
  /** Instead of an embedded one in the directory, or one on etcd where KEDGE_TEST_STORE is `etcd`. */
  readonly store?: Store;
  readonly keys?: KeyLayout;
  readonly kinds?: readonly Kind[];
  readonly handlers?: SomeHandlers;
  readonly admission?: readonly AdmissionPlugin[] | ((core: ApiCore) => readonly AdmissionPlugin[]);
  readonly authorizer?: Authorizer;
  readonly aggregated?: (core: ApiCore, pki: ClusterPki, stopping: AbortSignal) => ServeOptions['aggregated'];
  readonly computed?: (core: ApiCore, stopping: AbortSignal) => ServeOptions['computed'];
  readonly network?: ServiceNetwork;
  readonly eventTtlMs?: number;
  readonly allocationGraceMs?: number;
  /** Where webhooks of services are reached. */
  readonly resolveService?: ResolveService;
  readonly limits?: InFlightLimits;
  readonly auditor?: ServeOptions['auditor'];
  readonly console?: ServeOptions['console'];
  readonly tracer?: ServeOptions['tracer'];
  readonly paths?: ServeOptions['paths'];
  readonly checks?: ServeOptions['checks'];
  /** Whether authentication is asynchronous, as with service account tokens. */
  readonly authenticatesLater?: boolean;
}

const bearer: Authenticator = {
  authenticate: ({ headers }) => {
    const [name = '', groups = ''] = (headers.authorization ?? '').replace('Bearer ', '').split('/');
    return name ? { name, groups: groups.split(',') } : undefined;
  },
};

interface OwnStore {
  readonly store: Store;
  readonly etcd?: Etcd;
}

async function openOwnStore(directory: string): Promise<OwnStore> {
  if (process.env.KEDGE_TEST_STORE !== 'etcd')
    return { store: await openEmbeddedStore({ path: path.join(directory, 'store'), compaction: false }) };
  const etcd = await Etcd.start({ directory: path.join(directory, 'etcd') });
  return { store: await openTestEtcd([etcd.url]), etcd };
}

/** Any bearer token `name/group,group` authenticates that user. */
export class TestServer implements AsyncDisposable {
  readonly directory: string;
  readonly core: ApiCore;
  readonly server: ApiServer;
  readonly ca: string;
  readonly store: Store;
  readonly #etcd: Etcd | undefined;
  readonly #agent: https.Agent;
  readonly #sessions = new Set<http2.ClientHttp2Session>();
  readonly #stopping: AbortController;

  private constructor(
    directory: string,
    { store, etcd }: OwnStore,
    core: ApiCore,
    server: ApiServer,
    ca: string,
    stopping: AbortController,
  ) {
    this.directory = directory;
    this.store = store;
    this.#etcd = etcd;
    this.core = core;
    this.server = server;
    this.ca = ca;
    this.#stopping = stopping;
    this.#agent = new https.Agent({ keepAlive: true, maxSockets: 64, ca });
  }

  static async start(options: TestServerOptions = {}): Promise<TestServer> {
    const directory = options.directory ?? (await mkdtemp(path.join(os.tmpdir(), 'kedge-apiserver-')));
    const pki = await openTestPki(path.join(directory, 'pki'));
    const opened = options.store ? { store: options.store } : await openOwnStore(directory);
    const keys = options.keys ?? (opened.etcd ? upstreamKeys() : GROUPED_KEYS);
    const stopping = new AbortController();
    const { network, eventTtlMs, allocationGraceMs, resolveService } = options;
    const core = await openCore({
      store: opened.store,
      keys,
      kinds: options.kinds ?? kinds,
      logger: silent,
      signal: stopping.signal,
      ...(network && { network }),
      ...(eventTtlMs && { eventTtlMs }),
      ...(allocationGraceMs && { allocationGraceMs }),
      ...(resolveService && { resolveService }),
    });
    const server = await serve({
      core,
      authenticators: [options.authenticatesLater ? { authenticate: async (who) => bearer.authenticate(who) } : bearer],
      authorizer: options.authorizer ?? {
        authorize: ({ groups }) => ({ allowed: groups.includes('system:masters'), reason: '' }),
      },
      admission: (typeof options.admission === 'function' ? options.admission(core) : options.admission) ?? [],
      handlers: handlersWith(options.handlers),
      tls: { cert: pki.serving.certificate, key: pki.serving.key, clientCA: pki.ca.certificate },
      address: '127.0.0.1',
      port: 0,
      ...(options.computed && { computed: options.computed(core, stopping.signal) }),
      ...(options.limits && { limits: options.limits }),
      ...(options.auditor && { auditor: options.auditor }),
      ...(options.console && { console: options.console }),
      ...(options.paths && { paths: options.paths }),
      tracer: options.tracer,
      ...(options.checks && { checks: options.checks }),
      ...(options.aggregated && { aggregated: options.aggregated(core, pki, stopping.signal) }),
      logger: silent,
    });
    return new TestServer(directory, opened, core, server, pki.ca.certificate, stopping);
  }

  call(method: string, target: string, options: CallOptions = {}): Promise<Answer> {
    const { body, type = 'application/json', accept = 'application/json', user = 'admin/system:masters' } = options;
    const data = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const headers: Record<string, string | string[]> = { authorization: `Bearer ${user}`, accept, ...options.headers };
    if (data !== undefined) {
      headers['content-type'] = type;
      headers['content-length'] = String(Buffer.byteLength(data));
    }
    return new Promise((resolve, reject) => {
      const request = https.request(this.url(target), { method, headers, agent: this.#agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const bytes = Buffer.concat(chunks);
          const text = bytes.toString();
          const { 'content-type': sentType, 'content-encoding': encoding } = response.headers;
          const isJson = sentType?.startsWith('application/json') && !encoding;
          const parsed = isJson && text ? (JSON.parse(text) as Json) : {};
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: parsed, text, bytes });
        });
      });
      request.on('error', reject);
      request.end(data);
    });
  }

  /** Events as they arrive; ends when the server ends the watch. Closing the iterator closes the connection. */
  async *watch(target: string, accept = 'application/json'): AsyncGenerator<WatchEvent> {
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const headers = { authorization: 'Bearer admin/system:masters', accept };
      https.get(this.url(target), { headers, agent: false, ca: this.ca }, resolve).on('error', reject);
    });
    let rest = '';
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        const lines = (rest + chunk.toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) yield JSON.parse(line) as WatchEvent;
      }
    } finally {
      response.destroy();
    }
  }

  url(target: string): string {
    return `https://127.0.0.1:${this.server.port}${target}`;
  }

  /** A connection of HTTP/2, which ends before the server does: one that the server ends may be reset. */
  http2(): http2.ClientHttp2Session {
    const session = http2.connect(this.url(''), { ca: this.ca });
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    return session;
  }

  /** Stops the server and keeps its data. */
  async stop(): Promise<void> {
    this.#agent.destroy();
    for (const session of this.#sessions) session.destroy();
    await this.server.close();
    this.#stopping.abort();
    await this.store.close();
    await this.#etcd?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

export const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
export const PODS = '/api/v1/namespaces/default/pods';
export const SERVICES = '/api/v1/namespaces/default/services';

export const configMap = (name: string, more: object = {}) => ({ metadata: { name, ...more }, data: { k: 'v' } });

export const pod = (name: string, spec: object = {}, metadata: object = {}) => ({
  metadata: { name, ...metadata },
  spec: { containers: [{ name: 'c', image: 'example.com/app:1' }], ...spec },
});

/** Reads events up to the first that matches the predicate. */
export async function take<T>(events: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  if (count > 0) {
    for await (const event of events) {
      taken.push(event);
      if (taken.length === count) break;
    }
  }
  return taken;
}
