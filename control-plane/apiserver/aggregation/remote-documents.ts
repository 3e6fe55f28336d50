/**
 * The OpenAPI documents of other servers. Version 2 is kept, since it becomes a part of this server's; of version 3 only the hash is
 * known, and a document is fetched when it is asked for. They are refreshed with the checks of availability; a server that does not
 * answer keeps what it had.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { Extent } from '../../../api/machinery/extent.ts';
import { openApiV3OfV2 } from '../../../api/machinery/openapi/convert.ts';
import { openApiV2Protobuf } from '../../../api/machinery/openapi/protobuf.ts';
import { isJsonObject, own } from '../../../api/machinery/own.ts';
import { serviceUnavailable } from '../../../api/machinery/status-error.ts';
import { withDeadline } from '../../../client/deadline.ts';
import type { Logger } from '../../../client/logger.ts';
import type { KeyPair } from '../../pki/pem-files.ts';
import { mergeSpecs, remoteSpec, type RemoteOpenApi, type RemoteSpec } from '../documents/remote-openapi.ts';
import { backendUrl, dialFailure } from '../nodes/backend.ts';
import { sendRequest } from '../nodes/relay.ts';
import { remoteUserHeaders } from './aggregation-proxy.ts';
import { AGGREGATOR } from './availability.ts';
import { boundedBody } from '../nodes/bounded-body.ts';
import { remoteBackend, type RemoteApi, type RemoteApis, type ResolveService } from './remote-apis.ts';

const LIMIT_MS = 10_000;
/** The index names one document for each group version. */
const MAX_INDEX_BYTES = 1024 * 1024;
const MAX_V2_BYTES = 4 * 1024 * 1024;
const MAX_V3_BYTES = 8 * 1024 * 1024;
const MAX_HASH_CHARS = 256;

interface Known {
  /** Undefined where the server has no version 2. */
  spec?: RemoteSpec | undefined;
  /** The ETag of version 2. */
  tag?: string | undefined;
  /** Undefined where the server has no version 3, and none can be made of version 2. */
  hash?: string | undefined;
  /** Version 3, made of version 2 where the server has only that. */
  converted?: Buffer | undefined;
}

export interface RemoteDocumentsOptions {
  readonly apis: RemoteApis;
  readonly resolve: ResolveService;
  readonly identity: () => KeyPair;
  readonly logger: Pick<Logger, 'warn'>;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
}

export class RemoteDocuments implements RemoteOpenApi {
  readonly #options: RemoteDocumentsOptions;
  readonly #known = new Map<string, Known>();
  readonly #running = new Set<string>();
  readonly #failures = new Map<string, string>();
  #revision = 0;

  constructor(options: RemoteDocumentsOptions) {
    this.#options = options;
    options.apis.onChange((name) => {
      if (options.apis.get(name)) return;
      this.#failures.delete(name);
      if (this.#known.delete(name)) this.#revision++;
    });
  }

  get revision(): number {
    return this.#revision;
  }

  specs(): RemoteSpec[] {
    return this.#options.apis.byPriority().flatMap(({ name }) => this.#known.get(name)?.spec ?? []);
  }

  hashes(): Map<string, string> {
    const hashes = new Map<string, string>();
    for (const remote of this.#options.apis.byPriority()) {
      const hash = this.#known.get(remote.name)?.hash;
      if (hash !== undefined) hashes.set(documentName(remote), hash);
    }
    return hashes;
  }

  document(name: string): Promise<Buffer> | undefined {
    const [, group = '', version = ''] = name.split('/');
    const remote = this.#options.apis.find(group, version);
    if (!remote || documentName(remote) !== name) return undefined;
    const { hash, converted } = this.#known.get(remote.name) ?? {};
    if (hash === undefined) return undefined;
    if (converted) return Promise.resolve(converted);
    return this.#fetched(remote, `/openapi/v3/${name}`);
  }

  /** Reads the documents of a server again, in the background. Never throws. */
  refresh(remote: RemoteApi): void {
    if (this.#running.has(remote.name)) return;
    this.#running.add(remote.name);
    this.#read(remote)
      .then(
        () => this.#failures.delete(remote.name),
        (error: unknown) => this.#failed(remote.name, error),
      )
      .finally(() => this.#running.delete(remote.name));
  }

  /** A failure that repeats is logged once. */
  #failed(apiService: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (this.#options.signal.aborted || this.#failures.get(apiService) === message) return;
    this.#failures.set(apiService, message);
    this.#options.logger.warn({ err: error, apiService }, 'failed to read OpenAPI of API service');
  }

  async #read(remote: RemoteApi): Promise<void> {
    const before = this.#known.get(remote.name) ?? {};
    const known = { ...before };
    try {
      let isLegacy = false;
      known.hash = await this.#get(remote, '/openapi/v3', {}, async (answer) => {
        isLegacy = answer.statusCode === 404;
        return answer.statusCode === 200 ? hashIn(await boundedJson(answer, MAX_INDEX_BYTES), remote) : undefined;
      });
      const tag = before.tag === undefined ? {} : { 'if-none-match': before.tag };
      await this.#get(remote, '/openapi/v2', tag, async (answer) => {
        if (answer.statusCode === 304) return;
        known.spec = undefined;
        known.tag = undefined;
        if (answer.statusCode !== 200) return;
        known.spec = specIn(await boundedJson(answer, MAX_V2_BYTES), remote);
        known.tag = answer.headers.etag;
      });
      convertLegacy(known, before, isLegacy);
    } finally {
      const isGone = !this.#options.apis.get(remote.name);
      const isSame = known.hash === before.hash && known.spec === before.spec;
      if (!isGone) this.#known.set(remote.name, known);
      if (!isGone && !isSame) this.#revision++;
    }
  }

  async #fetched(remote: RemoteApi, path: string): Promise<Buffer> {
    try {
      return await this.#get(remote, path, {}, async (answer) => {
        if (answer.statusCode !== 200) throw new Error(`it has answered with ${answer.statusCode}`);
        const document = await boundedJson(answer, MAX_V3_BYTES);
        if (isJsonObject(document) && own(document, 'openapi') !== undefined)
          return Buffer.from(JSON.stringify(document));
        throw new Error('the document is no OpenAPI v3');
      });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw serviceUnavailable(`error trying to reach service: ${why}`);
    }
  }

  async #get<T>(
    remote: RemoteApi,
    path: string,
    more: OutgoingHttpHeaders,
    read: (answer: IncomingMessage) => Promise<T>,
  ): Promise<T> {
    const { resolve, identity, signal } = this.#options;
    const backend = remoteBackend(remote, resolve, identity());
    const url = backendUrl(backend, path, '');
    const headers = { accept: 'application/json', ...more, ...remoteUserHeaders(AGGREGATOR) };
    return withDeadline({ what: `GET ${url.href}`, limitMs: LIMIT_MS, signal }, async (callee) => {
      const answer = await sendRequest({ backend, url, method: 'GET', headers, signal: callee }).catch(
        (error: unknown) => {
          throw new Error(dialFailure(backend, error), { cause: error });
        },
      );
      try {
        return await read(answer);
      } finally {
        answer.destroy();
      }
    });
  }
}

/** As upstream, a server that answers 404 for version 3 has a version 3 that is made of its version 2. */
function convertLegacy(known: Known, before: Known, isLegacy: boolean): void {
  if (!isLegacy || !known.spec) {
    known.converted = undefined;
    return;
  }
  if (!known.converted || known.spec !== before.spec)
    known.converted = Buffer.from(JSON.stringify(openApiV3OfV2(known.spec)));
  known.hash = createHash('sha512').update(known.converted).digest('hex').toUpperCase();
}

const documentName = ({ group, version }: RemoteApi): string => `apis/${group}/${version}`;

async function boundedJson(answer: IncomingMessage, maxBytes: number): Promise<unknown> {
  const document: unknown = JSON.parse((await boundedBody(answer, maxBytes, 'the OpenAPI document')).toString());
  Extent.of(document);
  return document;
}

/** The hash of the group version's own document, as the server's index has it. */
function hashIn(index: unknown, remote: RemoteApi): string | undefined {
  const paths = isJsonObject(index) ? own(index, 'paths') : undefined;
  const item = isJsonObject(paths) ? own(paths, documentName(remote)) : undefined;
  const url = isJsonObject(item) ? own(item, 'serverRelativeURL') : undefined;
  if (typeof url !== 'string' || !URL.canParse(url, 'https://x')) return undefined;
  const hash = new URL(url, 'https://x').searchParams.get('hash') ?? '';
  return encodeURIComponent(hash.slice(0, MAX_HASH_CHARS));
}

/** Throws an Error for a document that cannot be a part of this server's. */
function specIn(document: unknown, { group, version }: RemoteApi): RemoteSpec {
  const spec = remoteSpec(group, version, document);
  openApiV2Protobuf(mergeSpecs({ paths: {}, definitions: {} }, [spec]));
  return spec;
}
