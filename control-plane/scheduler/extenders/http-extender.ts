/**
 * One extender: a webhook that filters and scores nodes, chooses victims or binds, as upstream calls it
 * (https://github.com/kubernetes/design-proposals-archive/blob/main/scheduling/scheduler_extender.md). Its host, its answers and the time
 * that it takes are not trusted.
 */
import { parseDuration } from '../../../api/machinery/duration.ts';
import { isJsonObject, own } from '../../../api/machinery/own.ts';
import type { Extender } from '../../../api/types/kubescheduler/v1.gen.ts';
import { withDeadline } from '../../../client/deadline.ts';
import { Transport, type TransportOptions } from '../../../client/transport.ts';
import type { PodInfo } from '../framework/pod-info.ts';

/** Upstream's DefaultExtenderTimeout. */
const DEFAULT_TIMEOUT_MS = 5_000;
/** 5,000 nodes as whole objects. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const CONNECTIONS = 4;

export type Answer = Readonly<Record<string, unknown>>;

/** The extender was not reached, or has not answered as it should. The message names it. */
export class ExtenderError extends Error {
  override readonly name = 'ExtenderError';
}

export class HttpExtender implements AsyncDisposable {
  readonly config: Extender;
  readonly #transport: Transport;
  readonly #path: string;
  readonly #timeoutMs: number;
  readonly #managed: ReadonlySet<string>;

  /** @param config with the data of its certificates, not the names of their files */
  constructor(config: Extender) {
    this.config = config;
    const { origin, pathname } = new URL(config.urlPrefix);
    this.#transport = new Transport({
      ...tlsOf(config),
      server: origin,
      userAgent: 'kube-scheduler',
      maxConnections: CONNECTIONS,
    });
    this.#path = pathname.replace(/\/+$/, '');
    this.#timeoutMs = parseDuration(config.httpTimeout ?? '0') || DEFAULT_TIMEOUT_MS;
    this.#managed = new Set(config.managedResources?.map(({ name }) => name));
  }

  /** Whether it has a say in the pod: it asks for a resource that the extender manages, or it manages none in particular. */
  isInterested({ requests }: PodInfo): boolean {
    return this.#managed.size === 0 || Object.keys(requests.extended).some((name) => this.#managed.has(name));
  }

  /** Posts the arguments and returns the parsed answer. Throws ExtenderError, or the signal's reason. */
  async call(verb: string, args: object, signal: AbortSignal): Promise<unknown> {
    const what = `${verb} of extender ${this.config.urlPrefix}`;
    try {
      return await withDeadline({ what, limitMs: this.#timeoutMs, signal }, (inner) => this.#post(verb, args, inner));
    } catch (error) {
      if (signal.aborted || error instanceof ExtenderError) throw error;
      throw new ExtenderError(`${what} failed: ${(error as Error).message}`, { cause: error });
    }
  }

  async #post(verb: string, args: object, signal: AbortSignal): Promise<unknown> {
    const { statusCode, body } = await this.#transport.send({
      method: 'POST',
      path: `${this.#path}/${verb}`,
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(args),
      headersTimeoutMs: this.#timeoutMs,
      bodyTimeoutMs: this.#timeoutMs,
      signal,
    });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > MAX_ANSWER_BYTES) throw new ExtenderError(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`);
      chunks.push(chunk);
    }
    if (statusCode !== 200)
      throw new ExtenderError(`failed ${verb} with extender at URL ${this.config.urlPrefix}, code ${statusCode}`);
    try {
      return JSON.parse(Buffer.concat(chunks).toString());
    } catch (error) {
      throw new ExtenderError(`${verb} of extender ${this.config.urlPrefix}: the answer is not JSON`, { cause: error });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#transport[Symbol.asyncDispose]();
  }
}

function tlsOf({ tlsConfig = {}, enableHTTPS }: Extender): Partial<TransportOptions> {
  const { caData, certData, keyData, serverName, insecure = false } = tlsConfig;
  const pem = (data: string): Buffer => Buffer.from(data, 'base64');
  return {
    ...(caData && { ca: pem(caData) }),
    ...(certData && { cert: pem(certData) }),
    ...(keyData && { key: pem(keyData) }),
    ...(serverName && { serverName }),
    // As upstream: `enableHTTPS` without a CA verifies nothing.
    insecureSkipTlsVerify: insecure || (enableHTTPS === true && !caData),
  };
}

/** A field of an answer: Go, in which extenders are written, does not mind the case of its name. */
export function fieldOf(answer: unknown, name: string): unknown {
  if (!isJsonObject(answer)) return undefined;
  const exact = own(answer, name);
  if (exact !== undefined) return exact;
  const lower = name.toLowerCase();
  const key = Object.keys(answer).find((candidate) => candidate.toLowerCase() === lower);
  return key === undefined ? undefined : own(answer, key);
}
